"""What impressions and settings of posteriors have to be, checked once; ``bandit.arrays`` makes arrays of them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64, Floats, float_array, integer_array, is_number, real_array
from bandit.errors import InputError

MOST_FEATURE = 1e100
"""Of a context's features: sums of their squares, and squares of the sums, stay far from the largest double, 1.8e308."""
LEAST_PRECISION = 1e-100
"""Of weights: variances and their squares stay far from it too."""
MOST_REWARD = 1e50
"""Of rewards in any unit: fourth powers of their products with the largest weight, 1e12, stay far from it as well."""


def checked_indices(name: str, one: str, values: npt.ArrayLike, size: int, count: int | None = None) -> I64:
    """Numbers (m,) of things of which there are ``size``, ``count`` of them if given; ``one`` is the word for a thing.

    Raises:
        InputError: their number is another, or one is not an integer from 0 to size - 1.
    """
    array = integer_array(name, values)
    if array.ndim != 1 or len(array) != (len(array) if count is None else count):
        expected = "m" if count is None else count
        raise InputError(
            f"{name} are {array.shape} {array.dtype}, expected ({expected},) integers: one {one} per impression"
        )
    if len(array) and not (array.min() >= 0 and array.max() < size):
        row = int(((array < 0) | (array >= size)).argmax())
        raise InputError(f"row {row} has the {one} {array[row]}, expected 0 to {size - 1}")
    return array


def checked_arms(arms: npt.ArrayLike, n_arms: int) -> I64:
    """Arms as (m,) int64.

    Raises:
        InputError: an arm is not an integer from 0 to n_arms - 1.
    """
    return checked_indices("arms", "arm", arms, n_arms)


def checked_choice(arms: npt.ArrayLike, n_arms: int) -> I64:
    """The arms to choose from, as (k,) int64.

    Raises:
        InputError: there is none, or one is not an integer from 0 to n_arms - 1.
    """
    array = checked_arms(arms, n_arms)
    if not len(array):
        raise InputError("there are no arms to score; pass at least one")
    return array


def checked_rewards(rewards: npt.ArrayLike, count: int) -> F64:
    """Rewards in any unit as (m,) float64.

    Raises:
        InputError: there is not one per impression, or one is no number, not finite, or beyond 1e50.
    """
    array = real_column("rewards", rewards, count)
    if count and not (array.min() >= -MOST_REWARD and array.max() <= MOST_REWARD):  # NaN is neither
        row = int((~(np.abs(array) <= MOST_REWARD)).argmax())
        remedy = "fill the gap or leave the row out" if np.isnan(array[row]) else "take another unit"
        raise InputError(f"row {row} has the reward {array[row]}, expected a number up to {MOST_REWARD:g}; {remedy}")
    return array


def checked_takes(rewards: npt.ArrayLike, count: int, model: str) -> F64:
    """Rewards in [0, 1] as (m,) float64, of a ``model`` that has no others.

    Raises:
        InputError: there is not one per impression, or one is no number or outside [0, 1].
    """
    array = real_column("rewards", rewards, count)
    if count and not (array.min() >= 0 and array.max() <= 1):
        row = int((~((array >= 0) & (array <= 1))).argmax())
        raise InputError(
            f"row {row} has the reward {array[row]}, expected 0 to 1; scale rewards before learning, or take the linear or the"
            f" shared posterior, which learn from any number, where {model} does not"
        )
    return array


def checked_contexts(contexts: npt.ArrayLike, n_features: int | None = None, count: int | None = None) -> Floats:
    """Contexts as a contiguous (m, d) array of float32 or float64.

    Raises:
        InputError: they are no numbers, there are more or fewer or of another length, or a feature is not finite or beyond 1e100.
    """
    array = float_array("contexts", contexts)
    shape = count, n_features
    if (
        array.ndim != 2
        or not array.shape[1]
        or any(size not in {None, length} for size, length in zip(shape, array.shape, strict=True))
    ):
        m, d = "n" if count is None else count, "d" if n_features is None else n_features
        raise InputError(f"contexts have the shape {array.shape}, expected ({m}, {d}): a row per impression")
    with np.errstate(all="ignore"):  # one product says it of all features, in 0.6 of the time that their sum takes
        small = float(np.vdot(array, array)) <= MOST_FEATURE**2
        wrong = None if small else ~(np.abs(array) <= MOST_FEATURE)
    if wrong is not None and wrong.any():
        row, place = np.argwhere(wrong)[0].tolist()
        raise InputError(
            f"row {row} of the contexts has a feature that is not finite or too large: feature {place} is"
            f" {array[row, place]}, expected at most {MOST_FEATURE:g}; fill gaps and scale features first"
        )
    return array


