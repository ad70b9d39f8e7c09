"""Segments: the events of a stretch of one stream, as Parquet files that are written once and never changed.

A segment is named by its partition and by the first and the last stream id in it. The ids of entries on disk are the record of
what was ingested: an entry that the store gives again is looked for in the segments whose range holds its id.
"""

import re
from pathlib import Path
from typing import Final, NamedTuple, Self

import polars as pl

from batch.workspace.files import reading
from batch.workspace.workspace import Workspace

_TIME: Final = pl.Datetime("us", "UTC")

SEGMENT_SCHEMA: Final = pl.Schema(
    {
        "stream_id": pl.String(),
        "place": pl.UInt16(),
        "received_at": _TIME,
        "event_id": pl.String(),
        "type": pl.String(),
        "user_id": pl.String(),
        "title_id": pl.String(),
        "artwork_id": pl.String(),
        "generation": pl.UInt32(),
        "revision": pl.UInt32(),
        "source": pl.String(),
        "segment": pl.String(),
        "at": _TIME,
        "watch_fraction": pl.Float64(),
    }
)
"""One row per event: ``stream_id`` and ``place`` are its entry and its place in it, ``received_at`` when the service took it,
``at`` when it happened, bounded by the service. ``segment`` may be null; ``watch_fraction`` is null for impressions."""

LAST_NUMBER: Final = 2**64 - 1
"""Of each half of an id."""
_NAME: Final = re.compile(r"p([0-9]{3,5})-([0-9]{1,20})_([0-9]{1,20})-([0-9]{1,20})_([0-9]{1,20})(?:-[0-9]+)?\.parquet")


class StreamId(NamedTuple):
    """The id of an entry of a stream; ids are in the order of their entries."""

    milliseconds: int
    number: int

    @classmethod
    def of(cls, text: str) -> Self:
        """The id that the store writes as ``<milliseconds>-<number>``."""
        milliseconds, _, number = text.partition("-")
        return cls(int(milliseconds), int(number))

    def __str__(self) -> str:
        return f"{self.milliseconds}-{self.number}"

    def following(self) -> "StreamId":
        """The next id that there can be."""
        if self.number < LAST_NUMBER:
            return StreamId(self.milliseconds, self.number + 1)
        return StreamId(self.milliseconds + 1, 0) if self.milliseconds < LAST_NUMBER else self

    @property
    def in_name(self) -> str:
        """As it stands in a file's name."""
        return f"{self.milliseconds}_{self.number}"


class Segment(NamedTuple):
    """A segment on disk: its partition, and the first and last id in it."""

    partition: int
    first: StreamId
    last: StreamId
    path: Path

    @classmethod
    def at(cls, path: Path) -> Self | None:
        """What the name of a file says; None for one that no ingest wrote."""
        match = _NAME.fullmatch(path.name)
        if match is None:
            return None
        partition, *ids = (int(digits) for digits in match.groups())
        return cls(partition, StreamId(*ids[:2]), StreamId(*ids[2:]), path)


def segments_folder(workspace: Workspace) -> Path:
    """Where the segments lie."""
    return workspace.events / "segments"


def segments(workspace: Workspace) -> list[Segment]:
    """The segments of a workspace in the order of partition and first id."""
    paths = segments_folder(workspace).glob("p*.parquet")
    return sorted(segment for path in paths if (segment := Segment.at(path)) is not None)


def new_segment(workspace: Workspace, partition: int, first: StreamId, last: StreamId) -> Segment:
    """The segment to write for some entries; where a store that was emptied gave the same ids again, beside the earlier one."""
    stem = f"p{partition:03d}-{first.in_name}-{last.in_name}"
    path = segments_folder(workspace) / f"{stem}.parquet"
    number = 1
    while path.exists():
        number += 1
        path = path.with_name(f"{stem}-{number}.parquet")
    return Segment(partition, first, last, path)


def segment_files(workspace: Workspace) -> list[Path]:
    """The files of the segments, in the order of partition and first id."""
    return [segment.path for segment in segments(workspace)]


def scan_segments(workspace: Workspace) -> pl.LazyFrame:
    """Every event of a workspace, read as it is needed; without segments, no rows.

    An entry stands in one segment only. Events that a client sent twice are not removed.
    """
    paths = segment_files(workspace)
    if not paths:
        return SEGMENT_SCHEMA.to_frame().lazy()
    with reading(segments_folder(workspace)):
        return pl.scan_parquet(paths, schema=SEGMENT_SCHEMA, hive_partitioning=False, glob=False)
