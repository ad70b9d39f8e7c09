"""P(arm has the largest value) for independent Gaussian arms, by quadrature."""

import math
from typing import NamedTuple

import numpy as np

from bandit.arrays import F64, I64, Bool
from bandit.kernels.contending import USERS, Block, contend, is_plain, measure_anew
from bandit.kernels.jit import fused_kernel, part, uncounted_kernel
from bandit.kernels.normal import CLAMP, cdf, clamped, pdf

_LEAVE = 5.4  # deviations above its mean at which an arm is done, among at most ten; a tail of 3e-8
_ENTER = 5.2  # a wide panel may run up to here, in deviations below the mean of a narrower arm
_STRETCH = 0.8  # how much wider a panel may be for each deviation above an arm's mean: less of its mass is left
_LEAST = 1e-9  # Φ is at least this: shares are divided by it
_FINE, _COARSE = 24, 16  # nodes of a panel
_FINE_PLACES, _FINE_WEIGHTS = np.polynomial.legendre.leggauss(_FINE)
_COARSE_PLACES, _COARSE_WEIGHTS = np.polynomial.legendre.leggauss(_COARSE)


class _Standing(NamedTuple):
    """The arms of a user that still may win, (k,) each: index, mean above the foot, deviation and one over it."""

    arms: I64
    means: F64
    widths: F64
    rates: F64


class _Nodes(NamedTuple):
    """Gauss-Legendre nodes and their weights, (m,), with scratch.

    z, Φ and an arm's share at the nodes are (k + 1, m) each, and are held a second time in one dimension; the product of all Φ
    is (m,).
    """

    places: F64
    weights: F64
    z: F64
    below: F64
    shares: F64
    flat_z: F64
    flat_below: F64
    flat_shares: F64
    product: F64


@fused_kernel
def win_probabilities(means: F64, deviations: F64, eligible: Bool, out: F64) -> None:
    """Probability of each eligible arm to be the largest; ``out`` (n, k) is overwritten, its rows sum to one.

    P(a wins) = ∫ φ_a ∏_{b≠a} Φ_b. Arms that cannot win are left out first; of two arms that remain the answer is Φ of their
    distance, of more it is the integral over panels of 24 or 16 Gauss-Legendre nodes. The range begins where ∏ Φ is negligible
    and panels are as narrow as the narrowest arm that still has mass. Arms of deviation 0 are exact steps; steps that tie share.
    Rows whose numbers would lose digits to each other, or overflow, are measured from one of their arms first.
    """
    k = means.shape[1]
    size, grid = (k + 1) * _FINE, (k + 1, _FINE)
    z, below, shares, product = np.empty(size), np.empty(size), np.empty(size), np.empty(_FINE)
    flat = z, below, shares
    fine = _Nodes(
        _FINE_PLACES, _FINE_WEIGHTS, z.reshape(grid), below.reshape(grid), shares.reshape(grid), *flat, product
    )
    size, grid = (k + 1) * _COARSE, (k + 1, _COARSE)
    rows = z[:size].reshape(grid), below[:size].reshape(grid), shares[:size].reshape(grid)
    coarse = _Nodes(_COARSE_PLACES, _COARSE_WEIGHTS, *rows, *flat, product[:_COARSE])
    standing = _Standing(np.empty(k, dtype=np.int64), np.empty(k), np.empty(k), np.empty(k))
    lanes, line = (k, USERS), USERS
    arms = np.empty(lanes), np.empty(lanes), np.empty(lanes), np.empty(lanes)
    leaders = np.empty(line), np.empty(line), np.empty(line), np.empty(line), np.empty(line)
    block = Block(*arms, *leaders, np.empty(line), np.empty(line), np.empty(line), np.empty(line), np.empty(line))
    odd = np.empty(means.shape[0], dtype=np.int64)
    count = _each_block(means, deviations, eligible, block, standing, fine, coarse, out, odd)
    if count > 0:
        new_means, new_deviations, new_out = np.empty((count, k)), np.empty((count, k)), np.empty((count, k))
        contenders = np.empty((count, k), dtype=np.bool_)
        for c in range(count):
            i = odd[c]
            measure_anew(means[i], deviations[i], eligible[i], new_means[c], new_deviations[c], contenders[c])
        _each_block(new_means, new_deviations, contenders, block, standing, fine, coarse, new_out, odd[:0])
        for c in range(count):
            out[odd[c]] = new_out[c]


@uncounted_kernel
def _each_block(
    means: F64,
    deviations: F64,
    eligible: Bool,
    block: Block,
    standing: _Standing,
    fine: _Nodes,
    coarse: _Nodes,
    out: F64,
    odd: I64,
) -> int:
    """Settle every user, but for those who have to be measured anew first: how many, and ``odd`` (n,) tells which.

    Of users who are measured already, ``odd`` is empty.
    """
    left = 0
    for first in range(0, means.shape[0], USERS):
        users = min(USERS, means.shape[0] - first)
        contend(means, deviations, eligible, first, users, block)
        for u in range(users):
            i = first + u
            if odd.shape[0] > 0 and not is_plain(u, block):
                odd[left] = i
                left += 1
                continue
            count, step = _gather(block, u, standing, out[i]), block.steps[u]
            if step == -math.inf and count == 1:
                out[i, standing.arms[0]] = 1.0
            elif step == -math.inf and count == 2:
                _two(means[i], deviations[i], standing.arms, out[i])
            else:
                if step > -math.inf:
                    _share_step(means[i], deviations[i], eligible[i], step, standing.arms[:count], out[i])
                _integrate(block.tops[u] - block.feet[u], standing, count, fine, coarse, out[i])
                _to_one(out[i])
    return left


