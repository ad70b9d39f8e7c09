"""Confidence sequences: intervals that hold at all looks together, however often one looks and whenever one stops."""

from __future__ import annotations

from math import log
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, real_array
from bandit.checks import MOST_REWARD
from bandit.errors import InputError
from bandit.experiments.columns import checked_level, positive
from bandit.objects import place_of


class Ends(NamedTuple):
    """Both ends of an interval at a look; arrays if looks were."""

    lower: float | F64
    upper: float | F64


def confidence_sequence(
    value: npt.ArrayLike, standard_error: npt.ArrayLike, users: npt.ArrayLike, tuning: float, level: float = 0.95
) -> Ends:
    """The asymptotic confidence sequence of an effect (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, theorem 2.2).

    value ± s √N √((N ρ² + 1) / (N ρ)² · ln((N ρ² + 1) / α²)), ρ² = (-2 ln α + ln(1 - 2 ln α)) / tuning, α = 1 - level.

    Args:
        value: the effect so far, a number or one per look, (looks,).
        standard_error: of it.
        users: in both variants together, N.
        tuning: the number of users at which the interval should be narrowest.
        level: of all intervals together.

    Raises:
        InputError: something is no finite number, an error negative, fewer than 2 users, or shapes differ.

    >>> lower, upper = confidence_sequence(0.5, 0.1, 1000, tuning=1000)
    >>> round(lower, 4), round(upper, 4)
    (0.1965, 0.8035)
    """
    values, errors, counts = _looks(value, standard_error, users)
    width = errors * half_width(counts, tuning, level)
    lower, upper = values - width, values + width
    return Ends(lower, upper) if values.ndim else Ends(float(lower), float(upper))


def sequence_p_value(
    value: npt.ArrayLike, standard_error: npt.ArrayLike, users: npt.ArrayLike, tuning: float, level: float = 0.95
) -> float | F64:
    """The p-value that holds at any look: below 1 - level exactly where the confidence sequence leaves out 0.

    With looks in order, (looks,), the smallest up to each one.

    Raises:
        InputError: as for ``confidence_sequence``.

    >>> round(sequence_p_value(0.3, 0.1, 1000, tuning=1000), 4)
    0.0549
    """
    values, errors, counts = _looks(value, standard_error, users)
    if (errors == 0).any():
        raise InputError("standard_error has a 0, expected above 0: without any spread there is no p-value")
    times = counts * mixture(tuning, level)
    with np.errstate(over="ignore"):  # what is infinitely far from 0 has a p-value of 0
        exponent = (values / errors) ** 2 * times / (2 * (times + 1))
    p_values = np.minimum(np.sqrt(times + 1) * np.exp(-exponent), 1.0)
    return np.minimum.accumulate(p_values) if p_values.ndim else float(p_values)


def half_width(users: F64 | float, tuning: float, level: float) -> F64:
    """Of the sequence, in standard errors."""
    error = 1 - checked_level(level)
    times = users * mixture(tuning, level)
    return np.sqrt((times + 1) / times * (np.log(times + 1) - 2 * log(error)))


def mixture(tuning: float, level: float) -> float:
    """ρ²: at which the sequence is narrowest when there are ``tuning`` users."""
    tail = -2 * log(1 - checked_level(level))
    return (tail + log(1 + tail)) / positive("tuning", tuning)


def _looks(value: npt.ArrayLike, standard_error: npt.ArrayLike, users: npt.ArrayLike) -> tuple[F64, F64, F64]:
    given = {"value": value, "standard_error": standard_error, "users": users}
    arrays = {name: real_array(name, values) for name, values in given.items()}
    for name, array in arrays.items():
        wrong = ~(np.abs(array) <= MOST_REWARD)
        if array.ndim > 1 or wrong.any():
            odd = array[wrong][0] if wrong.any() else f"of the shape {array.shape}"
            where = place_of(name, array.shape, int(wrong.argmax())) if wrong.any() and array.ndim else name
            raise InputError(f"{where} is {odd}, expected a finite number, or one per look (looks,)")
    shapes = {array.shape for array in arrays.values() if array.ndim}
    if len(shapes) > 1:
        raise InputError(
            f"value, standard_error and users have the shapes {sorted(shapes)}, expected one of each per look"
        )
    values, errors, counts = np.broadcast_arrays(*arrays.values())
    if (errors < 0).any():
        raise InputError(f"standard_error is {errors.min()}, expected 0 or more")
    if (counts < 2).any():
        raise InputError(f"users are {counts.min()}, expected at least 2, both variants together")
    return values, errors, counts
