"""Tables of anybody: one file, a folder or a glob of them, as Parquet, JSON lines or text with separators."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from glob import has_magic
from itertools import takewhile
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote

import polars as pl
from polars.exceptions import PolarsError

from bandit.errors import InputError
from batch.logs.one_file import EXPECTED, SUFFIXES, kind_of, read_file, suffix_of
from batch.workspace.files import find_copy

EXACT: Final = 2**53
"""From here on floats leave integers out."""

_TEMPORARY = (".tmp", ".temp", ".part", ".crdownload", ".crc", ".bak", ".lock", "~")
_DEFAULT_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_TOLD = 5


class Part(NamedTuple):
    """One file of a table, and how many rows it has."""

    path: Path
    rows: int


@dataclass(frozen=True, eq=False)
class Table:
    """Rows as they were read, from the files of ``parts`` one after the other.

    ``is_text`` says that the files know no types: every column is text, empty cells null. ``notes`` tell what was not read.
    """

    path: Path
    frame: pl.DataFrame
    parts: tuple[Part, ...]
    is_text: bool
    notes: tuple[str, ...] = ()

    def at(self, row: int) -> str:
        """Where a row lies, as messages begin."""
        for part in self.parts:
            if row < part.rows:
                return f"{part.path}, rows counted from 0: row {row}"
            row -= part.rows
        raise AssertionError(row)

    def spans(self) -> list[tuple[Path, slice]]:
        """Each file and its rows."""
        slices, first = [], 0
        for part in self.parts:
            slices.append((part.path, slice(first, first + part.rows)))
            first += part.rows
        return slices


def read_table(path: Path) -> Table:
    """A file, or all files of a folder (also below it) or of a glob, which must have the same columns.

    Files of text know no types: all of their columns are text here. Folders that are named ``column=value`` give their files that
    column.

    Raises:
        InputError: there is none, one is not of its kind, or columns differ; names the file.
        SurroundingsError: one cannot be read.
    """
    files, notes = _files(path)
    kinds = {kind_of(file): file for file in reversed(files)}
    if len(kinds) > 1:
        (one, first), (other, second) = sorted(kinds.items())[:2]
        raise InputError(
            f"{path} has files of two kinds, {first} ({one}) and {second} ({other}); name those of one by a glob such as"
            f" '{path.parent if has_magic(str(path)) else path}/*{first.suffix}'"
        )
    [kind] = kinds
    frames = [_with_partitions(read_file(file, kind), file, path) for file in files]
    twice = find_copy(file for file, part in zip(files, frames, strict=True) if part.height)
    if twice is not None:
        raise InputError(
            f"{twice[0]} is {twice[1]} once more, as a link or a copy: it would count twice; remove one of them"
        )
    frame = _joined(files, frames)
    parts = tuple(Part(file, part.height) for file, part in zip(files, frames, strict=True))
    return Table(path, frame, parts, kind == "text", notes)


def is_glob(text: str) -> bool:
    """Whether a path has the wildcards of a glob, and is no file that is called so."""
    return has_magic(text) and not Path(text).exists()


# --- which files -------------------------------------------------------------------------------------------------------


def _files(path: Path) -> tuple[list[Path], tuple[str, ...]]:
    if path.is_dir():
        files, left_out = _below(path)
        if not files:
            content = f"; it has {_some(left_out)}" if left_out else ", it is empty"
            raise InputError(f"{path} is a folder without a file of a log{content}; expected {EXPECTED}")
    elif is_glob(str(path)):
        root = _before_magic(path)
        matched = sorted(file for file in root.glob(str(path.relative_to(root))) if file.is_file())
        if not matched:
            raise InputError(f"no file is like {path}; expected {EXPECTED}")
        left_out = [file for file in matched if _is_hidden(file.name)]
        files = [file for file in matched if file not in left_out]
        if not files:
            raise InputError(f"{path} has hidden and temporary files alone: {_some(left_out)}; expected {EXPECTED}")
    elif path.is_file():
        return [path], ()
    else:
        raise InputError(f"{path} is missing; expected {EXPECTED}")
    return files, (f"not read: {_some(left_out)}",) if left_out else ()


def _below(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files of logs below a folder, in order, and all else that is there."""
    files: list[Path] = []
    left_out: list[Path] = []
    for root, folders, names in os.walk(folder):
        folders.sort()
        here = Path(root)
        for name in [inner for inner in folders if _is_hidden(inner) or (here / inner).is_symlink()]:
            folders.remove(name)
            left_out.append(here / name)
        for name in sorted(names):
            is_data = not _is_hidden(name) and suffix_of(here / name) in SUFFIXES and (here / name).is_file()
            (files if is_data else left_out).append(here / name)
    return sorted(files), left_out


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_")) or name.lower().endswith(_TEMPORARY)


