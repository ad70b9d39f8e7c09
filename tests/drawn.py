"""Impressions that are drawn, and generations made of them, for tests of the jobs."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import redis

from bandit.snapshot import row_key
from batch.catalogue import Catalogue
from batch.executors import Executor, SerialExecutor
from batch.generations import Config
from batch.impressions import append_impressions
from batch.precompute import precompute
from batch.store import read_bytes
from batch.tables import read_tables
from batch.train import train
from batch.workspace import Workspace

FIRST_DAY = date(2026, 1, 1)
ALL_BLOCKS = 1000


def silent(what: str, done: int, total: int) -> None:
    """A report that nobody reads."""


def draw_impressions(workspace: Workspace, day: date, count: int, seed: int = 1) -> pl.DataFrame:
    """A day of explore data: uniform arms, takes at random."""
    tables = read_tables(workspace)
    catalogue = Catalogue.of(tables)
    random = np.random.default_rng((seed, day.toordinal()))
    users = random.integers(tables.users.height, size=count)
    titles = random.integers(tables.titles.height, size=count)
    sizes = np.diff(catalogue.starts)[titles]
    arms = random.integers(sizes)
    clicked = random.random(count) < 0.2
    watched = np.where(clicked, random.random(count), 0.0)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return pl.DataFrame(
        {
            "event_id": [f"{day:%j}-{number:06d}" for number in range(count)],
            "shown_at": [start + timedelta(seconds=number) for number in range(count)],
            "user_id": tables.users["user_id"].gather(users),
            "title_id": tables.titles["title_id"].gather(titles),
            "artwork_id": catalogue.frame["artwork_id"].gather(catalogue.starts[titles] + arms),
            "arm": arms,
            "eligible": [list(range(size)) for size in sizes.tolist()],
            "generation": np.ones(count, dtype=np.int64),
            "revision": np.zeros(count, dtype=np.int64),
            "policy": ["uniform"] * count,
            "source": ["personalized"] * count,
            "segment": pl.Series([None] * count, dtype=pl.String),
            "propensity": 1 / sizes,
            "context": tables.users["context"].gather(users),
            "clicked": clicked,
            "watch_fraction": watched,
            "reward": (watched >= 0.7).astype(np.float64),
        }
    )


def log_days(workspace: Workspace, days: int, count: int) -> None:
    """Give a workspace some days of drawn impressions."""
    for number in range(days):
        day = FIRST_DAY + timedelta(days=number)
        append_impressions(workspace, day, draw_impressions(workspace, day, count))


def make_generation(
    workspace: Workspace,
    policy: str = "uniform",
    *,
    seed: int = 0,
    executor: Executor | None = None,
    shard_size: int = ALL_BLOCKS,
) -> int:
    """A trained and precomputed generation; uniform by default, which costs no scoring."""
    shards = executor or SerialExecutor()
    made = train(workspace, Config(policy=policy, seed=seed), shards, silent, shard_size=shard_size)
    precompute(workspace, made.generation, shards, silent, shard_size=shard_size)
    return made.generation


def stored_rows(client: redis.Redis, workspace: Workspace, generation: int) -> dict[str, bytes | None]:
    """The row of every user as the store holds it, None where it holds none."""
    users = pl.read_parquet(workspace.users)["user_id"].to_list()
    return dict(zip(users, read_bytes(client, [row_key(generation, user_id) for user_id in users]), strict=True))
