"""Commands in a folder whose files have the names of modules: none of them is run, and nothing fails."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from shell import environment, runtime_folder

BIN = Path(sys.executable).parent
NAMES = (
    "json",
    "types",
    "re",
    "bandit",
    "typing",
    "polars",
    "numpy",
    "redis",
    "uvicorn",
    "locust",
    "encodings",
    "site",
)
PACKAGES = ("service", "artwork", "batch", "loadtest")
HIJACKED = "import pathlib; pathlib.Path('/dev/stderr').write_text('HIJACKED'); raise SystemExit(99)\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to stand in."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(HIJACKED)
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(HIJACKED)
    (tmp_path / "locust.conf").write_text("no-such-option = 1\n")
    return tmp_path


@pytest.fixture
def runtime() -> Iterator[str]:
    with runtime_folder() as made:
        yield made


def artwork(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "artwork"), *words],
        cwd=folder, capture_output=True, text=True, check=False, timeout=200, env=environment(**variables),
    )  # fmt: skip


@pytest.mark.faults
def test_a_job_with_processes_a_service_with_workers_and_a_load_test_run_beside_files_of_any_name(
    folder: Path, runtime: str
) -> None:
    small = ("--users", "300", "--titles", "10")
    for words in (
        ("data", "synthetic", *small),
        ("run", "--executor", "processes"),
        ("loadtest", "--duration", "10s", "--rate", "300", "--users", "4", "--single-p99-ms", "9999", "--page-p99-ms", "9999",
         "--min-rate-share", "0"),
    ):  # fmt: skip
        done = artwork(folder, *words, XDG_RUNTIME_DIR=runtime, ARTWORK_WORKERS="2")
        assert (done.returncode, "HIJACKED" in done.stderr) == (0, False), done.stderr


def test_classes_of_the_current_folder_come_after_all_other_modules(folder: Path) -> None:
    done = artwork(folder, "compare", "--policies", "json:Best")
    assert done.returncode == 2
    assert "HIJACKED" not in done.stderr
    assert "rename your file" in done.stderr or "is not a folder" in done.stderr


def foreign(folder: Path) -> Path:
    """An environment's folder with the linter of our import name, as pip leaves it."""
    package, about = folder / "bandit", folder / "bandit-1.9.9.dist-info"
    package.mkdir()
    about.mkdir()
    (package / "__init__.py").write_text('"""Bandit."""\nraise SystemExit("imported")\n')
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bandit\nVersion: 1.9.9\n")
    (about / "RECORD").write_text("bandit/__init__.py,,\nbandit-1.9.9.dist-info/METADATA,,\n")
    return folder


def test_a_foreign_package_of_our_import_name_is_told_with_its_distribution_and_what_to_do(tmp_path: Path) -> None:
    done = artwork(tmp_path, "data", "check", PYTHONPATH=str(foreign(tmp_path)))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "the distribution bandit has a package called bandit too" in done.stderr
    assert "-m pip uninstall bandit" in done.stderr


def test_a_file_of_our_import_name_in_pythonpath_is_told_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "bandit.py").write_text("raise SystemExit('imported')\n")
    done = artwork(tmp_path, "data", "check", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert f"{tmp_path / 'bandit.py'} stands in the way" in done.stderr
