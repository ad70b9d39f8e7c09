"""The impressions of a day as they are learned from: by catalogue row, with the reward that was asked for."""

from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import F64
from bandit.errors import SurroundingsError
from bandit.impressions import ImpressionLog
from bandit.rewards import parse_reward
from batch.config import LOGGED
from batch.workspace.catalogue import Catalogue
from batch.workspace.impressions import day_digest, day_folder, read_day
from batch.workspace.workspace import Workspace

_FORMAT = 2  # of what is kept of a day; files of another format are made again


class DaySource(NamedTuple):
    """What a day is learned from: what was made of it stays valid while this is the same.

    ``nth`` is the place of the reward among those that a generation learns from, whose files lie side by side. ``files`` is
    the digest of the day's files (``day_digest``) when it was decided to learn from them.
    """

    workspace: Workspace
    day: date
    catalogue: Catalogue
    n_features: int
    reward: str
    nth: int = 0
    files: str = ""

    @property
    def digest(self) -> str:
        """Digest of everything that the day's evidence is a function of."""
        return f"{_FORMAT}:{self.catalogue.digest}:{self.n_features}:{self.reward}:{self.files}"

    def changed(self) -> SurroundingsError:
        """What to say where the day's files are not those that were to be learned from."""
        return SurroundingsError(
            f"{day_folder(self.workspace, self.day)} changed while it was being learned from; nothing of it was learned;"
            " run again once nobody writes there"
        )

    def path(self, kind: str, suffix: str) -> Path:
        """Where a kind of evidence of the day is kept."""
        return self.workspace.evidence / kind / f"{self.day.isoformat()}{nth_reward(self.nth)}{suffix}"


def nth_reward(place: int) -> str:
    """What the files of what is learned from several rewards end with, by the reward's place among them."""
    return f"-{place + 1}" if place else ""


class DayRows(NamedTuple):
    """A day's impressions by (artwork, event): ``frame`` has artwork_index, event_id, context, reward and propensity.

    ``unknown`` of the ``impressions`` that were read show artworks that are gone, and are not in the frame.
    """

    frame: pl.DataFrame
    impressions: int
    unknown: int


def day_rows(source: DaySource) -> DayRows:
    """Read a day, checked, as rows of the catalogue.

    Raises:
        InputError: the day's impressions are not as they should be.
        SurroundingsError: they are not those of ``source.files``.
    """
    logged = read_day(source.workspace, source.day, source.n_features)
    if source.files and day_digest(source.workspace, source.day) != source.files:
        raise source.changed()
    rows = (
        logged.lazy()
        .with_columns(pl.Series("reward", rewards_of(logged, source.reward)))
        .join(source.catalogue.keys().lazy(), on=["title_id", "artwork_id"], how="inner")
        .sort("artwork_index", "event_id")
        .select("artwork_index", "event_id", "context", "reward", "propensity")
        .collect()
    )
    return DayRows(rows, logged.height, logged.height - rows.height)


def rewards_of(logged: pl.DataFrame, reward: str) -> F64:
    """What is learned from each impression, (m,)."""
    if reward == LOGGED:
        return logged["reward"].to_numpy()
    return parse_reward(reward).rewards(logged["clicked"].to_numpy(), logged["watch_fraction"].to_numpy())


def as_log(frame: pl.DataFrame, n_artworks: int, n_features: int) -> ImpressionLog:
    """Rows of a ``DayRows`` frame as arrays."""
    contexts = frame["context"].explode().to_numpy() if frame.height else np.empty(0, dtype=np.float32)
    return ImpressionLog(
        contexts.reshape(frame.height, n_features),
        frame["artwork_index"].to_numpy(),
        frame["reward"].to_numpy(),
        frame["propensity"].to_numpy(),
        n_artworks,
    )
