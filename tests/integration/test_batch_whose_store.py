"""Whose store it is: another local user, another workspace and another process get nothing of it, and it gets nothing of them."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from shell import assert_refused, call, runtime_folder

from bandit.errors import SurroundingsError
from batch.store.client import URL_VARIABLE, connect
from batch.store.embedded import start_store, stop_store, store_pid
from batch.store.server import socket_of

STRANGER = 65534
as_root = pytest.mark.skipif(
    os.getuid() != 0, reason="only root can become another user; the rules are tested in unit/"
)

BECOME = f"""
import os, socket, sys
os.setgroups([])
os.setgid({STRANGER})
os.setuid({STRANGER})
os.umask(0)
"""
LISTEN = """
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("listening", flush=True)
while True:
    listener.accept()
    print("somebody came", flush=True)
"""
REACH = """
for what in (lambda: os.listdir(sys.argv[1]), lambda: socket.socket(socket.AF_UNIX).connect(sys.argv[2])):
    try:
        what()
        print("reached")
    except PermissionError:
        print("refused")
"""
# Imported before, because another user may not be able to read this Python.
ASK = (
    "from pathlib import Path; from bandit.errors import SurroundingsError;"
    " from batch.store.embedded import running_store, start_store, stop_store"
    + BECOME
    + """
for what in (start_store, stop_store, running_store):
    try:
        what(Path(sys.argv[1]))
    except SurroundingsError as error:
        print(error)
"""
)


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with runtime_folder() as folder:
        monkeypatch.delenv(URL_VARIABLE, raising=False)
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "w").mkdir()
    yield tmp_path / "w"
    with suppress(SurroundingsError):  # what a test put in place of a file
        stop_store(tmp_path / "w")


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder like /tmp, in which every user may make folders."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


def as_stranger(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run some Python as another user, who has no other rights."""
    return subprocess.run(
        [sys.executable, "-c", BECOME + code, *words], capture_output=True, text=True, check=True, timeout=30, cwd="/"
    )


@contextmanager
def server_of_a_stranger(path: Path) -> Iterator[Callable[[], str]]:
    """A server of another user at a socket; yields what ends it and tells what it saw after it listened."""
    command = [sys.executable, "-c", BECOME + LISTEN, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="/") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"

        def end() -> str:
            process.kill()
            assert process.stdout is not None
            return process.stdout.read()

        try:
            yield end
        finally:
            process.kill()


def make_by_stranger(path: Path) -> None:
    as_stranger("os.makedirs(sys.argv[1], mode=0o755)", str(path))


COMMANDS = [
    ("store", "start"),
    ("generations", "list"),
    ("serve", "--port", "0"),
    ("store", "rebuild"),
]


@as_root
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_server_in_a_folder_that_another_user_made_first_is_never_connected_to(
    words: tuple[str, ...], root: Path, shared: Path
) -> None:
    (root / "store").mkdir()
    socket = socket_of(root / "store")
    make_by_stranger(socket.parent)
    with server_of_a_stranger(socket) as end:
        answer = call(*words, "-w", str(root))
        assert_refused(answer, 3, f"{socket.parent.parent} belongs to another user (uid {STRANGER})", "XDG_RUNTIME_DIR")
        assert call("store", "status", "-w", str(root)).out.startswith("the store does not run")
        assert call("store", "stop", "-w", str(root)).out == "no embedded store runs for this workspace\n"
        assert end() == ""


@as_root
def test_a_server_behind_a_link_that_another_user_made_is_never_connected_to(root: Path, shared: Path) -> None:
    (root / "store").mkdir()
    socket = socket_of(root / "store")
    make_by_stranger(shared / "theirs" / socket.parent.name)
    as_stranger("os.symlink(*sys.argv[1:])", str(shared / "theirs"), str(socket.parent.parent))
    with server_of_a_stranger(shared / "theirs" / socket.parent.name / socket.name) as end:
        assert_refused(call("store", "start", "-w", str(root)), 3, "is a link, expected a folder")
        assert end() == ""


@as_root
def test_a_folder_that_another_user_puts_in_the_place_of_a_running_store_is_never_connected_to(
    root: Path, shared: Path
) -> None:
    """Without the sticky bit anybody may rename what is in a folder; the record still names the socket."""
    store = start_store(root)
    socket = socket_of(root / "store")
    shared.chmod(0o777)
    as_stranger("os.rename(*sys.argv[1:])", str(socket.parent.parent), str(shared / "old"))
    make_by_stranger(socket.parent)
    with server_of_a_stranger(socket) as end:
        for words in (("generations", "list"), ("store", "status"), ("store", "start"), ("serve", "--port", "0")):
            assert_refused(call(*words, "-w", str(root)), 3, "nothing was read from or sent to it")
        assert end() == ""
    shared.chmod(0o1777)
    shutil.rmtree(socket.parent.parent)
    (shared / "old").rename(socket.parent.parent)
    assert store_pid(root) == store.pid


@as_root
def test_a_server_of_another_user_in_a_folder_of_ones_own_is_not_spoken_to(root: Path, runtime: Path) -> None:
    """It cannot come there by itself; the kernel's word on who listens is asked all the same."""
    store = start_store(root)
    socket = socket_of(root / "store")
    for path in (runtime, socket.parent.parent, socket.parent):
        path.chmod(0o777)
    socket.rename(socket.with_name("ours"))
    with server_of_a_stranger(socket):
        for path in (socket.parent, socket.parent.parent, runtime):
            path.chmod(0o700)
        assert_refused(call("generations", "list", "-w", str(root)), 3, f"belongs to another user (uid {STRANGER})")
    socket.unlink()
    socket.with_name("ours").rename(socket)
    assert store_pid(root) == store.pid


