"""Days that are served, answered, reported and joined as they are in operation, in a world where the truth is known.

Each run is a generation with users of its own, drawn from many kinds of users. Its picks are drawn by ``precompute``, published
rows are looked up by the service's own code, events pass the service's own checks, and ``join`` makes impressions of them. Over
many runs, estimates from these impressions have to hit the truth on average, and their intervals have to hold it.
"""

import asyncio
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import F64, I64, Bool
from bandit.evaluation import Thresholds, estimate
from bandit.policies import Popularity
from bandit.snapshot import NO_OVERLAY, Current, Meta, Overlay, encode_catalogue, id64, row_key
from batch.choosing.precompute import precompute
from batch.config import Config
from batch.events.arrivals import JoinSettings
from batch.events.join import Joined, join
from batch.events.segments import SEGMENT_SCHEMA, StreamId, new_segment, segments_folder
from batch.executors import SerialExecutor
from batch.learning.train import train
from batch.publishing.row_bytes import encoded_rows, published_catalogue
from batch.workspace.catalogue import Catalogue
from batch.workspace.files import write_parquet
from batch.workspace.generations import (
    CATALOGUE,
    CONTEXTS,
    Manifest,
    claim,
    digest_of,
    folder_of,
    read_manifest,
    write_manifest,
)
from batch.workspace.impressions import append_impressions, day_folder
from batch.workspace.overlays import write_overlay
from batch.workspace.tables import Tables, write_tables
from batch.workspace.workspace import Workspace
from service.events.models import read_events
from service.lookup.look_up import LookUp
from service.lookup.overlaid import with_overlay
from service.lookup.served_generation import ServedGeneration, build_generation
from service.lookup.store import MemoryStore
from service.metrics.metrics import Metrics

Event = dict[str, Any]

N_USERS, N_COLD, N_TITLES, N_ARMS, N_KINDS = 150, 10, 3, 4, 5000
DAY: Final = date(2026, 3, 1)
MORNING: Final = datetime(2026, 3, 1, 7, tzinfo=UTC)
RETIRED: Final[tuple[Overlay, ...]] = (
    NO_OVERLAY,
    Overlay(1, {"t0": ("t0-a0",)}),  # the title's default
    Overlay(2, {"t0": ("t0-a0", "t0-a3"), "t1": ("t1-a2",)}),
)
"""What is served under, in turn; a revision is written when it begins."""

TARGETS: Final = ("uniform", "best")
ESTIMATORS: Final = ("ips", "snips", "dr")

_HALF_HOUR: Final = timedelta(minutes=30)
_SLOTS: Final = 26  # half hours from morning to eight in the evening
_BEGINS: Final = (0, 10, 18)  # the slots in which revisions begin
_SKEW: Final = 86_400_000_000
_PARTITIONS: Final = 8
_CONFIG: Final = Config.of(
    "thompson", "softmax:temperature=0.1", share=0.4, seed=4, floor=0.2, explore_share=0.2, new_floor=0.0
)
_LENIENT: Final = Thresholds(effective_sample_size=0, weight_share=1, calibration_errors=99, mean_weight_errors=99)


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


class World(NamedTuple):
    """Kinds of users: contexts (5000, 3) and expected rewards (5000, 3, 4), which are linear in them."""

    contexts: F64
    rates: F64

    @classmethod
    def drawn(cls) -> "World":
        """One world for all runs."""
        random = np.random.default_rng(2026)
        contexts = np.column_stack([np.ones(N_KINDS), random.uniform(-1.5, 1.5, (N_KINDS, 2))])
        base = random.uniform(0.2, 0.45, (N_TITLES, N_ARMS))
        slopes = random.uniform(-0.13, 0.13, (2, N_TITLES, N_ARMS))
        rates = np.clip(base + np.einsum("nd,dta->nta", contexts[:, 1:], slopes), 0.01, 0.99)
        return cls(np.asarray(contexts, dtype=np.float32).astype(np.float64), rates)

    @property
    def remaining(self) -> Bool:
        """Which artworks are never retired, (3, 4)."""
        gone = [artwork for artworks in RETIRED[-1].retired.values() for artwork in artworks]
        return np.array([[_artwork(t, a) not in gone for a in range(N_ARMS)] for t in range(N_TITLES)])

    def target(self, name: str) -> F64:
        """The probabilities of a target policy, (3, 4), over the artworks that remain."""
        able = self.remaining
        if name == "uniform":
            return np.asarray(able / able.sum(axis=1, keepdims=True), dtype=np.float64)
        best = np.where(able, self.rates.mean(axis=0), -1.0).argmax(axis=1)
        return np.asarray(np.eye(N_ARMS)[best], dtype=np.float64)

    def truth(self, name: str) -> float:
        """What a target policy is worth, per impression."""
        return float((self.target(name) * self.rates.mean(axis=0)).sum() / N_TITLES)


