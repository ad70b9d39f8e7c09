"""What users without a row are shown: a segment's artworks against popularity's and uniform ones, over seeds.

    python tests/benchmarks/new_users.py --first 301 --count 2

Each seed draws a world of synthetic users and titles. Some users are held back, the others are shown uniform artworks for some
days, and a generation learns from them. Then the world says what the users who were held back would take in their first session:
by the weights that would be published for the segment of their signals, by those of popularity, and by uniform choice. There is
no other chance in it than who was held back, so intervals are those of a mean over users.

With --sessions, the new users come once a day, join the tables with the first night, and play what they are shown: take rates by
session, and how many themes they have seen by the last one.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from bandit.arrays import F64, I64
from bandit.rewards import EngagedTake
from bandit.simulation.world import Responses, World
from bandit.snapshot import SegmentFinder, Signals
from batch.choosing.precompute import precompute
from batch.config import Config
from batch.datasets import synthetic
from batch.datasets.dataset import DataSet, write
from batch.datasets.refreshing import refresh_contexts
from batch.executors import SerialExecutor
from batch.learning.train import train
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import folder_of, read_manifest
from batch.workspace.impressions import append_impressions
from batch.workspace.kept_segments import read_segment_weights, read_segments
from batch.workspace.kept_users import KeptUsers
from batch.workspace.picks import RecordedPicks
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
    seed: int, n_users: int, n_titles: int, days: int, visits: int, policy: str = "thompson", posterior: str = "linear"
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
        number = train(
            workspace, Config.of(policy, posterior=posterior, seed=seed), SerialExecutor(), _silent, shard_size=4
        ).generation
        precompute(workspace, number, SerialExecutor(), _silent, shard_size=4)
        return _judged(workspace, number, dataset.world, dataset.tables.users[new], new, seed)


@dataclass(frozen=True)
class Session:
    """A session of new users, the first of which a segment answers and the others their rows.

    ``taken`` and the rates beside it are expected take rates; ``lead`` over popularity has a 95 % interval over users. ``themes``
    are distinct so far, per user, and ``popular_themes`` those that popularity would have shown.
    """

    seed: int
    session: int
    source: str
    taken: float
    popularity: float
    uniform: float
    best: float
    lead: float
    low: float
    high: float
    themes: float
    popular_themes: float


def first_week(seed: int, n_users: int, n_titles: int, days: int, visits: int, sessions: int) -> Iterator[Session]:
    """Play the sessions of one seed, a day each, with pages of ten titles."""
    dataset, random = synthetic.build(n_users, n_titles, seed), np.random.default_rng(seed)
    new = np.sort(random.choice(n_users, n_users // 3, replace=False))
    kept = dataset.select(np.setdiff1d(np.arange(n_users), new), np.arange(n_titles))
    world, users = dataset.world, dataset.tables.users[new]
    starts = np.searchsorted(world.artwork_title, np.arange(n_titles + 1))
    themes, popular_themes = ([set[int]() for _ in new] for _ in range(2))
    config = Config.of("thompson", seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        write(workspace, kept)
        for day in range(days):
            _explore(workspace, kept, FIRST_DAY + timedelta(days=day), visits, random)
        for session in range(1, sessions + 1):
            number = train(workspace, config, SerialExecutor(), _silent, shard_size=4).generation
            precompute(workspace, number, SerialExecutor(), _silent, shard_size=4)
            titles = np.argsort(random.random((len(new), n_titles)), axis=1)[:, :10]
            rows, of_titles = np.repeat(new, 10), titles.ravel()
            of_new = np.repeat(np.arange(len(new)), 10)
            answered = _answered(workspace, number, users, of_new, of_titles, random, is_cold=session == 1)
            shown, popular = starts[of_titles] + answered.arms, starts[of_titles] + answered.popular
            for seen, artworks in ((themes, shown), (popular_themes, popular)):
                for user, theme in zip(of_new.tolist(), world.artwork_theme[artworks].tolist(), strict=True):
                    seen[user].add(theme)
            uniform, best = world.uniform_and_best(rows, of_titles)
            rates = [world.take_probability_of(rows, shown), world.take_probability_of(rows, popular), uniform, best]
            means = [rate.reshape(-1, 10).mean(axis=1) for rate in rates]
            lead = means[0] - means[1]
            half = Z * float(lead.std(ddof=1)) / len(new) ** 0.5
            yield Session(
                *(seed, session, "segment" if session == 1 else "personalized"),
                *(float(mean.mean()) for mean in means),
                *(float(lead.mean()) + half * side for side in (0, -1, 1)),
                *(float(np.mean([len(own) for own in seen])) for seen in (themes, popular_themes)),
            )
            today = FIRST_DAY + timedelta(days=days + session)
            responses = world.respond(rows, shown, random.random((len(rows), 2)))
            _append(workspace, today, "n", dataset, rows, of_titles, answered.arms, answered.contexts, responses)
            _explore(workspace, kept, today, visits // 4, random)
            if session == 1:
                write(workspace, dataset, overwrite=True)
            refresh_contexts(workspace)


class _Answered(NamedTuple):
    """What was shown on m places, what popularity would have shown, and the contexts by which it was chosen."""

    arms: I64
    popular: I64
    contexts: pl.Series


def _answered(
    workspace: Workspace,
    number: int,
    users: pl.DataFrame,
    rows: I64,
    titles: I64,
    random: np.random.Generator,
    *,
    is_cold: bool,
) -> _Answered:
    manifest = read_manifest(workspace, number)
    catalogue = Catalogue.read(folder_of(workspace, number) / "catalogue.parquet")
    popular = _draw_each(catalogue, titles, catalogue.frame["popularity_weight"].to_numpy()[None], titles * 0, random)
    if is_cold:
        kept, weights = read_segments(workspace, manifest), read_segment_weights(workspace, manifest)
        assert kept is not None
        assert weights is not None
        finder = SegmentFinder(kept.segments)
        found = [finder.find(Signals(*row)) for row in users.select("country", "device", "campaign").rows()]
        places = np.array([0 if place is None else place for place in found])  # everybody has a device
        arms = _draw_each(catalogue, titles, weights, places[rows], random)
        return _Answered(arms, popular, kept.frame["context"].gather(places[rows]))
    known = KeptUsers(workspace, manifest)
    own = known.places(users["user_id"]).to_numpy()
    picks = RecordedPicks(workspace, manifest).frame()["arm"].to_numpy().reshape(known.count, len(catalogue.title_ids))
    contexts = known.slice(0, known.count)["context"].gather(own[rows])
    return _Answered(picks[own[rows], titles].astype(np.int64), popular, contexts)


def _draw_each(
    catalogue: Catalogue, titles: I64, weights: npt.NDArray[np.uint16], places: I64, random: np.random.Generator
) -> I64:
    """An arm of each title by the weights (s, a) at a place, (m,)."""
    sizes = np.diff(catalogue.starts)
    columns = np.minimum(catalogue.starts[titles][:, None] + np.arange(sizes.max()), catalogue.n_artworks - 1)
    there = np.arange(sizes.max()) < sizes[titles][:, None]
    edges = np.cumsum(np.where(there, weights[places[:, None], columns].astype(np.int64), 0), axis=1)
    return np.asarray((edges > random.integers(65535, size=len(titles))[:, None]).argmax(axis=1), dtype=np.int64)


def _explore(workspace: Workspace, dataset: DataSet, day: date, visits: int, random: np.random.Generator) -> None:
    """A day of visits that are shown uniform artworks."""
    tables, world = dataset.tables, dataset.world
    users, titles = (
        random.integers(tables.users.height, size=visits),
        random.integers(tables.titles.height, size=visits),
    )
    starts = np.searchsorted(world.artwork_title, np.arange(tables.titles.height + 1))
    arms = random.integers(np.diff(starts)[titles])
    responses = world.respond(users, starts[titles] + arms, random.random((visits, 2)))
    _append(workspace, day, "x", dataset, users, titles, arms, tables.users["context"].gather(users), responses)


def _append(
    workspace: Workspace,
    day: date,
    prefix: str,
    dataset: DataSet,
    users: I64,
    titles: I64,
    arms: I64,
    contexts: pl.Series,
    responses: Responses,
) -> None:
    """Log a day; propensities are those of uniform choice, which nothing here is weighted by."""
    tables, count = dataset.tables, len(users)
    starts = np.searchsorted(dataset.world.artwork_title, np.arange(tables.titles.height + 1))
    sizes = np.diff(starts)
    every_arm = pl.Series([list(range(size)) for size in sizes.tolist()], dtype=pl.List(pl.UInt8))
    frame = pl.DataFrame(
        {
            "event_id": [f"{prefix}{day:%j}-{number:06d}" for number in range(count)],
            "shown_at": [datetime(day.year, day.month, day.day, tzinfo=UTC)] * count,
            "user_id": tables.users["user_id"].gather(users),
            "title_id": tables.titles["title_id"].gather(titles),
            "artwork_id": tables.artworks["artwork_id"].gather(starts[titles] + arms),
            "arm": arms,
            "eligible": every_arm.gather(titles),
            "generation": np.ones(count, dtype=np.int64),
            "revision": np.zeros(count, dtype=np.int64),
            "policy": ["uniform"] * count,
            "source": ["personalized"] * count,
            "segment": pl.Series([None] * count, dtype=pl.String),
            "propensity": 1 / sizes[titles],
            "context": contexts,
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
    parser.add_argument("--posterior", default="linear")
    parser.add_argument("--sessions", type=int, default=0)
    given = parser.parse_args()
    wrong = 0
    for seed in range(given.first, given.first + given.count):
        if given.sessions:
            for one in first_week(seed, given.users, given.titles, given.days, given.visits, given.sessions):
                sys.stdout.write(json.dumps(vars(one)) + "\n")
                sys.stdout.flush()
            continue
        played = first_sessions(
            seed, given.users, given.titles, given.days, given.visits, given.policy, given.posterior
        )
        sys.stdout.write(json.dumps(vars(played)) + "\n")
        sys.stdout.flush()
        wrong += played.low <= 0
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
