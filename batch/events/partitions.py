"""One stream as it is ingested: what is owed of it is read in order, written as a segment, acknowledged, and trimmed.

A batch goes through these steps, and the process may end between any two of them: read, write and sync the segment, rename it,
put poison aside, acknowledge, trim.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl
import redis

from bandit.snapshot import DEAD_EVENTS_KEY
from batch.events.dead_letters import letter
from batch.events.entries import Entry, PoisonError, frame_of, read_entry
from batch.events.segments import Segment, StreamId, new_segment
from batch.store.client import together
from batch.workspace.files import read_parquet, write_parquet
from batch.workspace.workspace import Workspace

GROUP: Final = "ingest"
ENTRIES_PER_READ: Final = 32
"""Of at most 1 MiB each, as the service takes them."""
ROWS_PER_SEGMENT: Final = 50_000
BYTES_PER_SEGMENT: Final = 32 * 1024 * 1024
"""Of JSON; whichever bound is reached first closes a segment, and bounds the memory that ingesting takes."""
IDLE_MS: Final = 60_000
"""After so long without a word a consumer is taken for dead, and its entries are taken over."""

Raw = tuple[bytes, "dict[bytes, bytes] | None"]


@dataclass
class _Batch:
    """What was read and is not acknowledged yet."""

    entries: list[Entry] = field(default_factory=list)
    poison: list[tuple[bytes, dict[bytes, bytes], str]] = field(default_factory=list)
    ids: dict[bytes, None] = field(default_factory=dict)
    again: int = 0
    rows: int = 0
    n_bytes: int = 0

    def is_full(self) -> bool:
        return self.rows >= ROWS_PER_SEGMENT or self.n_bytes >= BYTES_PER_SEGMENT or len(self.ids) >= ROWS_PER_SEGMENT


class Partition:
    """One stream and its segments."""

    def __init__(
        self,
        client: redis.Redis,
        number: int,
        key: str,
        consumer: str,
        workspace: Workspace,
        on_disk: list[Segment],
    ) -> None:
        self.number = number
        self._client = client
        self._key = key
        self._consumer = consumer
        self._workspace = workspace
        self._on_disk = on_disk
        self._grouped = self._made_group()
        self._below: bytes | None = b"-"
        """Where the look at what the group has passed goes on; None once it is over."""
        self._place = b"0-0"
        """Of the group when that look was over, or of the whole stream where there was no group."""
        self._claimed = b"0-0"

    def one_segment(self) -> tuple[dict[str, int], bool]:
        """Take in at most one segment; the counts, and whether there may be more."""
        batch = _Batch()
        gone = 0
        more = False
        for raws, lost in self._reads():
            gone += lost
            self._take(batch, raws)
            if batch.is_full():
                more = True
                break
        counts = self._keep(batch)
        if not self._grouped and self._below is None and (more := self._made_group()):
            self._grouped = True
        if gone:
            counts["gone"] = gone
        return counts, more

    def _reads(self) -> Iterator[tuple[list[Raw], int]]:
        """Entries in the order in which they are owed: below the group's place, of dead consumers, new ones."""
        yield from self._passed()
        if not self._grouped:  # what has passed may have made room for a group, once it is trimmed
            return
        yield from self._left_by_the_dead()
        while True:
            reply: Any = self._client.xreadgroup(GROUP, self._consumer, {self._key: ">"}, count=ENTRIES_PER_READ)
            raws = _entries_of(reply)
            if raws:
                yield raws, 0
            if len(raws) < ENTRIES_PER_READ:
                return

    def _passed(self) -> Iterator[tuple[list[Raw], int]]:
        """What the stream still holds below the group's place: not acknowledged, not trimmed, or never given to anybody.

        Where the store has no memory for a group, it is all that the stream holds.
        """
        if self._below is None:
            return
        group = self._group()
        newest: Any = self._client.xrevrange(self._key, count=1) if group is None else []
        self._place = newest[0][0] if newest else b"0-0" if group is None else group["last-delivered-id"]
        while self._below is not None:
            page: Any = self._client.xrange(self._key, self._below, self._place, count=ENTRIES_PER_READ)
            self._below = b"(" + page[-1][0] if len(page) == ENTRIES_PER_READ else None
            yield page, 0

    def _left_by_the_dead(self) -> Iterator[tuple[list[Raw], int]]:
        while True:
            reply: Any = self._client.xautoclaim(
                self._key, GROUP, self._consumer, IDLE_MS, self._claimed, count=ENTRIES_PER_READ
            )
            self._claimed, raws, *rest = reply
            lost = len(rest[0]) if rest else 0
            yield [raw for raw in raws if raw[0] is not None], lost
            if self._claimed == b"0-0":
                return

    def _take(self, batch: _Batch, raws: Sequence[Raw]) -> None:
        entries = []
        for raw_id, fields in raws:
            if raw_id in batch.ids:  # below the group's place, and of a dead consumer
                continue
            batch.ids[raw_id] = None
            if fields is None:
                continue
            stream_id = _id(raw_id)
            try:
                entries.append(read_entry(stream_id, fields))
            except PoisonError as poison:
                batch.poison.append((raw_id, fields, str(poison)))
        known = self._marks(entries)
        for entry in entries:
            if known.get(entry.id) == entry.mark:
                batch.again += 1
                continue
            batch.entries.append(entry)
            batch.rows += entry.rows
            batch.n_bytes += entry.n_bytes

    def _keep(self, batch: _Batch) -> dict[str, int]:
        """Write, put aside, acknowledge, trim: in this order."""
        if not batch.ids:
            return {}
        written = 0
        if batch.entries:
            self._on_disk.append(self._write(batch.entries))
            written = 1
        poison = {raw_id for raw_id, _, _ in batch.poison}
        acknowledged = [raw_id for raw_id in batch.ids if raw_id not in poison]
        for first in range(0, len(acknowledged), 1000):
            self._client.xack(self._key, GROUP, *acknowledged[first : first + 1000])
        self._trim(_id(raw_id) for raw_id in poison)
        for raw_id, fields, reason in batch.poison:
            with together(self._client) as all_three:
                all_three.xadd(DEAD_EVENTS_KEY, letter(self._key, raw_id.decode(), fields, reason))
                all_three.xack(self._key, GROUP, raw_id)
                all_three.xdel(self._key, raw_id)
        if batch.poison:
            self._trim()
        return {
            "entries": len(batch.entries),
            "events": batch.rows,
            "dead": len(batch.poison),
            "segments": written,
            "again": batch.again,
        }

    def _write(self, entries: list[Entry]) -> Segment:
        entries.sort(key=lambda entry: entry.id)
        segment = new_segment(self._workspace, self.number, entries[0].id, entries[-1].id)
        write_parquet(segment.path, frame_of(entries))
        return segment

    def _marks(self, entries: list[Entry]) -> dict[StreamId, tuple[int, tuple[str, ...]]]:
        """What is on disk under the ids of entries."""
        if not entries:
            return {}
        low, high = min(entry.id for entry in entries), max(entry.id for entry in entries)
        ids = {str(entry.id) for entry in entries}
        marks: dict[StreamId, tuple[int, tuple[str, ...]]] = {}
        for segment in self._on_disk:
            if segment.last < low or segment.first > high:
                continue
            rows = read_parquet(segment.path, ["stream_id", "place", "received_at", "event_id"])
            there = rows.filter(pl.col("stream_id").is_in(ids)).sort("stream_id", "place")
            for stream_id, received, event_ids in (
                there.group_by("stream_id", maintain_order=True)
                .agg(pl.col("received_at").first().dt.epoch("us"), "event_id")
                .iter_rows()
            ):
                marks[StreamId.of(stream_id)] = received, tuple(event_ids)
        return marks

    def _made_group(self) -> bool:
        """Whether there is a group now; there is none where the store has no memory for it."""
        try:
            self._client.xgroup_create(self._key, GROUP, id="0")
        except redis.OutOfMemoryError:
            return False
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        return True

    def _group(self) -> dict[str, Any] | None:
        groups: Any = self._client.xinfo_groups(self._key)
        return next((group for group in groups if group["name"] == GROUP.encode()), None)

    def _trim(self, kept: Iterable[StreamId] = ()) -> None:
        """Remove what every entry below is acknowledged of: never by length, never what this group has not been given.

        Args:
            kept: ids of entries that are to stay, whatever the group says.
        """
        if self._below is not None:  # entries that nobody was given may stand below the group's place
            return
        group = self._group()  # before what is pending: what is given meanwhile is above
        bounds = [*kept, _id(self._place if group is None else group["last-delivered-id"]).following()]
        if group is not None:
            pending: Any = self._client.xpending(self._key, GROUP)
            bounds += [_id(pending["min"])] if pending["pending"] else []
        self._client.xtrim(self._key, minid=str(min(bounds)), approximate=False)


def _id(raw: bytes) -> StreamId:
    return StreamId.of(raw.decode())


def _entries_of(reply: Any) -> list[Raw]:
    """The entries of one stream in a reply, which is a list or, in a later protocol, a map."""
    if not reply:
        return []
    return list(next(iter(reply.values()))[0] if isinstance(reply, dict) else reply[0][1])
