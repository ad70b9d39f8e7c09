"""From what sign-up signals and a survey say of a user's tastes to the user's own: how fast what a user does overrules them."""

from typing import Final

import numpy as np
import polars as pl

from bandit.arrays import F64, I64, Bool
from bandit.snapshot import SegmentFinder, Signals
from batch.datasets.segments import form_segments, signals_frame
from batch.datasets.surveys import stated, survey_weight
from batch.datasets.tastes import SHRINKAGE

FEWEST_SESSIONS: Final = 5.0
MOST_SESSIONS: Final = 10.0
"""Between which the number of sessions is held that count as much as the segment."""


def pulls(tastes: F64, ratings: I64, sessions: I64, signals: pl.DataFrame, weighed: F64 | None = None) -> F64:
    """What segments and surveys add to the tastes of n users, (n, g): (1 - n / (n + n0)) · what they say of each.

    That is the segment's distance from everybody, and where users answered a survey, its weight · what they stated.

    Own tastes are shrunk to everybody's mean already, by κ / (r + κ) of r ratings: a user without any has that mean, 0, and with
    the pull the segment's. No more is pulled than that: who has many ratings from few sessions is known without the segment.
    Segments are made of users with ratings. Where signals and surveys say nothing of tastes, nothing is pulled.

    Args:
        tastes: standardised, (n, g).
        ratings: how many each user has, (n,).
        sessions: of each user, (n,).
        signals: of each user, and the column ``survey`` where there was one.
        weighed: as many ratings as own tastes are made of, where some count for less than one, (n,); None is ``ratings``.
    """
    means = segment_means(tastes, ratings > 0, signals)
    apart = distances(tastes, ratings, means)
    half = half_sessions(apart, ratings, sessions)
    share = np.minimum(half / (half + sessions), SHRINKAGE / (SHRINKAGE + ratings))
    said = stated(signals)
    start = (
        means if said is None else means + survey_weight(apart, ratings if weighed is None else weighed, said) * said
    )
    return np.asarray(start * share[:, None])


def segment_means(tastes: F64, is_known: Bool, signals: pl.DataFrame) -> F64:
    """The mean tastes of each user's segment, as a distance from everybody's, (n, g); 0 for users of none."""
    users = signals.with_columns(context=pl.Series(tastes, dtype=pl.Array(pl.Float64, tastes.shape[1])))
    known = users.filter(pl.Series(is_known))
    formed = form_segments(known.lazy(), 1) if known.height else None
    if formed is None:
        return np.zeros_like(tastes)
    finder = SegmentFinder(formed.segments)
    rows = signals_frame(signals.lazy()).collect().rows()
    found = {row: finder.find(Signals(*row)) for row in set(rows)}
    places = np.array([-1 if found[row] is None else found[row] for row in rows], dtype=np.int64)
    distances = np.vstack([formed.contexts - tastes[is_known].mean(axis=0), np.zeros((1, tastes.shape[1]))])
    return np.asarray(distances[places])


def distances(tastes: F64, ratings: I64, means: F64) -> F64:
    """Of own tastes from what the segment's, (n, g) each, would be seen as through as many ratings: shrunk as they are.

    The segment's mean is one of shrunk tastes, and stands for what all of them on average are shrunk from.
    """
    seen = ratings / (ratings + SHRINKAGE)
    usual = seen[ratings > 0].mean() if (ratings > 0).any() else 1.0
    return np.asarray(tastes - means * (seen / usual)[:, None])


def half_sessions(distances: F64, ratings: I64, sessions: I64) -> float:
    """n0, the sessions after which own tastes and those of the segment count alike.

    A taste that is seen through r ratings is spread around the segment by t + v / r: t is how users of a segment differ, v what
    a rating errs by. Both are what users with fewer and with more ratings than half of them are spread by (the method of
    moments). v / t ratings weigh as much as the segment, and n0 is the sessions that bring so many. It is held between
    ``FEWEST_SESSIONS`` and ``MOST_SESSIONS``, which is also what it is where there is nothing to tell it by.
    """
    rows = np.flatnonzero((ratings > 0) & (sessions > 0))
    if len(rows) < 2:
        return MOST_SESSIONS
    seen = ratings[rows].astype(np.float64)
    unshrunk = distances[rows] * ((seen + SHRINKAGE) / seen)[:, None]
    spread, few = (unshrunk**2).mean(axis=1), seen <= np.median(seen)
    if few.all():
        return MOST_SESSIONS
    inverse = 1 / seen
    error = (spread[few].mean() - spread[~few].mean()) / (inverse[few].mean() - inverse[~few].mean())
    between = spread[~few].mean() - error * inverse[~few].mean()
    if between <= 0:  # users of a segment do not seem to differ
        return MOST_SESSIONS
    a_session = seen.sum() / sessions[rows].sum()
    return float(np.clip(max(error, 0.0) / between / a_session, FEWEST_SESSIONS, MOST_SESSIONS))
