"""∫ φ_a ∏_{b≠a} Φ_b over panels of Gauss-Legendre nodes, for a block of users side by side."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64
from bandit.kernels.contending import USERS, Block, aligned
from bandit.kernels.jit import kernel, lane_kernel, lane_part
from bandit.kernels.normal import CLAMP, FAR, tail_and_density

F32 = npt.NDArray[np.float32]

_FEW = 10  # contenders up to which shorter rules and a nearer end will do
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


# Few contenders take 14, 16 or 20 nodes, many 16 or 24.
_SHORT, _MIDDLE, _LONG, _LONGEST = 14, 16, 20, 24
_SHORT_PLACES, _SHORT_WEIGHTS = _rule(_SHORT)
_MIDDLE_PLACES, _MIDDLE_WEIGHTS = _rule(_MIDDLE)
_LONG_PLACES, _LONG_WEIGHTS = _rule(_LONG)
_LONGEST_PLACES, _LONGEST_WEIGHTS = _rule(_LONGEST)


class Panels(NamedTuple):
    """Scratch for the panels of a block of users, who are the last axis.

    (64,) each: start and end of a user's panel, the end of the whole range, the arms that have mass from the start on, how far a
    panel may reach in deviations, and with a short and a middle rule beside a long one, where arms are done, how far one arm
    lets the panel reach and where that arm begins, what comes of it for each rule, and whether the arms were many at first.
    (64,) in single precision: the nodes of the rule. (k, 64): what each arm has won.
    """

    starts: F64
    ends: F64
    ranges: F64
    counts: F64
    reaches: F64
    short_shares: F64
    middle_shares: F64
    leaves: F64
    spans: F64
    entries: F64
    shorts: F64
    middles: F64
    longs: F64
    many: F64
    rules: F32
    wins: F64


class Nodes(NamedTuple):
    """Scratch of one node per user, in single precision.

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
def new_panels(k: int) -> Panels:
    """Scratch for k arms."""
    lines = aligned(14 + k)
    first = lines[0], lines[1], lines[2], lines[3], lines[4], lines[5], lines[6]
    rest = lines[7], lines[8], lines[9], lines[10], lines[11], lines[12], lines[13]
    return Panels(*first, *rest, np.empty(USERS, dtype=np.float32), lines[14:])


@kernel
def new_nodes(k: int) -> Nodes:
    """Scratch for k arms, from a multiple of 64 bytes on, as ``aligned`` says."""
    size = k * USERS
    room = np.empty(4 * size + 2 * USERS + 16, dtype=np.float32)
    skip = (-room.ctypes.data % 64) // 4
    a, b, c, d = skip + size, skip + 2 * size, skip + 3 * size, skip + 4 * size
    rows = np.empty(k, dtype=np.int64)
    return Nodes(room[skip:a], room[a:b], room[b:c], room[c:d], room[d : d + USERS], room[d + USERS :][:USERS], rows)


@lane_kernel
def integrate(users: int, most: int, block: Block, panels: Panels, nodes: Nodes) -> None:
    """Fill what each arm wins: what is above its user's range, and the integral over it, panel by panel."""
    for c in range(most):
        for u in range(users):
            panels.wins[c, u] = block.tails[c, u]
    for u in range(users):
        panels.starts[u], panels.counts[u] = 0.0, block.counts[u]
        panels.many[u] = 1.0 if block.counts[u] > _FEW else 0.0
    while True:  # with one place that lays panels, which are compiled into it
        longest = _lay(users, most, block, panels)
        if longest == 0:
            break
        alive = _place(users, most, block, panels, nodes)
        _add_nodes(users, alive, longest, panels, nodes)
        for q in range(alive):
            c, at = nodes.rows[q], q * users
            for u in range(users):
                panels.wins[c, u] += np.float64(nodes.sums[at + u]) * nodes.scales[at + u]
        for u in range(users):
            panels.starts[u] = panels.ends[u] if panels.ends[u] > panels.starts[u] else panels.ranges[u]


@lane_part
def _lay(users: int, most: int, block: Block, panels: Panels) -> int:
    """Lay each user's next panel, and drop the arms that have no mass from there on; the longest rule, 0 when all are done.

    Loops here and below are short: before each a compiler asks whether any two of its arrays overlap, and where that costs more
    than it saves users are taken one by one.
    """
    _begin(users, panels)
    for c in range(most):
        _narrow(users, c, block, panels)
    _end(users, panels)
    return _longest(users, panels)


@lane_part
def _begin(users: int, panels: Panels) -> None:
    """How far panels may reach, measured so that the error stays below 1e-6: the more arms, the steeper ∏ Φ, the narrower."""
    counts, ranges = panels.counts, panels.ranges
    for u in range(users):
        count = counts[u]
        near = 9.975 if count <= 5.0 else 8.17
        panels.reaches[u] = near if count <= _FEW else 7.0 if count <= 24.0 else 5.0 if count <= 100.0 else 4.0
        panels.leaves[u] = _LEAVE if count <= _FEW else CLAMP
        panels.short_shares[u] = 0.6 if count <= _FEW else 0.5
    for u in range(users):
        panels.middle_shares[u] = panels.short_shares[u] if panels.many[u] > 0.0 else 0.7
    for u in range(users):
        panels.shorts[u], panels.middles[u], panels.longs[u] = ranges[u], ranges[u], ranges[u]
    for u in range(users):
        counts[u] = 0.0


