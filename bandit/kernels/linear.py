"""Sums of Gaussian evidence.

Every kernel adds impressions to the same six sums, in place: precision[a] += x xᵀ (k, d, d), information[a] += r x and
sums[a] += x (k, d), counts[a] += 1, squares[a] += r² and takes[a] += r (k,). ``accumulate_sorted`` and ``accumulate_mixed`` add
to an arm what depends on that arm's rows in their order alone: full blocks of ``BLOCK`` rows, then the rest, which below
``FEW`` rows is added one by one, as ``accumulate`` does. So the bytes are the same however other arms' rows are mixed in,
sharded or left out.

Ways to sum that were measured, in millions of impressions a second on one core of a busy machine (200,000 rows, 10 arms,
16 features; in brackets a million rows, 14,000 arms, 24 features): one row after the other 15 [1.4]; eight rows of an arm at
once, from where they lie 14 [6], from a gathered block 16 [8]; a matrix product a gathered block 20 [10]; the same with rows
read in their order, each to the block of its arm, 36. A matrix product has fused additions without ``fastmath``.

The matrix product inside a kernel is that of scipy's library, which numba loads at the first call. Who limits the threads of
BLAS by ``threadpoolctl`` before that imports ``scipy.linalg.cython_blas`` first, as ``bandit.kernels.warm`` does: a limit finds
what is loaded. It takes a third of the time that ``import numba`` takes, so it is not loaded here.
"""

import numpy as np

from bandit.arrays import F64, I64, Floats
from bandit.kernels.jit import kernel

BLOCK = 128
"""Rows of one arm that are multiplied at once; 64 or 256 are as fast within 5 %. Up to 43 features OpenBLAS takes the product
of a block for too small to split among threads."""

FEW = 4
"""Fewer rows than this are added one by one; 1 to 16 are as fast within 10 %."""


@kernel
def accumulate(
    contexts: Floats,
    arms: I64,
    rewards: F64,
    precision: F64,
    information: F64,
    counts: F64,
    squares: F64,
    sums: F64,
    takes: F64,
) -> None:
    """Add rows (m, d) one by one, in their order."""
    for i in range(contexts.shape[0]):
        _add_row(contexts[i], rewards[i], arms[i], precision, information, counts, squares, sums, takes)


@kernel
def sort_by_arm(arms: I64, starts: I64, order: I64) -> None:
    """Counting sort of rows by arm, stable: an arm's rows keep their order.

    ``order`` (m,) becomes the rows by arm. ``starts`` (k + 1,), zeros on entry, becomes the first place of each arm in ``order``.
    """
    for i in range(arms.shape[0]):
        starts[arms[i] + 1] += 1
    for a in range(1, starts.shape[0]):
        starts[a] += starts[a - 1]
    places = starts.copy()
    for i in range(arms.shape[0]):
        order[places[arms[i]]] = i
        places[arms[i]] += 1


@kernel
def accumulate_sorted(
    contexts: Floats,
    rewards: F64,
    starts: I64,
    order: I64,
    block: F64,
    gram: F64,
    precision: F64,
    information: F64,
    counts: F64,
    squares: F64,
    sums: F64,
    takes: F64,
) -> None:
    """Add rows (m, d) arm by arm, a block at a time, in the order of ``sort_by_arm``.

    ``block`` (BLOCK, d + 2) and ``gram`` (d + 2, d + 2) are workspace, overwritten.
    """
    for a in range(counts.shape[0]):
        for first in range(starts[a], starts[a + 1], BLOCK):
            count = min(BLOCK, starts[a + 1] - first)
            _gather(contexts, rewards, order[first : first + count], block)
            _add_block(block[:count], gram, a, precision, information, counts, squares, sums, takes)


@kernel
def accumulate_mixed(
    contexts: Floats,
    arms: I64,
    rewards: F64,
    waiting: I64,
    blocks: F64,
    gram: F64,
    precision: F64,
    information: F64,
    counts: F64,
    squares: F64,
    sums: F64,
    takes: F64,
) -> None:
    """Add rows (m, d) of few arms as they come, without a sort: each arm has a block, which is added when it is full.

    Reading rows in their order is 1.8 times as fast as fetching an arm's rows from everywhere, while all blocks fit the cache.
    ``waiting`` (k,), zeros on entry, ``blocks`` (k, BLOCK, d + 2) and ``gram`` (d + 2, d + 2) are workspace, overwritten.
    """
    for i in range(contexts.shape[0]):
        a = arms[i]
        _put(contexts[i], rewards[i], blocks[a, waiting[a]])
        waiting[a] += 1
        if waiting[a] == BLOCK:
            _add_block(blocks[a], gram, a, precision, information, counts, squares, sums, takes)
            waiting[a] = 0
    for a in range(counts.shape[0]):
        _add_block(blocks[a, : waiting[a]], gram, a, precision, information, counts, squares, sums, takes)


@kernel
def _put(context: Floats, reward: float, row: F64) -> None:
    """Write [x, 1, r] to a row of a block."""
    d = np.uint64(context.shape[0])  # unsigned: an index that may be negative keeps loops from being vectorised
    for p in range(d):
        row[p] = context[p]
    row[d] = 1.0
    row[d + np.uint64(1)] = reward


@kernel
def _gather(contexts: Floats, rewards: F64, rows: I64, block: F64) -> None:
    """Write [x, 1, r] of some rows to a block; with ``_put`` in its loop it is half as fast in single precision."""
    d = np.uint64(contexts.shape[1])
    for b in range(np.uint64(rows.shape[0])):
        i = np.uint64(rows[b])
        for p in range(d):
            block[b, p] = contexts[i, p]
        block[b, d] = 1.0
        block[b, d + np.uint64(1)] = rewards[i]


@kernel
def _add_row(
    context: Floats,
    reward: float,
    a: int,
    precision: F64,
    information: F64,
    counts: F64,
    squares: F64,
    sums: F64,
    takes: F64,
) -> None:
    d = np.uint64(context.shape[0])
    counts[a] += 1.0
    squares[a] += reward * reward
    takes[a] += reward
    for p in range(d):
        x = np.float64(context[p])
        for q in range(d):
            precision[a, p, q] += x * np.float64(context[q])
    for p in range(d):
        x = np.float64(context[p])
        information[a, p] += reward * x
        sums[a, p] += x


@kernel
def _add_block(
    block: F64,
    gram: F64,
    a: int,
    precision: F64,
    information: F64,
    counts: F64,
    squares: F64,
    sums: F64,
    takes: F64,
) -> None:
    """Add rows [x, 1, r] (n, d + 2) of one arm: their matrix product with themselves holds all six sums."""
    d = np.uint64(information.shape[1])
    one, r = d, d + np.uint64(1)
    if block.shape[0] < FEW:
        for b in range(block.shape[0]):
            _add_row(block[b, :d], block[b, r], a, precision, information, counts, squares, sums, takes)
        return
    np.dot(block.T, block, gram)
    for p in range(d):
        for q in range(p):
            gram[q, p] = gram[p, q]  # the two triangles may differ in their last bits
    for p in range(d):
        for q in range(d):
            precision[a, p, q] += gram[p, q]
    for q in range(d):
        information[a, q] += gram[r, q]
        sums[a, q] += gram[one, q]
    counts[a] += gram[one, one]
    squares[a] += gram[r, r]
    takes[a] += gram[r, one]
