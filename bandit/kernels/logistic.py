"""Newton's method for logistic regressions of many arms: sums over an arm's rows, and its step."""

import math

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64
from bandit.kernels.jit import kernel

_EPSILON = 2.0**-52


@kernel
def log_posteriors(
    contexts: npt.NDArray[np.floating],
    rewards: F64,
    weights: F64,
    starts: I64,
    arms: I64,
    prior_precision: F64,
    prior_mean: F64,
    means: F64,
    objective: F64,
    gradient: F64,
    precision: F64,
) -> None:
    """Log posterior, its gradient and its negative Hessian for the given arms; the three outputs are overwritten.

    Rows are sorted by arm: arm a has the rows starts[a] to starts[a + 1] - 1. ``means`` (j, d) is where each of the ``arms``
    (j,) is looked at; ``prior_mean`` (j, d) is theirs too. With p = 1 / (1 + exp(-xᵀw)) over the rows of an arm:

        objective (j,)       Σ weight (r log p + (1 - r) log(1 - p)) - ½ Σ α (w - μ)²
        gradient (j, d)      Σ weight (r - p) x - α (w - μ)
        precision (j, d, d)  Σ weight p (1 - p) x xᵀ + diag(α)

    An arm's numbers depend on its own rows alone, in their order. Every term of the objective is at most 0, so nothing cancels.
    """
    d = contexts.shape[1]
    for j in range(arms.shape[0]):
        objective[j] = 0.0
        for p in range(d):
            away = means[j, p] - prior_mean[j, p]
            objective[j] -= 0.5 * prior_precision[p] * away * away
            gradient[j, p] = -prior_precision[p] * away
            for q in range(p + 1):
                precision[j, p, q] = 0.0
            precision[j, p, p] = prior_precision[p]
        for i in range(starts[arms[j]], starts[arms[j] + 1]):
            linear = 0.0
            for p in range(d):
                linear += contexts[i, p] * means[j, p]
            tail = math.exp(-abs(linear))
            probability = 1.0 / (1.0 + tail) if linear >= 0 else tail / (1.0 + tail)
            against = 1.0 - rewards[i] if linear >= 0 else rewards[i]
            objective[j] -= weights[i] * (math.log1p(tail) + against * abs(linear))
            residual = weights[i] * (rewards[i] - probability)
            curvature = weights[i] * tail / ((1.0 + tail) * (1.0 + tail))
            for p in range(d):
                x = np.float64(contexts[i, p])
                gradient[j, p] += residual * x
                scaled = curvature * x
                for q in range(p + 1):
                    precision[j, p, q] += scaled * contexts[i, q]
        for p in range(d):
            for q in range(p):
                precision[j, q, p] = precision[j, p, q]


@kernel
def newton_steps(precision: F64, gradient: F64, steps: F64, decrements: F64) -> None:
    """The step precision⁻¹ gradient of each arm and its squared length in posterior deviations; both are overwritten.

    ``precision`` (j, d, d), ``gradient`` and ``steps`` (j, d), ``decrements`` (j,) = gradientᵀ precision⁻¹ gradient. By Cholesky
    factors of our own: LAPACK refuses the whole batch where one arm's features are collinear to the last bit, while here a pivot
    lost to rounding is taken as the rounding itself, which leaves a direction of ascent.
    """
    j, d = gradient.shape
    factor = np.empty((d, d))
    for a in range(j):
        for p in range(d):
            for q in range(p + 1):
                rest = precision[a, p, q]
                for c in range(q):
                    rest -= factor[p, c] * factor[q, c]
                if q < p:
                    factor[p, q] = rest / factor[q, q]
                else:
                    factor[p, p] = math.sqrt(max(rest, _EPSILON * precision[a, p, p]))
        decrements[a] = 0.0
        for p in range(d):
            rest = gradient[a, p]
            for c in range(p):
                rest -= factor[p, c] * steps[a, c]
            steps[a, p] = rest / factor[p, p]
            decrements[a] += steps[a, p] * steps[a, p]
        for p in range(d - 1, -1, -1):
            rest = steps[a, p]
            for c in range(p + 1, d):
                rest -= factor[c, p] * steps[a, c]
            steps[a, p] = rest / factor[p, p]
