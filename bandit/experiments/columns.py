"""The door of the experiments: one number per user, pairs of them, levels and shares, checked once and refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64, Bool, integer_array, is_number, label_array, real_array
from bandit.checks import MOST_REWARD
from bandit.errors import InputError
from bandit.objects import place_of

PairLike = Sequence[npt.ArrayLike] | npt.NDArray[Any]
"""Two columns of numbers: a tuple, a list or an array with two rows."""
LEAST_USERS = 2
"""In a variant: a single user has no variance."""


class Pair(NamedTuple):
    """What is divided and by what, one of each per user, (n,)."""

    numerators: F64
    denominators: F64


def column(name: str, values: npt.ArrayLike, count: int | None = None, least: int = LEAST_USERS) -> F64:
    """One finite number per user, (n,).

    Raises:
        InputError: it is no column of numbers, one is not finite or above 1e50, or their number is wrong.
    """
    array = real_array(name, values)
    if array.ndim != 1 or len(array) < least or (count is not None and len(array) != count):
        expected = f"({count},)" if count is not None else f"(n,) with n at least {least}"
        raise InputError(f"{name} has the shape {array.shape}, expected {expected}: one number per user")
    _refuse_extremes(name, array)
    return array


def _refuse_extremes(name: str, array: F64) -> None:
    wrong = ~(np.abs(array) <= MOST_REWARD)  # NaN is not
    if wrong.any():
        place = int(wrong.argmax())
        odd = array.ravel()[place]
        remedy = "fill the gap or leave the user out" if np.isnan(odd) else "take another unit"
        where = place_of(name, array.shape, place)
        raise InputError(f"{where} is {odd}, expected a finite number up to {MOST_REWARD:g}; {remedy}")


def table(name: str, values: npt.ArrayLike) -> F64:
    """A finite number per user and day, (n, d).

    Raises:
        InputError: it is no table of numbers with at least 2 rows and 2 columns, or one is not finite or above 1e50.
    """
    array = real_array(name, values)
    if array.ndim != 2 or min(array.shape) < LEAST_USERS:
        raise InputError(
            f"{name} has the shape {array.shape}, expected (n, d): a row per user, a column per day, 2 at least"
        )
    _refuse_extremes(name, array)
    return array


def two(name: str, values: Any, expected: str) -> tuple[Any, Any]:
    """Two things, of a tuple, a list or an array with two rows.

    Raises:
        InputError: there are not two; ``expected`` says which they should be.
    """
    is_given = isinstance(values, Sequence) and not isinstance(values, str | bytes)
    is_given = is_given or (isinstance(values, np.ndarray) and values.ndim > 0)
    if not is_given or len(values) != 2:
        size = f" of {len(values)}" if is_given else ""
        raise InputError(f"{name} is a {type(values).__name__}{size}, expected a pair: ({expected})")
    return values[0], values[1]


def pair(name: str, values: Any) -> Pair:
    """Numerators and denominators of users; a denominator may be 0, but not all of them.

    Raises:
        InputError: they are no pair of columns of one length, or a denominator is negative, or all are 0.
    """
    above, below = two(name, values, "numerators, denominators")
    numerators = column(f"numerators of {name}", above)
    denominators = column(f"denominators of {name}", below, len(numerators))
    if denominators.min() < 0:
        place = int(denominators.argmin())
        raise InputError(
            f"row {place} of the denominators of {name} is {denominators[place]}, expected 0 or more: how often, not how much"
        )
    if denominators.max() < 1 / MOST_REWARD:
        raise InputError(
            f"the denominators of {name} are all 0 or next to it, expected some above 0; there is nothing to divide by"
        )
    return Pair(numerators, denominators)


def labels(name: str, values: npt.ArrayLike, count: int) -> I64:
    """A number or a text per user as numbers, (n,); equal ones stay equal.

    Raises:
        InputError: there are not ``count``, or one is missing.
    """
    return label_array(name, values, count)


def mask(name: str, values: npt.ArrayLike, count: int) -> Bool:
    """Yes or no per row, of booleans or of 0 and 1, (n,).

    Raises:
        InputError: there are not ``count``, or one is neither 0 nor 1.
    """
    array = real_array(name, values)
    if array.shape != (count,):
        raise InputError(f"{name} has the shape {array.shape}, expected ({count},): 0 or 1 per row")
    wrong = (array != 0) & (array != 1)
    if wrong.any():
        place = int(wrong.argmax())
        raise InputError(f"{place_of(name, array.shape, place)} is {array[place]}, expected 0 or 1")
    return np.asarray(array == 1)


def count_array(name: str, values: npt.ArrayLike) -> I64:
    """Whole numbers that are not negative, in the shape that they have.

    Raises:
        InputError: one is no whole number or negative.
    """
    array = integer_array(name, values)
    if array.size and array.min() < 0:
        where = place_of(name, array.shape, int(array.argmin()))
        raise InputError(f"{where} is {array.min()}, expected 0 or more: how many users were seen")
    return array


def checked_shares(shares: npt.ArrayLike) -> F64:
    """Shares of variants, (k,), each above 0, 1 together.

    Raises:
        InputError: there are fewer than two, one is not above 0, or they do not sum to 1.
    """
    array = column("shares", shares)
    if array.min() < 1 / MOST_REWARD:
        raise InputError(
            f"row {int(array.argmin())} of the shares is {array.min()}, expected above 0; leave that variant out"
        )
    if abs(float(array.sum()) - 1) > 1e-9:
        raise InputError(
            f"shares sum to {float(array.sum()):.12g}, expected 1; divide each by their sum if they are weights"
        )
    return array


def checked_p_values(p_values: npt.ArrayLike) -> F64:
    """p-values, (k,).

    Raises:
        InputError: they are no column of numbers from 0 to 1.
    """
    array = real_array("p_values", p_values)
    if array.ndim != 1:
        raise InputError(f"p_values have the shape {array.shape}, expected (k,): one per hypothesis")
    wrong = ~((array >= 0) & (array <= 1))  # NaN is neither
    if wrong.any():
        place = int(wrong.argmax())
        raise InputError(
            f"row {place} of the p_values is {array[place]}, expected 0 to 1; leave out what was not tested"
        )
    return array


def checked_level(level: float) -> float:
    """The share of intervals that hold the truth.

    Raises:
        InputError: it is no number between 0 and 1.
    """
    return between("level", level, "0.95 for intervals that hold the truth 95 times in 100")


def checked_error(level: float) -> float:
    """The share of false alarms, α: 0.05, whether it is told as 0.05 or as the confidence 0.95.

    Raises:
        InputError: it is no number between 0 and 1.
    """
    share = between("level", level, "0.05 for one false alarm in 20")
    return share if share <= 0.5 else 1 - share


def between(name: str, value: float, example: str) -> float:
    """A number above 0 and below 1.

    Raises:
        InputError: it is something else.
    """
    if isinstance(value, bool) or not (is_number(value) and 0 < float(value) < 1):
        raise InputError(f"{name} is {value!r}, expected a number above 0 and below 1: {example}")
    return float(value)


def number(name: str, value: float) -> float:
    """A finite number up to 1e50.

    Raises:
        InputError: it is something else.
    """
    if isinstance(value, bool) or not (is_number(value) and abs(float(value)) <= MOST_REWARD):
        raise InputError(f"{name} is {value!r}, expected a finite number up to {MOST_REWARD:g}")
    return float(value)


def positive(name: str, value: float) -> float:
    """A finite number above 0, at least 1e-50.

    Raises:
        InputError: it is something else.
    """
    if number(name, value) < 1 / MOST_REWARD:
        raise InputError(f"{name} is {value!r}, expected above 0")
    return float(value)
