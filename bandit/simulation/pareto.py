"""Which of some settings are beaten in nothing, where several things count, and what of that is more than chance."""

from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from bandit.arrays import F64, Bool, is_count, is_number, real_array
from bandit.errors import InputError

_NO_SPREAD: Final = 1e-12
"""Of the largest value: differences over seeds that are spread by less are the same but for rounding."""


def on_front(points: npt.ArrayLike) -> Bool:
    """Which of n settings no other one dominates, (n,): is at least as good in everything, and better in something.

    Args:
        points: (n, a), what each setting comes to in each of a objectives; more is better.

    Raises:
        InputError: they are not (n, a) finite numbers.

    >>> on_front([[1.0, 0.0], [0.0, 1.0], [0.0, 0.5]])
    array([ True,  True, False])
    """
    values = _checked(points, 2, "points", "(n, a)")
    return _undominated(_dominates(values))


@dataclass(frozen=True, eq=False)
class Front:
    """Settings in order, by means over seeds.

    ``is_on`` (n,) says which are on the front of the means, ``shares`` (n,) in which share of resamples of the seeds they are on
    theirs; NaN for a single seed. ``dominates`` (n, n): the first is at least as good in every mean and better in one. ``beats``
    (n, n): it dominates, and in some objective by more than chance. ``is_alike`` (n, n): no objective tells the two apart.
    """

    means: F64
    is_on: Bool
    shares: F64
    dominates: Bool
    beats: Bool
    is_alike: Bool


def find_front(values: npt.ArrayLike, level: float = 0.95, resamples: int = 2000, seed: int = 0) -> Front:
    """The front of settings that were all tried at the same seeds.

    More than chance is what a t-interval of the paired differences over seeds says, by Bonferroni for all pairs and objectives
    together: where all settings are the same, one table in twenty at most tells any two of them apart. A single seed tells
    nothing apart, nor does a difference that is the same at every seed: nothing is known of how it varies, and values of few
    steps, as of a page of three titles, agree by chance.

    Args:
        values: (s, n, a) of s seeds, n settings and a objectives; more is better.
        level: of all intervals together.
        resamples: of the seeds, with replacement, for ``shares``.
        seed: of the resamples.

    Raises:
        InputError: values are not (s, n, a) finite numbers, or a setting is out of range.
    """
    array = _checked(values, 3, "values", "(s, n, a)")
    if not (is_number(level) and 0 < level < 1) or not is_count(resamples):
        raise InputError(
            f"the level is {level!r} and resamples {resamples!r}, expected a share between 0 and 1, and 1 or more"
        )
    means = array.mean(axis=0)
    ahead = _ahead(array, level)  # (n, n, a)
    dominates = _dominates(means)
    apart: Bool = np.asarray(ahead.any(axis=2))
    return Front(
        means=means,
        is_on=_undominated(dominates),
        shares=_shares(array, resamples, seed),
        dominates=dominates,
        beats=np.asarray(dominates & apart),
        is_alike=np.asarray(~(apart | apart.T)),
    )


def beside(values: npt.ArrayLike, place: int, level: float = 0.95) -> tuple[F64, F64]:
    """How far every setting is ahead of one of them, (n, a), and how far the ends of the interval of each are from that, (n, a).

    T-intervals of the paired differences over seeds, by Bonferroni for all of them together; NaN for a single seed, and
    where the difference is the same at every seed, but for the one that all are beside.

    Args:
        values: (s, n, a) of s seeds, n settings and a objectives.
        place: of the one that all are beside.
        level: of all intervals together.

    Raises:
        InputError: values are not (s, n, a) finite numbers.
    """
    array = _checked(values, 3, "values", "(s, n, a)")
    seeds, settings, objectives = array.shape
    differences = array - array[:, [place]]
    if seeds == 1:
        return differences[0], np.full((settings, objectives), np.nan)
    reach = _quantile(level, max((settings - 1) * objectives, 1), seeds)
    ends = np.asarray(reach * _spread(differences, array))
    ends[place] = 0.0
    return differences.mean(axis=0), ends


def _dominates(points: F64) -> Bool:
    """Whether the first dominates the second, (n, n)."""
    first, second = points[:, None, :], points[None, :, :]
    return np.asarray((first >= second).all(axis=2) & (first > second).any(axis=2))


def _undominated(dominates: Bool) -> Bool:
    """Which settings nobody dominates, (n,)."""
    return np.asarray(~dominates.any(axis=0))


def _ahead(values: F64, level: float) -> Bool:
    """In what the first is ahead of the second by more than chance, (n, n, a)."""
    seeds, settings, objectives = values.shape
    if seeds == 1:
        return np.zeros((settings, settings, objectives), dtype=np.bool_)
    comparisons = max(settings * (settings - 1) // 2 * objectives, 1)
    reach = _quantile(level, comparisons, seeds)
    differences = values[:, :, None, :] - values[:, None, :, :]  # (s, n, n, a)
    return np.asarray(differences.mean(axis=0) > reach * _spread(differences, values))


def _spread(differences: F64, values: F64) -> F64:
    """Standard deviations over seeds; NaN where the difference is the same at every seed, which says nothing of them."""
    spread = differences.std(axis=0, ddof=1)
    return np.where(spread > _NO_SPREAD * np.abs(values).max(), spread, np.nan)


def _quantile(level: float, comparisons: int, seeds: int) -> float:
    """How many standard deviations over seeds an interval of a mean reaches to either side, for so many together."""
    return float(stdtrit(seeds - 1, 1 - (1 - level) / (2 * comparisons))) / sqrt(seeds)


def _shares(values: F64, resamples: int, seed: int) -> F64:
    seeds = len(values)
    if seeds == 1:
        return np.full(values.shape[1], np.nan)
    random = np.random.default_rng(seed)
    counts = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)  # (r, s)
    drawn = np.einsum("rs,sna->rna", counts / seeds, values)
    return np.asarray(np.mean([_undominated(_dominates(points)) for points in drawn], axis=0), dtype=np.float64)


def _checked(values: npt.ArrayLike, dimensions: int, name: str, shape: str) -> F64:
    array = real_array(name, values)
    if array.ndim != dimensions or not array.size or not np.isfinite(array).all():
        raise InputError(
            f"{name} have the shape {array.shape}, expected {shape} finite numbers, and at least one of each"
        )
    return array
