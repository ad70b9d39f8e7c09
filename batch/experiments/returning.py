"""How users come back: what a metric's variance over users is after any number of days, from a log of some days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np
import polars as pl
import scipy

from bandit.arrays import F64
from bandit.errors import InputError
from batch.experiments.measuring import DAY, USER_ID, of_column, per_column
from batch.experiments.plans.plan import USER, Metric

_ROUNDING: Final = 1e-12
_FEW_DAYS: Final = 4
LONGEST: Final = 366
"""Days that are looked ahead."""


@dataclass(frozen=True)
class Course:
    """A metric over all users after d = 1, 2, ... days, an entry each, (days,).

    Attributes:
        value: of the metric: of a ratio the same every day, a sum per user grows.
        users: that have come, and whose window is over.
        whole: what the metric is divided by, summed.
        variance: of the metric over all users together: that per user / users. Infinite where no user counts yet.
        scale: what the value grows by, up to a factor.
        covered: the share of the variance that a covariate from before explains, up to a factor.
    """

    value: F64
    users: F64
    whole: F64
    variance: F64
    scale: F64
    covered: F64

    def deviation(self, place: int) -> float:
        """Per user, after ``place`` + 1 days."""
        return float(np.sqrt(self.variance[place] * self.users[place])) if self.users[place] > 0 else 0.0

    @property
    def precision(self) -> F64:
        """Squared standard errors of an effect that keeps its share of the value, up to a factor."""
        return self.scale**2 / self.variance


def course_of(frame: pl.DataFrame, metric: Metric, place: int, before: int | None, planned: int, window: int) -> Course:
    """A metric after 1 to ``LONGEST`` days.

    What a user does on two days hangs together, the less the farther they are apart if users come and go. These covariances
    are taken from all pairs of days of the log, one per distance. Distances of more than half of the log share one, which is
    also that of distances beyond the log. Users beyond the log are extrapolated from its second half: new ones every day, and old
    ones who have not come yet, ever fewer, a + b ln(1 + 1 / d) from d days to the next.

    Args:
        frame: user_id, day, and the sums of the metric.
        metric: of the plan.
        place: of the metric among those of the plan.
        before: days that the covariate is taken from; None where it is a column.
        planned: days of the experiment.
        window: days since a user's first that count; 0 is all.

    Raises:
        InputError: within the window nothing varies.
    """
    days = sorted(frame[DAY].unique().to_list())
    of, per = _by_day(frame, days, of_column(place)), _by_day(frame, days, per_column(place))
    ahead = np.arange(1, LONGEST + 1)
    users = _users(frame, days, ahead)
    total = float(of.sum()) / len(days)
    value: F64
    whole: F64
    scale: F64
    squares: F64
    if metric.per == USER:
        products = _by_distance(of)
        value, whole = ahead * total / users, users
        squares = _sum_of_days(products, ahead) - users * value**2
        scale, apart = (
            np.asarray(ahead / users, dtype=np.float64),
            products - total**2 / users[min(len(days), LONGEST) - 1],
        )
    else:
        daily = float(per.sum()) / len(days)
        value, whole, scale = np.ones(LONGEST) * (total / daily), ahead.astype(np.float64) * daily, np.ones(LONGEST)
        apart = _by_distance(of - (total / daily) * per)
        squares = _sum_of_days(apart, ahead)
    if window:
        for own in (days[-planned:], days):
            if (course := _windowed(frame, metric, place, own, window, users)) is not None:
                return course
        raise InputError(
            f"metric {metric.name} is the same for every user within the window of {window} days; plan on more data"
        )
    squares = np.maximum(squares, _ROUNDING * max(float(squares.max()), _ROUNDING))
    return Course(
        value, users, whole, squares / whole**2, scale, _with_before(apart, len(days), ahead, before) ** 2 / squares
    )


def per_user(frame: pl.DataFrame, metric: Metric, place: int) -> pl.DataFrame:
    """A metric's sums per user: user_id, ``of`` and ``per``, 1 each where it is divided by users."""
    below = pl.lit(1.0) if metric.per == USER else pl.col(per_column(place)).sum()
    return frame.group_by(USER_ID, maintain_order=True).agg(of=pl.col(of_column(place)).sum(), per=below)


def linearised(sums: pl.DataFrame) -> F64:
    """The number per user whose mean is that of the metric less its value: (y - R n) / mean n."""
    of, per = sums["of"].to_numpy(), sums["per"].to_numpy()
    return np.asarray((of - of.sum() / per.sum() * per) / per.mean())


def _by_day(frame: pl.DataFrame, days: Sequence[Any], column: str) -> "scipy.sparse.csr_array":
    """A column as a row per day and a column per user."""
    rows = frame[DAY].replace_strict(days, list(range(len(days))), return_dtype=pl.Int64).to_numpy()
    users = frame[USER_ID].rank("dense").to_numpy().astype(np.int64) - 1
    shape = len(days), int(users.max()) + 1
    return scipy.sparse.csr_array((frame[column].to_numpy().astype(np.float64), (rows, users)), shape=shape)


