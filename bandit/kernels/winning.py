"""P(arm has the largest value) for independent Gaussian arms, by quadrature."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Chebyshev, Polynomial
from scipy.special import ndtr

from bandit.kernels.jit import fused_kernel, part

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
_STRETCH = 0.8  # how much wider a panel may be for each deviation above an arm's mean: less of its mass is left
_BISECTIONS = 4
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
    """The arms of a decision, (k,) each: mean and deviation, one over the deviation, and what is left above the nodes."""

    means: F64
    widths: F64
    rates: F64
    tails: F64


class _Nodes(NamedTuple):
    """Scratch at the nodes of a panel, (k + 1, 24) each: z, Φ, and the arm's share; and a running product, (24,).

    The first three are held a second time in one dimension.
    """

    z: F64
    below: F64
    shares: F64
    product: F64
    flat_z: F64
    flat_below: F64
    flat_shares: F64


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
    standing = _Standing(np.empty(k), np.empty(k), np.empty(k), np.empty(k))
    size, grid = (k + 1) * _NODES, (k + 1, _NODES)
    z, below, shares = np.empty(size), np.empty(size), np.empty(size)
    at_nodes = _Nodes(z.reshape(grid), below.reshape(grid), shares.reshape(grid), np.empty(_NODES), z, below, shares)
    for i in range(n):
        out[i] = 0.0
        step, count = _contenders(means[i], deviations[i], eligible[i], active)
        if step == -math.inf and count == 1:
            out[i, active[0]] = 1.0
        elif step == -math.inf and count == 2:
            _two(means[i], deviations[i], active, out[i])
        else:
            _many(means[i], deviations[i], eligible[i], step, active[:count], standing, at_nodes, out[i])


@part
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


@part
def _is_step(mean: float, deviation: float, widest: float) -> bool:
    return deviation <= _STEP * max(abs(mean), widest)


@part
def _two(means: F64, deviations: F64, active: I64, out: F64) -> None:
    first, second = active[0], active[1]
    scale = math.hypot(deviations[first], deviations[second])
    z = min(max((means[first] - means[second]) / scale, -_CLAMP), _CLAMP)
    out[first] = _cdf(z)
    out[second] = 1.0 - out[first]


@part
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
    at, widths, rates, tails = standing
    count = active.shape[0]
    for c in range(count):
        at[c], widths[c], rates[c] = means[active[c]], deviations[active[c]], 1.0 / deviations[active[c]]
    low, high = _range(at, widths, count)
    if step > -math.inf:
        _share_step(means, deviations, eligible, step, active, out)
        low, high = max(low, step), max(high, step)
    low = _foot(low, high, at[:count], rates)
    for c in range(count):
        at[c] -= low
    x, width = 0.0, high - low
    while x < width:
        count, end = _panel(x, width, active, standing, count)
        if not end > x:  # a number that is not finite, or a width that is lost beside x
            break
        _add_panel(x, end, active[:count], at, rates, at_nodes, out)
        x = end
    for c in range(count):
        tails[c] = max(1.0 - _cdf(min(max((width - at[c]) * rates[c], -_CLAMP), _CLAMP)), 0.0)
    for c in range(count):
        out[active[c]] += tails[c]
    total = 0.0
    for a in range(out.shape[0]):
        total += out[a]
    for a in range(out.shape[0]):
        out[a] /= total


@part
def _range(means: F64, deviations: F64, count: int) -> tuple[float, float]:
    """Where some arm is all but certain to be above, and where the nodes end."""
    low, high = -math.inf, -math.inf
    top = _TOP if count <= 24 else _TOP_OF_MANY
    for c in range(count):
        low = max(low, means[c] - _CLAMP * deviations[c])
        high = max(high, means[c] + top * deviations[c])
    return low, high


@part
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


@part
def _foot(low: float, high: float, means: F64, rates: F64) -> float:
    """A point at or above ``low`` below which ∏ Φ is negligible, by bisection of a bound on its logarithm.

    With t deviations below a mean, -log Φ is at least 0.637 + 0.65 t + 0.44 t² for t ≥ 0, 0.637 + 0.798 t + 0.25 t² for
    -1.596 ≤ t < 0, and 0.
    """
    for _ in range(_BISECTIONS):
        middle, depth = 0.5 * (low + high), 0.0
        for c in range(means.shape[0]):
            t = (means[c] - middle) * rates[c]
            below, above = max(t, 0.0), max(min(t, 0.0), -1.596)
            depth += 0.637 + below * (0.65 + 0.44 * below) + above * (0.798 + 0.25 * above)
        if depth >= _DEPTH:
            low = middle
        else:
            high = middle
    return low


@part
def _panel(x: float, width: float, active: I64, standing: _Standing, count: int) -> tuple[int, float]:
    """Drop the arms that have no mass from x on; how many stay, and where a panel from x may end.

    A panel spans at most some deviations of each arm, more above its mean, or ends before the arm's mass begins. Many arms make
    ∏ Φ steep, so the more arms, the narrower: measured, so that the error stays below 1e-6.
    """
    at, widths, rates, _ = standing
    leave = _LEAVE if count <= 10 else _CLAMP
    span = 10.5 if count <= 5 else 9.3 if count <= 10 else 7.0 if count <= 24 else 5.0 if count <= 100 else 4.0
    end, kept = width, 0
    for c in range(count):
        z = (x - at[c]) * rates[c]
        if z < leave:
            reach = span * (1.0 + _STRETCH * max(z - 0.5, 0.0))
            end = min(end, max(x + reach * widths[c], at[c] - _ENTER * widths[c]))
            active[kept], at[kept], widths[kept], rates[kept] = active[c], at[c], widths[c], rates[c]
            kept += 1
    if end < width < 2.0 * end - x:
        end = 0.5 * (x + width)  # two panels that share what is left are finer than a full one and a rest
    return kept, end


@part
def _add_panel(start: float, end: float, active: I64, at: F64, rates: F64, at_nodes: _Nodes, out: F64) -> None:
    """Add ∫ φ_a ∏_{b≠a} Φ_b over a panel to each arm."""
    middle, half = 0.5 * (start + end), 0.5 * (end - start)
    nodes, count = (
        at_nodes.product.shape[0],
        active.shape[0],
    )  # a length that the compiler does not know makes it vectorise
    for c in range(count):
        scale, shift = half * rates[c], (middle - at[c]) * rates[c]
        for j in range(nodes):
            at_nodes.z[c, j] = min(max(scale * _LEGENDRE[j] + shift, -_CLAMP), _CLAMP)
    z, below, shares = at_nodes.flat_z, at_nodes.flat_below, at_nodes.flat_shares
    for i in range(count * nodes):  # one long loop sets up the coefficients once; a loop an arm takes 1.5 times as long
        below[i] = _cdf(z[i])
        shares[i] = _pdf(z[i]) if abs(z[i]) < _CLAMP else 0.0
    for j in range(nodes):
        at_nodes.product[j] = half * _LEGENDRE_WEIGHTS[j]
    _weigh(active, rates, at_nodes, out)


@part
def _weigh(active: I64, rates: F64, at_nodes: _Nodes, out: F64) -> None:
    """From φ and Φ at the nodes to what each arm gains: a pass up the arms and one down, so that no Φ is divided by."""
    below, shares, product = at_nodes.below, at_nodes.shares, at_nodes.product
    nodes, count = product.shape[0], active.shape[0]
    for c in range(count):
        for j in range(nodes):
            shares[c, j] *= product[j]
            product[j] *= below[c, j]
    for j in range(nodes):  # the row behind the last, should their number be odd: it never wins and beats nobody
        product[j], below[count, j], shares[count, j] = 1.0, 1.0, 0.0
    for pair in range((count - 1) // 2, -1, -1):  # two arms a turn: half as often is the product fetched and put back
        first, second, won_first, won_second = 2 * pair, 2 * pair + 1, 0.0, 0.0
        for j in range(nodes):
            above = product[j]
            won_second += shares[second, j] * above
            above *= below[second, j]
            won_first += shares[first, j] * above
            product[j] = above * below[first, j]
        out[active[first]] += won_first * rates[first]
        if second < count:
            out[active[second]] += won_second * rates[second]


@part
def _cdf(z: float) -> float:
    v = z * z
    p: float = _CDF[0]
    for degree in range(1, _N_CDF):
        p = p * v + _CDF[degree]
    return 0.5 + z * p


@part
def _pdf(z: float) -> float:
    v = z * z
    q: float = _PDF[0]
    for degree in range(1, _N_PDF):
        q = q * v + _PDF[degree]
    for _ in range(6):
        q *= q
    return q