@dataclass(frozen=True)
class Runs:
    """Some runs, a task for a process: numbers ``first`` to before ``stop``; what is taken after ``until`` is not there yet."""

    first: int
    stop: int
    habits: Habits = Habits()
    open_rows: str = "learn"
    until: datetime | None = None


class ServedDays(NamedTuple):
    """What runs found: ``values``, ``covered`` (r, targets, estimators), the joined rows, and what the join counted."""

    values: F64
    covered: F64
    rows: pl.DataFrame
    joined: Joined


def run_days(task: Runs, folder: Path | None = None) -> ServedDays:
    """Serve, report, join and estimate."""
    with TemporaryDirectory() as own:
        workspace = Workspace((folder or Path(own)) / "workspace")
        world = World.drawn()
        model = _trained(workspace, world)
        for overlay in RETIRED[1:]:
            write_overlay(workspace, overlay)
        kinds, requests = {}, []
        for number in range(task.first, task.stop):
            random = np.random.default_rng((7, number))
            of_users = random.integers(0, N_KINDS, N_USERS)
            generation = _redrawn(workspace, model, world.contexts[of_users], number)
            kinds[generation] = of_users
            served = asyncio.run(_Day(workspace, generation, world, of_users, task.habits, random).requests())
            requests += [request for request in served if task.until is None or request[0] <= task.until]
        _write_segments(workspace, requests)
        joined = join(workspace, SerialExecutor(), _silent, settings=JoinSettings(open_rows=task.open_rows))
        paths = sorted(workspace.impressions.glob("day=*/events.parquet"))
        rows = pl.concat([pl.read_parquet(path) for path in paths])
        results = [_judged(world, rows.filter(pl.col("generation") == generation)) for generation in sorted(kinds)]
        values, covered = (np.array(of_runs) for of_runs in zip(*results, strict=True))
        return ServedDays(values, covered, rows, joined)


def estimates_of(task: Runs) -> tuple[F64, F64, int]:
    """Values and coverage of runs, (r, targets, estimators) each, and their impressions; for another process."""
    served = run_days(task)
    return served.values, served.covered, served.rows.height


@dataclass(frozen=True)
class ServedRow:
    """One estimator of one target over all runs: mean error, its standard error, and how often its interval held the truth."""

    target: str
    estimator: str
    truth: float
    bias: float
    error: float
    covered: float


@dataclass(frozen=True)
class ServedCoverage:
    """What some runs came to."""

    runs: int
    impressions: int
    rows: list[ServedRow]


def coverage_of_days(parts: Sequence[tuple[F64, F64, int]]) -> ServedCoverage:
    """Put what ``estimates_of`` tasks gave together."""
    values, covered = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    world, runs, impressions = World.drawn(), len(values), sum(part[2] for part in parts)
    rows = []
    for place, target in enumerate(TARGETS):
        for nth, estimator in enumerate(ESTIMATORS):
            own, truth = values[:, place, nth], world.truth(target)
            error = float(own.std(ddof=1) / np.sqrt(runs))
            held = float(covered[:, place, nth].mean())
            rows.append(ServedRow(target, estimator, truth, float(own.mean()) - truth, error, held))
    return ServedCoverage(runs, impressions, rows)


def _judged(world: World, rows: pl.DataFrame) -> tuple[F64, F64]:
    """Value and coverage of every target and estimator, (targets, estimators) each, from the rows of a run."""
    title = rows["title_id"].str.slice(1).cast(pl.Int64).to_numpy()
    arms = title * N_ARMS + rows["arm"].cast(pl.Int64).to_numpy()
    users = rows["user_id"].str.slice(1).cast(pl.Int64).to_numpy()
    rewards, propensities = rows["reward"].to_numpy(), rows["propensity"].to_numpy()
    eligible = np.zeros((rows.height, N_TITLES * N_ARMS), dtype=np.bool_)
    listed = rows.select(pl.int_range(pl.len()).alias("row"), "eligible").explode("eligible")
    at = listed["row"].to_numpy()
    eligible[at, title[at] * N_ARMS + listed["eligible"].cast(pl.Int64).to_numpy()] = True
    shape = len(TARGETS), len(ESTIMATORS)
    values, covered = np.empty(shape), np.empty(shape)
    q = _take_rates(arms, rewards, users % 2)
    for place, target in enumerate(TARGETS):
        p = np.zeros(eligible.shape)
        for own in range(N_TITLES):
            p[title == own, own * N_ARMS : (own + 1) * N_ARMS] = world.target(target)[own]
        truth = world.truth(target)
        for nth, name in enumerate(ESTIMATORS):
            found = estimate(
                name,
                rewards,
                arms,
                propensities,
                p,
                q if name == "dr" else None,
                users * N_TITLES + title,
                users=users,
                eligible=eligible,
                thresholds=_LENIENT,
            )
            values[place, nth] = np.nan if found.value is None else found.value
            covered[place, nth] = found.lower is not None and found.lower <= truth <= (found.upper or 0.0)
    return values, covered


