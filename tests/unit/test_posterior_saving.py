"""Posteriors are written whole or not at all, and what stands in the way is told on one line."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from without_rights import without_rights

from bandit.errors import BanditError, InputError, SurroundingsError
from bandit.posterior import BetaPosterior, LinearPosterior, LogisticPosterior, SharedPosterior

KINDS: dict[str, Callable[[], Any]] = {
    "beta": lambda: BetaPosterior([0, 0]),
    "linear": lambda: LinearPosterior(2, 1),
    "logistic": lambda: LogisticPosterior(2, 1),
    "shared": lambda: SharedPosterior([[1.0], [2.0]], 1, n_draws=2),
    "laplace": lambda: LogisticPosterior(2, 1).fitted,
    "shared weights": lambda: SharedPosterior([[1.0], [2.0]], 1, n_draws=2).fitted,
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
@pytest.mark.parametrize("form", [str, Path])
def test_a_path_is_a_text_or_a_path(tmp_path: Path, kind: str, form: Callable[[Path], Any]) -> None:
    made, path = KINDS[kind](), form(tmp_path / "kept.npz")
    made.save(path)
    assert type(type(made).load(path)) is type(made)


@every_kind
def test_saving_leaves_one_file_in_its_folder(tmp_path: Path, kind: str) -> None:
    for _ in range(2):
        KINDS[kind]().save(tmp_path / "kept.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["kept.npz"]


def a_folder(path: Path) -> Path:
    path.mkdir()
    return path


AWKWARD: list[tuple[str, Callable[[Path], Any], str, str]] = [
    ("a folder", a_folder, "is a folder", "is a folder"),
    ("a missing folder", lambda path: path / "deeper" / "kept.npz", "there is no folder", "there is no file"),
    ("a file as a folder", lambda _: Path(__file__) / "kept.npz", "there is no folder", "cannot be read"),
    ("no name", lambda _: "", "the path is ''", "the path is ''"),
    ("a number", lambda _: 3, "the path is '3'", "the path is '3'"),
    ("nothing", lambda _: None, "the path is 'None'", "the path is 'None'"),
    ("bytes", lambda _: b"kept.npz", "the path is", "the path is"),
    ("a zero byte", lambda path: f"{path}\0", "the path is", "the path is"),
    ("a name that is too long", lambda path: path.with_name("n" * 300), "cannot write", "cannot be read"),
]


@every_kind
@pytest.mark.parametrize(("what", "made_of", "on_save", "on_load"), AWKWARD)
def test_a_path_that_will_not_do_is_told_on_one_line(
    tmp_path: Path, kind: str, what: str, made_of: Callable[[Path], Any], on_save: str, on_load: str
) -> None:
    made, path = KINDS[kind](), made_of(tmp_path / "here")
    with pytest.raises(BanditError, match=on_save) as saved:
        made.save(path)
    with pytest.raises(InputError, match=on_load) as loaded:
        type(made).load(path)
    assert "\n" not in f"{saved.value}{loaded.value}"


@every_kind
def test_a_folder_that_may_not_be_written_is_told_and_keeps_the_old_file(tmp_path: Path, kind: str) -> None:
    made, path = KINDS[kind](), tmp_path / "kept.npz"
    made.save(path)
    before = path.read_bytes()
    tmp_path.chmod(0o500)
    try:
        with without_rights(), pytest.raises(SurroundingsError, match=r"cannot write .*Permission denied"):
            made.save(path)
    finally:
        tmp_path.chmod(0o700)
    assert path.read_bytes() == before


@every_kind
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, kind: str) -> None:
    made, path = KINDS[kind](), tmp_path / "kept.npz"
    made.save(path)
    path.chmod(0)
    with without_rights(), pytest.raises(InputError, match="may not be read"):
        type(made).load(path)


# numpy 1 leaves its archive open, which Python says when it is collected.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*ZipFile:pytest.PytestUnraisableExceptionWarning")
def test_a_save_that_fails_half_way_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    made, path = LinearPosterior(2, 1), tmp_path / "kept.npz"
    made.save(path)
    before = path.read_bytes()
    made.evidence.takes = Unwritable()  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match="half way"):
        made.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["kept.npz"]


class Unwritable:
    """What numpy asks for an array and does not get."""

    def __array__(self, *_: object, **__: object) -> None:
        raise RuntimeError("half way")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.npz").symlink_to(tmp_path / "kept.npz")
    LinearPosterior(2, 1).save(tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert LinearPosterior.load(tmp_path / "kept.npz").evidence.shape == (2, 1)


def test_a_file_gets_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    LinearPosterior(2, 1).save(tmp_path / "kept.npz")
    (tmp_path / "plain").touch()
    assert (tmp_path / "kept.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


@every_kind
@pytest.mark.parametrize("shape", ["(10**15,)", "(2**70,)", "(-1,)", "'a'"])
def test_a_header_that_promises_what_is_not_there_is_refused(tmp_path: Path, kind: str, shape: str) -> None:
    path = tmp_path / "kept.npz"
    KINDS[kind]().save(path)
    with np.load(path, allow_pickle=False) as file:
        names = file.files
    write_npz_with_header(path, names, shape)
    with pytest.raises(InputError, match=r"kept\.npz"):
        type(KINDS[kind]()).load(path)


def write_npz_with_header(path: Path, names: list[str], shape: str) -> None:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(f"{name}.npy", array)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder here that takes no files even from root")
def test_a_folder_that_takes_no_files_is_told() -> None:
    with pytest.raises(
        SurroundingsError, match=r"cannot write /proc/self/kept\.npz: .*; check the folder's permissions"
    ):
        LinearPosterior(2, 1).save("/proc/self/kept.npz")
