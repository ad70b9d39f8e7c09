"""Impressions on disk: one folder per day, files that are added and never rewritten."""

import fcntl
import re
from collections.abc import Sequence
from datetime import date
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

import polars as pl

from bandit.errors import InputError, SurroundingsError
from bandit.snapshot import MAX_ARMS
from batch.workspace.files import find_copy, write_parquet
from batch.workspace.lock import opened_lock
from batch.workspace.table_checks import ROW, check_frame, read_frame, refuse_first
from batch.workspace.table_schemas import (
    BOOLEAN,
    COUNT,
    FLOATS,
    INSTANT,
    MOST,
    TEXT,
    TIME,
    VECTOR,
    Column,
    Kind,
    Rule,
    Schema,
    id_column,
    integer_column,
    is_integer_list,
)
from batch.workspace.workspace import Workspace

NUMBER = Kind("number", pl.Float64(), lambda dtype: dtype.is_numeric())
ARMS = Kind("list of arms", pl.List(pl.UInt8()), is_integer_list)

_DAY = "day="
_DIGITS = re.compile(r"([0-9]{4})(?:([0-9]{2})([0-9]{2})|[-_.]([0-9]{1,2})[-_.]([0-9]{1,2}))")
_MARKS = ("_SUCCESS", "_committed_", "_started_", "_metadata", "_common_metadata")  # which other writers leave

SOURCES = ("personalized", "segment", "popularity", "default")


_FINITE = Rule(
    pl.col("context").cast(FLOATS).list.eval(pl.element().is_null() | ~pl.element().is_finite()).list.any(),
    "finite numbers that fit float32",
    "replace NaN, infinity and null before logging",
)


_NO_ARMS = Rule(
    pl.col("eligible")
    .cast(pl.List(pl.Int128()))
    .list.eval(pl.element().is_null() | ~pl.element().is_between(0, MAX_ARMS - 1))
    .list.any(),
    f"arms from 0 to {MAX_ARMS - 1}",
    "log the places of artworks in their title",
)


def _share(name: str, low: str) -> Column:
    value = pl.col(name).cast(pl.Float64())
    above = value > 0 if low == "(" else value >= 0
    kept = value.is_not_nan() & above & (value <= 1)  # in an order of polars, NaN is the largest number
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
        integer_column("arm", COUNT, 0, MAX_ARMS - 1),
        Column("eligible", ARMS, rules=(_NO_ARMS,)),
        integer_column("generation", COUNT, 0, MOST),
        integer_column("revision", COUNT, 0, MOST),
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
        integer_column("previous", COUNT, 0, MAX_ARMS - 1, nullable=True, optional=True),
    ),
)
"""Columns of an impression as logged; ``shown_at`` is UTC, ``eligible`` the arms that could have been drawn, ``previous`` the one
that the pick was drawn given, where what was shown before is kept."""


def append_impressions(workspace: Workspace, day: date, frame: pl.DataFrame) -> Path:
    """Add a day's file of impressions beside those that are there.

    Raises:
        InputError: a column is missing, mistyped or out of range; nothing is written.
        SurroundingsError: the disk does not take it.
    """
    rows = check_frame(frame, IMPRESSIONS, "the impressions to append").drop(ROW)
    folder = day_folder(workspace, day)
    with opened_lock(folder / ".lock") as lock:  # two writers of one day would choose the same number
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = next_part(folder)
        write_parquet(path, rows.with_columns(pl.col("shown_at").cast(INSTANT)))
    return path


def next_part(folder: Path) -> Path:
    """The name of a day's next file, which nobody else may add meanwhile."""
    # Beyond the last number, not the count: a file that was removed must not make another be written over.
    numbers = (path.stem.removeprefix("part-") for path in folder.glob("part-*.parquet"))
    following = max((int(number) for number in numbers if number.isdecimal()), default=-1) + 1
    return folder / f"part-{following:06d}.parquet"