@part
def _gather(block: Block, u: int, standing: _Standing, out: F64) -> int:
    """A user's arms that may win, and how many; ``out`` becomes what they win above the range."""
    count = 0
    for a in range(out.shape[0]):
        rate = block.rates[a, u]
        standing.arms[count], standing.means[count] = a, block.means[a, u]
        standing.widths[count], standing.rates[count] = block.widths[a, u], rate
        out[a] = block.tails[a, u]
        count += rate > 0.0
    return count


@part
def _two(means: F64, deviations: F64, arms: I64, out: F64) -> None:
    first, second = arms[0], arms[1]
    scale = math.hypot(deviations[first], deviations[second])
    out[first] = cdf(clamped((means[first] - means[second]) / scale))
    out[second] = 1.0 - out[first]


@part
def _share_step(means: F64, deviations: F64, eligible: Bool, step: float, arms: I64, out: F64) -> None:
    """Give the highest step what it wins: where every continuous arm is below."""
    below, ties = 1.0, 0
    for a in arms:
        below *= cdf(clamped((step - means[a]) / deviations[a]))
    for a in range(means.shape[0]):
        ties += 1 if eligible[a] and means[a] == step and deviations[a] <= 0.0 else 0
    for a in range(means.shape[0]):
        if eligible[a] and means[a] == step and deviations[a] <= 0.0:
            out[a] = below / ties


@part
def _to_one(out: F64) -> None:
    total = 0.0
    for a in range(out.shape[0]):
        total += out[a]
    for a in range(out.shape[0]):
        out[a] /= total


@part
def _integrate(width: float, standing: _Standing, count: int, fine: _Nodes, coarse: _Nodes, out: F64) -> None:
    """Add the integral over the range, panel by panel."""
    x = 0.0
    while x < width:
        count, end, few = _panel(x, width, standing, count)
        if not end > x:  # a number that is not finite, or a width that is lost beside x
            break
        if few:
            _add_panel(x, end, standing, count, coarse, out)
        else:
            _add_panel(x, end, standing, count, fine, out)
        x = end


@part
def _panel(x: float, width: float, standing: _Standing, count: int) -> tuple[int, float, bool]:
    """Drop the arms that have no mass from x on; how many stay, where a panel from x may end, and whether few nodes will do.

    A panel spans at most some deviations of each arm, more above its mean, or ends before the arm's mass begins. Many arms make
    ∏ Φ steep, so the more arms, the narrower: measured, so that the error stays below 1e-6. 16 nodes reach 0.6 as far as 24
    (half as far among many arms), and are taken where they, or two panels of them, reach the end of the range.
    """
    arms, at, widths, rates = standing
    leave = _LEAVE if count <= 10 else CLAMP
    span = 10.5 if count <= 5 else 8.6 if count <= 10 else 7.0 if count <= 24 else 5.0 if count <= 100 else 4.0
    share = 0.6 if count <= 10 else 0.5
    end, near, kept = width, width, 0
    for c in range(count):
        z = (x - at[c]) * rates[c]
        if z < leave:
            reach, entry = span * (1.0 + _STRETCH * max(z - 0.5, 0.0)) * widths[c], at[c] - _ENTER * widths[c]
            end, near = min(end, max(x + reach, entry)), min(near, max(x + share * reach, entry))
            arms[kept], at[kept], widths[kept], rates[kept] = arms[c], at[c], widths[c], rates[c]
            kept += 1
    if near >= width or end < width <= 2.0 * near - x:
        return kept, (width if near >= width else 0.5 * (x + width)), True
    if end < width - share * (end - x) and width < 2.0 * end - x:
        end = 0.5 * (x + width)  # two panels that share what is left are finer than a full one and a rest
    return kept, end, False


@uncounted_kernel
def _add_panel(start: float, end: float, standing: _Standing, count: int, at_nodes: _Nodes, out: F64) -> None:
    """Add ∫ φ_a ∏_{b≠a} Φ_b over a panel to each arm."""
    middle, half = 0.5 * (start + end), 0.5 * (end - start)
    at, rates, nodes = standing.means, standing.rates, at_nodes.places.shape[0]
    for c in range(count):
        scale, shift = half * rates[c], (middle - at[c]) * rates[c]
        for j in range(nodes):
            at_nodes.z[c, j] = clamped(scale * at_nodes.places[j] + shift)
    z, below, shares = at_nodes.flat_z, at_nodes.flat_below, at_nodes.flat_shares
    for i in range(
        count * nodes
    ):  # one long loop sets up the coefficients once; a loop per arm takes 1.5 times as long
        below[i] = max(cdf(z[i]), _LEAST)
        shares[i] = (pdf(z[i]) if abs(z[i]) < CLAMP else 0.0) / below[i]
    for j in range(nodes):
        at_nodes.product[j] = half * at_nodes.weights[j]
    _weigh(standing, count, at_nodes, out)


@part
def _weigh(standing: _Standing, count: int, at_nodes: _Nodes, out: F64) -> None:
    """From φ / Φ and Φ at the nodes to what each arm gains: φ_a / Φ_a times the product of every Φ.

    The division takes the error of Φ_a out of the product again. Products up and down the arms, which need none, took twice as
    long: 210 ns per decision instead of 120.
    """
    below, shares, product = at_nodes.below, at_nodes.shares, at_nodes.product
    nodes = product.shape[0]
    for j in range(nodes):  # the row behind the last, should their number be odd
        below[count, j] = 1.0
    for pair in range((count + 1) // 2):  # two arms a turn: half as often is the product fetched and put back
        for j in range(nodes):
            product[j] *= below[2 * pair, j] * below[2 * pair + 1, j]
    for c in range(count):
        won = 0.0
        for j in range(nodes):
            won += shares[c, j] * product[j]
        out[standing.arms[c]] += won * standing.rates[c]
