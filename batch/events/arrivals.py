"""When events were stored, on the log's own clock, and what a join keeps of its segments for the next one.

The clock of the log, its watermark, is the latest day that any event has happened on. An event *arrives* on the day that the
clock shows once its entry is stored: the latest day of all events that are stored no later, of whatever partition. So whether
something came too late is a function of what is stored, whenever and however often it was joined.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
import polars as pl
from pydantic import Field, TypeAdapter, ValidationError

from bandit.arrays import I64
from bandit.errors import InputError
from batch.events.segments import SEGMENT_SCHEMA, Segment
from batch.workspace.files import reading, write_json
from batch.workspace.workspace import Workspace

SECONDS_A_DAY: Final = 86_400
MOST_HORIZON_DAYS: Final = 366
OPEN_ROWS: Final = ("learn", "wait")
_FORMAT: Final = 2
_MOST_LACKING: Final = 10_000  # numbers that are kept
_MOST: Final = (1 << 63) - 1

Whole = Annotated[int, Field(ge=-_MOST, le=_MOST)]


@dataclass(frozen=True)
class JoinSettings:
    """How events are joined.

    A play counts for an impression within ``window_seconds``. A row closes ``grace_seconds`` after its window has ended; one
    that is still open is taken as it is ("learn"), or left out until it closes ("wait"). What arrives more than
    ``horizon_days`` after the day of an impression changes that impression no more.

    Raises:
        InputError: a number is out of range, or rows would be frozen before they close.
    """

    window_seconds: int = 6 * 3600
    grace_seconds: int = 3600
    horizon_days: int = 7
    open_rows: str = "learn"

    def __post_init__(self) -> None:
        if not (0 < self.window_seconds <= self.horizon_days * SECONDS_A_DAY and self.grace_seconds >= 0):
            raise InputError(
                f"the window is {self.window_seconds} s and the grace {self.grace_seconds} s, expected at least 1 s and 0 s, and"
                f" a window within the horizon of {self.horizon_days} days"
            )
        if not 1 <= self.horizon_days <= MOST_HORIZON_DAYS:
            raise InputError(f"the horizon is {self.horizon_days} days, expected 1 to {MOST_HORIZON_DAYS}")
        if self.window_seconds + self.grace_seconds > self.horizon_days * SECONDS_A_DAY:
            raise InputError(
                f"rows close {self.window_seconds + self.grace_seconds} s after they were shown, and are frozen after"
                f" {self.horizon_days} days; shorten the window or the grace, or lengthen the horizon"
            )
        if self.open_rows not in OPEN_ROWS:
            raise InputError(f"open rows are to {self.open_rows!r}, expected {' or '.join(OPEN_ROWS)}")

    @property
    def window_days(self) -> int:
        """The days that a window may reach into, beyond the day it starts on."""
        return -(-self.window_seconds // SECONDS_A_DAY)


@dataclass(frozen=True)
class SegmentDays:
    """What the clock needs of a segment; times are microseconds, and milliseconds of stream ids.

    ``days`` has for each day, counted from 1970, that its events happened on, when the first of them was stored.
    """

    rows: Annotated[int, Field(ge=0, le=_MOST)]
    first: Whole
    last: Whole
    latest: Whole
    days: dict[Whole, Whole]


@dataclass(frozen=True)
class Lacking:
    """The generations and revisions of the overlay that events named, and that were not there or damaged; ascending."""

    generations: tuple[int, ...] = ()
    revisions: tuple[int, ...] = ()

    def plus(self, other: "Lacking") -> "Lacking":
        """Those of both."""
        return Lacking(
            tuple(sorted({*self.generations, *other.generations})), tuple(sorted({*self.revisions, *other.revisions}))
        )


@dataclass(frozen=True)
class Record:
    """Of the last join that was finished: its settings, the segments that it knew, by name, and what was lacking.

    ``lacking`` is None where clients named too many numbers to keep: then any may have come meanwhile.
    """

    format: Literal[2]
    settings: JoinSettings
    segments: dict[str, SegmentDays]
    lacking: Lacking | None = Lacking()


class Clock:
    """The day that a log has reached at every moment.

    Args:
        segments: the log.
    """

    def __init__(self, segments: Iterable[SegmentDays]) -> None:
        first: dict[int, int] = {}
        for segment in segments:
            for day, stored in segment.days.items():
                first[day] = min(stored, first.get(day, stored))
        self.days: I64 = np.array(sorted(first), dtype=np.int64)  # (n,)
        reached = np.array([first[day] for day in sorted(first)], dtype=np.int64)
        # A day counts as reached with any later one: the minimum over all days from it on.
        self.since: I64 = np.minimum.accumulate(reached[::-1])[::-1]  # (n,), ascending

    def arrivals(self, stored: I64) -> I64:
        """The day that the log had reached when entries were stored, (m,), from the milliseconds of their ids."""
        return self.days[np.searchsorted(self.since, stored, side="right") - 1]

    def reached(self, stored: int) -> int | None:
        """The day that the log had reached at a moment; None before its first event."""
        place = bisect_right(self.since.tolist(), stored) - 1
        return int(self.days[place]) if place >= 0 else None


def days_of_segments(segments: Sequence[Segment], record: Record | None) -> dict[str, SegmentDays]:
    """What the clock needs of every segment, read of those alone that the last join did not know.

    Raises:
        InputError: a file is no segment.
    """
    known = {} if record is None else record.segments
    lacking = {str(segment.path): segment for segment in segments if segment.path.name not in known}
    read: dict[str, SegmentDays] = {}
    if lacking:
        folder = next(iter(lacking.values())).path.parent
        with reading(folder):
            scan = pl.scan_parquet(
                list(lacking), schema=SEGMENT_SCHEMA, include_file_paths="path", hive_partitioning=False, glob=False
            )
            rows = scan.select("path", stored=stored_at(), at=happened_at())
            days = rows.group_by("path", pl.col("at").dt.epoch("d").alias("day")).agg(
                pl.len().alias("rows"), pl.col("at").max().dt.epoch("us"), pl.col("stored").min()
            )
            frame = days.collect(engine="streaming").sort("path", "day")
        for (path,), group in frame.group_by("path", maintain_order=True):
            segment = lacking[str(path)]
            first_stored = dict(zip(group["day"].to_list(), group["stored"].to_list(), strict=True))
            read[segment.path.name] = SegmentDays(
                int(group["rows"].sum()),
                segment.first.milliseconds,
                segment.last.milliseconds,
                int(group["at"].max()),  # type: ignore[arg-type]
                first_stored,
            )
    return {
        name: known.get(name) or read[name] for name in (s.path.name for s in segments) if name in known or name in read
    }


def stored_at() -> pl.Expr:
    """The milliseconds of a stream id."""
    return pl.col("stream_id").str.split_exact("-", 1).struct.field("field_0").cast(pl.Int64)


def happened_at() -> pl.Expr:
    """When an event happened.

    Its ``at`` is bounded by when it was received, on the clock of the service, and its entry has the store's. A service that is
    more than a day ahead of the store has a wrong clock: its events are set back by what it is ahead. As they are, the first of
    them would move the log's own clock on, and all that came after it would be too late to count.
    """
    ahead = pl.col("received_at").dt.epoch("us") - stored_at() * 1000
    is_wrong = ahead > SECONDS_A_DAY * 1_000_000
    return pl.when(is_wrong).then(pl.col("at") - pl.duration(microseconds=ahead)).otherwise(pl.col("at"))


def read_record(workspace: Workspace) -> Record | None:
    """What the last join left; None where none was finished, or where its record cannot be used: then all is joined again."""
    try:
        return _adapter().validate_json(_path(workspace).read_bytes())
    except (OSError, ValidationError, InputError):
        return None


def write_record(
    workspace: Workspace, settings: JoinSettings, segments: Mapping[str, SegmentDays], lacking: Lacking | None
) -> None:
    """Say what was joined, once everything that follows from it is on disk."""
    is_kept = lacking is not None and len(lacking.generations) + len(lacking.revisions) <= _MOST_LACKING
    write_json(_path(workspace), asdict(Record(_FORMAT, settings, dict(segments), lacking if is_kept else None)))


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Record]:
    return TypeAdapter(Record)


def _path(workspace: Workspace) -> Path:
    return workspace.events / "joined-segments.json"
