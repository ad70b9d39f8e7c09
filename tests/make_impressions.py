"""Impressions that are drawn, and generations made of them, for tests of the jobs."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import redis

from bandit.snapshot import row_key
from batch.choosing.precompute import precompute
from batch.config import Config
from batch.executors import Executor, SerialExecutor
from batch.learning.train import train
from batch.publishing.flips import read_current
from batch.store.client import read_bytes
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import folder_of, read_manifest
from batch.workspace.impressions import append_impressions
from batch.workspace.picks import RecordedPicks, packing_of
from batch.workspace.row_files import PickTable, pack, read_row_file, write_row_file
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

FIRST_DAY = date(2026, 1, 1)
ALL_BLOCKS = 1000


def silent(what: str, done: int, total: int) -> None:
    """A report that nobody reads."""


def draw_impressions(workspace: Workspace, day: date, count: int, seed: int = 1) -> pl.DataFrame:
    """A day of explore data: uniform arms, of which some users prefer some."""
    tables = read_tables(workspace)
    catalogue = Catalogue.of(tables)
    random = np.random.default_rng((seed, day.toordinal()))
    users = random.integers(tables.users.height, size=count)
    titles = random.integers(tables.titles.height, size=count)
    sizes = np.diff(catalogue.starts)[titles]
    arms = random.integers(sizes)
    preferred = np.cos(arms) * np.tanh(tables.users["context"].list.get(1).to_numpy()[users])
    clicked = random.random(count) < 0.3 + 0.3 * preferred
    watched = np.where(clicked, random.random(count), 0.0)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    every_arm = pl.Series([list(range(size)) for size in np.diff(catalogue.starts).tolist()], dtype=pl.List(pl.Int64))
    return pl.DataFrame(
        {
            "event_id": [f"{day:%j}-{number:06d}" for number in range(count)],
            "shown_at": pl.select(start + pl.duration(seconds=pl.int_range(count))).to_series(),
            "user_id": tables.users["user_id"].gather(users),
            "title_id": tables.titles["title_id"].gather(titles),
            "artwork_id": catalogue.frame["artwork_id"].gather(catalogue.starts[titles] + arms),
            "arm": arms,
            "eligible": every_arm.gather(titles),
            "generation": np.ones(count, dtype=np.int64),
            "revision": np.zeros(count, dtype=np.int64),
            "policy": pl.repeat("uniform", count, eager=True),
            "source": pl.repeat("personalized", count, eager=True),
            "segment": pl.repeat(None, count, dtype=pl.String, eager=True),
            "propensity": 1 / sizes,
            "context": tables.users["context"].gather(users),
            "clicked": clicked,
            "watch_fraction": watched,
            "reward": (watched >= 0.7).astype(np.float64),
        }
    )


def shorten(workspace: Workspace, n_features: int = 6, n_artwork_features: int = 8) -> None:
    """Keep the first numbers of contexts and artworks' features: models of few weights are fitted in no time."""
    for path, column, kept in (
        (workspace.users, "context", n_features),
        (workspace.artworks, "features", n_artwork_features),
    ):
        frame = pl.read_parquet(path)
        frame.with_columns(pl.col(column).list.head(kept)).write_parquet(path)


def log_days(workspace: Workspace, days: int, count: int) -> None:
    """Give a workspace some days of drawn impressions."""
    for number in range(days):
        day = FIRST_DAY + timedelta(days=number)
        append_impressions(workspace, day, draw_impressions(workspace, day, count))


def make_generation(
    workspace: Workspace,
    *policies: str,
    config: Config | None = None,
    executor: Executor | None = None,
    shard_size: int = ALL_BLOCKS,
    row_format: int | None = None,
    **settings: Any,
) -> int:
    """A trained and precomputed generation; uniform by default, which costs no scoring. ``settings``: ``Config.of``.

    ``row_format`` is its number; None is the default.
    """
    shards = executor or SerialExecutor()
    config = config or Config.of(*(policies or ("uniform",)), **settings)
    made = train(workspace, config, shards, silent, shard_size=shard_size, row_format=row_format)
    precompute(workspace, made.generation, shards, silent, shard_size=shard_size)
    return made.generation


def identity_of(workspace: Workspace, generation: int) -> str:
    """The identity of a generation on disk."""
    return read_manifest(workspace, generation).identity


def picks_of(workspace: Workspace, generation: int) -> pl.DataFrame:
    """The picks of a generation on disk, by user and title."""
    return RecordedPicks(workspace, read_manifest(workspace, generation)).frame()


def picks_path(workspace: Workspace, generation: int) -> Path:
    """The file of the picks of the first shard of a generation."""
    return min((folder_of(workspace, generation) / "picks").glob("part-*"))


def change_picks(workspace: Workspace, generation: int, change: Callable[[PickTable], PickTable]) -> Path:
    """Write a file of picks anew with others in it; the manifest goes on to state the checksum of before."""
    manifest, path = read_manifest(workspace, generation), picks_path(workspace, generation)
    rows, packing = read_row_file(path), packing_of(manifest)
    table = change(rows.picks(packing))
    own = np.searchsorted(table.users, rows.places)
    counts = np.diff([*own.tolist(), len(table.users)])
    titles = table.titles if packing.is_shortlist else table.titles[:0]
    variants, by_title = table.variants[own], table.by_title[own]
    picks = table.arms, table.weights, titles
    packed = pack(packing, rows.first, rows.user_ids, rows.places, variants, counts, *picks, by_title)
    write_row_file(path, packed)
    return path


class Served(NamedTuple):
    """What ``art:current`` says of a generation besides its identity."""

    generation: int
    flip: int
    previous: int | None = None


def served(client: redis.Redis) -> Served | None:
    """What the store serves."""
    now = read_current(client)
    return None if now is None else Served(now.generation, now.flip, now.previous)


def stored_rows(client: redis.Redis, workspace: Workspace, generation: int) -> dict[str, bytes | None]:
    """The row of every user as the store holds it, None where it holds none."""
    users = pl.read_parquet(workspace.users)["user_id"].to_list()
    return dict(zip(users, read_bytes(client, [row_key(generation, user_id) for user_id in users]), strict=True))
