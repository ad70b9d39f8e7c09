"""Effects on quantiles, such as the median start-up time, where a user has many values that hang together."""

from __future__ import annotations

from math import inf, sqrt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from bandit.arrays import F64, I64, is_number, numbered
from bandit.errors import InputError
from bandit.experiments.columns import LEAST_USERS, PairLike, between, checked_level, column, labels
from bandit.experiments.effects import FEW_USERS, Effect, difference, variance_of_mean

_OUTSIDE = "the interval of the quantile reaches beyond the {} value of the {}: too few users for this quantile"

_TIED = (
    "{} of the values of the {} are {}, the quantile itself: it jumps from one value to the next, and no interval holds; compare"
    " the shares of values up to a limit, or means"
)


class _Quantile(NamedTuple):
    value: float
    error: float
    users: int
    caution: str


def quantile_effect(
    treatment: npt.ArrayLike | PairLike, control: npt.ArrayLike | PairLike, quantile: float, level: float = 0.95
) -> Effect:
    """A quantile of all values of the treatment minus that of the control, clustered by user (Deng, Knoblich and Lu 2018).

    The share of values up to the quantile is a ratio over users; its interval q ± z s, read off the sorted values, gives the
    quantile's standard error without a density.

    Args:
        treatment: (values, users): a value and whose it is, (n,) each; or values alone, one per user.
        control: the same.
        quantile: between 0 and 1; 0.5 is the median.
        level: of the interval, by the normal distribution.

    Raises:
        InputError: arrays, quantile or level are wrong, or there is no spread around the quantile.

    >>> import numpy as np
    >>> values = np.arange(100.0)
    >>> effect = quantile_effect(values + 5, values, 0.5)
    >>> effect.value, round(effect.standard_error, 1)
    (5.0, 7.0)
    """
    share, width = (
        between("quantile", quantile, "0.5 for the median"),
        float(scipy.special.ndtri((1 + checked_level(level)) / 2)),
    )
    first = _quantile("treatment", *_values(treatment, "treatment"), share, width)
    second = _quantile("control", *_values(control, "control"), share, width)
    if first.error == second.error == 0:
        raise InputError(
            f"treatment and control have one value each around the quantile {share:g}, {first.value:g} and {second.value:g},"
            " expected values that differ; take another quantile, or the mean"
        )
    caution = "; ".join(filter(None, (first.caution, second.caution)))
    errors, users = (first.error**2, second.error**2), (first.users, second.users)
    return difference((first.value, second.value), errors, inf, level, users, caution)


def _values(given: Any, name: str) -> tuple[F64, I64]:
    if isinstance(given, tuple | list) and len(given) == 2 and not is_number(given[0]):
        values = column(f"values of {name}", given[0])
        return values, numbered(labels(f"users of {name}", given[1], len(values)))
    values = column(name, given)
    return values, np.arange(len(values))


def _quantile(name: str, values: F64, users: I64, share: float, width: float) -> _Quantile:
    count = int(users.max()) + 1
    if count < LEAST_USERS:
        raise InputError(f"{name} has values of {count} user, expected at least {LEAST_USERS}")
    ranked = np.sort(values)
    value = float(np.quantile(ranked, share))
    sizes = np.bincount(users)
    under = np.bincount(users, weights=values <= value)
    reached = under.sum() / sizes.sum()
    error = sqrt(variance_of_mean((under - reached * sizes) / sizes.mean()))
    ends = share - width * error, share + width * error
    lower, upper = np.quantile(ranked, np.clip(ends, 0, 1))
    cautions = [f"the {name} has {count} users, fewer than {FEW_USERS}"] if count < FEW_USERS else []
    cautions += [_OUTSIDE.format("first", name)] if ends[0] < 0 else []
    cautions += [_OUTSIDE.format("last", name)] if ends[1] > 1 else []
    tied = float((values == value).mean())
    cautions += [_TIED.format(f"{tied:.0%}", name, f"{value:g}")] if tied > max(error, 1.5 / len(values)) else []
    return _Quantile(value, float(upper - lower) / (2 * width), count, "; ".join(cautions))
