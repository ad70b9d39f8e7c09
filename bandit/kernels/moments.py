"""Posterior means and standard deviations of Gaussian scores, for a block of users at a time.

Users lie along the lanes of the processor, so that a user's sums depend neither on the users beside nor on how many there are.
"""

import math

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, Floats
from bandit.kernels.jit import kernel, lane_kernel, lane_part

F32 = npt.NDArray[np.float32]

USERS = 256
"""Of a block: before each loop over them a compiler asks whether its arrays overlap, which costs as much as 40 users do."""

LANES = 16
"""Of single precision in the widest register; blocks are rounded up to them, so that no user is taken apart from the others."""

TILE = 4
"""Weights of so many features, and of so many whitened ones, are held in registers at once."""

_NOTHING, _LOST = np.float32(0.0), np.float32(-1.0)
_SMALL, _LARGE = np.float32(1e-25), np.float32(1e25)
"""Between these squared lengths, single precision has kept its digits."""


@kernel
def linear_means(contexts: F64, weights: F64, out: F64) -> None:
    """Mean of each arm: contexts (n, d) times the transpose of ``weights`` (K, D); ``out`` (n, k) is overwritten.

    K and D are the next multiples of ``TILE``, with zeros behind the k arms and the d features.
    """
    turned, totals = np.zeros((weights.shape[1], USERS)), np.empty((TILE, USERS))
    _means(contexts, weights, turned, totals, out)


@kernel
def single_deviations(contexts: F64, factors: F32, out: F64) -> int:
    """Standard deviation of each arm in single precision, and how many may have lost their digits: those are -1.

    It is the length of W_a x: ``factors`` (k, D, D) are the arms' W, lower triangular, with zeros behind the d features of
    ``contexts`` (n, d), D the next multiple of ``TILE``. ``out`` (n, k) is overwritten.
    """
    single = np.float32
    turned, whitened = np.zeros((factors.shape[1], USERS), single), np.empty((TILE, USERS), single)
    return _deviations(contexts, factors, turned, whitened, np.empty(USERS, single), out)


@lane_kernel
def _means(contexts: F64, weights: F64, turned: F64, totals: F64, out: F64) -> None:
    for first in range(0, contexts.shape[0], USERS):
        users = min(USERS, contexts.shape[0] - first)
        lanes = -(-users // LANES) * LANES
        for u in range(users):
            for p in range(contexts.shape[1]):
                turned[p, u] = contexts[first + u, p]
        for a in range(0, weights.shape[0], TILE):
            _first_tile(lanes, weights, a, turned, totals)
            for p in range(TILE, weights.shape[1], TILE):
                _add_tile(lanes, weights, a, p, turned, totals)
            for b in range(min(TILE, out.shape[1] - a)):
                for u in range(users):
                    out[first + u, a + b] = totals[b, u]


@lane_kernel
def _deviations(contexts: F64, factors: F32, turned: F32, whitened: F32, totals: F32, out: F64) -> int:
    odd = 0
    for first in range(0, contexts.shape[0], USERS):
        users = min(USERS, contexts.shape[0] - first)
        lanes = -(-users // LANES) * LANES
        for u in range(users):
            for p in range(contexts.shape[1]):
                turned[p, u] = contexts[first + u, p]
        for a in range(factors.shape[0]):
            _whiten(lanes, factors[a], turned, whitened, totals)
            for u in range(users):
                odd += totals[u] < _NOTHING
                out[first + u, a] = totals[u]
    return odd


@lane_part
def _whiten(lanes: int, factor: F32, turned: F32, whitened: F32, lengths: F32) -> None:
    """Lengths of W x, -1 where they may have lost their digits."""
    for u in range(lanes):
        lengths[u] = _NOTHING
    for q in range(0, factor.shape[0], TILE):
        _first_tile(lanes, factor, q, turned, whitened)
        for p in range(TILE, q + TILE, TILE):
            _add_tile(lanes, factor, q, p, turned, whitened)
        for u in range(lanes):
            y0, y1, y2, y3 = whitened[0, u], whitened[1, u], whitened[2, u], whitened[3, u]
            lengths[u] = lengths[u] + y0 * y0 + y1 * y1 + y2 * y2 + y3 * y3
    for u in range(lanes):
        squared = lengths[u]
        root = math.sqrt(squared)
        lengths[u] = root if (squared >= _SMALL) & (squared <= _LARGE) else _LOST


@lane_part
def _first_tile(lanes: int, weights: Floats, q: int, x: Floats, out: Floats) -> None:
    """Four rows of the weights, from row q on, times the first four rows of x: the first term of the four rows of ``out``."""
    x0, x1, x2, x3 = x[0], x[1], x[2], x[3]
    for b in range(TILE):
        w0, w1, w2, w3 = weights[q + b, 0], weights[q + b, 1], weights[q + b, 2], weights[q + b, 3]
        row = out[b]
        for u in range(lanes):
            row[u] = w0 * x0[u] + w1 * x1[u] + w2 * x2[u] + w3 * x3[u]


@lane_part
def _add_tile(lanes: int, weights: Floats, q: int, p: int, x: Floats, out: Floats) -> None:
    """Add four rows of the weights, from row q and column p on, times four rows of x, to the four rows of ``out``."""
    a0, a1, a2, a3 = weights[q, p], weights[q, p + 1], weights[q, p + 2], weights[q, p + 3]
    b0, b1, b2, b3 = weights[q + 1, p], weights[q + 1, p + 1], weights[q + 1, p + 2], weights[q + 1, p + 3]
    c0, c1, c2, c3 = weights[q + 2, p], weights[q + 2, p + 1], weights[q + 2, p + 2], weights[q + 2, p + 3]
    d0, d1, d2, d3 = weights[q + 3, p], weights[q + 3, p + 1], weights[q + 3, p + 2], weights[q + 3, p + 3]
    # Rows apart: an index of which a compiler cannot tell that it is not negative is fetched lane by lane.
    x0, x1, x2, x3 = x[p], x[p + 1], x[p + 2], x[p + 3]
    for u in range(lanes):
        out[0, u] = out[0, u] + a0 * x0[u] + a1 * x1[u] + a2 * x2[u] + a3 * x3[u]
        out[1, u] = out[1, u] + b0 * x0[u] + b1 * x1[u] + b2 * x2[u] + b3 * x3[u]
        out[2, u] = out[2, u] + c0 * x0[u] + c1 * x1[u] + c2 * x2[u] + c3 * x3[u]
        out[3, u] = out[3, u] + d0 * x0[u] + d1 * x1[u] + d2 * x2[u] + d3 * x3[u]