def _take_rates(arms: I64, rewards: F64, fold: I64) -> F64:
    """Rewards per impression of each arm among the users of the other half, (m, k)."""
    rates = np.full((2, N_TITLES * N_ARMS), 0.3)
    for half in (0, 1):
        other = fold != half
        shown = np.bincount(arms[other], minlength=rates.shape[1])
        taken = np.bincount(arms[other], weights=rewards[other], minlength=rates.shape[1])
        rates[half] = (taken + 0.3) / (shown + 1)
    return rates[fold]


@dataclass
class _Day:
    """The day of one generation: who comes, what is answered, and what is posted when."""

    workspace: Workspace
    generation: int
    world: World
    kinds: I64
    habits: Habits
    random: np.random.Generator

    async def requests(self) -> list[tuple[datetime, list[Event]]]:
        """Every request with the moment that the service takes it, its events as they are stored."""
        serving = await _served(self.workspace, self.generation)
        store = MemoryStore(_rows(self.workspace, self.generation))
        look_up = LookUp(store, Metrics())
        revisions = [await with_overlay(serving, overlay) for overlay in RETIRED]
        posted: list[tuple[datetime, list[Event]]] = []
        titles = [f"t{title}".encode() for title in range(N_TITLES)]
        for user in range(N_USERS + N_COLD):
            offset = self._clock()
            taken: set[str] = set()
            slots = self.random.choice(_SLOTS, int(self.random.integers(1, 5)), replace=False)
            for slot in sorted(slots.tolist()):
                at = MORNING + slot * _HALF_HOUR + timedelta(seconds=float(self.random.uniform(0, 240)))
                revision = sum(slot >= begin for begin in _BEGINS) - 1
                store.available = bool(self.random.random() >= self.habits.failing[revision])
                row = await look_up.read(revisions[revision], _user(user).encode())
                body = look_up.page(revisions[revision], _user(user).encode(), titles, row)
                picks = [pick for pick in json.loads(body)["picks"] if pick["title_id"] not in taken]
                for when, events in self._reported(user, at, picks, taken):
                    posted += self._posts(when, events, offset)
        return [(received, await _stored(received, events)) for received, events in posted]

    def _reported(
        self, user: int, at: datetime, picks: Sequence[Event], taken: set[str]
    ) -> Iterator[tuple[datetime, list[Event]]]:
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

    def _posts(
        self, at: datetime, events: list[Event], offset: timedelta | None
    ) -> Iterator[tuple[datetime, list[Event]]]:
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


def _write_segments(workspace: Workspace, requests: list[tuple[datetime, list[Event]]]) -> None:
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
    published = published_catalogue(catalogue, Popularity.name)
    digest, parts = encode_catalogue(published)
    meta = Meta(
        generation=generation,
        identity=manifest.identity,
        seed=manifest.config.seed,
        manifest_digest=manifest.digest,
        catalogue_digest=digest,
        catalogue_parts=len(parts),
        users=manifest.counts["rows"],
        titles=published.counts.titles,
        artworks=published.counts.artworks,
        variants=manifest.config.names,
        created_at=manifest.created_at,
    )
    return await build_generation(Current(generation, manifest.identity, generation), meta, b"".join(parts))


def _rows(workspace: Workspace, generation: int) -> dict[str, bytes]:
    _, catalogue = _read(workspace, generation)
    return {row_key(generation, user_id): raw for user_id, raw in encoded_rows(workspace, generation, catalogue)}


def _read(workspace: Workspace, generation: int) -> tuple[Manifest, Catalogue]:
    return read_manifest(workspace, generation), Catalogue.read(folder_of(workspace, generation) / CATALOGUE)


