"""The door of every posterior: impressions as arrays, checked once."""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from bandit.errors import InputError
from bandit.numeric import is_number, plain_array, real_array

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]

MOST_FEATURE = 1e100
"""Of a context's features: sums of their squares, and squares of the sums, stay far from the largest double, 1.8e308."""


def checked_arms(arms: npt.ArrayLike, n_arms: int) -> I64:
    """Arms as (m,) int64.

    Raises:
        InputError: an arm is not an integer from 0 to n_arms - 1.
    """
    array: npt.NDArray[np.integer] = plain_array("arms", arms)  # type: ignore[assignment]  # checked next
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"arms are {array.shape} {array.dtype}, expected (m,) integers: one arm an impression")
    if len(array) and not (array.min() >= 0 and array.max() < n_arms):
        row = int(((array < 0) | (array >= n_arms)).argmax())
        raise InputError(f"row {row} has the arm {array[row]}, expected 0 to {n_arms - 1}")
    return array.astype(np.int64, copy=False)


def checked_choice(arms: npt.ArrayLike, n_arms: int) -> I64:
    """The arms to choose from, as (k,) int64.

    Raises:
        InputError: there is none, or one is not an integer from 0 to n_arms - 1.
    """
    if np.size(plain_array("arms", arms)) == 0:
        raise InputError("there are no arms to score; pass at least one")
    return checked_arms(arms, n_arms)


def checked_rewards(rewards: npt.ArrayLike, count: int) -> F64:
    """Rewards as (m,) float64.

    Raises:
        InputError: they are no numbers, there is not one an impression, or one is outside [0, 1].
    """
    array = real_array("rewards", rewards)
    if array.shape != (count,):
        raise InputError(f"rewards have the shape {array.shape}, expected ({count},): one an impression")
    if count and not (array.min() >= 0 and array.max() <= 1):  # NaN is neither
        row = int((~((array >= 0) & (array <= 1))).argmax())
        raise InputError(f"row {row} has the reward {array[row]}, expected 0 to 1; scale rewards before learning")
    return array


def checked_contexts(contexts: npt.ArrayLike, n_features: int) -> Floats:
    """Contexts as a contiguous (m, d) array of float32 or float64.

    Raises:
        InputError: they are no numbers, a context has another length, or a feature is not finite or beyond 1e100.
    """
    array = plain_array("contexts", contexts)
    if array.dtype.kind not in "biuf":
        raise InputError(f"contexts are an array of {array.dtype}, expected real numbers; encode text and dates first")
    if array.ndim != 2 or array.shape[1] != n_features:
        raise InputError(f"contexts have the shape {array.shape}, expected (n, {n_features})")
    floats: Floats = array if array.dtype == np.float32 else array.astype(np.float64, copy=False)  # type: ignore[assignment]
    floats = np.ascontiguousarray(floats)
    with np.errstate(all="ignore"):  # one product says it of all features, in 0.6 of the time that their sum takes
        small = float(np.vdot(floats, floats)) <= MOST_FEATURE**2
        wrong = None if small else ~(np.abs(floats) <= MOST_FEATURE)
    if wrong is not None and wrong.any():
        row, place = np.argwhere(wrong)[0].tolist()
        raise InputError(
            f"row {row} of the contexts has a feature that is not finite or too large: feature {place} is"
            f" {floats[row, place]}, expected at most {MOST_FEATURE:g}; fill gaps and scale features first"
        )
    return floats


class Impressions(NamedTuple):
    """What ``observe`` is given, checked: contexts (m, d), arms and rewards (m,)."""

    contexts: Floats
    arms: I64
    rewards: F64


def checked_impressions(
    contexts: npt.ArrayLike, arms: npt.ArrayLike, rewards: npt.ArrayLike, shape: tuple[int, int]
) -> Impressions:
    """Impressions of a model of ``shape`` (k, d).

    Raises:
        InputError: shapes, arms, rewards or features are wrong.
    """
    n_arms, n_features = shape
    x = checked_contexts(contexts, n_features)
    rows = checked_arms(arms, n_arms)
    if len(rows) != len(x):
        raise InputError(f"there are {len(x)} contexts and {len(rows)} arms, expected one of each an impression")
    return Impressions(x, rows, checked_rewards(rewards, len(x)))


