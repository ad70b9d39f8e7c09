"""The contexts of users: what was known of them before a cut in time."""

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from bandit.arrays import F64, I64, Bool
from batch.datasets import blending
from batch.datasets.ratings import GENRES, Ratings
from batch.datasets.signals import make_signals
from batch.datasets.tastes import SHRINKAGE, genre_affinities, genre_lifts, standardise
from batch.workspace.table_schemas import FLOATS

CUT_QUANTILE = 0.8
PLAY_WEIGHT = 0.1
"""Ratings that a play counts for. After 7 days of the demo, with 129 plays per user, the correlation of affinities with the
true tastes was 0.545 for users without ratings, who had 0 without plays, and 0.979 for the others, who had 0.991; at 0.25 it was
0.548 and 0.949, at 1 it was 0.542 and 0.836."""

SECONDS_A_DAY = 86_400
FEATURES = ("constant", *GENRES, "activity", "recency", "age", "gender")
"""What stands at each place of a context."""
TASTES = slice(1, 1 + len(GENRES))
"""Where the affinities to genres stand."""


@dataclass(frozen=True)
class History:
    """What was known of n users at the cut; ages may be NaN, days since the last rating too."""

    affinities: F64
    """(n, g), not yet standardised."""
    ratings: npt.NDArray[np.int64]
    """(n,), how many; 0 for users without history."""
    idle_days: F64
    """(n,), days from the last rating to the cut."""
    ages: F64
    """(n,)."""
    genders: F64
    """(n,), 1.0 male, -1.0 female, 0.0 not known."""

    def take(self, rows: I64) -> "History":
        """The history of some of the users."""
        return History(*(getattr(self, item.name)[rows] for item in fields(self)))


class Plays(NamedTuple):
    """What was played since: of each play its user as a row (m,), genres (m, g), whether it was a take, and its time in days."""

    users: I64
    genres: Bool
    taken: Bool
    days: F64


def cut_time(ratings: Ratings) -> float:
    """The time before which ``CUT_QUANTILE`` of all ratings were given, in seconds since 1970."""
    return float(np.quantile(ratings.times, CUT_QUANTILE))


def history_before(ratings: Ratings, cut: float) -> History:
    """What ratings before the cut, and sign-up data, tell of each user."""
    known = ratings.before(cut)
    n_users = known.users.height
    last = np.full(n_users, -np.inf)
    np.maximum.at(last, known.user_rows, known.times)
    return History(
        affinities=genre_affinities(known),
        ratings=np.bincount(known.user_rows, minlength=n_users),
        idle_days=np.where(np.isfinite(last), (cut - last) / SECONDS_A_DAY, np.nan),
        ages=known.users["age"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        genders=known.users["gender"].replace_strict({"M": 1.0, "F": -1.0}, default=0.0).to_numpy(),
    )


def with_plays(history: History, plays: Plays) -> History:
    """The history of n users and what they have played since: a play counts as a rating of weight ``PLAY_WEIGHT``.

    A take is a rating that likes the title, another play one that does not. Who has played was last there on the day of the
    last play, counted from the newest play of all.
    """
    n_users = len(history.ratings)
    lifts, played = genre_lifts(plays.users, plays.genres, plays.taken, n_users)
    rated = history.ratings[:, None]
    liked = np.exp(history.affinities) * (rated + SHRINKAGE) - SHRINKAGE  # as genre_affinities made them
    total = rated + PLAY_WEIGHT * played[:, None]
    last = np.full(n_users, -np.inf)
    np.maximum.at(last, plays.users, plays.days)
    idle = plays.days.max(initial=0.0) - last
    return replace(
        history,
        affinities=np.log((liked + PLAY_WEIGHT * lifts + SHRINKAGE) / (total + SHRINKAGE)),
        ratings=history.ratings + played,
        idle_days=np.where(played > 0, idle, history.idle_days),
    )


def sessions_before(ratings: Ratings, cut: float) -> npt.NDArray[np.int64]:
    """The number of days before the cut on which a user rated, (n,)."""
    known = ratings.before(cut)
    days = np.unique(np.column_stack([known.user_rows, known.times // SECONDS_A_DAY]), axis=0)
    return np.bincount(days[:, 0], minlength=known.users.height)


def contexts(
    history: History, signals: pl.DataFrame | None = None, sessions: I64 | None = None, weighed: F64 | None = None
) -> npt.NDArray[np.float32]:
    """One row per user in the order of ``FEATURES``, (n, d) float32.

    Every feature but the constant and gender is standardised; what is not known of a user is 0, the mean. Where signals are
    given, tastes start at the mean of the user's segment, and at what the user stated in their column ``survey`` where there is
    one, and come to the user's own over the first ``sessions`` (n,). ``weighed`` (n,) is what ratings and plays count for
    together; None is the number of ratings.
    """
    has_history = history.ratings > 0
    columns = (
        np.ones(len(history.ratings)),
        # A user without history has log ratio 0, which is above the mean of those who have: 0 there would be a z-score of
        # 0.27 on average, while the tastes that such users show later average 0.02. So they are put on the mean itself.
        np.where(has_history[:, None], standardise(history.affinities, has_history), 0.0),
        standardise(np.log1p(history.ratings)),
        _standardise_known(np.log1p(history.idle_days)),
        _standardise_known(history.ages),
        history.genders,
    )
    made = np.column_stack(columns)
    if signals is not None and sessions is not None:
        made[:, TASTES] += blending.pulls(made[:, TASTES], history.ratings, sessions, signals, weighed)
    return made.astype(np.float32)


def make_users(
    user_ids: pl.Series | list[str], history: History, sessions: I64, seed: int, tastes: F64 | None = None
) -> pl.DataFrame:
    """``users.parquet``: contexts of what is known of n users, signals simulated by tastes (n, g), and sessions (n,)."""
    signals = make_signals(len(user_ids), seed, tastes)
    return pl.DataFrame(
        {
            "user_id": user_ids,
            "context": as_lists(contexts(history, signals, sessions)),
            **signals.to_dict(),
            "sessions": pl.Series(sessions, dtype=pl.UInt32),
        }
    )


def as_lists(matrix: npt.NDArray[np.float32]) -> pl.Series:
    """A matrix (n, d) as n lists of d numbers."""
    return pl.Series(matrix, dtype=pl.Array(pl.Float32, matrix.shape[1])).cast(FLOATS)


def _standardise_known(values: F64) -> F64:
    known = np.isfinite(values)
    return np.where(known, standardise(np.where(known, values, 0.0), known), 0.0)
