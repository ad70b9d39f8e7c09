"""Regression discontinuity: who is just above a cutoff has the treatment, who is just below it has not."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, inf, log, sqrt
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64, Floats
from bandit.errors import InputError
from bandit.experiments.columns import checked_level, column, number, positive
from bandit.experiments.effects import FEW_USERS, Effect, effect_of

NEIGHBOURS: Final = 3
"""Of a row, in its score, that its variance is read from (rdrobust's default)."""
WIDTHS: Final = (0.5, 0.75, 1.25, 1.5)
"""Times the bandwidths, of the sensitivity."""
_MASS: Final = 0.8
"""Different scores per row; with fewer, scores are mass points (as in rdrobust)."""
_HEAP, _LEAST_HEAPED = 5.0, 0.05
"""Times the rows of the usual score, and share of all rows there, from which scores are heaped (Barreca, Lindo, Waddell 2016)."""
_LEAST_ROWS, _LEAST_SCORES = NEIGHBOURS + 1, 3
_ROUNDING: Final = sqrt(np.finfo(np.float64).eps)
"""Share by which two distances in score may differ and be the same: 0.3 - 0.2 is not 0.2 - 0.1 (as in rdrobust)."""


@dataclass(frozen=True)
class Discontinuity:
    """The jump of the outcome at the cutoff, above minus below.

    Attributes:
        value: bias-corrected; the standard error is robust: it knows of the correction.
        conventional: the effect without correction, too narrow where the outcome bends.
        rows: within the bandwidth below and above the cutoff.
        density: the jump of the logarithm of how many have a score (McCrary 2008): who sorts themselves makes one; None if there
            are too few rows.
        sensitivity: bandwidths and the effect with each.
        caution: what speaks against the method here; empty if nothing is known.
    """

    value: float
    standard_error: float
    lower: float
    upper: float
    p_value: float
    level: float
    conventional: Effect
    rows: tuple[int, int]
    density: Effect | None
    sensitivity: tuple[tuple[float, Effect], ...]
    caution: str = ""


class _Jump(NamedTuple):
    robust: Effect
    conventional: Effect


def discontinuity(
    outcomes: npt.ArrayLike,
    scores: npt.ArrayLike,
    cutoff: float,
    bandwidth: float,
    bias_bandwidth: float | None = None,
    level: float = 0.95,
) -> Discontinuity:
    """Local linear regressions on both sides with a triangular kernel, corrected for a bias of order 2.

    Calonico, Cattaneo and Titiunik (2014), variance by 3 nearest neighbours: values are those of rdrobust with p = 1, q = 2.

    Args:
        outcomes: a number per row, (n,).
        scores: what decides, (n,); from the cutoff on a row is treated.
        cutoff: in the unit of scores.
        bandwidth: scores up to which rows count, on either side.
        bias_bandwidth: the same for the correction; the bandwidth if None.
        level: of intervals, by the normal distribution.

    Raises:
        InputError: there are too few rows or scores within a bandwidth on a side, or something else is wrong.
    """
    level = checked_level(level)
    y = column("outcomes", outcomes, least=2 * _LEAST_ROWS)
    x = column("scores", scores, len(y)) - number("cutoff", cutoff)
    h = positive("bandwidth", bandwidth)
    b = h if bias_bandwidth is None else positive("bias_bandwidth", bias_bandwidth)
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    jump = _jump(x, y, h, b, level)
    near = np.abs(x) < h
    rows = int((near & (x < 0)).sum()), int((near & (x >= 0)).sum())
    density = _density(x, h, level)
    sensitivity = tuple((h * times, other) for times in WIDTHS if (other := _tried(x, y, h * times, b * times, level)))
    robust = jump.robust
    return Discontinuity(
        robust.value,
        robust.standard_error,
        robust.lower,
        robust.upper,
        robust.p_value,
        level,
        jump.conventional,
        rows,
        density,
        sensitivity,
        _caution(rows, (x[near & (x < 0)], x[near & (x >= 0)]), density, robust, sensitivity),
    )


def _tried(x: F64, y: F64, h: float, b: float, level: float) -> Effect | None:
    try:
        return _jump(x, y, h, b, level).robust
    except InputError:
        return None


def _jump(x: F64, y: F64, h: float, b: float, level: float) -> _Jump:
    below, above = (_Side.of(name, x[own], y[own], h, b) for name, own in (("below", x < 0), ("from", x >= 0)))
    users = int(below.rows), int(above.rows)
    errors = [sqrt(below.variance + above.variance), sqrt(below.robust_variance + above.robust_variance)]
    if min(errors) == 0:
        raise InputError(
            "outcomes of neighbours in score are all the same, expected some that vary; take another outcome"
        )
    conventional = effect_of(above.value - below.value, errors[0], inf, level, users)
    return _Jump(effect_of(above.corrected - below.corrected, errors[1], inf, level, users), conventional)


class _Side(NamedTuple):
    """The outcome at the cutoff as one side tells it, and its variances."""

    value: float
    corrected: float
    variance: float
    robust_variance: float
    rows: int

    @classmethod
    def of(cls, name: str, x: F64, y: F64, h: float, b: float) -> _Side:
        """Of rows in order of their score, measured from the cutoff."""
        kernel, wide = _triangle(x, h), _triangle(x, b)
        own = (wide if b >= h else kernel) > 0
        for width, weights in ((h, kernel), (b, wide)):
            rows, different = int((weights > 0).sum()), len(np.unique(x[weights > 0]))
            if rows < _LEAST_ROWS or different < _LEAST_SCORES:
                raise InputError(
                    f"scores {name} the cutoff: {rows} rows with {different} different ones within {width:g}, expected at least"
                    f" {_LEAST_ROWS} and {_LEAST_SCORES}; take a wider bandwidth"
                )
        u, y, kernel, wide = x[own] / h, y[own], kernel[own], wide[own]
        design = np.vander(u, 3, increasing=True)  # 1, u, u²: (n, 3)
        linear = design[:, :2] * kernel[:, np.newaxis]
        inverse = np.linalg.inv(design[:, :2].T @ linear)
        weighted = design * wide[:, np.newaxis]
        bend = np.linalg.inv(design.T @ weighted)[2] @ weighted.T  # the weights that tell the coefficient of u², (n,)
        corrected = linear - np.outer(bend, linear.T @ u**2)
        rest = _residuals(u, y)
        to_value, to_corrected = linear @ inverse[0], corrected @ inverse[0]
        return cls(
            float(to_value @ y),
            float(to_corrected @ y),
            float(to_value**2 @ rest**2),
            float(to_corrected**2 @ rest**2),
            int((kernel > 0).sum()),
        )


def _triangle(x: Floats, width: float) -> Floats:
    return np.maximum(1 - np.abs(x) / width, 0.0) / width


def _residuals(x: F64, y: F64) -> F64:
    """√(J / (J + 1)) (y - mean of the J nearest in score), J at least 3, all at the same distance with them."""
    low, high = _nearest(x)
    level = y - y.mean()
    sums = np.concatenate([[0.0], np.cumsum(level)])
    others = high - low
    mean = (sums[high + 1] - sums[low] - level) / others
    return np.asarray(np.sqrt(others / (others + 1)) * (level - mean))


def _nearest(x: F64) -> tuple[I64, I64]:
    """The rows from low to high that are nearest to each: whole groups of equal scores are added until there are enough."""
    first, last = np.searchsorted(x, x, "left"), np.searchsorted(x, x, "right") - 1
    low, high, end = first.copy(), last.copy(), len(x) - 1
    for _ in range(NEIGHBOURS):
        is_short = high - low < min(NEIGHBOURS, end)
        under = np.where(low > 0, x - x[np.maximum(low - 1, 0)], inf)
        over = np.where(high < end, x[np.minimum(high + 1, end)] - x, inf)
        near = np.minimum(under, over) * (1 + _ROUNDING)
        low = np.where(is_short & (under <= near), first[np.maximum(low - 1, 0)], low)
        high = np.where(is_short & (over <= near), last[np.minimum(high + 1, end)], high)
    return low, high


def _density(x: F64, h: float, level: float) -> Effect | None:
    """The jump ln f(0+) - ln f(0-), f by local linear regressions on a histogram (McCrary 2008)."""
    width = _bin_width(x)
    if not 0 < width < h:
        return None
    places = np.floor(x / width + 1e-9).astype(np.int64)
    low = int(places.min())
    heights = np.asarray(np.bincount(places - low) / (len(x) * width), dtype=np.float64)
    middles = (np.arange(len(heights)) + low + 0.5) * width
    ends = [_at_zero(middles[own], heights[own], h) for own in (middles > 0, middles < 0)]
    if min(ends) <= 0:
        return None
    error = sqrt(24 / 5 / (len(x) * h) * (1 / ends[0] + 1 / ends[1]))
    return effect_of(log(ends[0]) - log(ends[1]), error, inf, level, (int((x < 0).sum()), int((x >= 0).sum())))


def _bin_width(x: F64) -> float:
    """2 s / √n; where many scores are equal, the next multiple of the smallest gap between them."""
    width = 2 * float(x.std(ddof=1)) / sqrt(len(x))
    different = np.unique(x)
    if len(different) < len(x) / 2 and len(different) > 1:
        gap = float(np.diff(different).min())
        width = gap * ceil(width / gap - 1e-9)
    return width


def _at_zero(middles: Floats, heights: Floats, h: float) -> float:
    weights = _triangle(middles, h)
    own = weights > 0
    if own.sum() < 3:
        return 0.0
    design = np.vander(middles[own] / h, 2, increasing=True)
    weighted = design * weights[own, np.newaxis]
    return float(np.linalg.solve(design.T @ weighted, weighted.T @ heights[own])[0])


def heaps(scores: Floats) -> Floats | None:
    """The scores that have far more rows than others, (s,); None if hardly a row has one of them."""
    different, counts = np.unique(scores, return_counts=True)
    often = counts > max(_HEAP * float(np.median(counts)), _HEAP + 1)
    return different[often] if counts[often].sum() > _LEAST_HEAPED * counts.sum() else None


def is_coarse(scores: Floats) -> bool:
    """Whether scores of a side are so few that nothing between them shows how the outcome bends."""
    different = len(np.unique(scores))
    return different < FEW_USERS and different < _MASS * len(scores)


def _caution(
    rows: tuple[int, int],
    near: tuple[Floats, Floats],
    density: Effect | None,
    robust: Effect,
    sensitivity: tuple[tuple[float, Effect], ...],
) -> str:
    cautions = []
    together = np.concatenate(near)
    if any(map(is_coarse, near)):
        different = [len(np.unique(scores)) for scores in near]
        cautions.append(
            f"rows have {different[0]} different scores below and {different[1]} from the cutoff on, fewer than {FEW_USERS}: rows"
            " of one score hang together, and between few scores nothing shows how the outcome bends; the interval is too narrow"
        )
    elif (heaped := heaps(together)) is not None:
        cautions.append(
            f"{np.isin(together, heaped).mean():.0%} of the rows have one of {len(heaped)} scores that are heaped upon, as by"
            " rounding: leave those out, and see whether the effect stays"
        )
    if min(rows) < FEW_USERS:
        cautions.append(f"there are {rows[0]} rows below and {rows[1]} from the cutoff on, fewer than {FEW_USERS}")
    if density is None:
        cautions.append("there are too few rows to see whether scores were moved across the cutoff")
    elif density.p_value < 1 - density.level:
        times = exp(density.value)
        cautions.append(
            f"scores just above the cutoff are {times:.3g} times as frequent as below: somebody may move them"
        )
    flipped = [width for width, effect in sensitivity if effect.value * robust.value < 0]
    if flipped:
        cautions.append(f"the sign changes with bandwidths {', '.join(f'{width:.4g}' for width in flipped)}")
    return "; ".join(cautions)
