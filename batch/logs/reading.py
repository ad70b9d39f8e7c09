"""Tables of anybody: one file, a folder or a glob of them, as Parquet, JSON lines or text with separators."""

import csv
import gzip
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from glob import has_magic
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import orjson
import polars as pl
from polars.exceptions import PolarsError

from bandit.errors import InputError, SurroundingsError
from batch.workspace.files import find_copy
from batch.workspace.table_checks import read_frame

SUFFIXES: Final = {
    ".parquet": "Parquet", ".pq": "Parquet",
    ".csv": "text", ".tsv": "text", ".txt": "text",
    ".jsonl": "JSON lines", ".ndjson": "JSON lines", ".json": "JSON lines",
}  # fmt: skip
"""Kinds of files by their suffix, in upper or lower case; text and JSON lines also with ``.gz`` behind."""

EXPECTED: Final = "a Parquet file, a CSV file with a header, JSON lines, or a folder or glob of one of these"

EXACT: Final = 2**53
"""From here on floats leave integers out."""

_SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_HEAD_BYTES = 2**16
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
    kinds = {_kind(file): file for file in reversed(files)}
    if len(kinds) > 1:
        (one, first), (other, second) = sorted(kinds.items())[:2]
        raise InputError(
            f"{path} has files of two kinds, {first} ({one}) and {second} ({other}); name those of one by a glob such as"
            f" '{path.parent if has_magic(str(path)) else path}/*{first.suffix}'"
        )
    [kind] = kinds
    frames = [_with_partitions(_read(file, kind), file, path) for file in files]
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
            is_data = not _is_hidden(name) and _suffix(here / name) in SUFFIXES and (here / name).is_file()
            (files if is_data else left_out).append(here / name)
    return sorted(files), left_out


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_")) or name.lower().endswith(_TEMPORARY)


def _some(paths: Sequence[Path]) -> str:
    rest = f" and {len(paths) - _TOLD} more" if len(paths) > _TOLD else ""
    return ", ".join(str(path) for path in paths[:_TOLD]) + rest


def _suffix(path: Path) -> str:
    name = path.name.lower()
    return Path(name.removesuffix(".gz")).suffix


def _kind(path: Path) -> str:
    """What a file is: by its first bytes where they tell, else by its name."""
    head = _head(path, 4)
    if head == b"PAR1":
        return "Parquet"
    if head.startswith(b"PK\x03\x04") or path.name.lower().endswith((".xls", ".xlsx")):
        raise InputError(f"{path} is a zip or Excel file; save its table as CSV, or unpack it, and name that")
    known = SUFFIXES.get(_suffix(path))
    if known is None:
        raise InputError(
            f"{path} is of no kind that is known by its suffix, {', '.join(SUFFIXES)}; expected {EXPECTED}"
        )
    return known


# --- one file ----------------------------------------------------------------------------------------------------------


def _read(path: Path, kind: str) -> pl.DataFrame:
    if kind == "Parquet":
        return _of_parquet(path)
    content = _content(path)
    return _of_text(path, content) if kind == "text" else _of_json(path, content)


def _of_parquet(path: Path) -> pl.DataFrame:
    frame = read_frame(path)
    return frame.with_columns(
        pl.col(name).dt.convert_time_zone("UTC")
        for name, dtype in frame.schema.items()
        if getattr(dtype, "time_zone", None)
    )


