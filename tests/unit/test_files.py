"""Files that are whole or absent, whoever writes them."""

import os
import shutil
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from bandit.errors import SurroundingsError
from bandit.files import remove_temporaries, replace_file


def write(
    path: Path,
    text: str = "new",
    mode: int | None = None,
    error: BaseException | None = None,
    *,
    synced: bool = True,
) -> None:
    with replace_file(path, mode, synced=synced) as temporary:
        temporary.write_text(text)
        if error is not None:
            raise error


def test_a_file_takes_the_place_of_another_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    for text in ("old", "new"):
        write(tmp_path / "deep" / "file", text)
    assert [path.read_text() for path in (tmp_path / "deep").iterdir()] == ["new"]


@pytest.mark.parametrize("error", [ValueError("half way"), KeyboardInterrupt(), SystemExit(1)])
def test_whatever_breaks_off_a_writer_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "file"
    write(path, "old")
    with pytest.raises(type(error)):
        write(path, "half", error=error)
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("file", "old")]


def test_a_disk_that_refuses_in_the_middle_is_the_surroundings_fault(tmp_path: Path) -> None:
    with pytest.raises(SurroundingsError, match=r"cannot write .*file: No space left"):
        write(tmp_path / "file", "half", error=OSError(28, os.strerror(28)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666])
def test_a_file_gets_the_permissions_that_were_asked_for(tmp_path: Path, mode: int) -> None:
    write(tmp_path / "file", mode=mode)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        os.chdir(path.parent)  # a short path
        bound.bind(path.name)


NO_FILES: dict[str, Callable[[Path], object]] = {
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "socket": bind,
    "link to a device": lambda path: path.symlink_to("/dev/null"),
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_not_replaced(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # and back
    path = tmp_path / "there"
    NO_FILES[kind](path)
    before = path.lstat().st_ino
    with pytest.raises(SurroundingsError, match="there: it is no file"):
        write(path)
    assert path.lstat().st_ino == before


@pytest.mark.parametrize("path", ["/proc/self/file", "/dev/null/file", f"/proc/{'n' * 300}"])
def test_a_place_that_takes_no_file_is_told_on_one_line(path: str) -> None:
    with pytest.raises(SurroundingsError, match=r"^cannot write [^\n]*; check the folder's permissions and the disk$"):
        write(Path(path))


def test_what_is_not_synced_is_whole_or_absent_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, "old")
    with pytest.raises(ValueError, match="half way"):
        write(path, "half", error=ValueError("half way"), synced=False)
    assert [entry.read_text() for entry in tmp_path.iterdir()] == ["old"]
    write(path, synced=False)
    assert [entry.read_text() for entry in tmp_path.iterdir()] == ["new"]


def test_of_a_writer_that_was_killed_alone_the_leftovers_are_removed(tmp_path: Path) -> None:
    with replace_file(tmp_path / "file") as temporary:
        temporary.write_text("new")
        shutil.copyfile(temporary, tmp_path / temporary.name.replace("file", "other"))
    for name in ("kept.tmp", ".kept", "kept"):
        (tmp_path / name).touch()
    remove_temporaries(tmp_path)
    remove_temporaries(tmp_path / "gone")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".kept", "file", "kept", "kept.tmp"]
