"""Impressions on disk: one folder a day, files that are added and never rewritten."""

import fcntl
from datetime import date
from hashlib import blake2b
from pathlib import Path

import polars as pl

from bandit.errors import InputError
from batch.files import write_parquet
from batch.table_checks import ROW, check_frame, read_frame, refuse_first
from batch.table_schemas import (
    BOOLEAN,
    COUNT,
    FLOATS,
    INSTANT,
    TEXT,
    TIME,
    VECTOR,
    Column,
    Kind,
    Rule,
    Schema,
    id_column,
)
from batch.workspace import Workspace

NUMBER = Kind("number", pl.Float64(), lambda dtype: dtype.is_numeric())
ARMS = Kind("list of arms", pl.List(pl.UInt8()), lambda dtype: isinstance(dtype, pl.List) and dtype.inner.is_integer())

SOURCES = ("personalized", "segment", "popularity", "default")


_FINITE = Rule(
    pl.col("context").cast(FLOATS).list.eval(pl.element().is_null() | ~pl.element().is_finite()).list.any(),
    "finite numbers that fit float32",
    "replace NaN, infinity and null before logging",
)


def _share(name: str, low: str) -> Column:
    above = pl.col(name) > 0 if low == "(" else pl.col(name) >= 0
    # A comparison with NaN is false, so NaN breaks the rule too.
    kept = pl.col(name).is_not_nan() & above & (pl.col(name) <= 1)
    return Column(name, NUMBER, rules=(Rule(~kept, f"a number in {low}0, 1]", "correct the logged value"),))


IMPRESSIONS = Schema(
    "impressions",
    ("event_id",),
    (
        id_column("event_id"),
        Column("shown_at", TIME),
        id_column("user_id"),
        id_column("title_id"),
        id_column("artwork_id"),
        Column("arm", COUNT),
        Column("eligible", ARMS),
        Column("generation", COUNT),
        Column("revision", COUNT),
        Column("policy", TEXT),
        Column(
            "source",
            TEXT,
            rules=(Rule(~pl.col("source").is_in(SOURCES), f"one of {', '.join(SOURCES)}", "log the answer's source"),),
        ),
        Column("segment", TEXT, nullable=True),
        _share("propensity", "("),
        Column("context", VECTOR, rules=(_FINITE,)),
        Column("clicked", BOOLEAN),
        _share("watch_fraction", "["),
        _share("reward", "["),
    ),
)
"""Columns of an impression as logged; ``shown_at`` is UTC, ``eligible`` the arms that could have been drawn."""


def append_impressions(workspace: Workspace, day: date, frame: pl.DataFrame) -> Path:
    """Add a day's file of impressions beside those that are there.

    Raises:
        InputError: a column is missing, mistyped or out of range; nothing is written.
        SurroundingsError: the disk does not take it.
    """
    rows = check_frame(frame, IMPRESSIONS, "the impressions to append").drop(ROW)
    folder = day_folder(workspace, day)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:  # two writers of one day would choose the same number
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = _next_part(folder)
        write_parquet(path, rows.with_columns(pl.col("shown_at").cast(INSTANT)))
    return path


def _next_part(folder: Path) -> Path:
    # Beyond the last number, not the count: a file that was removed must not make another be written over.
    numbers = (path.stem.removeprefix("part-") for path in folder.glob("part-*.parquet"))
    following = max((int(number) for number in numbers if number.isdecimal()), default=-1) + 1
    return folder / f"part-{following:06d}.parquet"


def days(workspace: Workspace) -> list[date]:
    """The days that have impressions, in order; a folder without files is a day without impressions.

    Raises:
        InputError: a folder of the partition is not named by a day.
    """
    found = []
    for folder in sorted(workspace.impressions.glob("day=*")):
        try:
            day = date.fromisoformat(folder.name.removeprefix("day="))
        except ValueError:
            raise InputError(f"{folder} is not named day=YYYY-MM-DD; rename or remove it") from None
        if day_files(workspace, day):
            found.append(day)
    return found


def day_folder(workspace: Workspace, day: date) -> Path:
    """Where the impressions of a day lie."""
    return workspace.impressions / f"day={day.isoformat()}"


def day_files(workspace: Workspace, day: date) -> list[Path]:
    """The files of a day, in order."""
    return sorted(day_folder(workspace, day).glob("*.parquet"))


def day_digest(workspace: Workspace, day: date) -> str:
    """Digest of a day's files: evidence made from them stays valid while it is the same."""
    digest = blake2b(digest_size=16)
    for path in day_files(workspace, day):
        digest.update(path.name.encode() + b"\0" + blake2b(path.read_bytes()).digest())
    return digest.hexdigest()


def read_day(workspace: Workspace, day: date, n_features: int) -> pl.DataFrame:
    """A day's impressions, checked; contexts must have ``n_features`` numbers.

    Raises:
        InputError: names the file, column and first bad row; or the event id that two files share.
    """
    frames = [_read_file(path, n_features) for path in day_files(workspace, day)]
    frame = pl.concat(frames)
    if len(frames) > 1 and frame["event_id"].is_duplicated().any():
        twice = frame.filter(pl.col("event_id").is_duplicated())["event_id"][0]
        raise InputError(
            f"{day_folder(workspace, day)}: event_id {twice} is in two files; expected every event once; remove one of them"
        )
    return frame


def _read_file(path: Path, n_features: int) -> pl.DataFrame:
    rows = check_frame(read_frame(path), IMPRESSIONS, str(path))
    other_length = Rule(
        pl.col("context").list.len() != n_features,
        f"{n_features} numbers as in users.parquet",
        "move the impressions of another feature set out of the workspace",
    )
    refuse_first(rows, other_length, IMPRESSIONS, "context", str(path))
    return rows.drop(ROW)
