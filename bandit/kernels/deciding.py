"""Floors, quantised weights and draws: what makes the logged propensity the truth."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, U16, U64, Bool
from bandit.kernels.jit import kernel

_ROWS = 128
MAX_NEW_SHARE = 0.5
_LOW32 = np.uint64(0xFFFFFFFF)
_S32 = np.uint64(32)


class _Scratch(NamedTuple):
    """Scratch for some rows, which are the last axis.

    (k, 128) each: whether an arm is new, later whole units of its target; and its probability, later what remains of the target,
    below 0 of ineligible arms. (128,) each: eligible arms, later the floor of each; new arms among them, later the floor of
    each; the sum of the probabilities, later what scales them to their share; units to share out; units left; and how many
    remainders come before an arm's.
    """

    wholes: F64
    remainders: F64
    counts: F64
    news: F64
    totals: F64
    units: F64
    left: F64
    before: F64


@kernel
def quantise_rows(
    probabilities: F64, eligible: Bool, new: Bool, floor: float, new_floor: float, out: U16, total: int
) -> None:
    """Floored and quantised weights of each row, adding up to ``total``; ``out`` (n, k) is overwritten.

    ``eligible`` and ``new`` are (n, k), or (0, k): then all arms are eligible and none is new. Rows of ``probabilities`` are
    scaled to one over the eligible arms first, which takes out the last bits of rounding. Rows are taken 128 at a time and
    lie along the lanes of the processor, a row's ten arms being too few for them. Loops are short: before each a compiler
    asks whether any two of its arrays overlap, and where that costs more than it saves rows are taken one by one.
    """
    k, masked = probabilities.shape[1], eligible.shape[0] > 0
    grid, line = np.empty((2, k, _ROWS)), np.empty((6, _ROWS))
    scratch = _Scratch(grid[0], grid[1], line[0], line[1], line[2], line[3], line[4], line[5])
    for first in range(0, probabilities.shape[0], _ROWS):
        rows = min(_ROWS, probabilities.shape[0] - first)
        for a in range(k):
            for r in range(rows):
                able = not masked or eligible[first + r, a]
                scratch.wholes[a, r] = 1.0 if masked and able and new[first + r, a] else 0.0
                scratch.remainders[a, r] = probabilities[first + r, a] if able else -1.0
        _target(k, rows, floor, new_floor, float(total), scratch)
        _round_up(k, rows, scratch)
        for a in range(k):
            for r in range(rows):
                out[first + r, a] = np.uint16(np.int32(scratch.wholes[a, r]))


@kernel
def _target(k: int, rows: int, floor: float, new_floor: float, total: float, scratch: _Scratch) -> None:
    """Whole units of each weight, what remains of them, and the units that are left."""
    wholes, remainders, counts, news, totals, units, left, _ = scratch
    _add_up(k, rows, scratch)
    extra = 1.0 if floor > 0 else 0.0
    for r in range(rows):
        units[r] = total - counts[r] * extra
        left[r] = units[r]
    for r in range(rows):
        share_new = min(news[r] * new_floor, MAX_NEW_SHARE)
        news[r], totals[r] = share_new / news[r], (1.0 - floor - share_new) / totals[r]
    for r in range(rows):
        counts[r] = floor / counts[r]
    for a in range(k):
        for r in range(rows):
            target = (totals[r] * remainders[a, r] + counts[r] + (news[r] if wholes[a, r] > 0.0 else 0.0)) * units[r]
            remainders[a, r] = target if remainders[a, r] >= 0.0 else -1.0
        for r in range(rows):
            able, whole = remainders[a, r] >= 0.0, np.floor(remainders[a, r])
            left[r] -= whole if able else 0.0
            wholes[a, r] = whole + extra if able else 0.0
        for r in range(rows):
            target = remainders[a, r]
            remainders[a, r] = target - np.floor(target) if target >= 0.0 else -1.0


@kernel
def _add_up(k: int, rows: int, scratch: _Scratch) -> None:
    """Eligible arms of each row, new arms among them, and the sum of the probabilities."""
    for r in range(rows):
        scratch.counts[r], scratch.news[r], scratch.totals[r] = 0.0, 0.0, 0.0
    for a in range(k):
        for r in range(rows):
            able = scratch.remainders[a, r] >= 0.0
            scratch.counts[r] += 1.0 if able else 0.0
            scratch.totals[r] += scratch.remainders[a, r] if able else 0.0
        for r in range(rows):
            scratch.news[r] += scratch.wholes[a, r]


@kernel
def _round_up(k: int, rows: int, scratch: _Scratch) -> None:
    """One unit more for the largest remainders of a row, as many as units are left, the lowest arm first among equals.

    Arms are counted that come before each: k² comparisons without a branch.
    """
    wholes, remainders, before, left = scratch.wholes, scratch.remainders, scratch.before, scratch.left
    for a in range(k):
        for r in range(rows):
            before[r] = 0.0
        for b in range(a):
            for r in range(rows):
                before[r] += 1.0 if remainders[b, r] >= remainders[a, r] else 0.0
        for b in range(a + 1, k):
            for r in range(rows):
                before[r] += 1.0 if remainders[b, r] > remainders[a, r] else 0.0
        for r in range(rows):
            wholes[a, r] += 1.0 if before[r] < left[r] else 0.0


@kernel
def draw_rows(weights: U16, hashes: U64, arms: npt.NDArray[np.uint8], chosen: U16, total: int) -> None:
    """The arm that each hash selects from its row of weights; ``arms`` and ``chosen`` (n,) are overwritten.

    Rows add up to ``total``, which is below 2**32. ``floor(h * total / 2**64)`` is computed exactly from the two halves of
    ``h``: h = hi * 2**32 + lo.
    """
    units = np.uint64(total)
    for i in range(weights.shape[0]):
        high, low = hashes[i] >> _S32, hashes[i] & _LOW32
        point = np.int64((high * units + ((low * units) >> _S32)) >> _S32)
        for a in range(weights.shape[1]):
            point -= np.int64(weights[i, a])
            if point < 0:
                arms[i] = a
                chosen[i] = weights[i, a]
                break
