"""Which Gaussian arms may win, and over which range to integrate, for a block of users at a time.

Contenders are found row by row. A user has some ten of them, too few to fill the lanes of a processor, so for the range users
lie along the lanes, (k, 64), and nothing branches.
"""

import math
from typing import NamedTuple

import numpy as np

from bandit.arrays import F64, I64, Bool
from bandit.kernels.jit import kernel, lane_kernel, lane_part
from bandit.kernels.normal import CLAMP, tail_and_density

USERS = 64
_FINE = 1e-13  # deviations under this share of the largest number are lost beside it, wherever the range begins
_LARGE, _SMALL = 1e140, 1e-140  # between these, squares neither overflow nor vanish
_HUGE, _UNIT = 1e300, 0.0625  # differences of larger numbers overflow, and are taken in these units
_HOPELESS = 8.0  # an arm this many of both deviations behind another wins less than 1e-15 of the time
_PLACE = 500  # the largest number of a row that is measured anew is about 2^500: squares still fit
_VANISHED = 1e-300  # beside 2^500; one over anything smaller may overflow
_NOT_BEATEN = (
    1 / 5.85
)  # an arm 5.85 deviations of the difference behind another wins less than 2.5e-9 of the time: left out, 98 of them as well
_TOP_OF_FEW = (
    3.9  # deviations above the means at which the nodes end; what is left above is added as if arms were alone
)
_TOP = 4.2  # there, which errs by the square of their tails together: 1e-7 for 10 arms, 5e-8 for 24 with the second,
_TOP_OF_MANY = 4.7  # 5e-8 for 256 with the third
_DEPTH = 16.0  # the nodes begin where ∏ Φ is at most exp(-16), 1e-7
_ASCENTS = 3


class Block(NamedTuple):
    """Scratch for a block of users, who are the last axis.

    (k, 64) each: the arms that may win, in as many of the rows as a user has of them; their means, from ``_finish``
    on above the foot; their deviations; one over them, 0 behind the user's last arm; and Φ's tail above the top.
    (64,) each: the mean and deviation of the highest mean, the largest number, the smallest deviation above 0, the highest step
    (an arm of deviation 0), the number of arms that may win, foot and top of the range, and -log ∏ Φ at the foot
    with its slope.
    """

    arms: I64
    means: F64
    widths: F64
    rates: F64
    tails: F64
    best: F64
    best_widths: F64
    largest: F64
    smallest: F64
    steps: F64
    counts: I64
    feet: F64
    tops: F64
    depths: F64
    slopes: F64


@kernel
def aligned(rows: int) -> F64:
    """Room for rows of a block, from a multiple of 64 bytes on.

    A register of that size that lies in two lines of the cache is fetched and written twice: 10 % of the time of a node.
    """
    room = np.empty(rows * USERS + 8)
    skip = (-room.ctypes.data % 64) // 8
    return room[skip : skip + rows * USERS].reshape((rows, USERS))


@kernel
def new_block(k: int) -> Block:
    """Scratch for k arms."""
    arms, counts = np.empty((k, USERS), dtype=np.int64), np.empty(USERS, dtype=np.int64)
    grid, line = aligned(4 * k).reshape((4, k, USERS)), aligned(9)
    leaders = line[0], line[1], line[2], line[3], line[4]
    ends = line[5], line[6], line[7], line[8]
    return Block(arms, grid[0], grid[1], grid[2], grid[3], *leaders, counts, *ends)


@lane_kernel
def contend(means: F64, deviations: F64, eligible: Bool, rows: I64, block: Block) -> int:
    """Fill ``block`` with the arms that may win in some rows of (n, k) scores; the most of any row.

    Rows are taken one by one: to turn them all first, so that users lie along the lanes, takes longer than it saves.
    """
    users, most = rows.shape[0], 0
    for u in range(users):
        i = rows[u]
        _find_best(means[i], deviations[i], eligible[i], u, block)
        count = _gather(means[i], deviations[i], eligible[i], u, block)
        block.counts[u], most = count, max(most, count)
    for c in range(most):
        for u in range(users):
            here = c < block.counts[u]
            block.means[c, u] = block.means[c, u] if here else 0.0
            block.widths[c, u] = block.widths[c, u] if here else 1.0
            block.rates[c, u] = 1.0 / block.widths[c, u] if here else 0.0
    return most


@lane_kernel
def span(users: int, most: int, block: Block) -> None:
    """The range of each user: foot, top, what is left above it, and means from the foot on."""
    _ends(users, most, block)
    for _ in range(_ASCENTS):
        _ascend(users, most, block)
    _finish(users, most, block)


@lane_part
def is_plain(u: int, block: Block) -> bool:
    """Whether a user's numbers lose no digits to each other as they are; where some are not finite, nothing helps."""
    largest, smallest = block.largest[u], block.smallest[u]
    return not largest < math.inf or (largest <= _LARGE and smallest >= max(_FINE * largest, _SMALL))


