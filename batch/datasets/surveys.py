"""What users said that they like when they signed up, and how much of it what they do bears out."""

from typing import Final

import numpy as np
import polars as pl

from bandit.arrays import F64, I64, Bool
from batch.datasets.ratings import GENRES
from batch.datasets.tastes import SHRINKAGE

COLUMN: Final = "survey"
"""Of ``users.parquet``: the genres that a user named, null or empty where there is no answer."""

LEAST_ANSWERS: Final = 30
"""Users with an answer and with ratings, below which nothing is believed of any answer."""


def answered(users: pl.DataFrame) -> Bool:
    """Which of n users named a genre, (n,)."""
    if COLUMN not in users.columns:
        return np.zeros(users.height, dtype=np.bool_)
    return np.asarray(users[COLUMN].list.len().fill_null(0).to_numpy() > 0)


def stated(users: pl.DataFrame) -> F64 | None:
    """What each of n users said of each genre, (n, g): 1 where it was named, less the share of answers that name it.

    Who did not answer has 0 everywhere. None where no user did.
    """
    has_answered = answered(users)
    if not has_answered.any():
        return None
    answers = users[COLUMN].fill_null([])
    named = users.select(pl.lit(answers).list.contains(genre).alias(genre) for genre in GENRES).to_numpy()  # (n, g)
    usual = named[has_answered].mean(axis=0)
    return np.where(has_answered[:, None], named - usual, 0.0)


def survey_weight(distances: F64, ratings: I64 | F64, said: F64) -> float:
    """How much further users' tastes lie in a direction for having named a genre, in standard deviations; 0 says nothing.

    A user's own taste, shrunk by s = r / (r + κ) of r ratings, is expected at s · weight · said, and is spread around that by a
    variance in proportion to s. So the weight is Σ own · said / Σ s · said² over users with an answer and with ratings (weighted
    least squares). Of it 1 - e² / weight² is kept, e being its standard error over users, each judged by the weight of
    the others, so that one who answers unlike everybody is not believed alone (MacKinnon and White 1985; the positive part of
    James and Stein's, 1961), and nothing where it is below 0, or where fewer than ``LEAST_ANSWERS`` tell it.

    Args:
        distances: of own tastes from what the user's segment says of them, (n, g).
        ratings: of how many each user's own tastes are made, (n,).
        said: as ``stated`` gives it, (n, g).
    """
    rows = np.flatnonzero((ratings > 0) & said.any(axis=1))
    if len(rows) < LEAST_ANSWERS:
        return 0.0
    seen = ratings[rows] / (ratings[rows] + SHRINKAGE)
    together = (distances[rows] * said[rows]).sum(axis=1)  # (m,)
    alone = seen * (said[rows] ** 2).sum(axis=1)
    weight = float(together.sum() / alone.sum())
    error = (together - weight * alone) / (1 - alone / alone.sum())  # from the weight without the user
    variance = float((error**2).sum() / alone.sum() ** 2)
    return weight * max(1.0 - variance / weight**2, 0.0) if weight > 0 else 0.0
