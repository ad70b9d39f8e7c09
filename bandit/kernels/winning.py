"""P(arm has the largest value) for independent Gaussian arms, by quadrature."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64, Bool
from bandit.kernels.contending import USERS, Block, contend, is_plain, measure_anew, span
from bandit.kernels.jit import kernel, lane_kernel, lane_part
from bandit.kernels.normal import CLAMP, FAR, cdf, clamped, tail_and_density

F32 = npt.NDArray[np.float32]

_FEW = 10  # contenders up to which shorter rules and a nearer end will do
_EVEN = 0.7  # of a block's rows of arms that some user needs, the share that all need together, or the block is uneven
_LEAVE = 5.5  # deviations above its mean at which one of few arms is done; a tail of 2e-8, of eight at once
_ENTER = 5.2  # a wide panel may run up to here, in deviations below the mean of a narrower arm
_STRETCH = 0.8  # how much wider a panel may be for each deviation above an arm's mean: less of its mass is left
_LEAST = np.float32(1e-9)  # Φ is at least this: shares are divided by it
_NONE, _ONE = np.float32(0.0), np.float32(1.0)


def _rule(nodes: int) -> tuple[F32, F32]:
    """Gauss-Legendre nodes and their weights, with weights of 0 behind them, so that rules of any length run side by side."""
    places, weights = np.zeros(_LONGEST, dtype=np.float32), np.zeros(_LONGEST, dtype=np.float32)
    places[:nodes], weights[:nodes] = np.polynomial.legendre.leggauss(nodes)
    return places, weights


_LONGEST = 24
_FEW_FINE, _FEW_COARSE, _MANY_FINE, _MANY_COARSE = 20, 14, 24, 16
_FEW_FINE_PLACES, _FEW_FINE_WEIGHTS = _rule(_FEW_FINE)
_FEW_COARSE_PLACES, _FEW_COARSE_WEIGHTS = _rule(_FEW_COARSE)
_MANY_FINE_PLACES, _MANY_FINE_WEIGHTS = _rule(_MANY_FINE)
_MANY_COARSE_PLACES, _MANY_COARSE_WEIGHTS = _rule(_MANY_COARSE)


class _Panels(NamedTuple):
    """Scratch for the panels of a block of users, who are the last axis.

    (64,) each: start and end of a user's panel, the end of the whole range, the arms that have mass from the start on, how far
    a panel may reach for the sake of a fine and a coarse rule, and the rule. (k, 64): what each arm has won.
    """

    starts: F64
    ends: F64
    ranges: F64
    counts: F64
    reaches: F64
    leaves: F64
    nears: F64
    coarse: Bool
    many: Bool
    wins: F64


class _Nodes(NamedTuple):
    """Scratch of one node a user, in single precision.

    (k · 64,) each, one arm of all users after the other: what makes z of a place, an arm's share, and its sum over the
    nodes. (64,) each: place, weight times the product of all Φ. ``rows`` (k,): the arms' rows in the block.
    """

    scales: F32
    shifts: F32
    shares: F32
    sums: F32
    places: F32
    products: F32
    rows: I64


@kernel
def win_probabilities(means: F64, deviations: F64, eligible: Bool, out: F64) -> None:
    """Probability of each eligible arm to be the largest; ``out`` (n, k) is overwritten, its rows sum to one.

    P(a wins) = ∫ φ_a ∏_{b≠a} Φ_b. Arms that cannot win are left out first; of two arms that remain the answer is Φ of their
    distance, of more it is the integral over panels of Gauss-Legendre nodes. The range begins where ∏ Φ is negligible
    and panels are as narrow as the narrowest arm that still has mass. Arms of deviation 0 are exact steps; steps that tie share.
    Rows whose numbers would lose digits to each other, or overflow, are measured from one of their arms first.
    """
    n, k = means.shape
    arms, grid = np.empty((k, USERS), dtype=np.int64), np.empty((5, k, USERS))
    line, whole, flags = (
        np.empty((16, USERS)),
        np.empty((2, USERS), dtype=np.int64),
        np.empty((2, USERS), dtype=np.bool_),
    )
    leaders = line[0], line[1], line[2], line[3], line[4]
    block = Block(arms, grid[0], grid[1], grid[2], grid[3], *leaders, whole[0], line[5], line[6], line[7], line[8])
    ends = line[9], line[10], line[11], line[12], line[13], line[14], line[15]
    panels = _Panels(*ends, flags[0], flags[1], grid[4])
    flat, single = k * USERS, np.float32
    at_nodes = np.empty(flat, single), np.empty(flat, single), np.empty(flat, single), np.empty(flat, single)
    nodes = _Nodes(*at_nodes, np.empty(USERS, single), np.empty(USERS, single), np.empty(k, dtype=np.int64))
    rows, odd, uneven = np.arange(n), np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    counts, starts = np.empty(n, dtype=np.int64), np.empty(k + 2, dtype=np.int64)
    n_odd, n_uneven = _first_blocks(means, deviations, eligible, rows, block, panels, nodes, out, odd, uneven, counts)
    _sort(uneven[:n_uneven], counts, starts, rows)
    _each_block(means, deviations, eligible, rows[:n_uneven], block, panels, nodes, out)
    if n_odd > 0:
        new_means, new_deviations, new_out = np.empty((n_odd, k)), np.empty((n_odd, k)), np.empty((n_odd, k))
        contenders = np.empty((n_odd, k), dtype=np.bool_)
        for c in range(n_odd):
            i = odd[c]
            measure_anew(means[i], deviations[i], eligible[i], new_means[c], new_deviations[c], contenders[c])
        _each_block(new_means, new_deviations, contenders, np.arange(n_odd), block, panels, nodes, new_out)
        for c in range(n_odd):
            out[odd[c]] = new_out[c]


@lane_kernel
def _sort(rows: I64, counts: I64, starts: I64, order: I64) -> None:
    """Rows by their ``counts`` (n,), which are at most k; ``starts`` (k + 2,) and ``order`` (as many as rows) are overwritten."""
    starts[:] = 0
    for i in rows:
        starts[counts[i] + 1] += 1
    for count in range(1, starts.shape[0]):
        starts[count] += starts[count - 1]
    for i in rows:
        order[starts[counts[i]]] = i
        starts[counts[i]] += 1


@lane_kernel
def _first_blocks(
    means: F64,
    deviations: F64,
    eligible: Bool,
    rows: I64,
    block: Block,
    panels: _Panels,
    nodes: _Nodes,
    out: F64,
    odd: I64,
    uneven: I64,
    counts: I64,
) -> tuple[int, int]:
    """Settle blocks of users of whom about as many arms may win; how many rows are left as odd, and how many as uneven.

    Odd rows, which have to be measured anew, and those of other blocks go to the start of ``odd`` and ``uneven`` (n,), with their
    ``counts`` (n,). In lockstep a block takes the time of the user with the most arms, so uneven users are sorted first.
    """
    n_odd, n_uneven = 0, 0
    for first in range(0, rows.shape[0], USERS):
        beside = rows[first : first + USERS]
        most, work, left = contend(means, deviations, eligible, beside, block), 0, n_uneven
        for u in range(beside.shape[0]):
            i, count = beside[u], block.counts[u]
            work, counts[i] = work + (count if count > 2 else 0), count
            if is_plain(u, block):
                uneven[left] = i
                left += 1
            else:
                odd[n_odd] = i
                n_odd, block.counts[u], block.steps[u] = n_odd + 1, 0, -math.inf
        if work >= _EVEN * most * beside.shape[0]:
            _settle(means, deviations, eligible, beside, most, block, panels, nodes, out)
        else:
            n_uneven = left
    return n_odd, n_uneven


@lane_kernel
def _each_block(
    means: F64, deviations: F64, eligible: Bool, rows: I64, block: Block, panels: _Panels, nodes: _Nodes, out: F64
) -> None:
    """Settle rows, 64 at a time."""
    for first in range(0, rows.shape[0], USERS):
        beside = rows[first : first + USERS]
        most = contend(means, deviations, eligible, beside, block)
        _settle(means, deviations, eligible, beside, most, block, panels, nodes, out)


@lane_kernel
def _settle(
    means: F64,
    deviations: F64,
    eligible: Bool,
    beside: I64,
    most: int,
    block: Block,
    panels: _Panels,
    nodes: _Nodes,
    out: F64,
) -> None:
    """Write the answers of a block; what a row gets does not depend on the rows beside it."""
    users = beside.shape[0]
    span(users, most, block)
    for u in range(users):
        several = block.counts[u] > 2 or (block.counts[u] > 0 and block.steps[u] > -math.inf)
        panels.ranges[u] = block.tops[u] - block.feet[u] if several else 0.0
    _integrate(users, most, block, panels, nodes)
    for u in range(users):
        i = beside[u]
        _write(means[i], deviations[i], eligible[i], u, block, panels, out[i])


@lane_part
def _write(means: F64, deviations: F64, eligible: Bool, u: int, block: Block, panels: _Panels, out: F64) -> None:
    """A user's answer: in closed form for one or two arms, else from the integral and the steps."""
    count, step = block.counts[u], block.steps[u]
    for a in range(out.shape[0]):
        out[a] = 0.0
    if step == -math.inf and count == 1:
        out[block.arms[0, u]] = 1.0
    elif step == -math.inf and count == 2:
        between = block.means[0, u] - block.means[1, u]
        apart = math.sqrt(block.widths[0, u] * block.widths[0, u] + block.widths[1, u] * block.widths[1, u])
        first = cdf(clamped(between / apart))
        out[block.arms[0, u]] = first
        out[block.arms[1, u]] = 1.0 - first
    else:
        if step > -math.inf:
            _share_step(means, deviations, eligible, u, block, out)
        total = 0.0
        for a in range(out.shape[0]):
            total += out[a]
        for c in range(count):
            total += panels.wins[c, u]
        share = 1.0 / total
        for a in range(out.shape[0]):
            out[a] *= share
        for c in range(count):
            out[block.arms[c, u]] = panels.wins[c, u] * share


