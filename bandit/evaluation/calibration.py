"""Whether propensities are what they claim: weights have known sums, over all, by arm and by context."""

from collections.abc import Callable
from math import inf, sqrt
from typing import NamedTuple

import numpy as np

from bandit.arrays import F64
from bandit.evaluation.sample import Sample

_ROUNDING = 1e-9  # a policy judged on its own log has weights of 1 and no error
_AT_A_TIME = 65_536  # impressions whose contexts are held as float64


class MeanWeight(NamedTuple):
    """A mean of weights, 1 with right propensities, or down to ``least`` for lack of support; and its standard error."""

    mean: float
    least: float
    error: float

    @property
    def off(self) -> float:
        """How far the mean is from what it may be."""
        return max(self.mean - 1, self.least - self.mean, 0.0)

    @property
    def errors(self) -> float:
        """The same in standard errors."""
        if self.off <= _ROUNDING:
            return 0.0
        return self.off / self.error if self.error > 0 else inf


class Worst(NamedTuple):
    """The arm that is the furthest off, by its number; ``off`` as a share, and in standard errors."""

    place: int | None
    off: float
    errors: float


NOTHING = Worst(None, 0.0, 0.0)


def unsupported_share(sample: Sample) -> float:
    """The target's probability on arms without support, the mean over decisions."""
    return float((sample.unsupported * sample.shares).sum()) / max(sample.n_clusters, 1)


def mean_weight(sample: Sample) -> MeanWeight:
    """The mean over decisions of their impressions' mean weight: E[w] = 1, minus the target's probability without support."""
    values, count = sample.sums(sample.weights * sample.shares), sample.n_clusters
    error = float(values.std(ddof=1)) / sqrt(count) if count > 1 else inf
    return MeanWeight(float(values.mean()), 1 - unsupported_share(sample), error)


def mean_weight_by_impression(sample: Sample) -> MeanWeight:
    """The mean over impressions: the same if how often a decision is shown does not depend on what is shown."""
    mean = float(sample.weights.mean())
    sums, count = sample.sums(sample.weights - mean), sample.n_clusters
    error = sqrt(count / (count - 1) * float(sums @ sums)) / len(sample) if count > 1 else inf
    return MeanWeight(mean, 1 - float(sample.unsupported.mean()), error)


def worst_arm(sample: Sample, least_shown: float, tolerance: float, *, by_impression: bool = False) -> Worst:
    """The arm whose propensity is the least likely to be right: decisions count once, however often they were shown.

    By impressions it is the arm that is the likeliest to be shown more or less often than others once it is decided for: with
    right propensities Σ w over its impressions is Σ π(a|x) over all only if how often a decision is shown does not depend on its
    arm.

    It is the arm a that is the most standard errors off in Σ_c W_ca = Σ_i s_i π(a|x_i), W_ca = Σ s w of a decision's impressions.
    Both have the same expectation if the propensities are right and the arm had support: a propensity that is wrong for some
    arms shows even where it averages out over all. Too much weight is measured by the scatter of the weights, and at least by
    Σ_i s_i π(a|x_i)² / p̄_a. Too little may be weights that happened not to occur, as large as the largest W of a decision: the
    variance is then at most W Σ_i s_i π(a|x_i), which is taken.

    Args:
        sample: with propensities.
        least_shown: arms shown less often are not looked at.
        tolerance: sums that are off by a smaller share are taken as right.
        by_impression: whether impressions count, s = 1; else they count as shares of their decisions.
    """
    expected, expected_squares = sample.expected_arms, sample.expected_squares
    if by_impression:
        expected, expected_squares = sample.shown_arms, sample.shown_squares
    if sample.arms is None or expected is None or expected_squares is None:
        return NOTHING
    size = len(expected)
    weights = sample.weights if by_impression else sample.weights * sample.shares
    shown = np.bincount(sample.arms, minlength=size)
    sums = np.bincount(sample.arms, weights=weights, minlength=size).astype(np.float64, copy=False)
    off = np.abs(sums - expected)
    tested = (shown >= max(least_shown, 1)) & (off > tolerance * expected) & (off > _ROUNDING * len(sample))
    if not tested.any():
        return NOTHING
    above = np.maximum(_variances(sample, weights, sums), expected_squares)
    variances = np.where(sums > expected, above, sample.sums(weights).max() * expected)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.where(tested, off / np.sqrt(variances), 0.0)
        off_by = off / expected
    worst = int(errors.argmax())
    return Worst(worst, float(off_by[worst]), float(errors[worst]))


