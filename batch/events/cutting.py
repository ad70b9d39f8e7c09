"""The first pass over segments: events cut by user, so that every shard can be joined for itself, and what came twice.

Segments are read in pieces. Each piece becomes two files: the events by user, of which a shard is one slice, and their ids by
hash, of which all with one id are in the same slice. Memory holds a piece, then a slice of all pieces.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import I64
from bandit.files import replace_file
from batch.events.arrivals import Clock, SegmentDays, happened_at, stored_at
from batch.events.scope import Scope
from batch.events.segments import SEGMENT_SCHEMA
from batch.workspace.files import reading

_ROWS_A_GROUP: Final = 8_192  # of a file of a piece: a slice decodes the groups that it touches
_SAMPLE: Final = 100_000
_KEY: Final = ("stored", "number", "place", "received_at", "content")
"""The order of the log: by stream id and place; beyond that, of two partitions, by when the service took it and what it says."""

_CONTENT: Final = (
    "type",
    "user_id",
    "title_id",
    "artwork_id",
    "generation",
    "revision",
    "source",
    "at",
    "watch_fraction",
)

Counts = dict[tuple[int, str], int]
"""How many events of each (day, outcome)."""


class Cuts(NamedTuple):
    """How much of the log is in memory at a time: rows of a piece, rows of a shard, and ids that are compared at once."""

    rows_a_piece: int = 400_000
    rows_a_shard: int = 150_000
    ids_a_bucket: int = 1_000_000


class Part(NamedTuple):
    """Some rows of a segment."""

    path: Path
    offset: int
    rows: int


class IdPiece(NamedTuple):
    """The ids of a piece of the log on disk, and where its slices start and end."""

    by_id: Path
    id_cuts: list[int]


class CutPiece(NamedTuple):
    """A piece of the log on disk: where its slices by user and by id start and end, and the numbers that it names."""

    by_user: Path
    by_id: Path
    user_cuts: list[int]
    id_cuts: list[int]
    generations: list[int]
    revisions: list[int]


@dataclass(frozen=True)
class Cutting:
    """How the log is cut; ``users`` are the first user of every shard but the first, ascending."""

    folder: Path
    clock: Clock
    scope: Scope
    horizon_days: int
    users: tuple[str, ...]
    id_buckets: int

    def cut(self, task: tuple[int, Sequence[Part]]) -> CutPiece:
        """Write a piece."""
        number, parts = task
        frame = _with_arrival(_read(parts), self.clock).filter(pl.col("arrived") >= self.scope.arrived_from)
        # In one order each time: rows of this file are named by their number from other files.
        frame = (
            frame.sort(user_places(frame), maintain_order=True)
            .with_row_index("row")
            .with_columns(piece=pl.lit(number, pl.UInt32))
        )
        by_user, by_id = self.folder / f"users-{number:06d}.parquet", self.folder / f"ids-{number:06d}.parquet"
        timely = pl.col("arrived") <= pl.col("day") + self.horizon_days
        wanted = frame.filter(timely & self.scope.happened())
        places = wanted["user_id"].search_sorted(pl.Series(self.users, dtype=pl.String), side="left")
        user_cuts = [0, *places.to_list(), wanted.height]
        _write(wanted.drop("content", "received_at"), by_user)
        id_cuts = self._write_ids(frame, by_id)
        named = (wanted[name].unique().sort().to_list() for name in ("generation", "revision"))
        return CutPiece(by_user, by_id, user_cuts, id_cuts, *named)

    def cut_ids(self, task: tuple[int, Sequence[Part]], known: Path) -> IdPiece:
        """Write the ids of a piece that no rows are made of, those alone that events in ``known`` have as well (``ids_of``)."""
        number, parts = task
        path = self.folder / f"ids-{number:06d}.parquet"
        hashed = _read(parts, ["event_id"])["event_id"].hash()
        again = hashed.is_in(pl.Series(np.load(known, mmap_mode="r")))
        rows = _read(parts).filter(again) if again.any() else SEGMENT_SCHEMA.to_frame()
        frame = _with_arrival(rows, self.clock).filter(pl.col("arrived") >= self.scope.arrived_from)
        frame = frame.with_row_index("row").with_columns(piece=pl.lit(number, pl.UInt32))
        return IdPiece(path, self._write_ids(frame, path))

    def _write_ids(self, frame: pl.DataFrame, path: Path) -> list[int]:
        ids = frame.select("event_id", *_KEY, "type", "arrived", "day", "row", "piece").with_columns(
            bucket=(pl.col("event_id").hash() % self.id_buckets).cast(pl.UInt16)
        )
        ids = ids.sort("bucket", maintain_order=True)
        _write(ids.drop("bucket"), path)
        edges: list[int] = np.searchsorted(ids["bucket"].to_numpy(), np.arange(self.id_buckets + 1)).tolist()
        return edges


class Repeated(NamedTuple):
    """What was found among the events of some ids: the rows to leave out, by piece, and counts by arrival day."""

    rows: dict[int, I64]
    counts: Counts


def pieces_of(paths: Mapping[str, Path], segments: Mapping[str, SegmentDays], most: int) -> list[list[Part]]:
    """Cut segments, and put them together, to pieces of so many rows at most."""
    pieces: list[list[Part]] = [[]]
    free = most
    for name, path in paths.items():
        done, rows = 0, segments[name].rows
        while done < rows:
            if not free:
                pieces.append([])
                free = most
            taken = min(free, rows - done)
            pieces[-1].append(Part(path, done, taken))
            done, free = done + taken, free - taken
    return [piece for piece in pieces if piece]


def first_users(paths: Sequence[Path], rows: int, shards: int) -> tuple[str, ...]:
    """The first user of every shard but the first, from a sample of the log: shards have about as many events each."""
    if shards < 2:
        return ()
    share = max(1, rows // _SAMPLE)
    with reading(paths[0].parent):
        scan = pl.scan_parquet(list(paths), schema=SEGMENT_SCHEMA, hive_partitioning=False, glob=False)
        drawn = scan.filter(pl.col("event_id").hash() % share == 0).select("user_id").collect(engine="streaming")
    users = drawn["user_id"].sort()
    picked = {users[place * users.len() // shards] for place in range(1, shards)} if users.len() else set()
    return tuple(sorted(picked))


def ids_of(pieces: Sequence[CutPiece], path: Path) -> Path:
    """Write hashes of the ids of all events of pieces to a file of an array."""
    hashes = [pl.scan_parquet(piece.by_id).select(pl.col("event_id").hash()).collect().to_series() for piece in pieces]
    np.save(path, pl.concat(hashes).to_numpy())
    return path


def find_repeated(pieces: Sequence[IdPiece | CutPiece], bucket: int, scope: Scope, horizon_days: int) -> Repeated:
    """The events whose id another event had before them, and how many there are; and how many came too late.

    The first in the order of the log counts. An id counts as used for the days of the horizon.
    """
    slices = [
        pl.scan_parquet(piece.by_id).slice(piece.id_cuts[bucket], piece.id_cuts[bucket + 1] - piece.id_cuts[bucket])
        for piece in pieces
    ]
    frame = pl.concat(slices).collect()
    again = frame.filter(pl.col("event_id").is_duplicated()).sort("event_id", *_KEY, "piece", "row")
    follows = pl.col("event_id") == pl.col("event_id").shift(1)
    soon = pl.col("arrived") - pl.col("arrived").shift(1) <= horizon_days
    # An entry that stands in two segments is one event.
    same = pl.all_horizontal([pl.col(name) == pl.col(name).shift(1) for name in _KEY])
    repeated = again.with_columns(same=same).filter(follows & soon).select("piece", "row", "arrived", "same")
    late = frame.filter(pl.col("arrived") > pl.col("day") + horizon_days).join(
        repeated, on=["piece", "row"], how="anti"
    )
    outcomes = pl.concat(
        [
            late.select("arrived", outcome=pl.lit("late ") + pl.col("type") + "s"),
            repeated.filter(~pl.col("same")).select("arrived", outcome=pl.lit("duplicates")),
        ]
    )
    counted = outcomes.filter(scope.on_days("arrived")).group_by("arrived", "outcome").len()
    rows = {
        int(piece[0]): group["row"].sort().to_numpy().astype(np.int64) for piece, group in repeated.group_by("piece")
    }
    return Repeated(rows, {(day, outcome): count for day, outcome, count in counted.rows()})


def events_of(pieces: Sequence[CutPiece], repeated: Mapping[int, I64], shard: int) -> pl.DataFrame:
    """The events of a shard's users, each once."""
    cuts = [piece.user_cuts[shard : shard + 2] for piece in pieces]
    slices = [
        pl.scan_parquet(piece.by_user).slice(start, stop - start)
        for piece, (start, stop) in zip(pieces, cuts, strict=True)
    ]
    frame = pl.concat(slices).collect()
    rows, is_first = frame["row"].to_numpy(), np.ones(frame.height, dtype=np.bool_)
    end = 0
    for number, (start, stop) in enumerate(cuts):
        begin, end = end, end + stop - start
        own, again = rows[begin:end], repeated.get(number)
        if again is not None and len(own):
            # Rows of a piece ascend, in both: few of those that came again are among these.
            first, last = np.searchsorted(again, (own[0], own[-1] + 1))
            is_first[begin:end] = ~np.isin(own, again[first:last])
    return frame.filter(is_first)


