"""A data set of drawn users and titles: no network, any size."""

import numpy as np
import polars as pl

from bandit.arrays import F64
from batch.datasets.artworks import make_artworks
from batch.datasets.contexts import History, make_users
from batch.datasets.dataset import DataSet
from batch.datasets.ratings import GENRES
from batch.datasets.tastes import SHRINKAGE, standardise
from batch.workspace.tables import Tables

NEW_SHARE = 0.2
"""Share of users without history, about that of MovieLens at its cut."""

MEDIAN_RATINGS = 65.0
RATINGS_SPREAD = 0.9
"""Of the log-normal number of ratings of users who have any."""

RATINGS_A_SESSION = 65.0
MAX_GENRES = 3
VIEW_NOISE = 4.0
"""Standard deviation of what a single rating shows of a taste, whose own standard deviation is 1."""


def build(n_users: int, n_titles: int, seed: int) -> DataSet:
    """Users with latent tastes and a noisy, shrunk view of them as context; titles of 1 to 3 genres."""
    random = np.random.Generator(np.random.Philox(seed))
    titles = _titles(n_titles, random)
    tastes, bias, history = _users(n_users, random)
    appeal = standardise(random.standard_normal(n_titles))
    artworks, world = make_artworks(titles, seed, tastes=tastes, user_bias=bias, title_appeal=appeal)
    sessions = np.where(history.ratings > 0, 1 + random.poisson(history.ratings / RATINGS_A_SESSION), 0)
    users = make_users(_ids("u", n_users), history, sessions, seed, tastes)
    return DataSet(Tables(users, titles, artworks), world, history)


def _users(n_users: int, random: np.random.Generator) -> tuple[F64, F64, History]:
    """Tastes (n, g) and biases (n,) of drawn users, and what is known of them."""
    tastes = random.standard_normal((n_users, len(GENRES)))
    ratings = np.rint(MEDIAN_RATINGS * np.exp(RATINGS_SPREAD * random.standard_normal(n_users))).astype(np.int64)
    ratings = np.where(random.random(n_users) < NEW_SHARE, 0, np.maximum(ratings, 1))
    seen = tastes + VIEW_NOISE * random.standard_normal(tastes.shape) / np.sqrt(np.maximum(ratings, 1))[:, None]
    history = History(
        affinities=seen * (ratings / (ratings + SHRINKAGE))[:, None],
        ratings=ratings,
        idle_days=np.where(ratings > 0, random.exponential(60.0, n_users), np.nan),
        ages=random.normal(34.0, 12.0, n_users).clip(13.0, 90.0),
        genders=random.choice([1.0, -1.0, 0.0], n_users, p=[0.48, 0.48, 0.04]),
    )
    return standardise(tastes), standardise(random.standard_normal(n_users)), history


def _titles(n_titles: int, random: np.random.Generator) -> pl.DataFrame:
    # A draw without replacement a title: the genres whose random keys are smallest.
    keys = random.random((n_titles, len(GENRES)))  # (t, g)
    counts = random.integers(1, MAX_GENRES, size=n_titles, endpoint=True)
    chosen = keys.argsort(axis=1).argsort(axis=1) < counts[:, None]
    ids = _ids("t", n_titles)
    return pl.DataFrame(
        {
            "title_id": ids,
            "name": [f"Title {title_id[1:]}" for title_id in ids],
            "year": pl.Series(random.integers(1980, 2020, size=n_titles), dtype=pl.Int32),
            "genres": [[GENRES[genre] for genre in np.flatnonzero(row)] for row in chosen],
        }
    )


def _ids(letter: str, count: int) -> list[str]:
    """Ids of equal length, so that the order of bytes is that of numbers."""
    width = max(4, len(str(count)))
    return [f"{letter}{number:0{width}d}" for number in range(1, count + 1)]
