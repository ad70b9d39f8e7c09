"""Files of a workspace: JSON and Parquet, written whole or not at all, and what is wrong with one told by its path."""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bandit.boundary import is_debugging
from bandit.errors import InputError, SurroundingsError
from bandit.files import replace_file

if TYPE_CHECKING:  # the look-up service starts its store through this module, and carries no polars
    import polars as pl

Writer = Callable[[Path], object]
"""Writes one file to the path that it is given."""


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


def write_parquet(path: Path, frame: "pl.DataFrame", row_group: int | None = None) -> None:
    """Write a frame as a Parquet file, in groups of so many rows where it is read by slices."""
    with replace_file(path) as temporary:
        frame.write_parquet(temporary, row_group_size=row_group)


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


def read_parquet(path: Path | list[Path], columns: list[str] | None = None) -> "pl.DataFrame":
    """A Parquet file, or several with the same columns, as they are.

    Raises:
        InputError, SurroundingsError: as ``reading``.
    """
    import polars as pl  # noqa: PLC0415

    with reading(path if isinstance(path, Path) else path[0].parent):
        return pl.read_parquet(path, columns=columns, hive_partitioning=False)


@contextmanager
def reading(what: Path) -> Iterator[None]:
    """Translate what polars raises for the file, or the folder of files, that the block reads.

    Raises:
        InputError: it is not there, no file, no Parquet, or holds what polars cannot take.
        SurroundingsError: the disk or the permissions are in the way.
    """
    from polars.exceptions import PanicException, PolarsError  # noqa: PLC0415

    try:
        with _without_panics():
            yield
    except PanicException as error:  # no Exception: a fault of polars, as with times whose zone is no whole hour
        raise InputError(
            f"{what} holds what cannot be read ({_reason(error)}); write it again, with times in UTC"
        ) from None
    except PolarsError as error:
        raise InputError(f"{what} is not a Parquet file ({first_line(error)}); write it again as Parquet") from error
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(f"{what} cannot be read ({first_line(error)}); expected a Parquet file") from error
    except OSError as error:
        raise SurroundingsError(f"cannot read {what}: {error}; check the disk and the file's permissions") from error


def first_line(error: BaseException) -> str:
    """What an exception says, without the paragraphs that follow."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def _reason(panic: BaseException) -> str:
    """What was wrong, from within what Rust writes around it."""
    inside = re.search(r'ErrString\("((?:[^"\\]|\\")+)', str(panic))
    return inside[1] if inside else first_line(panic)


@contextmanager
def _without_panics() -> Iterator[None]:
    """Keep off the terminal what polars writes there by itself when it panics: pages of its own stack."""
    if is_debugging():
        yield
        return
    try:
        kept = os.dup(2)
    except OSError:  # closed
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
