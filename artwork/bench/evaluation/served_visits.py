"""A day of one generation: who comes, what the service answers, and which events it takes when."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

import numpy as np
import polars as pl

from artwork.bench.evaluation.served_world import N_COLD, N_TITLES, N_USERS, RETIRED, World, user_id
from bandit.arrays import I64
from bandit.snapshot import Current, id64, row_key
from batch.events.segments import SEGMENT_SCHEMA, StreamId, new_segment, segments_folder
from batch.publishing.row_bytes import encoded_rows, published_meta
from batch.workspace.catalogue import Catalogue
from batch.workspace.files import write_parquet
from batch.workspace.generations import CATALOGUE, Manifest, folder_of, read_manifest
from batch.workspace.workspace import Workspace
from service.events.models import read_events
from service.lookup.look_up import LookUp
from service.lookup.overlaid import with_overlay
from service.lookup.served_generation import ServedGeneration, build_generation
from service.lookup.store import MemoryStore
from service.metrics.metrics import Metrics

Event = dict[str, Any]
Request = tuple[datetime, list[Event]]
"""The moment that the service takes a request, and its events."""

MORNING: Final = datetime(2026, 3, 1, 7, tzinfo=UTC)
_HALF_HOUR: Final = timedelta(minutes=30)
_SLOTS: Final = 26  # half hours from morning to eight in the evening
_BEGINS: Final = (0, 10, 18)  # the slots in which revisions begin
_SKEW: Final = 86_400_000_000
_PARTITIONS: Final = 8


@dataclass(frozen=True)
class Habits:
    """What happens on a day.

    Args:
        failing: shares of look-ups whose row the store does not give, under each revision.
        late: share of posts of clients with a right clock that come hours later, in any order.
        wrong_clocks: share of users whose clock is wrong by up to a day; they post at once.
        twice: share of posts that are sent again.
        until_taken: a title is shown to a user until it was taken, instead of as often as the user comes.
        longest_delay: between an impression and its play.
        tells_revision: false for a client that leaves ``revision`` out.
        claims: the source that a client claims whatever it was told; None tells the truth.
    """

    failing: tuple[float, float, float] = (0.2, 0.0, 0.0)
    late: float = 0.3
    wrong_clocks: float = 0.2
    twice: float = 0.15
    until_taken: bool = False
    longest_delay: timedelta = timedelta(minutes=25)
    tells_revision: bool = True
    claims: str | None = None


@dataclass
class Day:
    """The day of one generation: who comes, what is answered, and what is posted when."""

    workspace: Workspace
    generation: int
    world: World
    kinds: I64
    habits: Habits
    random: np.random.Generator

    async def requests(self) -> list[Request]:
        """Every request with the moment that the service takes it, its events as they are stored."""
        serving = await _served(self.workspace, self.generation)
        store = MemoryStore(_rows(self.workspace, self.generation))
        look_up = LookUp(store, Metrics())
        revisions = [await with_overlay(serving, overlay) for overlay in RETIRED]
        posted: list[Request] = []
        titles = [f"t{title}".encode() for title in range(N_TITLES)]
        for user in range(N_USERS + N_COLD):
            offset = self._clock()
            taken: set[str] = set()
            slots = self.random.choice(_SLOTS, int(self.random.integers(1, 5)), replace=False)
            for slot in sorted(slots.tolist()):
                at = MORNING + slot * _HALF_HOUR + timedelta(seconds=float(self.random.uniform(0, 240)))
                revision = sum(slot >= begin for begin in _BEGINS) - 1
                store.available = bool(self.random.random() >= self.habits.failing[revision])
                row = await look_up.read(revisions[revision], user_id(user).encode())
                body = look_up.page(revisions[revision], user_id(user).encode(), revisions[revision].find(titles), row)
                picks = [pick for pick in json.loads(body)["picks"] if pick["title_id"] not in taken]
                for when, events in self._reported(user, at, picks, taken):
                    posted += self._posts(when, events, offset)
        return [(received, await _stored(received, events)) for received, events in posted]

    def _reported(self, user: int, at: datetime, picks: Sequence[Event], taken: set[str]) -> Iterator[Request]:
        """What a client has to tell, and when: the impressions of a page, then each play."""
        claimed: Event = {"source": self.habits.claims} if self.habits.claims else {}
        claimed |= {} if self.habits.tells_revision else {"revision": 0}
        shown = [pick | claimed | {"type": "impression"} for pick in picks]
        yield at, [self._named(event, at) for event in shown]
        for event in shown:
            title, arm = int(event["title_id"][1:]), int(event["artwork_id"].rpartition("a")[2])
            rate = self.world.rates[self.kinds[user], title, arm] if user < N_USERS else 0.3
            takes, browses = self.random.random() < rate, self.random.random() < 0.1
            if not (takes or browses):
                continue
            if self.habits.until_taken and takes:
                taken.add(event["title_id"])
            watched = float(self.random.uniform(0.7, 1.0) if takes else self.random.uniform(0.0, 0.69))
            later = at + self.habits.longest_delay * float(self.random.uniform(0.001, 1))
            yield later, [self._named(event | {"type": "play", "watch_fraction": watched}, later)]

    def _named(self, event: Event, at: datetime) -> Event:
        return event | {"event_id": f"g{self.generation}-{self.random.integers(1 << 62):x}", "occurred_at": at}

    def _clock(self) -> timedelta | None:
        """How much a user's clock is wrong; None where it is right."""
        wrong = self.random.random() < self.habits.wrong_clocks
        return timedelta(days=float(self.random.uniform(-1, 1))) if wrong else None

    def _posts(self, at: datetime, events: list[Event], offset: timedelta | None) -> Iterator[Request]:
        received = at + timedelta(seconds=float(self.random.uniform(0.05, 0.2)))
        if offset is None and self.random.random() < self.habits.late:
            received += timedelta(hours=min(16.0, float(self.random.exponential(4.0))))
        told = [event | {"occurred_at": (at + (offset or timedelta())).isoformat()} for event in events]
        if events:
            yield received, told
            if self.random.random() < self.habits.twice:
                yield received + timedelta(hours=float(self.random.exponential(3.0))), told