@lane_part
def _share_step(means: F64, deviations: F64, eligible: Bool, u: int, block: Block, out: F64) -> None:
    """Give the highest step what it wins: where every continuous arm is below."""
    below, ties, highest = 1.0, 0, -math.inf
    for c in range(block.counts[u]):  # means are those above the foot by now
        below *= cdf(clamped((block.steps[u] - block.feet[u] - block.means[c, u]) / block.widths[c, u]))
    for a in range(means.shape[0]):
        highest = max(highest, means[a] if eligible[a] and deviations[a] <= 0.0 else -math.inf)
    for a in range(means.shape[0]):
        ties += 1 if eligible[a] and means[a] == highest and deviations[a] <= 0.0 else 0
    for a in range(means.shape[0]):
        if eligible[a] and means[a] == highest and deviations[a] <= 0.0:
            out[a] = below / ties


@lane_part
def _integrate(users: int, most: int, block: Block, panels: _Panels, nodes: _Nodes) -> None:
    """Fill what each arm wins: what is above the range, and the integral over it, panel by panel."""
    for c in range(most):
        for u in range(users):
            panels.wins[c, u] = block.tails[c, u]
    for u in range(users):
        panels.starts[u], panels.counts[u] = 0.0, block.counts[u]
        panels.many[u] = block.counts[u] > _FEW
    longest = _lay(users, most, block, panels)
    while longest > 0:
        alive = _place(users, most, block, panels, nodes)
        _add_nodes(users, alive, longest, panels, nodes)
        for q in range(alive):
            c, at = nodes.rows[q], q * users
            for u in range(users):
                panels.wins[c, u] += np.float64(nodes.sums[at + u]) * nodes.scales[at + u]
        for u in range(users):
            panels.starts[u] = panels.ends[u] if panels.ends[u] > panels.starts[u] else panels.ranges[u]
        longest = _lay(users, most, block, panels)