def _variances(sample: Sample, weights: F64, sums: F64) -> F64:
    """The variance of each arm's sum of weights, (A,): Σ_c W_ca² - (Σ_c W_ca)² / C."""
    assert sample.arms is not None  # noqa: S101 - the caller looked
    size, arms = len(sums), sample.arms
    if sample.clusters is not None:
        pairs, place = np.unique(sample.clusters * size + arms, return_inverse=True)
        arms, weights = pairs % size, np.bincount(place, weights=weights).astype(np.float64, copy=False)
    squares = np.bincount(arms, weights=weights**2, minlength=size)
    return np.maximum(squares - sums**2 / sample.n_clusters, 0.0)


class Shift(NamedTuple):
    """The context feature that weights move furthest, by its number: its mean, or its mean square if ``is_square``."""

    feature: int | None
    is_square: bool
    off: float
    errors: float


def worst_context(sample: Sample) -> Shift:
    """The context feature whose mean, or mean square, the weights move furthest, by standardised difference (Austin 2009).

    Right propensities have E[w|x] = 1, less what has no support, at every context: weights move no mean of any function of it.
    Propensities that are wrong for some contexts and right on average show here alone; squares show those that are wrong for both
    ends of a feature alike. What cancels within every feature, such as an arm's that is too large for some users and another's
    that is too small for the same, does not show. The variance of Σ_c Σ_i (w - 1) x̃ / n is that of what is there, and at least
    (w⁺ - 1) C, with w⁺ the largest weight that was possible: E[w²|x] ≤ w⁺ E[w|x].
    """
    nothing = Shift(None, is_square=False, off=0.0, errors=0.0)
    if sample.contexts is None:
        return nothing
    shares, count, size = sample.shares, sample.n_clusters, sample.contexts.shape[1]
    [raw] = _moments(sample, shares[None], np.asarray)
    centre, deviation = _centre(raw)
    varies = deviation > _ROUNDING * np.maximum(np.abs(centre), 1.0)
    scale = np.where(varies, deviation, inf)

    def functions(x: F64) -> F64:
        """x̃ and x̃², (n, 2 d); zeros of features that do not vary."""
        standardised = (x - centre) / scale
        return np.concatenate([standardised, standardised**2], axis=1)

    excess = (sample.weights - 1 + sample.unsupported) * shares  # (m,)
    scatter = excess**2 / shares  # n_c Σ e² x̃² is at least (Σ e x̃)² of a decision, and equal where contexts are
    ones, moved, squares = _moments(sample, np.stack([shares, excess, scatter]), functions)
    middle, spread = _centre(ones)
    usable = spread > _ROUNDING
    with np.errstate(divide="ignore", invalid="ignore"):
        sums = np.where(usable, (moved.first - middle * moved.total) / spread, 0.0)
        around = squares.second - 2 * middle * squares.first + middle**2 * squares.total
        seen = np.where(usable, around / spread**2, 0.0)
    variances = np.maximum(seen, (sample.possible_weight - 1) * count)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.where(np.abs(sums) > _ROUNDING * count, np.abs(sums) / np.sqrt(variances), 0.0)
    worst = int(errors.argmax())
    if errors[worst] == 0:
        return nothing
    return Shift(worst % size, worst >= size, float(abs(sums[worst])) / count, float(errors[worst]))


class _Moments(NamedTuple):
    """Σ v, Σ v x (d,) and Σ v x² (d,)."""

    total: float
    first: F64
    second: F64


def _centre(moments: _Moments) -> tuple[F64, F64]:
    """Means and standard deviations, (d,) each."""
    mean = moments.first / moments.total
    return mean, np.sqrt(np.maximum(moments.second / moments.total - mean**2, 0.0))


def _moments(sample: Sample, values: F64, functions: Callable[[F64], F64]) -> list[_Moments]:
    """Of each row v of ``values`` (n, m), with ``functions`` of the contexts as x."""
    assert sample.contexts is not None  # noqa: S101 - the caller looked
    first, second = [], []
    for start in range(0, len(sample), _AT_A_TIME):
        rows = slice(start, start + _AT_A_TIME)
        x = functions(sample.contexts[rows].astype(np.float64))
        first.append(values[:, rows] @ x)
        second.append(values[:, rows] @ x**2)
    parts = values.sum(axis=1).tolist(), np.sum(first, axis=0), np.sum(second, axis=0)
    return [_Moments(*columns) for columns in zip(*parts, strict=True)]
