"""The door of every posterior: impressions as arrays, checked once."""

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
    wrong = (array < 0) | (array >= n_arms)
    if wrong.any():
        row = int(wrong.argmax())
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
    wrong = ~((array >= 0) & (array <= 1))
    if wrong.any():
        row = int(wrong.argmax())
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
    wrong = ~np.isfinite(array).all(axis=1)
    if wrong.any():
        raise InputError(f"row {int(wrong.argmax())} of the contexts has a feature that is not finite")
    return np.ascontiguousarray(array)
