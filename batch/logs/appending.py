"""A file of impressions into the workspace: every row checked, by day, all of it or nothing."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import polars as pl

from bandit.errors import InputError
from batch.logs.one_file import kind_of, read_file
from batch.workspace.files import replace_files
from batch.workspace.impressions import IMPRESSIONS, day_files, day_folder, days, next_part, read_day, refuse_length
from batch.workspace.table_checks import ROW, check_frame, refuse_first
from batch.workspace.table_schemas import FLOATS, INSTANT, Rule
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace


@dataclass(frozen=True)
class Appended:
    """What was added: ``rows`` of each day, and the files that hold them."""

    source: Path
    impressions: int
    rows: dict[str, int]
    files: tuple[Path, ...]


def append_file(workspace: Workspace, source: Path) -> Appended:
    """Add the impressions of a Parquet or CSV file, each to the day of its ``shown_at``.

    Args:
        workspace: whose tables say how long a context is. Nobody else may add to it meanwhile.
        source: with the columns of ``IMPRESSIONS``. In text, lists are JSON arrays, and times have their offset.

    Raises:
        InputError: a column or a row is not as it should be, or an event is there already; nothing is written.
        SurroundingsError: the disk does not take it.
    """
    tables = read_tables(workspace)
    days(workspace)  # what lies there wrongly is told before anything is added
    frame = _read(source)
    rows = check_frame(frame, IMPRESSIONS, str(source))
    refuse_first(rows, _NOT_ELIGIBLE, IMPRESSIONS, "arm", str(source))
    refuse_length(rows, tables.n_features, str(source))
    by_day = {
        day: part
        for (day,), part in rows.with_columns(day=pl.col("shown_at").dt.date()).group_by("day", maintain_order=True)
    }
    writers: dict[Path, Callable[[Path], object]] = {}
    counts: dict[str, int] = {}
    for day in sorted(by_day):
        part = by_day[day]
        _refuse_known(workspace, day, part, tables.n_features, source)
        kept = part.drop(ROW, "day").with_columns(pl.col("shown_at").cast(INSTANT))
        writers[next_part(day_folder(workspace, day))] = partial(_write, kept)
        counts[day.isoformat()] = kept.height
    replace_files(writers)
    return Appended(source, rows.height, counts, tuple(writers))


def _write(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path)


def _refuse_known(workspace: Workspace, day: date, part: pl.DataFrame, n_features: int, source: Path) -> None:
    if not day_files(workspace, day):
        return
    known = read_day(workspace, day, n_features)["event_id"]
    there = Rule(
        pl.col("event_id").is_in(known.implode()),
        f"an event that {day_folder(workspace, day)} does not hold yet",
        "nothing was added: the file was appended before, or leave out what is there",
    )
    refuse_first(part, there, IMPRESSIONS, "event_id", str(source))


_NOT_ELIGIBLE: Final = Rule(
    ~pl.col("eligible").list.contains(pl.col("arm")),
    "one of the arms in eligible",
    "log the arms that could have been drawn, the shown one among them",
)


def _read(source: Path) -> pl.DataFrame:
    if not source.is_file():
        raise InputError(
            f"{source} is no file; expected a Parquet or CSV file of impressions, as docs/data.md describes"
        )
    kind = kind_of(source)
    frame = read_file(source, kind)
    return _typed(frame, str(source)) if kind == "text" else frame


def _typed(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """Text as what the columns hold."""
    made = {}
    for name, (expected, parse, dtype) in _TEXT.items():
        if name in frame.columns:
            made[name] = pl.Series(name, list(_parsed(frame[name], expected, parse, where)), dtype=dtype)
    return frame.with_columns(**made)


def _parsed(column: pl.Series, expected: str, parse: Callable[[str], Any], where: str) -> list[Any]:
    values = []
    for row, text in enumerate(column, start=1):
        try:
            values.append(None if text is None else parse(text.strip()))
        except (ValueError, TypeError, OverflowError):
            raise InputError(
                f"{where}, column {column.name}, row {row}: found {text[:60]!r}, expected {expected}; correct the cell"
            ) from None
    return values


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return at.astimezone(UTC)


def _boolean(text: str) -> bool:
    try:
        return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
    except KeyError:
        raise ValueError(text) from None


def _array(text: str, kinds: tuple[type, ...]) -> list[Any]:
    values = json.loads(text)
    if not isinstance(values, list) or not all(type(value) in kinds for value in values):
        raise ValueError(text)
    return values


_INTEGER: Final = ("a whole number", int, pl.Int64())
_NUMBER: Final = ("a number", float, pl.Float64())
_TEXT: Final[dict[str, tuple[str, Callable[[str], Any], pl.DataType]]] = {
    "shown_at": ("a time with its offset such as 2026-01-05T20:15:00Z", _time, INSTANT),
    "arm": _INTEGER,
    "eligible": ("a list of arms such as [0, 1, 2]", partial(_array, kinds=(int,)), pl.List(pl.Int64())),
    "generation": _INTEGER,
    "revision": _INTEGER,
    "propensity": _NUMBER,
    "context": ("a list of numbers such as [1.0, 0.25]", partial(_array, kinds=(int, float)), FLOATS),
    "clicked": ("true or false", _boolean, pl.Boolean()),
    "watch_fraction": _NUMBER,
    "reward": _NUMBER,
}
