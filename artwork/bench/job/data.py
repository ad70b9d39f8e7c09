"""A workspace to measure the job on: any number of users, and a week of impressions of explore data."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from bandit.rewards import EngagedTake
from batch.executors import Progress
from batch.workspace.impressions import append_impressions
from batch.workspace.tables import Tables, write_tables
from batch.workspace.workspace import Workspace

TITLES: Final = 100
ARTWORKS: Final = 10
FEATURES: Final = 16
DAYS: Final = 7
IMPRESSIONS: Final = 300_000
"""Of a day."""
SEED: Final = 7
_FIRST_DAY: Final = date(2026, 3, 2)
_ARTWORK_FEATURES: Final = 8


def make(
    workspace: Workspace,
    users: int,
    report: Progress,
    *,
    impressions: int = IMPRESSIONS,
    n_titles: int = TITLES,
    picks: int | None = None,
) -> None:
    """Write tables and impressions: titles of 10 artworks, contexts of 16 numbers, seven days.

    Args:
        workspace: to write.
        users: how many.
        report: told of each day.
        impressions: of a day.
        n_titles: of the catalogue.
        picks: titles of each user's shortlist, drawn at random; None makes no shortlists.

    Raises:
        SurroundingsError: the disk does not take it.
    """
    random = np.random.default_rng(SEED)
    tables = _tables(users, n_titles, picks, random)
    write_tables(workspace, tables)
    tastes = random.standard_normal((n_titles * ARTWORKS, FEATURES)) * 0.3
    for day in range(DAYS):
        append_impressions(workspace, _FIRST_DAY + timedelta(days=day), _day(day, tables, tastes, impressions, random))
        report("days of impressions drawn", day + 1, DAYS)


def _tables(users: int, n_titles: int, picks: int | None, random: np.random.Generator) -> Tables:
    contexts = random.standard_normal((users, FEATURES), dtype=np.float32)
    contexts[:, 0] = 1
    artworks = n_titles * ARTWORKS
    titles = pl.Series([f"t{title:0{max(3, len(str(n_titles - 1)))}d}" for title in range(n_titles)])
    user_ids = [f"u{user:09d}" for user in range(users)]
    return Tables(
        candidates=None if picks is None else _shortlists(user_ids, titles, picks, random),
        users=pl.DataFrame(
            {
                "user_id": user_ids,
                "context": _lists(contexts),
                "country": pl.repeat("NL", users, eager=True),
                "device": pl.repeat("tv", users, eager=True),
                "campaign": pl.repeat(None, users, dtype=pl.String, eager=True),
                "sessions": random.integers(0, 50, users).astype(np.int32),
            }
        ),
        titles=pl.DataFrame(
            {
                "title_id": titles,
                "name": titles,
                "year": pl.repeat(2020, n_titles, dtype=pl.Int32, eager=True),
                "genres": [["drama"]] * n_titles,
            }
        ),
        artworks=pl.DataFrame(
            {
                "title_id": titles.gather(np.repeat(np.arange(n_titles), ARTWORKS)),
                "artwork_id": [f"a{artwork % ARTWORKS}" for artwork in range(artworks)],
                "features": _lists(random.standard_normal((artworks, _ARTWORK_FEATURES), dtype=np.float32)),
                "theme": pl.repeat("plain", artworks, eager=True),
                "look": pl.repeat("plain", artworks, eager=True),
                "image_url": pl.repeat(None, artworks, dtype=pl.String, eager=True),
                "is_default": [artwork % ARTWORKS == 0 for artwork in range(artworks)],
                "added_at": pl.repeat(datetime(2026, 1, 1, tzinfo=UTC), artworks, eager=True),
            }
        ),
    )


def _shortlists(user_ids: list[str], titles: pl.Series, picks: int, random: np.random.Generator) -> pl.DataFrame:
    chosen = np.concatenate([random.choice(len(titles), picks, replace=False) for _ in user_ids])
    lists = pl.DataFrame({"user_id": np.repeat(user_ids, picks), "title_ids": titles.gather(chosen)})
    return lists.group_by("user_id", maintain_order=True).agg("title_ids")


def _day(day: int, tables: Tables, tastes: np.ndarray, count: int, random: np.random.Generator) -> pl.DataFrame:
    """Impressions of uniform arms, of which users take those that they like."""
    users = random.integers(tables.users.height, size=count)
    titles = random.integers(tables.titles.height, size=count)
    arms = random.integers(ARTWORKS, size=count)
    contexts = tables.users["context"].gather(users)
    liked = np.einsum("nd,nd->n", contexts.explode().to_numpy().reshape(count, -1), tastes[titles * ARTWORKS + arms])
    clicked = random.random(count) < 1 / (1 + np.exp(1.5 - liked))
    watched = np.where(clicked, random.random(count), 0.0)
    start = datetime(_FIRST_DAY.year, _FIRST_DAY.month, _FIRST_DAY.day, tzinfo=UTC) + timedelta(days=day)
    microseconds = pl.int_range(count) * 86_400_000_000 // count
    return pl.DataFrame(
        {
            "event_id": [f"{day}-{number:07d}" for number in range(count)],
            "shown_at": pl.select(start + pl.duration(microseconds=microseconds)).to_series(),
            "user_id": tables.users["user_id"].gather(users),
            "title_id": tables.titles["title_id"].gather(titles),
            "artwork_id": tables.artworks["artwork_id"].gather(arms),
            "arm": arms,
            "eligible": pl.select(pl.repeat(list(range(ARTWORKS)), count, dtype=pl.List(pl.Int64))).to_series(),
            "generation": np.ones(count, dtype=np.int64),
            "revision": np.zeros(count, dtype=np.int64),
            "policy": pl.repeat("uniform", count, eager=True),
            "source": pl.repeat("personalized", count, eager=True),
            "segment": pl.repeat(None, count, dtype=pl.String, eager=True),
            "propensity": np.full(count, 1 / ARTWORKS),
            "context": contexts,
            "clicked": clicked,
            "watch_fraction": watched,
            "reward": EngagedTake().rewards(clicked, watched),
        }
    )


def _lists(values: np.ndarray) -> pl.Series:
    return pl.Series(values, dtype=pl.Array(pl.Float32, values.shape[1])).cast(pl.List(pl.Float32))