def _by_distance(numbers: "scipy.sparse.csr_array") -> F64:
    """The mean over pairs of days, d apart, of the products of both days' numbers, summed over users, (LONGEST,)."""
    products = (numbers @ numbers.T).toarray()
    days = len(products)
    own = np.array([np.diagonal(products, distance).mean() for distance in range(days)])
    made: F64 = np.full(LONGEST, own[-1] if days > 1 else 0.0)
    made[:days] = own[:LONGEST]
    if days > 1:
        far = max(1, (days + 1) // 2)
        pairs = days - np.arange(far, days)
        made[far:] = float(own[far:] @ pairs) / float(pairs.sum())
    return made


def _sum_of_days(products: F64, ahead: np.ndarray) -> F64:
    """Of all pairs of d days: Σ over distances of pairs at that distance x their product."""
    distances = np.arange(len(products))
    once = np.where(distances == 0, 0.5, 1.0) * products
    pairs = np.maximum(ahead[:, np.newaxis] - distances, 0)
    return np.asarray(2 * pairs @ once)


def _with_before(products: F64, days: int, ahead: np.ndarray, before: int | None) -> F64:
    """Of d days with the days before them: Σ over pairs of a day and a day before; those of a column are alike every day.

    Beyond the log users hang together less and less, as they did from its near distances to its far ones: CUPED must not be told
    more than there will be.
    """
    if before is None:
        return ahead.astype(np.float64)
    far = max(1, (days + 1) // 2)
    fading = products.copy()
    if far > 1 and products[far] > 0:
        near = float(np.average(products[1:far], weights=days - np.arange(1, far)))
        apart = (far + days - 1) / 2 - far / 2
        rate = min(1.0, float(products[far]) / near) ** (1 / apart) if near > 0 else 1.0
        fading[days:] *= rate ** (np.arange(days, len(products)) - (far + days - 1) / 2)
    distances = np.minimum(np.arange(1, before + 1) + ahead[:, np.newaxis] - 1, len(products) - 1)
    return np.cumsum(fading[distances].sum(axis=1))


def _users(frame: pl.DataFrame, days: Sequence[Any], ahead: np.ndarray) -> F64:
    """Users that come within d days, (days,): the mean over all stretches of the log, and extrapolated beyond it."""
    places = pl.col(DAY).replace_strict(days, list(range(len(days))), return_dtype=pl.Int64)
    came = frame.select(USER_ID, place=places).unique().sort(USER_ID, "place")
    after = came.select(pl.col("place") - pl.col("place").shift(1, fill_value=-1).over(USER_ID) - 1).to_series()
    rest = came.group_by(USER_ID).agg(rest=len(days) - 1 - pl.col("place").max())["rest"]
    # Stretches of days on which a user did not come, by length.
    gaps = np.bincount(np.concatenate([after.to_numpy(), rest.to_numpy()]), minlength=len(days) + 1)
    lengths = np.arange(1, len(days) + 1)
    missed = np.array([np.maximum(np.arange(len(gaps)) - length + 1, 0) @ gaps for length in lengths])
    within = len(rest) - missed / (len(days) - lengths + 1)
    made = np.full(len(ahead), within[-1])
    made[: len(days)] = within[: len(ahead)]
    if 1 < len(days) < len(ahead):
        longer = np.log1p(1 / ahead)  # from d days to d + 1
        late = slice((len(days) - 1) // 2, len(days) - 1)
        steady = np.ones(LONGEST) if len(days) > _FEW_DAYS else np.zeros(LONGEST)  # a few days tell no two apart
        kinds = np.stack([steady, longer], axis=1)
        daily, returning = scipy.optimize.nnls(kinds[late], np.diff(within)[late])[0]
        made[len(days) :] += np.cumsum(daily + returning * longer[len(days) - 1 : -1])
    return made


def _windowed(
    frame: pl.DataFrame, metric: Metric, place: int, days: Sequence[Any], window: int, users: F64
) -> Course | None:
    """With a window: users whose window is over, each with what the days of the window bring; None where nothing varies."""
    length = window if window <= len(days) else max(1, len(days) // 2)
    last = days[-1] - timedelta(days=length - 1)
    since = (
        frame.filter(pl.col(DAY) >= days[0])
        .with_columns(first=pl.col(DAY).min().over(USER_ID))
        .filter(pl.col("first") <= last, pl.col(DAY) < pl.col("first") + timedelta(days=length))
    )
    sums = per_user(since, metric, place)
    own = float(linearised(sums).var(ddof=1)) if sums.height > 1 and sums["per"].to_numpy().sum() > 0 else 0.0
    if own <= 0:
        return None
    over = np.concatenate([np.zeros(window - 1), users])[:LONGEST]
    value, ones = float(sums["of"].to_numpy().sum() / sums["per"].to_numpy().sum()), np.ones(LONGEST)
    with np.errstate(divide="ignore"):
        variance = own / over
    return Course(value * ones, over, over * float(sums["per"].to_numpy().mean()), variance, ones, ones)