@lane_part
def _narrow(users: int, c: int, block: Block, panels: Panels) -> None:
    """End the panels of each rule for the sake of one arm.

    A panel spans at most some deviations of the arm, more above its mean, or ends before the arm's mass begins.
    """
    starts, spans, entries = panels.starts, panels.spans, panels.entries
    shorts, middles, longs = panels.shorts, panels.middles, panels.longs
    for u in range(users):
        z = (starts[u] - block.means[c, u]) * block.rates[c, u]
        alive = (block.rates[c, u] > 0.0) & (z < panels.leaves[u])
        reach = panels.reaches[u] * (1.0 + _STRETCH * max(z - 0.5, 0.0)) * block.widths[c, u]
        spans[u] = reach if alive else math.inf
    for u in range(users):
        block.rates[c, u] = block.rates[c, u] if spans[u] < math.inf else 0.0
        panels.counts[u] += 1.0 if spans[u] < math.inf else 0.0
    for u in range(users):
        entries[u] = block.means[c, u] - _ENTER * block.widths[c, u]
    for u in range(users):
        longs[u] = min(longs[u], max(starts[u] + spans[u], entries[u]))
    for u in range(users):
        middles[u] = min(middles[u], max(starts[u] + panels.middle_shares[u] * spans[u], entries[u]))
    for u in range(users):
        shorts[u] = min(shorts[u], max(starts[u] + panels.short_shares[u] * spans[u], entries[u]))


@lane_part
def _end(users: int, panels: Panels) -> None:
    """Where each panel ends, and by which rule: the shortest that gets there."""
    ends, shorts, middles, longs = panels.ends, panels.shorts, panels.middles, panels.longs
    for u in range(users):
        last, twice = panels.ranges[u], panels.ranges[u] + panels.starts[u]
        farthest = max(shorts[u], middles[u], longs[u])
        # Two panels that share what is left are finer than a full one and a rest.
        ends[u] = last if farthest >= last else 0.5 * twice if twice <= 2.0 * farthest else farthest
    for u in range(users):
        few = panels.many[u] == 0.0
        rule = (_SHORT if few else _MIDDLE) if shorts[u] >= ends[u] else _MIDDLE if middles[u] >= ends[u] else _LONG
        panels.rules[u] = _LONGEST if (rule == _LONG) & (not few) else rule


@lane_part
def _longest(users: int, panels: Panels) -> int:
    """The most nodes of any user's panel; counting whole numbers, which unlike a maximum needs no order."""
    some, middle, long, longest = 0, 0, 0, 0
    for u in range(users):
        rule = panels.rules[u] if panels.ends[u] > panels.starts[u] else _NONE
        some += 1 if rule > _NONE else 0
        middle += 1 if rule > _SHORT else 0
        long += 1 if rule > _MIDDLE else 0
        longest += 1 if rule > _LONG else 0
    if middle == 0:
        return _SHORT if some else 0
    return _LONGEST if longest else _LONG if long else _MIDDLE


@lane_part
def _place(users: int, most: int, block: Block, panels: Panels, nodes: Nodes) -> int:
    """What makes z of a place in the panel, for the arms that have mass there for any user; how many arms they are."""
    starts, ends = panels.starts, panels.ends
    alive = 0
    for c in range(most):
        some = 0
        for u in range(users):
            some += 1 if (block.rates[c, u] > 0.0) & (ends[u] > starts[u]) else 0
        if some > 0:
            scales, shifts = nodes.scales[alive * users :], nodes.shifts[alive * users :]
            for u in range(users):
                there = (block.rates[c, u] > 0.0) & (ends[u] > starts[u])
                scales[u] = np.float32(0.5 * (ends[u] - starts[u]) * block.rates[c, u]) if there else _NONE
            for u in range(users):
                there = (block.rates[c, u] > 0.0) & (ends[u] > starts[u])
                away = (0.5 * (ends[u] + starts[u]) - block.means[c, u]) * block.rates[c, u]
                shifts[u] = np.float32(away) if there else FAR
            nodes.rows[alive] = c
            alive += 1
    return alive


@lane_part
def _add_nodes(users: int, alive: int, longest: int, panels: Panels, nodes: Nodes) -> None:
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
            scales, shifts, shares = nodes.scales[q * users :], nodes.shifts[q * users :], nodes.shares[q * users :]
            for u in range(users):
                z = scales[u] * places[u] + shifts[u]
                tail, density = tail_and_density(z)
                miss = tail if z > _NONE else _ONE - tail
                products[u] -= products[u] * miss
                shares[u] = density / max(_ONE - miss, _LEAST)
        for q in range(alive):
            shares, sums = nodes.shares[q * users :], nodes.sums[q * users :]
            for u in range(users):
                sums[u] += shares[u] * products[u]


@lane_part
def _choose(users: int, j: int, panels: Panels, nodes: Nodes) -> None:
    """The j-th place and weight of each user's rule."""
    rules = panels.rules
    short, middle, long, longest = _SHORT_PLACES[j], _MIDDLE_PLACES[j], _LONG_PLACES[j], _LONGEST_PLACES[j]
    for u in range(users):
        near = short if rules[u] == _SHORT else middle
        nodes.places[u] = near if rules[u] <= _MIDDLE else long if rules[u] == _LONG else longest
    short, middle, long, longest = _SHORT_WEIGHTS[j], _MIDDLE_WEIGHTS[j], _LONG_WEIGHTS[j], _LONGEST_WEIGHTS[j]
    for u in range(users):
        near = short if rules[u] == _SHORT else middle
        nodes.products[u] = near if rules[u] <= _MIDDLE else long if rules[u] == _LONG else longest