class Impressions(NamedTuple):
    """What ``observe`` is given, checked: contexts (m, d), arms and rewards (m,)."""

    contexts: Floats
    arms: I64
    rewards: F64


def checked_impressions(
    contexts: npt.ArrayLike, arms: npt.ArrayLike, rewards: npt.ArrayLike, shape: tuple[int, int], of_takes: str = ""
) -> Impressions:
    """Impressions of a model of ``shape`` (k, d); ``of_takes`` is the name of one whose rewards are in [0, 1].

    Raises:
        InputError: shapes, arms, rewards or features are wrong.
    """
    n_arms, n_features = shape
    x = checked_contexts(contexts, n_features)
    rows = checked_arms(arms, n_arms)
    if len(rows) != len(x):
        raise InputError(f"there are {len(x)} contexts and {len(rows)} arms, expected one of each per impression")
    r = checked_takes(rewards, len(x), of_takes) if of_takes else checked_rewards(rewards, len(x))
    return Impressions(x, rows, r)


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
            " pass a segment per impression where there are segments, and None where there are none"
        )
    return checked_indices("segments", "segment", segments, n_segments, count)


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


def own_sums(evidence: object, **axes: str) -> None:
    """Make the arrays of an evidence float64 that it can add to: counts of small integers would overflow.

    Args:
        evidence: with its arrays as attributes.
        axes: of each, a letter an axis; a letter has one size.

    Raises:
        InputError: one holds no numbers, or shapes do not belong together.
    """
    sizes: dict[str, int] = {}
    for name, letters in axes.items():
        array = np.require(real_array(name, getattr(evidence, name)), requirements="W")
        if array.ndim != len(letters) or any(
            sizes.setdefault(letter, size) != size for letter, size in zip(letters, array.shape, strict=True)
        ):
            wanted = ", ".join(f"{letter}={sizes[letter]}" if letter in sizes else letter for letter in letters)
            raise InputError(f"{name} has the shape {array.shape}, expected ({wanted}) as the other sums")
        check_finite(name, array)
        setattr(evidence, name, array)


def check_finite(name: str, array: F64) -> None:
    """Refuse NaN and infinity.

    Raises:
        InputError: there is one; says where.
    """
    with np.errstate(all="ignore"):
        if np.isfinite(array.sum()):  # one pass, and nothing as large as the array
            return
    wrong = ~np.isfinite(array)
    if wrong.any():
        place = np.argwhere(wrong)[0].tolist()
        raise InputError(f"{name} has a value that is not finite: {array[wrong][0]}, at {place}; replace it first")


def spread(name: str, value: npt.ArrayLike, shape: tuple[int, ...]) -> F64:
    """A number or array as a fresh float64 array of the given shape.

    Raises:
        InputError: a value is no number or not finite, or it does not spread to the shape.
    """
    array = real_array(name, value)
    check_finite(name, array)
    if np.abs(array).max(initial=0.0) > MOST_FEATURE:
        raise InputError(f"{name} has a value of {np.abs(array).max():g}, expected at most {MOST_FEATURE:g}")
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
    if not (array >= LEAST_PRECISION).all():
        raise InputError(
            f"the smallest {name} is {array.min()}, expected above 0 ({LEAST_PRECISION:g} is the least);"
            " take a small number for a vague prior"
        )
    return array


def real_column(name: str, values: npt.ArrayLike, count: int | None = None) -> F64:
    """Numbers of impressions as (m,) float64, ``count`` of them if given.

    Raises:
        InputError: they are no numbers, or there is not one per impression.
    """
    array = real_array(name, values)
    if array.ndim != 1 or len(array) != (len(array) if count is None else count):
        expected = "m" if count is None else count
        raise InputError(f"{name} have the shape {array.shape}, expected ({expected},): one per impression")
    return array


def integer_column(name: str, values: npt.ArrayLike, count: int) -> I64:
    """Whole numbers of impressions as (m,) int64.

    Raises:
        InputError: they are no whole numbers, or there is not one per impression.
    """
    array = integer_array(name, values)
    if array.shape != (count,):
        raise InputError(f"{name} are {array.shape} {array.dtype}, expected ({count},) integers: one per impression")
    return array
