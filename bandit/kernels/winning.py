"""P(arm has the largest value) for independent Gaussian arms, by quadrature."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Chebyshev, Polynomial
from scipy.special import ndtr

from bandit.kernels.jit import fused_kernel, kernel

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

_STEP = 1e-13  # a deviation under this share of its mean, or of the widest, cannot be told from 0 in double precision
_BEATEN = 5.7  # an arm this many deviations of the difference behind another wins less than 6e-9 of the time: left out
_CLAMP = 5.7  # Φ is taken as constant beyond: 6e-9 from 0 and 1
_LEAVE = 5.4  # deviations above its mean at which an arm is done, among at most ten; a tail of 3e-8
_TOP = (
    4.2  # deviations above the means at which the nodes end; what is left above is added as if arms were alone there,
)
_TOP_OF_MANY = 4.7  # which errs by the square of their tails together: 5e-8 for 24 arms, 5e-8 for 256 from here on
_DEPTH = 17.0  # the nodes begin where ∏ Φ is at most exp(-17), 4e-8
_ENTER = 5.2  # a wide panel may run up to here, in deviations below the mean of a narrower arm
_BISECTIONS = 6
_NODES = 24
_LEGENDRE, _LEGENDRE_WEIGHTS = np.polynomial.legendre.leggauss(_NODES)


def _in_square(function: Callable[[F64], F64], degree: int) -> F64:
    """Coefficients, highest first, of a polynomial in v = z² on |z| ≤ ``_CLAMP``, by Chebyshev interpolation."""
    series = Chebyshev.interpolate(function, degree, domain=[0, _CLAMP**2])
    plain = series.convert(kind=Polynomial, domain=[-1, 1], window=[-1, 1])
    return np.asarray(plain.coef[::-1], dtype=np.float64).copy()


# Φ(z) = 1/2 + z P(z²) and φ(z) = Q(z²)⁶⁴: no division, no branch and no table, so that eight nodes are one instruction.
# Largest errors on the range: 4e-10 and 3e-11.
_CDF = _in_square(lambda v: (ndtr(np.sqrt(v)) - 0.5) / np.sqrt(v), 17)
_PDF = _in_square(lambda v: np.exp(-v / 128) * (2 * np.pi) ** (-1 / 128), 5)
_N_CDF, _N_PDF = len(_CDF), len(_PDF)


class _Standing(NamedTuple):
    """Where the arms of a decision stand, (k,) each: z = x · rate - centre; and what is left of an arm above the nodes."""

    centres: F64
    rates: F64
    tails: F64


class _Nodes(NamedTuple):
    """Scratch at the nodes of a panel: Φ and the share of each arm, (k, 24), and a running product, (24,)."""

    below: F64
    shares: F64
    product: F64


@fused_kernel
def win_probabilities(means: F64, deviations: F64, eligible: Bool, out: F64) -> None:
    """Probability of each eligible arm to be the largest; ``out`` (n, k) is overwritten, its rows sum to one.

    P(a wins) = ∫ φ_a ∏_{b≠a} Φ_b. Arms that cannot win are left out first; of two arms that remain the answer is Φ of their
    distance, of more it is the integral over panels of 24 Gauss-Legendre nodes. The range begins where ∏ Φ is negligible
    and panels are as narrow as the narrowest arm that still has mass. Arms of deviation 0 are exact steps; steps that tie share.
    Nodes are measured from the start of the range: near a mean of 1, deviations of 1e-12 would lose their digits.
    """
    n, k = means.shape
    active = np.empty(k, dtype=np.int64)
    standing = _Standing(np.empty(k), np.empty(k), np.empty(k))
    at_nodes = _Nodes(np.empty((k, _NODES)), np.empty((k, _NODES)), np.empty(_NODES))
    for i in range(n):
        out[i] = 0.0
        step, count = _contenders(means[i], deviations[i], eligible[i], active)
        if step == -math.inf and count == 1:
            out[i, active[0]] = 1.0
        elif step == -math.inf and count == 2:
            _two(means[i], deviations[i], active, out[i])
        else:
            _many(means[i], deviations[i], eligible[i], step, active[:count], standing, at_nodes, out[i])


@kernel
def _contenders(means: F64, deviations: F64, eligible: Bool, active: I64) -> tuple[float, int]:
    """The highest step, and how many continuous arms may win; the first entries of ``active`` become those arms."""
    best, best_deviation, widest = -math.inf, 0.0, 0.0
    for a in range(means.shape[0]):
        if eligible[a]:
            widest = max(widest, deviations[a])
            if means[a] > best:
                best, best_deviation = means[a], deviations[a]
    step, count = -math.inf, 0
    for a in range(means.shape[0]):
        if not eligible[a]:
            continue
        if _is_step(means[a], deviations[a], widest):
            step = max(step, means[a])
        else:
            gap = (best - means[a]) / _BEATEN
            if gap * gap <= best_deviation * best_deviation + deviations[a] * deviations[a]:
                active[count] = a
                count += 1
    return step, count


@kernel
def _is_step(mean: float, deviation: float, widest: float) -> bool:
    return deviation <= _STEP * max(abs(mean), widest)


@kernel
def _two(means: F64, deviations: F64, active: I64, out: F64) -> None:
    first, second = active[0], active[1]
    scale = math.hypot(deviations[first], deviations[second])
    z = min(max((means[first] - means[second]) / scale, -_CLAMP), _CLAMP)
    out[first] = _cdf(z)
    out[second] = 1.0 - out[first]


@fused_kernel
def _many(
    means: F64,
    deviations: F64,
    eligible: Bool,
    step: float,
    active: I64,
    standing: _Standing,
    at_nodes: _Nodes,
    out: F64,
) -> None:
    """Win probabilities of any number of arms."""
    centres, rates, tails = standing
    for c in range(active.shape[0]):
        centres[c], rates[c] = means[active[c]], 1.0 / deviations[active[c]]
    low, high = _range(means, deviations, active)
    if step > -math.inf:
        _share_step(means, deviations, eligible, step, active, out)
        low, high = max(low, step), max(high, step)
    low = _foot(low, high, centres[: active.shape[0]], rates)
    for c in range(active.shape[0]):
        centres[c] = (centres[c] - low) * rates[c]
    x, width, count = 0.0, high - low, active.shape[0]
    while x < width:
        count, end = _panel(x, width, active, centres, rates, count)
        if not end > x:  # a number that is not finite, or a width that is lost beside x
            break
        _add_panel(x, end, active[:count], centres, rates, at_nodes, out)
        x = end
    for c in range(count):
        tails[c] = max(1.0 - _cdf(min(max(width * rates[c] - centres[c], -_CLAMP), _CLAMP)), 0.0)
    for c in range(count):
        out[active[c]] += tails[c]
    total = 0.0
    for a in range(out.shape[0]):
        total += out[a]
    for a in range(out.shape[0]):
        out[a] /= total


@kernel
def _range(means: F64, deviations: F64, active: I64) -> tuple[float, float]:
    """Where some arm is all but certain to be above, and where the nodes end."""
    low, high = -math.inf, -math.inf
    top = _TOP if active.shape[0] <= 24 else _TOP_OF_MANY
    for a in active:
        low = max(low, means[a] - _CLAMP * deviations[a])
        high = max(high, means[a] + top * deviations[a])
    return low, high


@kernel
def _share_step(means: F64, deviations: F64, eligible: Bool, step: float, active: I64, out: F64) -> None:
    below = 1.0
    for a in active:
        below *= _cdf(min(max((step - means[a]) / deviations[a], -_CLAMP), _CLAMP))
    widest, ties = 0.0, 0
    for a in range(means.shape[0]):
        if eligible[a]:
            widest = max(widest, deviations[a])
    for a in range(means.shape[0]):
        if eligible[a] and means[a] == step and _is_step(means[a], deviations[a], widest):
            out[a] = below
            ties += 1
    for a in range(means.shape[0]):
        out[a] /= max(ties, 1)


@fused_kernel
def _foot(low: float, high: float, means: F64, rates: F64) -> float:
    """A point at or above ``low`` below which ∏ Φ is negligible, by bisection of a bound on its logarithm.

    With t deviations below a mean, -log Φ is at least 0.693 + 0.65 t + 0.44 t² for t ≥ 0 and 0.693 + 0.798 t + 0.25 t² for
    -1.5 ≤ t < 0, within 0.15 of it for t up to 4.
    """
    for _ in range(_BISECTIONS):
        middle, depth = 0.5 * (low + high), 0.0
        for c in range(means.shape[0]):
            t = (means[c] - middle) * rates[c]
            bound = 0.693 + t * (0.65 + 0.44 * t) if t > 0 else 0.693 + t * (0.798 + 0.25 * t)
            depth += bound if t > -1.5 else 0.0
        if depth >= _DEPTH:
            low = middle
        else:
            high = middle
    return low


@kernel
def _panel(x: float, width: float, active: I64, centres: F64, rates: F64, count: int) -> tuple[int, float]:
    """Drop the arms that have no mass from x on; how many stay, and where a panel from x may end.

    A panel spans at most some deviations of each arm, or ends before the arm's mass begins. Many arms make ∏ Φ steep, so the
    more arms, the narrower: measured, so that the error stays below 1e-6.
    """
    leave = _LEAVE if count <= 10 else _CLAMP
    span = 8.0 if count <= 10 else 7.0 if count <= 24 else 5.0 if count <= 100 else 4.0
    end, kept = width, 0
    for c in range(count):
        if x * rates[c] - centres[c] < leave:
            end = min(end, max(x + span / rates[c], (centres[c] - _ENTER) / rates[c]))
            active[kept], centres[kept], rates[kept] = active[c], centres[c], rates[c]
            kept += 1
    if end < width < 2.0 * end - x:
        end = 0.5 * (x + width)  # two panels that share what is left are finer than a full one and a rest
    return kept, end


@fused_kernel
def _add_panel(start: float, end: float, active: I64, centres: F64, rates: F64, at_nodes: _Nodes, out: F64) -> None:
    """Add ∫ φ_a ∏_{b≠a} Φ_b over a panel to each arm: a pass up the arms and one down, so that no Φ is divided by."""
    below, shares, product = at_nodes
    middle, half = 0.5 * (start + end), 0.5 * (end - start)
    for j in range(_NODES):
        product[j] = 1.0
    for c in range(active.shape[0]):
        scale, shift = half * rates[c], middle * rates[c] - centres[c]
        for j in range(_NODES):
            z = scale * _LEGENDRE[j] + shift
            clamped = min(max(z, -_CLAMP), _CLAMP)
            below[c, j] = _cdf(clamped)
            shares[c, j] = _pdf(clamped) * product[j] if z == clamped else 0.0
            product[j] *= below[c, j]
    for j in range(_NODES):
        product[j] = half * _LEGENDRE_WEIGHTS[j]
    for c in range(active.shape[0] - 1, -1, -1):
        won = 0.0
        for j in range(_NODES):
            won += shares[c, j] * product[j]
            product[j] *= below[c, j]
        out[active[c]] += won * rates[c]


@fused_kernel
def _cdf(z: float) -> float:
    v = z * z
    p: float = _CDF[0]
    for degree in range(1, _N_CDF):
        p = p * v + _CDF[degree]
    return 0.5 + z * p


@fused_kernel
def _pdf(z: float) -> float:
    v = z * z
    q: float = _PDF[0]
    for degree in range(1, _N_PDF):
        q = q * v + _PDF[degree]
    for _ in range(6):
        q *= q
    return q
