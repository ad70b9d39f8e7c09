"""How often each decision is drawn in each resample of a bootstrap."""

import numpy as np

from bandit.arrays import F64, U8
from bandit.kernels.hashing import absorb
from bandit.kernels.jit import kernel

_LOW16 = np.uint64(0xFFFF)
_S16 = np.uint64(16)


@kernel
def poisson_counts(key: np.uint64, first: int, quantiles: U8, out: F64) -> None:
    """Counts of every decision (C,) in the resamples from number ``first`` on; ``out`` (b, C) is overwritten.

    ``quantiles`` (65536,) is the inverse of the counts' distribution function at 16 bits. One keyed hash gives the counts of four
    decisions: a count takes 0.9 ns, where a draw of an index takes 5 and more, as its target leaves the cache.
    """
    n = out.shape[1]
    for b in range(out.shape[0]):
        state = absorb(key, np.uint64(first + b))
        for start in range(0, n, 4):
            bits = absorb(state, np.uint64(start))
            for c in range(start, min(start + 4, n)):
                out[b, c] = quantiles[bits & _LOW16]
                bits >>= _S16
