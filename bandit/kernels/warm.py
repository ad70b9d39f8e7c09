"""Filling the kernels' cache on disk, once, before processes fan out."""

if __name__ == "__main__":  # first of all: what goes wrong while the rest is imported ends at the boundary as well
    from importlib import import_module

    from bandit.boundary import run

    run(lambda: import_module("bandit.kernels.warm").warm)

from contextlib import ExitStack, suppress
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import numpy as np

# The matrix product inside a kernel is that of scipy's library: loaded here, limits on its threads find it.
import scipy.linalg.cython_blas  # noqa: F401

from bandit.kernels import (
    beta_draws,
    beta_winning,
    chapelle_li,
    deciding,
    frequencies,
    hashing,
    lengths,
    linear,
    logistic,
    moments,
    packing,
    resampling,
    sequences,
    winning,
)


def warm() -> None:
    """Compile (or load) every kernel for the types that the jobs use.

    Many processes that fill one cold cache at once is a known crash, and compile time belongs in no timing.
    """
    one = np.ones((1, 2))
    yes = np.ones((1, 2), dtype=np.bool_)
    words, hashes = np.ones(1, dtype=np.uint64), np.empty(1, dtype=np.uint64)
    weights = np.empty((1, 2), dtype=np.uint16)
    hashing.absorb_each(np.uint64(1), words, hashes)
    hashing.absorb_one(words, np.uint64(1), hashes)
    hashing.absorb_pairs(words, words, hashes)
    winning.win_probabilities(one, one, yes, np.empty((1, 2)))
    beta_winning.beta_win_probabilities(one, one, yes, np.empty((1, 2)))
    frequencies.win_frequencies(np.ones((1, 1, 2)), yes, np.empty((1, 2)))
    deciding.quantise_rows(one, yes, yes, 0.02, 0.05, weights, 65535)
    deciding.draw_rows(weights, hashes, np.empty(1, dtype=np.uint8), np.empty(1, dtype=np.uint16), 65535)
    lengths.lengths(one[None], np.empty((1, 1)))
    moments.linear_means(one, np.zeros((moments.TILE, moments.TILE)), np.empty((1, 2)))
    moments.single_deviations(one, np.zeros((2, moments.TILE, moments.TILE), dtype=np.float32), np.empty((1, 2)))
    sums = np.zeros((1, 2, 2)), np.zeros((1, 2)), np.zeros(1), np.zeros(1), np.zeros((1, 2)), np.zeros(1)
    single = one.astype(np.float32)
    single.flags.writeable = False  # as columns of polars are
    for contexts in (single, one):
        first, block, gram = np.zeros(1, dtype=np.int64), np.empty((linear.BLOCK, 4)), np.empty((4, 4))
        linear.accumulate(contexts, first, np.ones(1), *sums)
        linear.accumulate_mixed(contexts, first, np.ones(1), first.copy(), block[None], gram, *sums)
        linear.accumulate_sorted(contexts, np.ones(1), np.array([0, 1]), first, block, gram, *sums)
    linear.sort_by_arm(first, np.zeros(2, dtype=np.int64), first.copy())
    starts, first = np.array([0, 1]), np.zeros(1, dtype=np.int64)
    ones, step, results = np.ones(1), np.empty((1, 2)), (np.empty(1), np.empty((1, 2)), np.empty((1, 2, 2)))
    for kind in (np.float32, np.float64):
        logistic.log_posteriors(one.astype(kind), ones, ones, starts, first, np.ones(2), one, one, *results)
    logistic.newton_steps(results[2], results[1], step, results[0])
    stream = np.zeros(2, dtype=np.uint64)
    beta_draws.draw_betas(ones, ones, stream, np.empty(1))
    trajectory = np.empty(1, dtype=np.uint8), np.empty(1, dtype=np.uint8), np.empty(1)
    for policy in (chapelle_li.UCB, chapelle_li.THOMPSON):
        chapelle_li.play(policy, chapelle_li.BATCHES, 1, np.ones(2), first, first, ones, ones, stream, *trajectory)

    _warm_packing()
    resampling.poisson_counts(np.uint64(1), 0, np.zeros(65536, dtype=np.uint8), np.empty((1, 2)))
    sequences.running_sums(np.ones(1), 0.0, np.empty(1), np.empty(1))
    sequences.mixture_bounds(ones, ones, first, np.array([0.5]), 1.0, np.empty(1))


def warm_alone() -> None:
    """``warm``, while no other process that keeps its kernels in the same folder does so, on this machine or another."""
    kernel: Any = hashing.absorb_each
    with ExitStack() as stack:
        # No lock where there is no folder, because nothing is compiled or nothing is kept, or where its file system has none.
        with suppress(AttributeError, TypeError, OSError):
            folder = Path(kernel.stats.cache_path)
            folder.mkdir(parents=True, exist_ok=True)
            flock(stack.enter_context((folder / ".warming.lock").open("w")), LOCK_EX)
        warm()


def _warm_packing() -> None:
    byte, word, first = np.zeros(1, dtype=np.uint8), np.zeros(1, dtype=np.uint16), np.zeros(1, dtype=np.int64)
    header, out, cuts = np.zeros(16, dtype=np.uint8), np.zeros(512, dtype=np.uint8), np.array([0, 1])
    tables = packing.checksum_tables()
    picks = byte, cuts[1:], byte, byte, cuts, word, byte, word
    packing.pack_rows(*picks, 4, 2, header, np.uint32(0), tables, out, np.empty(1, dtype=np.int64))
    packing.unpack_rows(out, np.ones(1, dtype=np.int64), first, False, 4, 2, word, byte, word)  # noqa: FBT003
    packing.pack_commands(out, byte, word, 0, 0, 1, byte, byte, byte, False, out.copy())  # noqa: FBT003
