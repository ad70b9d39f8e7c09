"""How often each arm is the largest of a draw."""

import numpy as np

from bandit.arrays import F64, Bool
from bandit.kernels.jit import kernel

_TIE = 1e-9  # as for means: arms with the same draws differ in their last bits, by their place in a matrix product


@kernel
def win_frequencies(values: F64, eligible: Bool, out: F64) -> None:
    """Share of the draws that each eligible arm wins; ``values`` (m, n, k), ``eligible`` (n, k), ``out`` (n, k) is overwritten.

    Arms that are less than the largest of a draw by at most ``_TIE`` of it share that draw. Draws are the outer loop: values are
    read once, in the order in which they lie in memory.
    """
    m, n, k = values.shape
    out[:, :] = 0.0
    for j in range(m):
        for i in range(n):
            _share_draw(values[j, i], eligible[i], out[i])
    for i in range(n):
        for a in range(k):
            out[i, a] /= m


@kernel
def _share_draw(values: F64, eligible: Bool, out: F64) -> None:
    """Add one draw to the arms that win it; (k,) each."""
    k = values.shape[0]
    best = -np.inf
    for a in range(k):
        if eligible[a]:
            best = max(best, values[a])
    least = best - _TIE * abs(best)
    ties = 0
    for a in range(k):
        if eligible[a] and values[a] >= least:
            ties += 1
    for a in range(k):
        if eligible[a] and values[a] >= least:
            out[a] += 1.0 / ties