def _some(paths: Sequence[Path]) -> str:
    rest = f" and {len(paths) - _TOLD} more" if len(paths) > _TOLD else ""
    return ", ".join(str(path) for path in paths[:_TOLD]) + rest


# --- files together ----------------------------------------------------------------------------------------------------


def _with_partitions(frame: pl.DataFrame, path: Path, asked: Path) -> pl.DataFrame:
    """The frame with a column of each folder ``column=value`` between what was asked for and the file."""
    if path == asked:
        return frame
    root = asked if asked.is_dir() else _before_magic(asked)
    between = path.relative_to(root).parts[:-1] if path.is_relative_to(root) else ()
    partitions = dict(part.split("=", 1) for part in between if "=" in part)
    for name, value in partitions.items():
        if (
            name in frame.columns
            and (other := frame[name].filter(frame[name].cast(pl.String, strict=False) != unquote(value))).len()
        ):
            raise InputError(
                f"{path} has {other[0]!r} as {name}, and lies in {name}={value}; rename the folder or correct the file"
            )
    return frame.with_columns(
        pl.lit(None if value == _DEFAULT_PARTITION else unquote(value), pl.String()).alias(name)
        for name, value in partitions.items()
        if name not in frame.columns
    )


def _before_magic(path: Path) -> Path:
    return Path(*takewhile(lambda part: not has_magic(part), path.parts))


def _joined(files: Sequence[Path], frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    first = frames[0]
    schema = dict(first.schema)
    for path, frame in zip(files[1:], frames[1:], strict=True):
        for lacking, has, lacks in (
            ([name for name in first.columns if name not in frame.columns], files[0], path),
            ([name for name in frame.columns if name not in first.columns], path, files[0]),
        ):
            if lacking:
                raise InputError(
                    f"{has} has the column {lacking[0]!r} and {lacks} has not; files of one log have the same columns: name"
                    " those that belong together by a glob"
                )
        for name, dtype in frame.schema.items():
            common = _common(schema[name], dtype)
            if common is None:
                raise InputError(
                    f"column {name} is {dtype} in {path} and {schema[name]} in {files[0]}; write it alike in all files"
                )
            schema[name] = common
    if len(frames) == 1:
        return first
    for path, frame in zip(files, frames, strict=True):
        _refuse_inexact(path, frame, schema)
    try:
        return pl.concat([frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items()) for frame in frames])
    except PolarsError as error:
        raise InputError(f"the files beside {files[0]} do not go together: {str(error).splitlines()[0]}") from error


def _refuse_inexact(path: Path, frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> None:
    """Refuse integers that lose digits as floats, which they are in another file."""
    for name, dtype in schema.items():
        if frame[name].dtype.is_integer() and dtype.is_float():
            large = frame[name].filter(frame[name].cast(pl.Int128).abs() > EXACT)
            if large.len():
                raise InputError(
                    f"column {name} is {frame[name].dtype} in {path}, with {large[0]}, and a float in"
                    " another file, which loses digits of it; write it as integers or text in all files"
                )


def _common(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    """The type that holds the values of both as they are, None where there is none."""
    if one == other or other == pl.Null():
        return one
    if one == pl.Null():
        return other
    if isinstance(one, pl.List) and isinstance(other, pl.List):
        inner = _common(pl.Series(dtype=one.inner).dtype, pl.Series(dtype=other.inner).dtype)
        return None if inner is None else pl.List(inner)
    return next((wider for holds, wider in _WIDER if holds(one) and holds(other)), None)


_WIDER: Final[tuple[tuple[Callable[[pl.DataType], bool], pl.DataType], ...]] = (
    (lambda dtype: dtype.is_integer(), pl.Int128()),
    (lambda dtype: dtype.is_integer() or dtype.is_float(), pl.Float64()),
    (lambda dtype: isinstance(dtype, pl.String | pl.Categorical | pl.Enum), pl.String()),
    (lambda dtype: isinstance(dtype, pl.Datetime) and dtype.time_zone is None, pl.Datetime("us")),
    (lambda dtype: isinstance(dtype, pl.Datetime) and dtype.time_zone is not None, pl.Datetime("us", "UTC")),
)