@lane_part
def _lay(users: int, most: int, block: Block, panels: _Panels) -> int:
    """Lay each user's next panel, and drop the arms that have no mass from there on; the longest rule, 0 when all are done.

    A panel spans at most some deviations of each arm, more above its mean, or ends before the arm's mass begins. Many arms make
    ∏ Φ steep, so the more arms, the narrower: measured, so that the error stays below 1e-6. The coarse rule reaches 0.6 as far as
    the fine one (half as far among many arms), and is taken where it, or two panels of it, reach the end of the range.
    """
    starts, ends, ranges = panels.starts, panels.ends, panels.ranges
    for u in range(users):
        count = panels.counts[u]
        few = count <= _FEW
        panels.reaches[u] = (
            9.975 if count <= 5.0 else 8.17 if few else 7.0 if count <= 24.0 else 5.0 if count <= 100.0 else 4.0
        )
        panels.leaves[u] = _LEAVE if few else CLAMP
        ends[u], panels.nears[u], panels.counts[u] = ranges[u], ranges[u], 0.0
    for c in range(most):
        for u in range(users):
            mean, width, start = block.means[c, u], block.widths[c, u], starts[u]
            z = (start - mean) * block.rates[c, u]
            alive = (block.rates[c, u] > 0.0) & (z < panels.leaves[u])
            share = 0.6 if panels.leaves[u] < CLAMP else 0.5
            reach, entry = panels.reaches[u] * (1.0 + _STRETCH * max(z - 0.5, 0.0)) * width, mean - _ENTER * width
            ends[u] = min(ends[u], max(start + reach, entry) if alive else math.inf)
            panels.nears[u] = min(panels.nears[u], max(start + share * reach, entry) if alive else math.inf)
            block.rates[c, u] = block.rates[c, u] if alive else 0.0
            panels.counts[u] += 1.0 if alive else 0.0
    longest = 0
    for u in range(users):
        start, end, near, last = starts[u], ends[u], panels.nears[u], ranges[u]
        share = 0.6 if panels.leaves[u] < CLAMP else 0.5
        coarse = (near >= last) | ((end < last) & (last <= 2.0 * near - start))
        # Two panels that share what is left are finer than a full one and a rest.
        halved = (end < last - share * (end - start)) & (last < 2.0 * end - start)
        middle = 0.5 * (start + last)
        panels.coarse[u] = coarse
        ends[u] = (last if near >= last else middle) if coarse else middle if halved else end
        rule = (_MANY_COARSE if coarse else _MANY_FINE) if panels.many[u] else _FEW_COARSE if coarse else _FEW_FINE
        longest = max(longest, rule if ends[u] > start else 0)
    return longest