@lane_kernel
def measure_anew(
    means: F64, deviations: F64, eligible: Bool, new_means: F64, new_deviations: F64, contenders: Bool
) -> None:
    """The same user, (k,) each, with means from that of one arm and in a unit in which nothing overflows; three are filled.

    The arm is that of the highest foot. No arm is narrower by much and may win, and of those that may, the distance from it is a
    few of their own deviations: whatever factor is between deviations, each keeps its digits. Arms that it beats hopelessly
    are left out, for their numbers may be of any size. Differences of means are exact, or as exact as the means. Powers of two
    scale exactly; a deviation under 1e-450 of the largest number becomes 0.
    """
    largest, foot, width = 0.0, 0.0, 0.0
    for a in range(means.shape[0]):
        largest = max(largest, abs(means[a]), deviations[a]) if eligible[a] else largest
    unit = _UNIT if largest > _HUGE else 1.0
    for _ in range(2):  # of large means the first choice may be off by their last bit
        highest, origin = -math.inf, foot
        for a in range(means.shape[0]):
            mean, deviation = unit * means[a], unit * deviations[a]
            reached = (mean - origin) - CLAMP * deviation
            if eligible[a] and reached > highest:
                highest, foot, width = reached, mean, deviation
    farthest = 0.0
    for a in range(means.shape[0]):
        away, deviation = unit * means[a] - foot, unit * deviations[a]
        contenders[a] = eligible[a] and away >= -_HOPELESS * (deviation + width)
        new_means[a], new_deviations[a] = away, deviation
        farthest = max(farthest, abs(away), deviation) if contenders[a] else farthest
    exponent = _PLACE - math.frexp(farthest)[1]
    for a in range(means.shape[0]):
        if contenders[a]:
            deviation = math.ldexp(new_deviations[a], exponent)
            new_means[a] = math.ldexp(new_means[a], exponent)
            new_deviations[a] = deviation if deviation >= _VANISHED else 0.0


@lane_part
def _find_best(means: F64, deviations: F64, eligible: Bool, u: int, block: Block) -> None:
    """The highest mean and step of a user, and the sizes of the numbers; ineligible arms count as steps at -∞."""
    best, best_width, largest, smallest, step = -math.inf, 0.0, 0.0, math.inf, -math.inf
    for a in range(means.shape[0]):
        mean, width = (means[a], deviations[a]) if eligible[a] else (-math.inf, 0.0)
        best_width = width if mean > best else best_width
        best = max(best, mean)
        step = max(step, mean if width <= 0.0 else -math.inf)
        largest = max(largest, max(abs(mean), width) if mean > -math.inf else 0.0)
        smallest = min(smallest, width if width > 0.0 else math.inf)
    block.best[u], block.best_widths[u], block.largest[u] = best, best_width, largest
    block.smallest[u], block.steps[u] = smallest, step


@lane_part
def _gather(means: F64, deviations: F64, eligible: Bool, u: int, block: Block) -> int:
    """Put a user's continuous arms that may win into the first rows; how many they are. The others cost nothing from here on."""
    best, best_width, count = block.best[u], block.best_widths[u], 0
    for a in range(means.shape[0]):
        mean, width = (means[a], deviations[a]) if eligible[a] else (-math.inf, 0.0)
        gap = (best - mean) * _NOT_BEATEN
        near = (width > 0.0) & (gap * gap <= best_width * best_width + width * width)
        block.arms[count, u], block.means[count, u], block.widths[count, u] = a, mean, width
        count += 1 if near else 0
    return count


@lane_part
def _ends(users: int, most: int, block: Block) -> None:
    """Where some arm is all but certain to be above, and where the nodes end."""
    for u in range(users):
        block.feet[u], block.tops[u] = block.steps[u], block.steps[u]
    for c in range(most):
        for u in range(users):
            count, width = block.counts[u], block.widths[c, u]
            top = _TOP_OF_FEW if count <= 10 else _TOP if count <= 24 else _TOP_OF_MANY
            mean = block.means[c, u] if c < count else -math.inf
            block.feet[u] = max(block.feet[u], mean - CLAMP * width)
            block.tops[u] = max(block.tops[u], mean + top * width)


@lane_part
def _ascend(users: int, most: int, block: Block) -> None:
    """Raise the foot to where a bound on -log ∏ Φ comes down to ``_DEPTH``, by a step of Newton's on the root of the bound.

    With t deviations below a mean, -log Φ is at least 0.637 + 0.65 t + 0.44 t² for t ≥ 0, 0.637 + 0.798 t + 0.25 t² for
    -1.596 ≤ t < 0, and 0. Its root is convex but for the kink at 0, so steps end short; they would pass there, were the slope
    of 0.65 not taken for 0.798. Beside four bisections, three steps save 3 % of the nodes where deviations differ by 5 x, 13 % at
    25 and 100 x.
    """
    for u in range(users):
        block.depths[u], block.slopes[u] = 0.637 * block.counts[u], 0.0
    for c in range(most):
        for u in range(users):
            t = (block.means[c, u] - block.feet[u]) * block.rates[c, u]
            below, above = max(t, 0.0), max(min(t, 0.0), -1.596)
            block.depths[u] += below * (0.65 + 0.44 * below) + above * (0.798 + 0.25 * above)
            block.slopes[u] += block.rates[c, u] * (0.798 + 0.88 * below + 0.5 * above)
    for u in range(users):
        depth = max(block.depths[u], _DEPTH)
        rise = 2.0 * (depth - math.sqrt(_DEPTH * depth)) / block.slopes[u]
        block.feet[u] += rise if block.depths[u] > _DEPTH else 0.0


@lane_part
def _finish(users: int, most: int, block: Block) -> None:
    """What is left above the top, and means measured from the foot: near 1, deviations of 1e-12 would lose their digits."""
    for c in range(most):
        for u in range(users):
            # In single precision, which errs by less than double does where it is constant: that far out, tails are tiny.
            tail, _ = tail_and_density(np.float32((block.tops[u] - block.means[c, u]) * block.rates[c, u]))
            block.tails[c, u] = np.float64(tail) if block.rates[c, u] > 0.0 else 0.0
            block.means[c, u] -= block.feet[u]
