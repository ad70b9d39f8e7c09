"""Lower confidence sequences of a mean, by a mixture of empirical Bernstein supermartingales."""

import numpy as np

from bandit.arrays import F64, I64
from bandit.kernels.jit import kernel

_MOST_STEPS = 60
_TOLERANCE = 1e-13


@kernel
def running_sums(values: F64, least: float, sums: F64, squares: F64) -> None:
    """Σ ξ and Σ (ξ - ξ̂)² up to and with each value, ξ = (v - least) / (1 - least); ``sums``, ``squares`` (t,) are overwritten.

    ξ̂ is the mean of the values before, at most 1, with one value of 0 seen beforehand.
    """
    scale = 1.0 - least
    total, square, seen = 0.0, 0.0, -least / scale
    for t in range(values.shape[0]):
        value = (values[t] - least) / scale
        square += (value - min(seen / (t + 1), 1.0)) ** 2
        total += value
        seen += value
        sums[t] = total
        squares[t] = square


@kernel
def mixture_bounds(sums: F64, squares: F64, at: I64, bets: F64, log_inverse: float, out: F64) -> None:
    """The lower bound of the mean of ξ after ``at[i] + 1`` values; ``out`` (p,) is overwritten.

    The mean μ is below it where (1/J) Σ_j exp(λ_j (Σ ξ - t μ) - ψ(λ_j) Σ (ξ - ξ̂)²) > 1/α, ψ(λ) = -log(1 - λ) - λ, over the
    bets λ_j (J,). The logarithm of the left side rises with x = Σ ξ - t μ and is convex, so Newton's steps from above never
    pass the root.
    """
    n = bets.shape[0]
    costs = np.empty(n)
    target = log_inverse + np.log(n)
    for i in range(at.shape[0]):
        x = np.inf
        for j in range(n):
            costs[j] = (-np.log1p(-bets[j]) - bets[j]) * squares[at[i]]
            x = min(x, (target + costs[j]) / bets[j])
        for _ in range(_MOST_STEPS):
            most = -np.inf
            for j in range(n):
                most = max(most, bets[j] * x - costs[j])
            total, slope = 0.0, 0.0
            for j in range(n):
                share = np.exp(bets[j] * x - costs[j] - most)
                total += share
                slope += bets[j] * share
            step = (most + np.log(total) - target) * total / slope
            x -= step
            if step <= _TOLERANCE * abs(x):
                break
        out[i] = (sums[at[i]] - x) / (at[i] + 1)
