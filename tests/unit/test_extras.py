"""What the extras install, and what a command says where its extra is missing."""

import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from artwork.cli import FAMILIES
from artwork.doctor import MARKS
from artwork.extras import complaint, explained, named_by, needs
from bandit.errors import InputError

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
OF_USERS = ("batch", "service", "loadtest")
OF_SOME = ("images", "ray")
"""Not in ``all``."""


@pytest.fixture(scope="module")
def without_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that knows our own distribution and no other: the environment of somebody who has none of the extras."""
    folder = tmp_path_factory.mktemp("bare")
    metadata = folder / "artwork_bandit-0.1.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(str(distribution("artwork-bandit").read_text("METADATA")), encoding="utf-8")
    return folder


def bare(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    code = (
        f"import sys; sys.path += [{str(folder)!r}, {str(ROOT)!r}];"
        " import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__')"
    )
    command = [sys.executable, "-I", "-S", "-c", code, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_library_alone_needs_three_packages() -> None:
    assert {Requirement(text).name for text in PROJECT["dependencies"]} == {"numba", "numpy", "scipy"}


def test_all_is_the_other_extras_together() -> None:
    assert set(named_by("all")) == {name for extra in OF_USERS for name in named_by(extra)}


def test_a_package_has_one_range_in_every_extra() -> None:
    ranges = {
        (needed.name, str(needed.specifier))
        for texts in EXTRAS.values()
        for needed in map(Requirement, texts)
        if needed.name != PROJECT["name"]
    }
    assert len(ranges) == len({name for name, _ in ranges})


def test_every_command_needs_an_extra_that_there_is() -> None:
    assert {extra for command in [None, *FAMILIES] for extra in needs(command)} <= set(EXTRAS)


def test_an_extra_is_told_by_a_package_that_no_other_one_names() -> None:
    for extra, mark in MARKS.items():
        assert [other for other in (*OF_USERS, *OF_SOME) if mark in named_by(other)] == [extra]


@pytest.mark.parametrize("command", [None, *FAMILIES])
def test_nothing_is_missing_where_all_is_installed(command: str | None) -> None:
    assert complaint(command) is None


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ((), "all"), (("--help",), "all"), (("--version",), "all"), (("--debug", "serve"), "service"), (("serve",), "service"),
        (("train", "--help"), "batch"), (("data", "synthetic"), "batch"), (("store", "stop"), "batch"), (("demo",), "all"),
        (("loadtest",), "loadtest"), (("doctor",), "batch"), (("magic",), "all"),
    ],
    ids=str,
)  # fmt: skip
def test_a_command_without_its_extra_says_in_one_line_which_to_install(
    words: tuple[str, ...], extra: str, without_packages: Path
) -> None:
    done = bare(without_packages, "artwork.cli", *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.endswith(f"run `pip install 'artwork-bandit[{extra}]'`\n")


def test_the_load_test_by_itself_says_which_extra_it_needs(without_packages: Path) -> None:
    done = bare(without_packages, "loadtest", "--help")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.endswith("is not installed; run `pip install 'artwork-bandit[loadtest]'`\n")


def test_the_doctor_of_a_bare_environment_says_how_to_get_the_commands(without_packages: Path) -> None:
    done = bare(without_packages, "artwork.doctor")
    assert "those of the library alone are there; run `pip install 'artwork-bandit[all]'`" in done.stdout


def test_a_module_that_a_command_comes_upon_later_is_told_like_one_missed_before() -> None:
    with (
        pytest.raises(InputError, match="`artwork store` needs the module polars, which is not installed"),
        explained("store"),
    ):
        raise ModuleNotFoundError("No module named 'polars'", name="polars")


def test_a_module_of_our_own_that_is_not_there_stays_a_fault_of_ours() -> None:
    with pytest.raises(ModuleNotFoundError), explained("store"):
        raise ModuleNotFoundError("No module named 'batch.gone'", name="batch.gone")


@pytest.mark.parametrize(
    ("module", "extra"), [("ray", "ray"), ("ray.util", "ray"), ("cv2", "images"), ("polars", "all")]
)
def test_a_module_that_is_missed_later_is_told_with_its_extra(module: str, extra: str) -> None:
    with pytest.raises(InputError, match=rf"install 'artwork-bandit\[{extra}\]'"), explained("train"):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)
