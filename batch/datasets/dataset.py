"""A data set: the tables of a workspace and the simulated world behind them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from bandit.arrays import I64
from bandit.errors import InputError
from bandit.simulation.world import World
from batch.datasets.contexts import History
from batch.datasets.ratings import Ratings
from batch.datasets.refreshing import history_writers
from batch.workspace.files import Writer
from batch.workspace.tables import Tables, write_tables
from batch.workspace.workspace import Workspace


@dataclass(frozen=True)
class DataSet:
    """Tables, and the world whose users, titles and artworks are the tables' rows.

    ``history`` is what the contexts were made of, user by user; None where they were not made by ``batch.datasets.contexts``.
    """

    tables: Tables
    world: World
    history: History | None = None

    def select(self, users: I64, titles: I64) -> "DataSet":
        """The data set of some users and titles, both as ascending rows; contexts and artworks stay as they are."""
        kept = self.tables.titles[titles]
        tables = Tables(
            users=self.tables.users[users],
            titles=kept,
            artworks=self.tables.artworks.filter(pl.col("title_id").is_in(kept["title_id"].implode())),
        )
        history = None if self.history is None else self.history.take(users)
        return DataSet(tables, self.world.select(users, titles), history)


def write(
    workspace: Workspace, dataset: DataSet, *, overwrite: bool = False, beside: Mapping[Path, Writer] | None = None
) -> tuple[Path, ...]:
    """Write a data set's tables and world, and further files ``beside`` them.

    Returns:
        The paths written.

    Raises:
        InputError: a file exists and ``overwrite`` is false; nothing is written.
        SurroundingsError: the disk does not take them.
    """
    others: dict[Path, Writer] = {workspace.truth: dataset.world.save, **(beside or {})}
    if dataset.history is not None:
        others |= history_writers(workspace, dataset.tables.users, dataset.history)
    return write_tables(workspace, dataset.tables, overwrite=overwrite, beside=others)


def most_rated(ratings: Ratings, n_users: int | None = None, n_titles: int | None = None) -> tuple[I64, I64]:
    """The users who rated most and the titles rated most, as ascending rows; None keeps all, equal counts go by id.

    Raises:
        InputError: there are fewer than asked for.
    """
    users = np.bincount(ratings.user_rows, minlength=ratings.users.height)
    titles = np.bincount(ratings.title_rows, minlength=ratings.titles.height)
    return _largest(users, n_users, "users"), _largest(titles, n_titles, "titles")


def _largest(counts: I64, wanted: int | None, what: str) -> I64:
    if wanted is not None and not 1 <= wanted <= len(counts):
        raise InputError(
            f"{wanted} {what} asked for, expected 1 to {len(counts)}, which is all the data set has; ask for fewer"
        )
    return np.sort(np.argsort(-counts, kind="stable")[:wanted])