def checked_segments(segments: npt.ArrayLike | None, n_segments: int, count: int | None = None) -> I64 | None:
    """Segments as (m,) int64; None where there are none.

    Raises:
        InputError: there are segments and none are known, the other way round, one is unknown, or there are not ``count``.
    """
    if segments is None or not n_segments:
        if segments is None and not n_segments:
            return None
        raise InputError(
            f"contexts are {'None' if segments is None else 'given'} and the posterior has {n_segments} segments;"
            " pass a segment an impression where there are segments, and None where there are none"
        )
    array: npt.NDArray[np.integer] = plain_array("segments", segments)  # type: ignore[assignment]  # checked next
    wanted = array.shape if count is None else (count,)
    if array.ndim != 1 or array.shape != wanted or not np.issubdtype(array.dtype, np.integer):
        raise InputError(
            f"segments are {array.shape} {array.dtype}, expected ({count or 'n'},) integers: one an impression"
        )
    wrong = (array < 0) | (array >= n_segments)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(f"row {row} has the segment {array[row]}, expected 0 to {n_segments - 1}")
    return array.astype(np.int64, copy=False)


def checked_retention(retention: float) -> float:
    """The share of evidence that stays.

    Raises:
        InputError: it is no number, or outside (0, 1].
    """
    if not (is_number(retention) and 0 < retention <= 1):
        raise InputError(f"retention is {retention!r}, expected above 0 and at most 1 (1 keeps everything)")
    return float(retention)


def checked_precision(name: str, value: float) -> float:
    """A precision that is one number.

    Raises:
        InputError: it is no number, not finite, or not above 0.
    """
    if not (is_number(value) and 0 < value < np.inf):
        raise InputError(f"the {name} is {value!r}, expected a finite number above 0; take a small one if unsure")
    return float(value)


class Shaped(Protocol):
    """Evidence that tells its shape."""

    @property
    def shape(self) -> tuple[int, int]:
        """Arms and features, or segments and arms."""
        ...


def check_merged(mine: Shaped, other: object, axes: str) -> None:
    """Refuse evidence of another kind or shape; ``axes`` names what the shape counts.

    Raises:
        InputError: it is.
    """
    if not isinstance(other, type(mine)):
        raise InputError(
            f"{type(other).__name__} cannot be merged into {type(mine).__name__}; merge posteriors of one kind, or their evidence"
        )
    if other.shape != mine.shape:
        raise InputError(
            f"evidence of {other.shape} ({axes}) cannot be merged into evidence of {mine.shape};"
            " both need the same catalogue and settings"
        )


def spread(name: str, value: npt.ArrayLike, shape: tuple[int, ...]) -> F64:
    """A number or array as a fresh float64 array of the given shape.

    Raises:
        InputError: a value is no number or not finite, or it does not spread to the shape.
    """
    array = real_array(name, value)
    finite = np.isfinite(array)
    if not finite.all():
        raise InputError(f"{name} has a value that is not finite: {array[~finite][0]}; replace it first")
    try:
        return np.broadcast_to(array, shape).copy()
    except ValueError:
        raise InputError(f"{name} has the shape {array.shape}, expected a number or what spreads to {shape}") from None


def checked_precisions(name: str, value: npt.ArrayLike, shape: tuple[int, ...]) -> F64:
    """Precisions as a fresh float64 array of the given shape.

    Raises:
        InputError: as ``spread``, or one is not above 0.
    """
    array = spread(name.replace(" ", "_"), value, shape)
    if not (array > 0).all():
        raise InputError(
            f"the smallest {name} is {array.min()}, expected above 0; take a small number for a vague prior"
        )
    return array
