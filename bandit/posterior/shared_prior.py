"""Precisions of the shared model from the evidence itself: maximise the marginal likelihood."""

from typing import NamedTuple

import numpy as np

from bandit.posterior.arrow import ArrowSystem, Prior
from bandit.posterior.checks import F64
from bandit.posterior.fixed_point import fixed_point, ratio
from bandit.posterior.linear import LinearEvidence
from bandit.posterior.shared_weights import design_of

_MAX_ARMS = 4096  # arms looked at: enough to pin three numbers, and time stays flat in large catalogues
_MAX_ROUNDS = 50
_TOLERANCE = 5e-3


class SharedPrior(NamedTuple):
    """α of all shared weights, τ of all intercepts, and β of rewards."""

    prior_precision: float
    intercept_precision: float
    noise_precision: float


def estimate_shared_prior(
    evidence: LinearEvidence, features: F64, intercept_mean: F64, start: SharedPrior
) -> SharedPrior:
    """Type II maximum likelihood of the three precisions of ``SharedPosterior``.

    Fixed point of MacKay (1992) as in Bishop (2006, equations 7.87 and 7.88) with the posterior of all p + A weights:
    γ_w = p - α tr Σ_w and γ_b = A - τ Σ var b_a count the weights that the evidence determines, α = γ_w / |W|²,
    τ = γ_b / Σ (b_a - μ_a)² and β = (N - γ_w - γ_b) / (residual sum of squares), all within [10⁻³, 10⁸], until none would move
    by more than 0.5 %. At most 4,096 arms with impressions are looked at.

    Args:
        evidence: of A arms.
        features: of the artworks, (A, f).
        intercept_mean: μ, (A,).
        start: where the iteration starts, and the answer when there is no evidence.
    """
    seen = np.flatnonzero(evidence.counts > 0)
    if not len(seen):
        return start
    seen = seen[np.unique(np.linspace(0, len(seen) - 1, min(len(seen), _MAX_ARMS)).astype(np.int64))]
    some = LinearEvidence(**{name: sums[seen] for name, sums in vars(evidence).items()})
    system, means = ArrowSystem(some, design_of(features[seen])), intercept_mean[seen]
    found = fixed_point(
        lambda precisions: _round(system, means, SharedPrior(*precisions.tolist())),
        np.array(start),
        _MAX_ROUNDS,
        _TOLERANCE,
    )
    return SharedPrior(*found.tolist())


def _round(system: ArrowSystem, intercept_mean: F64, at: SharedPrior) -> F64:
    alpha, tau, beta = at
    arrow = system.solve(Prior(np.full(system.shape, alpha), tau, beta, intercept_mean))
    along = system.design @ arrow.mean.T  # (A, d): W z_a
    intercepts = arrow.levels - np.einsum("ad,ad->a", arrow.pulls, along)  # (A,)
    spread = arrow.variances.sum() + system.trace(arrow.root, system.outer((beta * arrow.variances) ** 2))
    determined = arrow.mean.size - alpha * np.einsum("ij,ij->", arrow.root, arrow.root)
    own = len(intercepts) - tau * spread
    residual = _residual(system.evidence, along, intercepts)
    moved = float(((intercepts - intercept_mean) ** 2).sum())
    counts = system.evidence.counts.sum()
    return ratio(
        np.array([determined, own, counts - determined - own]), np.array([(arrow.mean**2).sum(), moved, residual])
    )


def _residual(evidence: LinearEvidence, along: F64, intercepts: F64) -> float:
    """Σ (r - xᵀ along_a - b_a)² over all impressions, from the sums."""
    fitted = (evidence.precision @ along[:, :, None])[:, :, 0]  # (A, d): G_a W z_a
    pull = fitted - 2 * evidence.information + 2 * intercepts[:, None] * evidence.sums
    own = intercepts * (evidence.counts * intercepts - 2 * evidence.takes)
    return float(evidence.squares.sum() + np.einsum("ad,ad->", along, pull) + own.sum())