def days(workspace: Workspace) -> list[date]:
    """The days that have impressions, in order.

    Whatever else holds data is refused: it would be left out, or counted twice, without a word. Empty folders and files, hidden
    ones, temporary ones and the marks of other writers hold none.

    Raises:
        InputError: data lie anywhere but in ``day=YYYY-MM-DD/*.parquet``, or one file is there twice; names it.
        SurroundingsError: a folder cannot be read.
    """
    root = workspace.impressions
    files: dict[date, list[Path]] = {}
    try:
        _refuse_beside(workspace)
        for entry in sorted(root.iterdir()) if root.exists() else ():
            day = _day_of(entry.name)
            if day is not None and entry.is_dir():
                files[day] = _files_of(entry)
            elif _holds_data(entry) or (entry.is_dir() and _is_no_day(entry.name)):
                raise InputError(f"{entry} is not named day=YYYY-MM-DD; {_remedy(entry)}")
        twice = find_copy(path for paths in files.values() for path in paths)
    except OSError as error:
        raise SurroundingsError(f"cannot read {root}: {error}; check the disk and the folder's permissions") from error
    if twice is not None:
        raise InputError(
            f"{twice[0]} is {twice[1]} once more, as a link or a copy: its impressions would count twice; remove one of them"
        )
    return [day for day, paths in files.items() if paths]


def _day_of(name: str) -> date | None:
    """The day of a folder that is named exactly as we name it."""
    try:
        day = date.fromisoformat(name.removeprefix(_DAY))
    except ValueError:
        return None
    return day if name == f"{_DAY}{day.isoformat()}" else None


def _is_no_day(name: str) -> bool:
    """Whether a folder's name begins as that of a day, and goes on as none: a slip even where it is empty."""
    try:
        date.fromisoformat(name.removeprefix(_DAY))
    except ValueError:
        return name.startswith(_DAY)
    return False


def _remedy(entry: Path) -> str:
    """What to do with data that do not lie where impressions lie."""
    if entry.is_dir() and (digits := _DIGITS.search(entry.name)):
        name = _DAY + "-".join(group.zfill(2) for group in digits.groups() if group is not None)
        if _day_of(name) is not None:
            is_there = (entry.parent / name).exists()
            return (
                f"move its files into {name} if they are not there yet, and remove it"
                if is_there
                else f"rename it {name}"
            )
    if entry.is_symlink() and not entry.exists():
        return "it is a link to what is not there: mend or remove it"
    if entry.is_dir():
        return "rename or remove it"
    return "move it into the folder of its day if it is a Parquet file of impressions, else out of here"


def _files_of(folder: Path) -> list[Path]:
    """The Parquet files of a day's folder, in order.

    Raises:
        InputError: something else in it holds data.
    """
    files = []
    for entry in sorted(folder.iterdir()):
        if entry.suffix == ".parquet" and entry.is_file() and not _is_harmless(entry.name):
            files.append(entry)
        elif _holds_data(entry):
            if entry.is_symlink() and not entry.exists():
                remedy = "it is a link to what is not there: mend or remove it"
            elif entry.is_dir():
                remedy = f"move its Parquet files up into {folder.name}, each under a name of its own"
            elif entry.suffix.lower() in {".parquet", ".pq"} and entry.is_file():
                remedy = f"rename it {entry.stem}.parquet"
            else:
                remedy = "write it as Parquet, or move it out of here"
            raise InputError(
                f"{entry} would not be read: impressions of a day are files {folder.name}/*.parquet; {remedy}"
            )
    return files


def _is_harmless(name: str) -> bool:
    return name.startswith((".", *_MARKS)) or name.endswith((".tmp", ".crc"))


def _holds_data(entry: Path) -> bool:
    if _is_harmless(entry.name):
        return False
    if entry.is_symlink() and not entry.is_file():
        return True  # to nothing, or to a folder, which may hold this one
    if entry.is_dir():
        return any(_holds_data(inner) for inner in entry.iterdir())
    return entry.stat().st_size > 0


