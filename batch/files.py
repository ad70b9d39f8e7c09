"""Files that are whole or absent: each is written under a temporary name, synced, then renamed."""

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bandit.errors import SurroundingsError

if TYPE_CHECKING:  # the look-up service starts its store through this module, and carries no polars
    import polars as pl

Writer = Callable[[Path], object]
"""Writes one file to the path that it is given."""


@contextmanager
def replace_file(path: Path, mode: int = 0o644) -> Iterator[Path]:
    """A temporary path beside ``path``; when the block ends well, what it holds becomes ``path`` with its mode, synced.

    When the block raises, the temporary file is removed and ``path`` stays as it was.

    Raises:
        SurroundingsError: the folder cannot be made or written.
    """
    temporary = _temporary_beside(path, mode)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise SurroundingsError(f"cannot write {path}: {error}; check the disk and the folder's permissions") from error
    finally:
        temporary.unlink(missing_ok=True)


def replace_files(writers: Mapping[Path, Writer]) -> None:
    """Write several files; none takes its final name before all of them are written.

    Raises:
        SurroundingsError: a folder cannot be made or written.
    """
    with ExitStack() as stack:
        for path, write in writers.items():
            write(stack.enter_context(replace_file(path)))


def write_json(path: Path, value: Any, mode: int = 0o644) -> None:
    """Write a value as one JSON document with sorted keys: the same value is the same bytes."""
    with replace_file(path, mode) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def write_parquet(path: Path, frame: "pl.DataFrame") -> None:
    """Write a frame as a Parquet file."""
    with replace_file(path) as temporary:
        frame.write_parquet(temporary)


def find_copy(paths: Iterable[Path]) -> tuple[Path, Path] | None:
    """The first file with the content of an earlier one, and that one; by a link or as a copy. Empty files are no copies.

    Only files of one size are read.
    """
    sizes: dict[int, list[Path]] = {}
    for path in paths:
        sizes.setdefault(path.stat().st_size, []).append(path)
    for size, alike in sizes.items():
        seen: dict[bytes, Path] = {}
        for path in alike if size and len(alike) > 1 else ():
            first = seen.setdefault(blake2b(path.read_bytes()).digest(), path)
            if first is not path:
                return path, first
    return None


def _temporary_beside(path: Path, mode: int) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        # mkstemp makes files that only their owner may read, which would lock out the service's own user.
        os.fchmod(handle, mode)
    except OSError as error:
        raise SurroundingsError(f"cannot write {path}: {error}; check the disk and the folder's permissions") from error
    os.close(handle)
    return Path(name)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