def _head(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise SurroundingsError(f"cannot read {path}: {error}; check the disk and the file's permissions") from error


def _content(path: Path) -> bytes:
    """The text of a file as UTF-8, unpacked; what Excel calls Unicode text is UTF-16."""
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is damaged: {error}; pack it again") from error
    except OSError as error:
        raise SurroundingsError(f"cannot read {path}: {error}; check the disk and the file's permissions") from error
    try:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            content = content.decode("utf-16").encode()
        content = content.removeprefix(b"\xef\xbb\xbf")
        content[:_HEAD_BYTES].decode(errors="strict" if len(content) <= _HEAD_BYTES else "ignore")
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    if not content.strip():
        raise InputError(f"{path} is empty; expected a header and a row per impression")
    if b"\0" in content:
        raise _not_utf8(path)
    return content


def _not_utf8(path: Path) -> InputError:
    return InputError(f"{path} is not text in UTF-8; save it again as UTF-8")


def _of_text(path: Path, content: bytes) -> pl.DataFrame:
    if b"\n" not in content and b"\r" in content:
        content = content.replace(b"\r", b"\n")
    start = len(content) - len(content.lstrip(b"\r\n"))
    end = max(_HEAD_BYTES, content.find(b"\n", start))  # a header of thousands of names is longer
    head = content[start:end].decode(errors="ignore")
    separator = _separator(path, head)
    names = [name.strip() for name in next(csv.reader(io.StringIO(head, newline=""), delimiter=separator))]
    if twice := [name for name in names if name and names.count(name) > 1]:
        raise InputError(f"{path} has two columns that are called {twice[0]!r}; rename one of them")
    try:
        frame = pl.read_csv(content, infer_schema=False, separator=separator)
    except PolarsError as error:
        _refuse_ragged(path, content, separator, len(names))
        if "utf-8" in str(error):
            raise _not_utf8(path) from error
        raise InputError(f"{path} is not CSV with a header: {str(error).splitlines()[0]}; write it again") from error
    if len(frame.columns) != len(names):
        raise InputError(f"{path} has a header of {len(names)} names for {len(frame.columns)} columns; write it again")
    frame.columns = [name or f"(no name {place})" for place, name in enumerate(names)]
    frame = _without_blank_end(frame)
    if len(names) > 1 and frame.height and frame[:, -1].null_count():  # as in rows that end early
        _refuse_ragged(path, content, separator, len(names))
    return frame


def _separator(path: Path, head: str) -> str:
    """What stands between the names of the header, outside quotes; a comma where there is one column."""
    if _suffix(path) == ".tsv":
        return "\t"
    line = _outside_quotes(head)
    counts = sorted(((line.count(separator), separator) for separator in _SEPARATORS), reverse=True)
    (most, separator), (next_most, other) = counts[:2]
    if most and most == next_most:
        raise InputError(
            f"{path} has as many {_SEPARATORS[separator]} as {_SEPARATORS[other]} in its header; put names that hold one in"
            ' quotes ("), so that the other is the separator'
        )
    return separator if most else ","


def _outside_quotes(head: str) -> str:
    """The first line without what stands in quotes."""
    kept, quoted = [], False
    for character in head:
        quoted ^= character == '"'
        if character in "\r\n" and not quoted:
            break
        if not quoted:
            kept.append(character)
    return "".join(kept)


def _without_blank_end(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows up to the last that is not blank: files may end with empty lines."""
    if not frame.width or not frame.height:
        return frame
    filled = frame.select(~pl.all_horizontal(pl.all().is_null())).to_series()
    return (
        frame if filled[-1] else frame.head(len(filled) - int(filled.reverse().arg_max() or 0) if filled.any() else 0)
    )


def _refuse_ragged(path: Path, content: bytes, separator: str, width: int) -> None:
    """Refuse the first row that has more or fewer cells than the header."""
    rows = csv.reader(io.StringIO(content.decode(errors="replace"), newline=""), delimiter=separator)
    try:
        row = -2
        for cells in rows:
            if not cells and row < -1:
                continue  # empty lines before the header
            row += 1
            if cells and len(cells) != width:
                raise InputError(
                    f"{path}, rows counted from 0: row {row} has {len(cells)} cells, and the header {width}; put text that holds"
                    ' a separator in quotes ("), and give every row all of its cells'
                )
    except csv.Error:
        return  # such as a cell of more than 128 KB, which is none of its business


def _of_json(path: Path, content: bytes) -> pl.DataFrame:
    if content.lstrip()[:1] == b"[":
        raise InputError(f"{path} is one JSON array; write an object a line (JSON lines)")
    _refuse_mixed(path, content)
    try:
        return pl.read_ndjson(content, infer_schema_length=None)
    except PolarsError as error:
        raise InputError(f"{path} is not JSON lines: {str(error).splitlines()[0]}; write an object a line") from error


def _refuse_mixed(path: Path, content: bytes) -> None:
    """Refuse the first line that is no object, or has a value of another kind than the lines before: 1 is not "1"."""
    kinds: dict[str, tuple[str, int]] = {}
    row = -1
    for line in content.splitlines():
        if not line.strip():
            continue
        row += 1
        where = f"{path}, rows counted from 0: row {row}"
        try:
            value: Any = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise InputError(f"{where} is not JSON: {error}; write an object a line") from error
        if not isinstance(value, dict):
            raise InputError(f'{where} is no object; write one such as {{"action": "a1", "reward": 0}} a line')
        for name, cell in value.items():
            kind = _json_kind(cell)
            if not kind:
                continue
            first, there = kinds.setdefault(name, (kind, row))
            if kind != first:
                raise InputError(f"{where} has {kind} as {name}, and row {there} {first}; write them alike")


_JSON_KINDS: Final = {
    bool: "true or false", int: "a number", float: "a number", str: "text", dict: "an object", type(None): "",
}  # fmt: skip


def _json_kind(cell: object) -> str:
    if not isinstance(cell, list):
        return _JSON_KINDS[type(cell)]
    kinds = sorted({_json_kind(value) for value in cell} - {""})
    return f"a list of {' and '.join(kinds)}" if kinds else ""


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
