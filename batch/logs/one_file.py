"""One file of anybody's table: Parquet, JSON lines, or text with separators, by its first bytes or its name."""

import csv
import gzip
import io
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl
from polars.exceptions import PolarsError

from bandit.errors import InputError, SurroundingsError
from batch.workspace.table_checks import read_frame

SUFFIXES: Final = {
    ".parquet": "Parquet", ".pq": "Parquet",
    ".csv": "text", ".tsv": "text", ".txt": "text",
    ".jsonl": "JSON lines", ".ndjson": "JSON lines", ".json": "JSON lines",
}  # fmt: skip
"""Kinds of files by their suffix, in upper or lower case; text and JSON lines also with ``.gz`` behind."""

EXPECTED: Final = "a Parquet file, a CSV file with a header, JSON lines, or a folder or glob of one of these"

_SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_HEAD_BYTES = 2**16


def suffix_of(path: Path) -> str:
    """The suffix of a file in lower case, without the ``.gz`` behind it."""
    name = path.name.lower()
    return Path(name.removesuffix(".gz")).suffix


def kind_of(path: Path) -> str:
    """What a file is: by its first bytes where they tell, else by its name."""
    head = _head(path, 4)
    if head == b"PAR1":
        return "Parquet"
    if head.startswith(b"PK\x03\x04") or path.name.lower().endswith((".xls", ".xlsx")):
        raise InputError(f"{path} is a zip or Excel file; save its table as CSV, or unpack it, and name that")
    known = SUFFIXES.get(suffix_of(path))
    if known is None:
        raise InputError(
            f"{path} is of no kind that is known by its suffix, {', '.join(SUFFIXES)}; expected {EXPECTED}"
        )
    return known


def read_file(path: Path, kind: str) -> pl.DataFrame:
    """The table in a file of a kind, as ``kind_of`` tells it.

    Raises:
        InputError: it is not of its kind, or its rows differ in length; names the first.
        SurroundingsError: it cannot be read.
    """
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
    if suffix_of(path) == ".tsv":
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