@lane_part
def _place(users: int, most: int, block: Block, panels: _Panels, nodes: _Nodes) -> int:
    """What makes z of a place in the panel, for the arms that have mass there for any user; how many arms they are."""
    alive = 0
    for c in range(most):
        some = 0.0
        for u in range(users):
            some += block.rates[c, u] if panels.ends[u] > panels.starts[u] else 0.0
        if some > 0.0:
            at = alive * users
            for u in range(users):
                start, end, rate = panels.starts[u], panels.ends[u], block.rates[c, u]
                there = (rate > 0.0) & (end > start)
                nodes.scales[at + u] = np.float32(0.5 * (end - start) * rate) if there else _NONE
                nodes.shifts[at + u] = np.float32((0.5 * (end + start) - block.means[c, u]) * rate) if there else FAR
            nodes.rows[alive] = c
            alive += 1
    return alive


@lane_part
def _add_nodes(users: int, alive: int, longest: int, panels: _Panels, nodes: _Nodes) -> None:
    """∑ φ_a ∏_{b≠a} Φ_b over the nodes of each user's rule, times their weights.

    φ_a / Φ_a times the product of every Φ: the division takes the error of Φ_a out of the product again. A product of 1 - Φ
    that is taken off keeps digits which Φ near 1 does not have.
    """
    places, products = nodes.places, nodes.products
    for i in range(alive * users):
        nodes.sums[i] = _NONE
    for j in range(longest):
        _choose(users, j, panels, nodes)
        for q in range(alive):
            at = q * users
            for u in range(users):
                z = nodes.scales[at + u] * places[u] + nodes.shifts[at + u]
                tail, density = tail_and_density(z)
                miss = tail if z > _NONE else _ONE - tail
                products[u] -= products[u] * miss
                nodes.shares[at + u] = density / max(_ONE - miss, _LEAST)
        for q in range(alive):
            for u in range(users):
                nodes.sums[q * users + u] += nodes.shares[q * users + u] * products[u]


@lane_part
def _choose(users: int, j: int, panels: _Panels, nodes: _Nodes) -> None:
    """The j-th place and weight of each user's rule."""
    for u in range(users):
        coarse, many = panels.coarse[u], panels.many[u]
        place = _MANY_COARSE_PLACES[j] if coarse else _MANY_FINE_PLACES[j]
        weight = _MANY_COARSE_WEIGHTS[j] if coarse else _MANY_FINE_WEIGHTS[j]
        few_place = _FEW_COARSE_PLACES[j] if coarse else _FEW_FINE_PLACES[j]
        few_weight = _FEW_COARSE_WEIGHTS[j] if coarse else _FEW_FINE_WEIGHTS[j]
        nodes.places[u], nodes.products[u] = place if many else few_place, weight if many else few_weight
