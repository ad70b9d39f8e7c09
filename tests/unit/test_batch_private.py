"""What makes a folder, a file or a socket this user's alone; the rules, on what ``lstat`` may say."""

import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bandit.errors import SurroundingsError
from batch.store.private_files import (
    ancestor_fault,
    check_runtime,
    file_fault,
    make_private,
    open_private,
    peer_of,
    private_fault,
)

ME, ROOT, OTHER = 1000, 0, 1001
FOLDER, LINK, FILE, PIPE, SOCKET, DEVICE = (
    stat.S_IFDIR,
    stat.S_IFLNK,
    stat.S_IFREG,
    stat.S_IFIFO,
    stat.S_IFSOCK,
    stat.S_IFBLK,
)


def found(kind: int, mode: int, uid: int, names: int = 1) -> os.stat_result:
    return os.stat_result((kind | mode, 1, 1, names, uid, uid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("kind", "mode", "uid", "fault"),
    [
        (FOLDER, 0o700, ME, None),
        (FOLDER, 0o500, ME, None),
        (FOLDER, 0o1700, ME, None),
        (FOLDER, 0o710, ME, "open to other users (mode 710"),
        (FOLDER, 0o701, ME, "open to other users"),
        (FOLDER, 0o1777, ME, "open to other users"),
        (FOLDER, 0o700, OTHER, "another user (uid 1001)"),
        (FOLDER, 0o700, ROOT, "another user (uid 0)"),
        (LINK, 0o777, ME, "is a link"),
        (LINK, 0o777, OTHER, "is a link"),
        (FILE, 0o600, ME, "is not a folder"),
        (PIPE, 0o600, ME, "is not a folder"),
        (SOCKET, 0o700, ME, "is not a folder"),
    ],
)
def test_a_private_folder_is_a_real_one_of_this_user_alone(kind: int, mode: int, uid: int, fault: str | None) -> None:
    said = private_fault(found(kind, mode, uid), ME)
    assert (said is None) == (fault is None), said
    assert (fault or "") in (said or "")


@pytest.mark.parametrize(
    ("kind", "mode", "uid", "fault"),
    [
        (FOLDER, 0o755, ROOT, None),
        (FOLDER, 0o1777, ROOT, None),  # /tmp
        (FOLDER, 0o700, ME, None),  # /run/user/1000
        (FOLDER, 0o1777, ME, None),
        (FOLDER, 0o777, ROOT, "without the sticky bit"),
        (FOLDER, 0o775, ROOT, "without the sticky bit"),
        (FOLDER, 0o722, ME, "without the sticky bit"),
        (FOLDER, 0o755, OTHER, "another user (uid 1001), who could replace"),
        (FOLDER, 0o1777, OTHER, "another user (uid 1001), who could replace"),  # its owner may, sticky or not
        (LINK, 0o777, ROOT, "is a link"),
        (FILE, 0o644, ROOT, "is not a folder"),
    ],
)
def test_only_this_user_and_root_could_replace_what_is_in_a_folder_above(
    kind: int, mode: int, uid: int, fault: str | None
) -> None:
    said = ancestor_fault(found(kind, mode, uid), ME)
    assert (said is None) == (fault is None), said
    assert (fault or "") in (said or "")


@pytest.mark.parametrize(
    ("kind", "uid", "names", "fault"),
    [
        (FILE, ME, 1, None),
        (FILE, ME, 2, "has 2 names"),
        (FILE, ROOT, 1, "another user (uid 0)"),
        (FILE, OTHER, 1, "another user (uid 1001)"),
        (LINK, ME, 1, "is a link"),
        (PIPE, ME, 1, "is not a plain file"),
        (SOCKET, ME, 1, "is not a plain file"),
        (DEVICE, ME, 1, "is not a plain file"),
        (FOLDER, ME, 2, "is not a plain file"),
    ],
)
def test_a_private_file_is_a_plain_one_with_one_name(kind: int, uid: int, names: int, fault: str | None) -> None:
    said = file_fault(found(kind, 0o600, uid, names), ME)
    assert (said is None) == (fault is None), said
    assert (fault or "") in (said or "")


# --- on a real disk ----------------------------------------------------------------------------------------------------


@pytest.fixture
def base() -> Iterator[Path]:
    """A short folder of this user alone."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def runtime_in(base: Path) -> Path:
    folder = base / "artwork-bandit-0" / "name"
    for path in (folder.parent, folder):
        make_private(path)
    return folder


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777], ids=oct)
def test_a_folder_is_made_private_whatever_the_umask(umask: int, base: Path) -> None:
    before = os.umask(umask)
    try:
        make_private(base / "made")
    finally:
        os.umask(before)
    assert stat.S_IMODE((base / "made").stat().st_mode) == 0o700


def test_a_runtime_folder_of_this_user_is_trusted_and_one_that_is_not_there_is_not_there(base: Path) -> None:
    assert not check_runtime(base / "artwork-bandit-0" / "name")
    assert check_runtime(runtime_in(base))


def link_to_itself_elsewhere(path: Path) -> None:
    path.rename(path.parent / "real")
    path.symlink_to(path.parent / "real")


def put_a_file(path: Path) -> None:
    path.rmdir()
    path.touch()


def put_a_pipe_above(path: Path) -> None:
    path.rmdir()
    path.parent.rmdir()
    os.mkfifo(path.parent)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "the folder is open to the group": (lambda f: f.chmod(0o750), "is open to other users"),
    "its parent is open to others": (lambda f: f.parent.chmod(0o711), "is open to other users"),
    "others may rename in what is above": (lambda f: f.parent.parent.chmod(0o777), "without the sticky bit"),
    "the folder is a link": (link_to_itself_elsewhere, "is a link"),
    "its parent is a link": (lambda f: link_to_itself_elsewhere(f.parent), "is a link"),
    "the folder is a file": (put_a_file, "is not a folder"),
    "its parent is a pipe": (put_a_pipe_above, "is not a folder"),
}


@pytest.mark.parametrize(("change", "fault"), CHANGES.values(), ids=CHANGES.keys())
def test_a_runtime_folder_that_others_could_be_behind_is_refused(
    change: Callable[[Path], object], fault: str, base: Path
) -> None:
    folder = runtime_in(base)
    change(folder)
    with pytest.raises(SurroundingsError, match=rf"{fault}.*; nothing was read from or sent to it: .*XDG_RUNTIME_DIR"):
        check_runtime(folder)


def test_the_kernel_tells_who_listens_at_a_socket(base: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(base / "s"))
        assert peer_of(base / "s") is None  # it is bound, and nobody listens yet
        listener.listen()
        assert peer_of(base / "s") == (os.getpid(), os.getuid())
    assert peer_of(base / "s") is None
    assert peer_of(base / "nowhere") is None


def test_a_link_to_a_socket_is_not_followed(base: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(base / "s"))
        listener.listen()
        (base / "link").symlink_to(base / "s")
        with pytest.raises(SurroundingsError, match="link is a link; remove it"):
            peer_of(base / "link")
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has come
            listener.accept()


def test_a_file_in_place_of_a_socket_is_named(base: Path) -> None:
    (base / "s").touch()
    with pytest.raises(SurroundingsError, match="s is no socket; remove it"):
        peer_of(base / "s")


def test_a_server_that_takes_no_connection_is_named_and_not_waited_for(base: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(str(base / "s"))
        listener.listen(0)
        first.connect(str(base / "s"))
        with pytest.raises(SurroundingsError, match="takes no connection"):
            peer_of(base / "s")


@pytest.mark.parametrize("umask", [0o000, 0o777], ids=oct)
def test_a_file_is_opened_private_whatever_the_umask_and_not_truncated(umask: int, base: Path) -> None:
    path = base / "log"
    before = os.umask(umask)
    try:
        for what in (b"one", b"two"):
            handle = open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            os.write(handle, what)
            os.close(handle)
    finally:
        os.umask(before)
    assert path.read_bytes() == b"onetwo"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


IN_PLACE_OF_A_FILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link": (lambda p: p.symlink_to(p.parent / "victim"), "is a link"),
    "a link to nothing": (lambda p: p.symlink_to(p.parent / "nothing"), "is a link"),
    "a link to itself": (lambda p: p.symlink_to(p), "is a link"),
    "a second name": (lambda p: p.hardlink_to(p.parent / "victim"), "has 2 names"),
    "a pipe": (os.mkfifo, "is not a plain file"),
    "a folder": (lambda p: p.mkdir(), "Is a directory"),
    "a socket": (bind, "cannot be opened"),
}


@pytest.mark.parametrize(("put", "fault"), IN_PLACE_OF_A_FILE.values(), ids=IN_PLACE_OF_A_FILE.keys())
def test_what_is_no_private_file_is_neither_opened_nor_changed(
    put: Callable[[Path], object], fault: str, base: Path
) -> None:
    (base / "victim").write_bytes(b"kept")
    put(base / "lock")
    with pytest.raises(SurroundingsError, match=f"{fault}.*; remove it"):
        open_private(base / "lock", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    assert (base / "victim").read_bytes() == b"kept"
    assert not (base / "nothing").exists()