def _refuse_beside(workspace: Workspace) -> None:
    """Refuse data beside the folder of impressions that look like it."""
    root = workspace.impressions
    if (root.exists() or root.is_symlink()) and not root.is_dir():
        raise InputError(
            f"{root} is no folder; expected a folder of {_DAY}YYYY-MM-DD folders; move it out of the workspace"
        )
    for entry in sorted(workspace.root.iterdir()) if workspace.root.is_dir() else ():
        alike = entry.name.partition(".")[0].strip().lower() == root.name
        if alike and entry.name != root.name and _holds_data(entry):
            raise InputError(
                f"{entry} would not be read: impressions are files {root.name}/{_DAY}YYYY-MM-DD/*.parquet; move it there, or out"
                " of the workspace"
            )


def day_folder(workspace: Workspace, day: date) -> Path:
    """Where the impressions of a day lie."""
    return workspace.impressions / f"{_DAY}{day.isoformat()}"


def day_files(workspace: Workspace, day: date) -> list[Path]:
    """The files of a day, in order.

    Raises:
        InputError: something else in its folder holds data.
    """
    folder = day_folder(workspace, day)
    return _files_of(folder) if folder.is_dir() else []


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
    if not frames:
        raise InputError(f"{day_folder(workspace, day)} holds no impressions; expected files {_DAY}{day}/*.parquet")
    frame = pl.concat(frames)
    if len(frames) > 1 and frame["event_id"].is_duplicated().any():
        twice = frame.filter(pl.col("event_id").is_duplicated())["event_id"][0]
        raise InputError(
            f"{day_folder(workspace, day)}: event_id {twice} is in two files; expected every event once; remove one of them"
        )
    return frame


def _read_file(path: Path, n_features: int) -> pl.DataFrame:
    rows = check_frame(read_frame(path), IMPRESSIONS, str(path))
    refuse_length(rows, n_features, str(path))
    lacking = {
        column.name: pl.lit(None, column.kind.target)
        for column in IMPRESSIONS.columns
        if column.name not in rows.columns
    }
    return rows.drop(ROW).with_columns(**lacking)


def scan_impressions(files: Sequence[Path]) -> pl.LazyFrame:
    """Files of impressions as they are, of whatever release: an optional column may be in some of them alone."""
    return pl.scan_parquet(list(files), hive_partitioning=False, extra_columns="ignore", missing_columns="insert")


def refuse_length(rows: pl.DataFrame, n_features: int, where: str) -> None:
    """Refuse contexts of another length than those of the users; rows come from ``check_frame``.

    Raises:
        InputError: names the first bad row.
    """
    other_length = Rule(
        pl.col("context").list.len() != n_features,
        f"{n_features} numbers as in users.parquet",
        "move the impressions of another feature set out of the workspace",
    )
    refuse_first(rows, other_length, IMPRESSIONS, "context", where)


def count_impressions(workspace: Workspace, n_features: int) -> int:
    """All impressions, every one of them checked.

    Raises:
        InputError, SurroundingsError: as ``days`` and ``read_day``, or an event is in two days.
    """
    frames = [read_day(workspace, day, n_features).select("event_id", "shown_at") for day in days(workspace)]
    refuse_repeated(frames, workspace)
    return sum(frame.height for frame in frames)


def refuse_repeated(frames: Sequence[pl.DataFrame], workspace: Workspace) -> None:
    """Refuse an event that two days have, as it does when files were copied; ids count within a day alone.

    Args:
        frames: of each day event_id and shown_at.
        workspace: where they lie.

    Raises:
        InputError: names one.
    """
    spans = sorted((frame["shown_at"].min(), frame["shown_at"].max()) for frame in frames)
    if all(before[1] < after[0] for before, after in pairwise(spans)):  # type: ignore[operator]
        return  # days that do not overlap have no event in common
    events = pl.concat([frame.select("event_id", "shown_at") for frame in frames])
    if (twice := events.is_duplicated()).any():
        raise InputError(
            f"{workspace.impressions}: event_id {events.filter(twice)['event_id'][0]} is in two days; expected every event"
            " once; remove one of them"
        )