def user_places(frame: pl.DataFrame) -> pl.Expr:
    """The place of each row's user among those of a frame: sorted by it, users are in the order of their ids.

    To compare the ids themselves takes four times as long.
    """
    return pl.col("user_id").cast(pl.Enum(frame["user_id"].unique().sort())).to_physical()


def _read(parts: Sequence[Part], columns: Sequence[str] = tuple(SEGMENT_SCHEMA)) -> pl.DataFrame:
    """The rows of parts that follow each other: all but the first start, and all but the last end, with their segment."""
    with reading(parts[0].path.parent):
        paths = [part.path for part in parts]
        scan = pl.scan_parquet(paths, schema=SEGMENT_SCHEMA, hive_partitioning=False, glob=False)
        return scan.select(columns).slice(parts[0].offset, sum(part.rows for part in parts)).collect()


def _with_arrival(frame: pl.DataFrame, clock: Clock) -> pl.DataFrame:
    """Events with the parts of their stream id, the day that they happened on, and the day that they arrived on."""
    rows = frame.with_columns(at=happened_at()).with_columns(
        stored=stored_at(),
        number=pl.col("stream_id").str.split_exact("-", 1).struct.field("field_1").cast(pl.UInt64),
        day=pl.col("at").dt.epoch("d").cast(pl.Int64),
        content=pl.struct(_CONTENT).hash(),
    )
    return rows.drop("stream_id").with_columns(arrived=pl.Series(clock.arrivals(rows["stored"].to_numpy())))


def _write(frame: pl.DataFrame, path: Path) -> None:
    # Not synced, and in no hurry to be small: it is removed when the join ends, and made again when it dies. But whole: a piece
    # that is cut twice, because its first machine was given up too early, is read while it is written once more.
    with replace_file(path, synced=False) as temporary:
        frame.write_parquet(temporary, compression="lz4", statistics=False, row_group_size=_ROWS_A_GROUP)