@as_root
def test_another_user_can_neither_read_the_data_nor_reach_the_socket(root: Path, shared: Path) -> None:
    before = os.umask(0)
    try:
        start_store(root)
    finally:
        os.umask(before)
    for path in (root.parent, *root.parents[1:4]):
        path.chmod(path.stat().st_mode | 0o055)  # pytest's own folders are private
    reached = as_stranger(REACH, str(root / "store"), str(socket_of(root / "store")))
    assert reached.stdout.split() == ["refused", "refused"]


@as_root
def test_the_store_of_another_user_is_one_line(root: Path) -> None:
    start_store(root)
    for path in (root.parent, *root.parents[1:4]):
        path.chmod(path.stat().st_mode | 0o055)
    asked = subprocess.run(
        [sys.executable, "-c", ASK, str(root)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    why = f"{root}/store belongs to another user (uid 0), whose store this is; use a workspace of your own, or set "
    assert [line.startswith(why) for line in asked.stdout.splitlines()] == [True] * 3, asked.stdout
    assert store_pid(root) is not None


# --- links, pipes and modes, which need no other user ------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o777], ids=oct)
def test_the_store_is_private_whatever_the_umask(umask: int, root: Path) -> None:
    before = os.umask(umask)
    try:
        with connect(start_store(root).url) as client:
            client.set("art:test", "x")
            client.bgrewriteaof()
            while client.info("persistence")["aof_rewrite_in_progress"]:
                pass
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in [root / "store", *(root / "store").rglob("*")]}
    assert {path.name: oct(mode) for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}
    socket = socket_of(root / "store")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (socket.parent.parent, socket.parent)] == [0o700, 0o700]


def test_a_store_that_was_open_to_others_is_closed_when_it_is_started(root: Path) -> None:
    start_store(root)
    stop_store(root)
    for path in [root / "store", *(root / "store").rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    start_store(root)
    modes = {stat.S_IMODE(path.lstat().st_mode) for path in [root / "store", *(root / "store").rglob("*")]}
    assert modes == {0o700, 0o600}


@pytest.mark.parametrize("name", ["lock", "valkey.log", "server.json", "appendonlydir/appendonly.aof.manifest"])
@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to], ids=["a link", "a second name"])
def test_a_link_in_place_of_a_file_of_the_store_is_refused_and_what_it_names_stays_as_it_was(
    name: str, link: Callable[[Path, Path], None], root: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    victim.chmod(0o644)
    path = root / "store" / name
    path.parent.mkdir(parents=True)
    link(path, victim)
    before = victim.stat()
    with pytest.raises(SurroundingsError, match=r"is a link, expected a file|has 2 names"):
        start_store(root)
    assert (victim.read_text(), victim.stat().st_mode) == ("precious", before.st_mode)


def test_a_copy_by_hard_links_stops_no_store_that_runs_and_is_refused_a_start(root: Path, tmp_path: Path) -> None:
    """Two servers that append to one file would ruin it for both."""
    store = start_store(root)
    copy = tmp_path / "linked"
    shutil.copytree(root, copy, copy_function=os.link, ignore=shutil.ignore_patterns("*.sock"))
    assert store_pid(root) == store.pid
    assert store_pid(copy) is None
    with pytest.raises(SurroundingsError, match=r"lock has 2 names \(hard links\)"):
        start_store(copy)
    assert stop_store(root) == store.pid
    with pytest.raises(SurroundingsError, match="has 2 names"):
        start_store(root)


def test_a_pipe_in_place_of_the_lock_is_refused_and_nobody_waits(root: Path) -> None:
    (root / "store").mkdir()
    os.mkfifo(root / "store" / "lock")
    with pytest.raises(SurroundingsError, match="lock is not a plain file; remove it"):
        start_store(root)


@pytest.mark.parametrize("name", ["store", "store/appendonlydir"])
def test_a_link_in_place_of_a_folder_of_the_store_is_refused(name: str, root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SurroundingsError, match=f"{name} is a link"):
        start_store(root)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_runtime_folder_that_is_open_to_others_is_refused(root: Path, runtime: Path) -> None:
    (runtime / f"artwork-bandit-{os.getuid()}").mkdir(mode=0o755)
    with pytest.raises(SurroundingsError, match="is open to other users"):
        start_store(root)


def test_a_parent_in_which_others_may_rename_is_refused(root: Path, runtime: Path) -> None:
    runtime.chmod(0o777)
    with pytest.raises(SurroundingsError, match=f"{runtime} lets other users replace what is in it"):
        start_store(root)


@pytest.mark.parametrize("value", ["run", "./run", "", "/nowhere/at/all", "/dev/null", "/" + "r" * 300, "/\udcff"])
def test_a_runtime_folder_that_cannot_be_meant_gives_way_to_the_temporary_folder(
    value: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", value)
    with tempfile.TemporaryDirectory() as temporary:
        monkeypatch.setenv("TMPDIR", temporary)
        store = start_store(root)
        assert store.url.startswith(f"unix://{temporary}/artwork-bandit-")
        stop_store(root)