async def _stored(received: datetime, events: list[Event]) -> list[Event]:
    """Events as the service stores them."""
    moment = int(received.timestamp() * 1_000_000)
    body = json.dumps(events).encode()
    return await read_events(body, moment, _SKEW, trust_time=False)


def write_segments(workspace: Workspace, requests: list[Request]) -> None:
    """One entry per request, in the partition of its first event's user, as one segment per partition."""
    segments_folder(workspace).mkdir(parents=True, exist_ok=True)
    entries: dict[int, list[Event]] = {partition: [] for partition in range(_PARTITIONS)}
    numbers = {partition: count() for partition in range(_PARTITIONS)}
    for received, events in sorted(requests, key=lambda request: request[0]):
        partition = id64(events[0]["user_id"]) % _PARTITIONS
        identity = StreamId(int(received.timestamp() * 1000), next(numbers[partition]))
        own = {"stream_id": str(identity), "received_at": received}
        entries[partition] += [
            {"watch_fraction": None} | event | own | {"place": place, "at": _moment(event["at"])}
            for place, event in enumerate(events)
        ]
    for partition, rows in entries.items():
        first, last = StreamId.of(rows[0]["stream_id"]), StreamId.of(rows[-1]["stream_id"])
        frame = pl.DataFrame(rows, schema=SEGMENT_SCHEMA)
        write_parquet(new_segment(workspace, partition, first, last).path, frame)


def _moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


async def _served(workspace: Workspace, generation: int) -> ServedGeneration:
    manifest, catalogue = _read(workspace, generation)
    meta, parts = published_meta(workspace, manifest, catalogue)
    return await build_generation(Current(generation, manifest.identity, generation), meta, b"".join(parts))


def _rows(workspace: Workspace, generation: int) -> dict[str, bytes]:
    return {row_key(generation, user_id): raw for user_id, raw in encoded_rows(workspace, generation)}


def _read(workspace: Workspace, generation: int) -> tuple[Manifest, Catalogue]:
    return read_manifest(workspace, generation), Catalogue.read(folder_of(workspace, generation) / CATALOGUE)
