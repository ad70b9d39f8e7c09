"""The door of every posterior: impressions as arrays, checked once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bandit.errors import InputError

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


def checked_arms(arms: npt.ArrayLike, n_arms: int) -> I64:
    """Arms as (m,) int64.

    Raises:
        InputError: an arm is not an integer from 0 to n_arms - 1.
    """
    array = np.asarray(arms)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"arms are {array.shape} {array.dtype}, expected (m,) integers: one arm an impression")
    if len(array) and not (array.min() >= 0 and array.max() < n_arms):
        row = int(((array < 0) | (array >= n_arms)).argmax())
        raise InputError(f"row {row} has the arm {array[row]}, expected 0 to {n_arms - 1}")
    return array.astype(np.int64, copy=False)


def checked_rewards(rewards: npt.ArrayLike, count: int) -> F64:
    """Rewards as (m,) float64.

    Raises:
        InputError: there is not one reward an impression, or one is outside [0, 1].
    """
    array = np.asarray(rewards, dtype=np.float64)
    if array.shape != (count,):
        raise InputError(f"rewards have the shape {array.shape}, expected ({count},): one an impression")
    if count and not (array.min() >= 0 and array.max() <= 1):  # NaN is neither
        row = int((~((array >= 0) & (array <= 1))).argmax())
        raise InputError(f"row {row} has the reward {array[row]}, expected 0 to 1; scale rewards before learning")
    return array


def checked_contexts(contexts: npt.ArrayLike, n_features: int) -> npt.NDArray[np.floating]:
    """Contexts as a contiguous (m, d) array of float32 or float64.

    Raises:
        InputError: a context has another length, or a feature is not finite.
    """
    array = np.asarray(contexts)
    if array.ndim != 2 or array.shape[1] != n_features:
        raise InputError(f"contexts have the shape {array.shape}, expected (n, {n_features})")
    if array.dtype != np.float32:
        array = array.astype(np.float64, copy=False)
    array = np.ascontiguousarray(array)
    with np.errstate(all="ignore"):
        total = array.sum()  # finite only if all are: five times as fast as to look at every feature
    wrong = ~np.isfinite(array).all(axis=1) if not np.isfinite(total) else None
    if wrong is not None and wrong.any():
        raise InputError(f"row {int(wrong.argmax())} of the contexts has a feature that is not finite")
    return array


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
    array = np.asarray(segments)
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


@contextmanager
def named_arrays(path: Path) -> Iterator[None]:
    """Say which file lacks an array that a posterior needs.

    Raises:
        InputError: an array is missing.
    """
    try:
        yield
    except KeyError as error:
        raise InputError(f"{path} lacks an array ({error}); it is no posterior of this version: train again") from error


def checked_retention(retention: float) -> float:
    """The share of evidence that stays.

    Raises:
        InputError: it is outside (0, 1].
    """
    if not 0 < retention <= 1:
        raise InputError(f"retention is {retention}, expected above 0 and at most 1 (1 keeps everything)")
    return float(retention)


def spread(name: str, value: npt.ArrayLike, shape: tuple[int, ...]) -> F64:
    """A number or array as a fresh float64 array of the given shape.

    Raises:
        InputError: a value is not finite, or it does not spread to the shape.
    """
    array = np.asarray(value, dtype=np.float64)
    if not np.isfinite(array).all():
        raise InputError(f"{name} has a value that is not finite")
    try:
        return np.broadcast_to(array, shape).copy()
    except ValueError:
        raise InputError(f"{name} has the shape {array.shape}, expected a number or what spreads to {shape}") from None