def _redrawn(workspace: Workspace, model: int, contexts: F64, seed: int) -> int:
    """A generation with the posterior of another, users and a seed of its own: no two runs draw with the same numbers."""
    number, manifest = claim(workspace), read_manifest(workspace, model)
    source, folder = folder_of(workspace, model), folder_of(workspace, number)
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("picks", "manifest.json"))
    path = folder / CONTEXTS
    write_parquet(path, pl.read_parquet(path).with_columns(context=_vectors(contexts)))
    checksums = manifest.checksums | {CONTEXTS: digest_of(path)}
    config = replace(manifest.config, seed=seed)
    write_manifest(workspace, replace(manifest, generation=number, checksums=checksums, config=config))
    precompute(workspace, number, SerialExecutor(), _silent, shard_size=1)
    return number


def _trained(workspace: Workspace, world: World) -> int:
    """A trained generation that knows something: 3,000 impressions of uniform artworks."""
    random = np.random.default_rng(3)
    kinds, titles, arms = (random.integers(0, most, 3000) for most in (N_KINDS, N_TITLES, N_ARMS))
    workspace.root.mkdir(parents=True)
    write_tables(workspace, _tables(world.contexts[:N_USERS]))
    taken = random.random(3000) < world.rates[kinds, titles, arms]
    day = DAY - timedelta(days=20)
    frame = pl.DataFrame(
        {
            "event_id": [f"learned-{number}" for number in range(3000)],
            "shown_at": [datetime(day.year, day.month, day.day, 12, tzinfo=UTC)] * 3000,
            "user_id": [_user(number % N_USERS) for number in range(3000)],
            "title_id": [f"t{title}" for title in titles],
            "artwork_id": [_artwork(title, arm) for title, arm in zip(titles, arms, strict=True)],
            "arm": arms,
            "eligible": [list(range(N_ARMS))] * 3000,
            "generation": np.zeros(3000, dtype=np.int64),
            "revision": np.zeros(3000, dtype=np.int64),
            "policy": ["uniform"] * 3000,
            "source": ["personalized"] * 3000,
            "segment": pl.Series([None] * 3000, dtype=pl.String),
            "propensity": np.full(3000, 1 / N_ARMS),
            "context": _vectors(world.contexts[kinds]),
            "clicked": taken,
            "watch_fraction": taken.astype(np.float64),
            "reward": taken.astype(np.float64),
        }
    )
    append_impressions(workspace, day, frame)
    trained = train(workspace, _CONFIG, SerialExecutor(), _silent, shard_size=1)
    shutil.rmtree(day_folder(workspace, day))
    return trained.generation


def _tables(contexts: F64) -> Tables:
    """Every third user has a shortlist of two titles: for the third, the store has no pick."""
    users, titles = [_user(number) for number in range(N_USERS)], [f"t{title}" for title in range(N_TITLES)]
    pairs = [(title, arm) for title in range(N_TITLES) for arm in range(N_ARMS)]
    nothing = pl.Series([None] * N_USERS, dtype=pl.String)
    return Tables(
        pl.DataFrame(
            {
                "user_id": users,
                "context": _vectors(contexts),
                "country": nothing,
                "device": nothing,
                "campaign": nothing,
                "sessions": [1] * N_USERS,
            }
        ),
        pl.DataFrame({"title_id": titles, "name": titles, "year": [2000] * N_TITLES, "genres": [["drama"]] * N_TITLES}),
        pl.DataFrame(
            {
                "title_id": [f"t{title}" for title, _ in pairs],
                "artwork_id": [_artwork(*pair) for pair in pairs],
                "features": _vectors(np.eye(N_ARMS)[[arm for _, arm in pairs]]),
                "theme": ["plain"] * len(pairs),
                "look": ["plain"] * len(pairs),
                "image_url": pl.Series([None] * len(pairs), dtype=pl.String),
                "is_default": [arm == 0 for _, arm in pairs],
                "added_at": [datetime(2026, 1, 1, tzinfo=UTC)] * len(pairs),
            }
        ),
        pl.DataFrame(
            {"user_id": users, "title_ids": [titles[:2] if place % 3 == 0 else titles for place in range(N_USERS)]}
        ),
    )


def _vectors(values: F64) -> pl.Series:
    return pl.Series(values.tolist(), dtype=pl.List(pl.Float32))


def _user(number: int) -> str:
    return f"u{number:03d}"


def _artwork(title: int, arm: int) -> str:
    return f"t{title}-a{arm}"


def _silent(what: str, done: int, total: int) -> None:
    """Nobody reads it."""
