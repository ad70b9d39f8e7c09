"""Prior and noise precision from the evidence itself: maximise the marginal likelihood over all arms."""

from typing import NamedTuple

import numpy as np

from bandit.posterior.checks import F64
from bandit.posterior.linear import LinearEvidence

_MAX_ARMS = 4096  # arms looked at: enough to pin d + 1 numbers, and memory stays flat in large catalogues
_MAX_ROUNDS = 100
_TOLERANCE = 1e-3
_BOUNDS = (1e-3, 1e8)


class Hyperparameters(NamedTuple):
    """Prior precision of each feature's weight, (d,), and the noise precision of rewards."""

    prior_precision: F64
    noise_precision: float


def estimate_hyperparameters(evidence: LinearEvidence, prior_mean: F64, start: Hyperparameters) -> Hyperparameters:
    """Type II maximum likelihood of one prior precision a feature and one noise precision, shared by all arms.

    Fixed point of MacKay (1992) as in Bishop (2006, equations 7.87 and 7.88), summed over arms: with posterior mean m and
    covariance S of each arm, γ_j = Σ_a (1 - α_j S_jj), α_j = γ_j / Σ_a (m_j - μ_j)² and β = (N - Σγ) / Σ_a (residual
    sum of squares).

    Args:
        evidence: at unit noise precision; arms without impressions are left out.
        prior_mean: μ, (k, d).
        start: where the iteration starts, and the answer when there is no evidence.
    """
    seen = np.flatnonzero(evidence.counts > 0)
    if len(seen) == 0:
        return start
    seen = seen[np.unique(np.linspace(0, len(seen) - 1, min(len(seen), _MAX_ARMS)).astype(np.int64))]
    gram, information, mu = evidence.precision[seen], evidence.information[seen], prior_mean[seen]
    told = (
        np.einsum("kii->i", gram) > 0
    )  # (d,); a feature that was always 0 tells nothing, and its weight stays at the mean
    squares, total = evidence.squares[seen].sum(), evidence.counts[seen].sum()
    alpha, beta = start.prior_precision.copy(), start.noise_precision
    for _ in range(_MAX_ROUNDS):
        covariance = np.linalg.inv(np.diag(alpha) + beta * gram)  # (k, d, d)
        mean = np.einsum("kij,kj->ki", covariance, alpha * mu + beta * information)
        gamma = (1 - alpha * np.einsum("kii->ki", covariance)).sum(axis=0)  # (d,)
        residual = squares - 2 * np.sum(mean * information) + np.einsum("ki,kij,kj->", mean, gram, mean)
        new_alpha = np.where(
            told, np.clip(gamma / np.maximum(((mean - mu) ** 2).sum(axis=0), 1e-300), *_BOUNDS), _BOUNDS[1]
        )
        new_beta = float(np.clip((total - gamma.sum()) / max(residual, 1e-300), *_BOUNDS))
        change = max(np.abs(np.log(new_alpha / alpha)).max(), abs(np.log(new_beta / beta)))
        alpha, beta = new_alpha, new_beta
        if change < _TOLERANCE:
            break
    return Hyperparameters(alpha, beta)
