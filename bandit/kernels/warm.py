"""Filling the kernels' cache on disk, once, before processes fan out."""

import numpy as np

from bandit.kernels import deciding, hashing, linear, winning


def warm() -> None:
    """Compile (or load) every kernel for the types that the jobs use.

    Many processes that fill one cold cache at once is a known crash, and compile time belongs in no timing.
    """
    one = np.ones((1, 2))
    yes = np.ones((1, 2), dtype=np.bool_)
    words, hashes = np.ones(1, dtype=np.uint64), np.empty(1, dtype=np.uint64)
    weights = np.empty((1, 2), dtype=np.uint16)
    hashing.absorb_each(np.uint64(1), words, hashes)
    hashing.absorb_pairs(words, words, hashes)
    winning.win_probabilities(one, one, yes, np.empty((1, 2)))
    deciding.quantise_rows(one, yes, yes, 0.02, 0.05, weights)
    deciding.draw_rows(weights, hashes, np.empty(1, dtype=np.uint8), np.empty(1, dtype=np.uint16))
    sums = np.zeros((1, 2, 2)), np.zeros((1, 2)), np.zeros(1), np.zeros(1)
    for kind in (np.float32, np.float64):
        linear.accumulate(one.astype(kind), np.zeros(1, dtype=np.int64), np.ones(1), *sums)
    linear.mirror(sums[0])


if __name__ == "__main__":
    warm()
