"""What users without a row are shown: a segment's artworks against popularity's and uniform ones, over seeds.

    python tests/benchmarks/new_users.py --first 301 --count 2

Each seed draws a world of synthetic users and titles. Some users are held back, the others are shown uniform artworks for some
days, and a generation learns from them. Then the world says what the users who were held back would take in their first session:
by the weights that would be published for the segment of their signals, by those of popularity, and by uniform choice. There is
no other chance in it than who was held back, so intervals are those of a mean over users.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from bandit.arrays import F64, I64
from bandit.rewards import EngagedTake
from bandit.simulation.world import World
from bandit.snapshot import SegmentFinder, Signals
from batch.choosing.precompute import precompute
from batch.config import Config
from batch.datasets import synthetic
from batch.datasets.dataset import DataSet, write
from batch.executors import SerialExecutor
from batch.learning.train import train
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import folder_of, read_manifest
from batch.workspace.impressions import append_impressions
from batch.workspace.kept_segments import read_segment_weights, read_segments
from batch.workspace.workspace import Workspace

FIRST_DAY = date(2026, 1, 1)
Z = 1.959964  # of a 95 % interval


@dataclass(frozen=True)
class FirstSessions:
    """Mean take rates of new users, and how far the segment is above popularity, with the ends of its 95 % interval."""

    seed: int
    users: int
    segments: int
    segment: float
    popularity: float
    uniform: float
    best: float
    lead: float
    low: float
    high: float


def first_sessions(
    seed: int, n_users: int, n_titles: int, days: int, visits: int, policy: str = "thompson"
) -> FirstSessions:
    """Play one seed."""
    dataset = synthetic.build(n_users, n_titles, seed)
    random = np.random.default_rng(seed)
    new = np.sort(random.choice(n_users, n_users // 3, replace=False))
    known = np.setdiff1d(np.arange(n_users), new)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        kept = dataset.select(known, np.arange(n_titles))
        write(workspace, kept)
        for day in range(days):
            _explore(workspace, kept, FIRST_DAY + timedelta(days=day), visits, random)
        number = train(workspace, Config.of(policy, seed=seed), SerialExecutor(), _silent, shard_size=4).generation
        precompute(workspace, number, SerialExecutor(), _silent, shard_size=4)
        return _judged(workspace, number, dataset.world, dataset.tables.users[new], new, seed)


def _explore(workspace: Workspace, dataset: DataSet, day: date, visits: int, random: np.random.Generator) -> None:
    """A day of visits that are shown uniform artworks."""
    tables, world = dataset.tables, dataset.world
    users, titles = (
        random.integers(tables.users.height, size=visits),
        random.integers(tables.titles.height, size=visits),
    )
    starts = np.searchsorted(world.artwork_title, np.arange(tables.titles.height + 1))
    sizes = np.diff(starts)
    arms = random.integers(sizes[titles])
    shown = starts[titles] + arms
    responses = world.respond(users, shown, random.random((visits, 2)))
    every_arm = pl.Series([list(range(size)) for size in sizes.tolist()], dtype=pl.List(pl.UInt8))
    frame = pl.DataFrame(
        {
            "event_id": [f"{day:%j}-{number:06d}" for number in range(visits)],
            "shown_at": [datetime(day.year, day.month, day.day, tzinfo=UTC)] * visits,
            "user_id": tables.users["user_id"].gather(users),
            "title_id": tables.titles["title_id"].gather(titles),
            "artwork_id": tables.artworks["artwork_id"].gather(shown),
            "arm": arms,
            "eligible": every_arm.gather(titles),
            "generation": np.ones(visits, dtype=np.int64),
            "revision": np.zeros(visits, dtype=np.int64),
            "policy": ["uniform"] * visits,
            "source": ["personalized"] * visits,
            "segment": pl.Series([None] * visits, dtype=pl.String),
            "propensity": 1 / sizes[titles],
            "context": tables.users["context"].gather(users),
            "clicked": responses.clicked,
            "watch_fraction": responses.watch_fraction,
            "reward": EngagedTake().rewards(responses.clicked, responses.watch_fraction),
        }
    )
    append_impressions(workspace, day, frame)


def _judged(
    workspace: Workspace, number: int, world: World, users: pl.DataFrame, rows: I64, seed: int
) -> FirstSessions:
    manifest = read_manifest(workspace, number)
    kept, weights = read_segments(workspace, manifest), read_segment_weights(workspace, manifest)
    catalogue = Catalogue.read(folder_of(workspace, number) / "catalogue.parquet")
    finder = SegmentFinder(() if kept is None else kept.segments)
    places = [finder.find(Signals(*row)) for row in users.select("country", "device", "campaign").rows()]
    popular = catalogue.frame["popularity_weight"].to_numpy().astype(np.float64)
    rates: dict[str, F64] = {name: np.zeros(len(rows)) for name in ("segment", "popularity", "uniform", "best")}
    for title in range(len(catalogue.title_ids)):
        takes, own = world.take_probabilities(rows, title), catalogue.arms(title)  # (n, k), (k,)
        of_segment = np.stack(
            [popular[own] if place is None or weights is None else weights[place, own] for place in places]
        )
        rates["segment"] += (takes * of_segment).sum(axis=1) / 65535
        rates["popularity"] += takes @ popular[own] / 65535
        rates["uniform"] += takes.mean(axis=1)
        rates["best"] += takes.max(axis=1)
    rates = {name: rate / len(catalogue.title_ids) for name, rate in rates.items()}
    lead = rates["segment"] - rates["popularity"]
    half = Z * float(lead.std(ddof=1)) / len(rows) ** 0.5
    means = {name: float(rate.mean()) for name, rate in rates.items()}
    mean = float(lead.mean())
    return FirstSessions(seed, len(rows), len(finder.segments), **means, lead=mean, low=mean - half, high=mean + half)


def _silent(what: str, done: int, total: int) -> None:
    """Nobody watches."""


def main() -> int:
    """Play the seeds; exit code 1 where an interval is not clear of 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (
        ("first", 301),
        ("count", 2),
        ("users", 1500),
        ("titles", 100),
        ("days", 4),
        ("visits", 20_000),
    ):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--policy", default="thompson")
    given = parser.parse_args()
    wrong = 0
    for seed in range(given.first, given.first + given.count):
        played = first_sessions(seed, given.users, given.titles, given.days, given.visits, given.policy)
        sys.stdout.write(json.dumps(vars(played)) + "\n")
        sys.stdout.flush()
        wrong += played.low <= 0
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
