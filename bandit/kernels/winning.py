"""P(arm has the largest value) for independent Gaussian arms, by quadrature."""

import math
from typing import NamedTuple

import numpy as np

from bandit.arrays import F64, I64, Bool
from bandit.kernels.contending import USERS, Block, contend, is_plain, measure_anew, new_block, span
from bandit.kernels.jit import kernel, lane_kernel, lane_part
from bandit.kernels.normal import cdf, clamped
from bandit.kernels.panels import Nodes, Panels, integrate, new_nodes, new_panels

_EVEN = 0.7  # of a block's rows of arms that some user needs, the share that all need together, or the block is uneven


class _Aside(NamedTuple):
    """Rows that wait (n,): odd ones, which have to be measured anew, and those of uneven blocks; contenders of each row (n,)."""

    odd: I64
    uneven: I64
    counts: I64


@kernel
def win_probabilities(means: F64, deviations: F64, eligible: Bool, out: F64) -> None:
    """Probability of each eligible arm to be the largest; ``out`` (n, k) is overwritten, its rows sum to one.

    P(a wins) = ∫ φ_a ∏_{b≠a} Φ_b. Arms that cannot win are left out first; of two arms that remain the answer is Φ of their
    distance, of more it is the integral over panels of Gauss-Legendre nodes. The range begins where ∏ Φ is negligible
    and panels are as narrow as the narrowest arm that still has mass. Arms of deviation 0 are exact steps; steps that tie share.
    Rows whose numbers would lose digits to each other, or overflow, are measured from one of their arms first.
    """
    n, k = means.shape
    block, panels, nodes = new_block(k), new_panels(k), new_nodes(k)
    rows, odd, uneven = np.arange(n), np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    counts, starts = np.empty(n, dtype=np.int64), np.empty(k + 2, dtype=np.int64)
    aside = _Aside(odd, uneven, counts)
    n_odd, n_uneven = _each_block(means, deviations, eligible, rows, block, panels, nodes, aside, out)
    _sort(uneven[:n_uneven], counts, starts, rows)
    aside = _Aside(odd[:0], odd[:0], odd[:0])
    _each_block(means, deviations, eligible, rows[:n_uneven], block, panels, nodes, aside, out)
    if n_odd > 0:
        new_means, new_deviations, new_out = np.empty((n_odd, k)), np.empty((n_odd, k)), np.empty((n_odd, k))
        contenders = np.empty((n_odd, k), dtype=np.bool_)
        for c in range(n_odd):
            i = odd[c]
            measure_anew(means[i], deviations[i], eligible[i], new_means[c], new_deviations[c], contenders[c])
        _each_block(new_means, new_deviations, contenders, np.arange(n_odd), block, panels, nodes, aside, new_out)
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
def _each_block(
    means: F64,
    deviations: F64,
    eligible: Bool,
    rows: I64,
    block: Block,
    panels: Panels,
    nodes: Nodes,
    aside: _Aside,
    out: F64,
) -> tuple[int, int]:
    """Write the answers of rows, 64 at a time; how many are put aside as odd, and how many as uneven: none, if there is no room.

    What a row gets does not depend on the rows beside it. In lockstep a block takes the time of the user with the most arms, so
    uneven users are to be sorted first.
    """
    n_odd, n_uneven, may_wait = 0, 0, aside.odd.shape[0] > 0
    for first in range(0, rows.shape[0], USERS):
        beside = rows[first : first + USERS]
        most = contend(means, deviations, eligible, beside, block)
        if may_wait:
            n_odd, left, even = _put_aside(beside, most, n_odd, n_uneven, block, aside)
            if not even:
                n_uneven = left
                continue
        users = beside.shape[0]
        span(users, most, block)
        for u in range(users):
            several = block.counts[u] > 2 or (block.counts[u] > 0 and block.steps[u] > -math.inf)
            panels.ranges[u] = block.tops[u] - block.feet[u] if several else 0.0
        integrate(users, most, block, panels, nodes)
        for u in range(users):
            panels.counts[u] = _below(u, block) if block.steps[u] > -math.inf else 0.0
        _scale(users, most, panels)
        for u in range(users):
            i = beside[u]
            _write(means[i], deviations[i], eligible[i], u, block, panels, out[i])
    return n_odd, n_uneven


@lane_part
def _put_aside(beside: I64, most: int, n_odd: int, n_uneven: int, block: Block, aside: _Aside) -> tuple[int, int, bool]:
    """Put a block's odd rows aside, and the others if they are uneven; how many of both wait, and whether it is even."""
    work, left = 0, n_uneven
    for u in range(beside.shape[0]):
        i, count = beside[u], block.counts[u]
        work, aside.counts[i] = work + (count if count > 2 else 0), count
        if is_plain(u, block):
            aside.uneven[left] = i
            left += 1
        else:
            aside.odd[n_odd] = i
            n_odd, block.counts[u], block.steps[u] = n_odd + 1, 0, -math.inf
    return n_odd, left, work >= _EVEN * most * beside.shape[0]


@lane_part
def _below(u: int, block: Block) -> float:
    """What a user's highest step wins: where every continuous arm is below."""
    below = 1.0
    for c in range(block.counts[u]):  # means are those above the foot by now
        below *= cdf(clamped((block.steps[u] - block.feet[u] - block.means[c, u]) / block.widths[c, u]))
    return below


@lane_part
def _scale(users: int, most: int, panels: Panels) -> None:
    """Scale what arms win, and what steps win in ``panels.counts`` (64,), so that a row sums to one."""
    steps, totals = panels.counts, panels.starts
    for u in range(users):
        totals[u] = steps[u]
    for c in range(most):
        for u in range(users):
            totals[u] += panels.wins[c, u]
    for u in range(users):
        totals[u] = 1.0 / totals[u]
        steps[u] *= totals[u]
    for c in range(most):
        for u in range(users):
            panels.wins[c, u] *= totals[u]


@lane_part
def _write(means: F64, deviations: F64, eligible: Bool, u: int, block: Block, panels: Panels, out: F64) -> None:
    """A user's answer: in closed form for one or two arms, else from the integral and the steps."""
    count, step = block.counts[u], block.steps[u]
    if count < out.shape[0]:
        for a in range(out.shape[0]):
            out[a] = 0.0
    if step > -math.inf:
        _share_step(means, deviations, eligible, panels.counts[u], out)
    if step == -math.inf and count == 1:
        out[block.arms[0, u]] = 1.0
    elif step == -math.inf and count == 2:
        between = block.means[0, u] - block.means[1, u]
        apart = math.sqrt(block.widths[0, u] * block.widths[0, u] + block.widths[1, u] * block.widths[1, u])
        first = cdf(clamped(between / apart))
        out[block.arms[0, u]] = first
        out[block.arms[1, u]] = 1.0 - first
    else:
        for c in range(count):
            out[block.arms[c, u]] = panels.wins[c, u]


@lane_part
def _share_step(means: F64, deviations: F64, eligible: Bool, below: float, out: F64) -> None:
    """Give the highest step what it wins; steps that tie share."""
    ties, highest = 0, -math.inf
    for a in range(means.shape[0]):
        highest = max(highest, means[a] if eligible[a] and deviations[a] <= 0.0 else -math.inf)
    for a in range(means.shape[0]):
        ties += 1 if eligible[a] and means[a] == highest and deviations[a] <= 0.0 else 0
    for a in range(means.shape[0]):
        if eligible[a] and means[a] == highest and deviations[a] <= 0.0:
            out[a] = below / ties
