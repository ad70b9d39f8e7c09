"""How much each user likes each genre, and each title pleases, from ratings."""

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64, Bool
from batch.datasets.ratings import LIKED, Ratings

SHRINKAGE = 20.0
"""κ: that many ratings of the average user are added to each user's own."""

ENGAGED = 0.7
"""The watched fraction from which a play tells that the title was liked."""

TITLE_SHRINKAGE = 20.0
POPULARITY_SHARE = 0.5
"""Weight of a title's log number of ratings in its appeal, beside its mean rating (weight 1)."""


def genre_affinities(ratings: Ratings) -> F64:
    """log((liked_ug + κ·base_g) / (n_u + κ) / base_g), (n, g): how much more a user likes a genre than all users do.

    liked_ug counts a user's liked ratings of titles of the genre, n_u all of the user's ratings, base_g is the share of
    liked ratings of the genre in all ratings. A user without ratings has 0, and so has everybody in a genre that nobody
    liked.
    """
    flags, liked = ratings.genres[ratings.title_rows], ratings.scores >= LIKED
    lifts, total = genre_lifts(ratings.user_rows, flags, liked, ratings.users.height)
    return np.asarray(np.log((lifts + SHRINKAGE) / (total[:, None] + SHRINKAGE)))


def genre_lifts(users: I64, genres: Bool, liked: Bool, n_users: int) -> tuple[F64, I64]:
    """liked_ug / base_g of each user, (n, g), and the number of a user's events, (n,), from m events.

    Args:
        users: whose each event is, (m,).
        genres: which genres its title has, (m, g).
        liked: whether it was liked, (m,).
        n_users: n.

    A genre that nobody liked is liked by each user as much as by all.
    """
    of_genre = genres & liked[:, None]  # (m, g)
    counts = np.column_stack([np.bincount(users[hit], minlength=n_users) for hit in of_genre.T])  # (n, g)
    total = np.bincount(users, minlength=n_users)  # (n,)
    base = counts.sum(axis=0) / max(len(liked), 1)  # (g,)
    return np.where(base > 0, counts / np.where(base > 0, base, 1.0), total[:, None]), total


def user_bias(ratings: Ratings) -> F64:
    """How far a user's ratings lie above the titles' means, shrunk, as z-scores, (n,)."""
    deviation = ratings.scores - _title_means(ratings)[ratings.title_rows]
    count = np.bincount(ratings.user_rows, minlength=ratings.users.height)
    total = np.bincount(ratings.user_rows, weights=deviation, minlength=ratings.users.height)
    return standardise(total / (count + SHRINKAGE))


def title_appeal(ratings: Ratings) -> F64:
    """Shrunk mean rating and a share of log popularity, as z-scores, (t,)."""
    count = np.bincount(ratings.title_rows, minlength=ratings.titles.height)
    return standardise(standardise(_title_means(ratings)) + POPULARITY_SHARE * standardise(np.log1p(count)))


def standardise(values: F64, among: npt.NDArray[np.bool_] | None = None) -> F64:
    """z-scores by column, with mean and standard deviation taken ``among`` some rows; a constant column becomes 0."""
    base = values if among is None or not among.any() else values[among]
    deviation = base.std(axis=0)
    scores: F64 = (values - base.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return scores


def _title_means(ratings: Ratings) -> F64:
    count = np.bincount(ratings.title_rows, minlength=ratings.titles.height)
    total = np.bincount(ratings.title_rows, weights=ratings.scores, minlength=ratings.titles.height)
    overall = ratings.scores.mean() if len(ratings.scores) else 0.0
    means: F64 = (total + TITLE_SHRINKAGE * overall) / (count + TITLE_SHRINKAGE)
    return means
