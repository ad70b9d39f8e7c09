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
from batch.learning.pages import artworks_digest, beside_plays
from batch.workspace.catalogue import Catalogue
from batch.workspace.impressions import day_digest, day_folder, read_day
from batch.workspace.workspace import Workspace

_FORMAT = 2  # of what is kept of a day; files of another format are made again


class DaySource(NamedTuple):
    """What a day is learned from: what was made of it stays valid while this is the same.

    ``nth`` is the place of the reward among those that a generation learns from, whose files lie side by side. ``files`` is
    the digest of the day's files (``day_digest``) when it was decided to learn from them, ``artworks`` that of what the reward
    reads of the table of artworks (``artworks_digest``).
    """

    workspace: Workspace
    day: date
    catalogue: Catalogue
    n_features: int
    reward: str
    nth: int = 0
    files: str = ""
    artworks: str = ""

    @property
    def digest(self) -> str:
        """Digest of everything that the day's evidence is a function of."""
        made_of = f"{_FORMAT}:{self.catalogue.digest}:{self.n_features}:{self.reward}:{self.files}"
        return f"{made_of}:{self.artworks}" if self.artworks else made_of

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
        SurroundingsError: they are not those of ``source.files``, or the artworks not those of ``source.artworks``.
    """
    logged = read_day(source.workspace, source.day, source.n_features)
    rewards = rewards_of(logged, source.reward, source.workspace, source.day)
    if source.files and day_digest(source.workspace, source.day) != source.files:
        raise source.changed()
    if source.artworks and artworks_digest(source.workspace, source.reward) != source.artworks:
        raise SurroundingsError(
            f"{source.workspace.artworks} changed while {source.day} was being learned from; nothing of it was learned; run again"
        )
    rows = (
        logged.lazy()
        .with_columns(pl.Series("reward", rewards))
        .join(source.catalogue.keys().lazy(), on=["title_id", "artwork_id"], how="inner")
        .sort("artwork_index", "event_id")
        .select("artwork_index", "event_id", "context", "reward", "propensity")
        .collect()
    )
    return DayRows(rows, logged.height, logged.height - rows.height)


def rewards_of(logged: pl.DataFrame, reward: str, workspace: Workspace, day: date) -> F64:
    """What is learned from each of some impressions of a day, (m,): the one place where rewards of a log are made.

    Args:
        logged: with clicked and watch_fraction, or reward where that is ``logged``; for rewards that look at more than what the
            user did also with user_id, title_id, artwork_id and shown_at.
        reward: as for ``artwork train``.
        workspace: that the impressions are from.
        day: whose folder they are from.

    Raises:
        InputError: the artworks, or the impressions of the day, cannot be read.
    """
    if reward == LOGGED:
        return logged["reward"].to_numpy()
    wanted = parse_reward(reward)
    more = beside_plays(logged, wanted, workspace, day) if wanted.needs else {}
    return wanted.rewards(logged["clicked"].to_numpy(), logged["watch_fraction"].to_numpy(), **more)


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
