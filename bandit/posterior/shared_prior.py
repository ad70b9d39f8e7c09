"""The prior of the shared model: its intercepts from popularity, its precisions from the evidence itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64
from bandit.checks import checked_precision, spread
from bandit.errors import InputError
from bandit.posterior.arrow import ArrowSystem, Prior
from bandit.posterior.base import Arms
from bandit.posterior.linear import LinearEvidence
from bandit.posterior.precisions import (
    LEAST_EFFECT,
    NOISE_IMPRESSIONS,
    Pseudo,
    Round,
    at_least_bound,
    best_precisions,
    seen_arms,
)
from bandit.posterior.shared import SharedPosterior
from bandit.posterior.shared_weights import checked_features, design_of

_MAX_ARMS = 4096  # arms looked at: enough to pin three numbers, and time stays flat in large catalogues


class SharedPrior(NamedTuple):
    """α of all shared weights, τ of all intercepts, and β of rewards."""

    prior_precision: float
    intercept_precision: float
    noise_precision: float


_START = SharedPrior(prior_precision=100.0, intercept_precision=1000.0, noise_precision=20.0)
"""Where the estimate starts, and what holds without any impressions: take rates move by some percent."""


def estimate_shared_prior(
    evidence: LinearEvidence, features: npt.ArrayLike, intercept_mean: npt.ArrayLike, start: SharedPrior
) -> SharedPrior:
    """Type II maximum likelihood of the three precisions of ``SharedPosterior``.

    MacKay (1992), as in Bishop (2006, equations 7.87 and 7.88), with the posterior of all p + A weights: γ_w = p - α tr Σ_w and
    γ_b = A - τ Σ var b_a count the weights that the evidence determines. With one weight, one intercept and 20 impressions seen
    beforehand, at the end

        α = (γ_w + 1) / (|W|² + δ²/q)      τ = (γ_b + 1) / (Σ (b_a - μ_a)² + δ²)
        β = (N - γ_w - γ_b + 20) / (residual sum of squares + 20/β₀)

    with β₀ the noise precision of ``start``, δ = 0.01, and q the mean square of x_i z_j: the one weight, as the one intercept,
    moves rewards by a percentage point. All are within [10⁻³, 10⁸]. At most 4,096 arms with impressions are looked at, in about
    100 rounds at most.

    Args:
        evidence: of A arms.
        features: of the artworks, (A, f).
        intercept_mean: μ; a number, or (A,).
        start: the answer when there is no evidence. Its noise precision is what the 20 impressions say; the others are where
            the climb starts, and say nothing.

    Raises:
        InputError: a shape is wrong, a precision is not above 0, or a value is not finite.
    """
    n_arms = evidence.shape[0]
    z = checked_features(features)
    if len(z) != n_arms:
        raise InputError(f"features of {len(z)} artworks and evidence of {n_arms} arms, expected one row per arm")
    means = spread("intercept_mean", intercept_mean, (n_arms,))
    for name, value in zip(("prior precision", "intercept precision", "noise precision"), start, strict=True):
        checked_precision(name, value)
    seen = seen_arms(evidence.counts, _MAX_ARMS)
    if not len(seen):
        return start
    some = LinearEvidence(**{name: sums[seen] for name, sums in vars(evidence).items()})
    system = ArrowSystem(some, design_of(z[seen]))
    best = best_precisions(
        lambda precisions: _round(system, means[seen], SharedPrior(*precisions.tolist())),
        start,
        np.array([np.prod(system.shape), len(seen), some.counts.sum()]),
        _pseudo(system, start.noise_precision),
    )
    return SharedPrior(*best.tolist())


def fit_shared(evidence: LinearEvidence, arms: Arms) -> SharedPosterior:
    """Weights on context ⊗ artwork features, and a level per artwork that starts at its title's, under an estimated prior.

    Evidence is taken as it is, not copied.

    Raises:
        InputError: features of the artworks are not known.
    """
    if arms.features is None:
        raise InputError(
            "the posterior shared needs features of the artworks, which this log does not have; choose linear"
        )
    prior = estimate_shared_prior(evidence, arms.features, arms.levels, _START)
    return SharedPosterior.of(evidence, arms.features, *prior, intercept_mean=arms.levels, seed=arms.seed)


def _pseudo(system: ArrowSystem, noise_precision: float) -> Pseudo:
    evidence, count = system.evidence, system.evidence.counts.sum()
    with np.errstate(over="ignore"):  # of features that are all but 0, or huge
        squares = np.einsum("kii->k", evidence.precision) @ (system.design**2).sum(
            axis=1
        )  # Σ |x|² |z|² over impressions
        scale = squares / (np.prod(system.shape) * count)
        least = LEAST_EFFECT**2 / scale if scale > 0 else LEAST_EFFECT**2
    weight = at_least_bound(least, int(np.prod(system.shape)))
    squares_before = np.array([weight, LEAST_EFFECT**2, NOISE_IMPRESSIONS / noise_precision])
    return Pseudo(np.array([1.0, 1.0, NOISE_IMPRESSIONS]), squares_before)


def _round(system: ArrowSystem, intercept_mean: F64, at: SharedPrior) -> Round:
    alpha, tau, beta = at
    arrow = system.solve(Prior(np.full(system.shape, alpha), tau, beta, intercept_mean))
    along = system.design @ arrow.mean.T  # (A, d): W z_a
    intercepts = arrow.levels - np.einsum("ad,ad->a", arrow.pulls, along)  # (A,)
    spread = arrow.variances.sum() + system.trace(arrow.root, system.outer((beta * arrow.variances) ** 2))
    determined = arrow.mean.size - alpha * np.einsum("ij,ij->", arrow.root, arrow.root)
    own = len(intercepts) - tau * spread
    counts = system.evidence.counts.sum()
    residual = max(_residual(system.evidence, along, intercepts), 0.0)
    squares = np.array([(arrow.mean**2).sum(), ((intercepts - intercept_mean) ** 2).sum(), residual])
    sizes = np.array([arrow.mean.size, len(intercepts), counts])
    determinants = np.log(np.diag(arrow.root)).sum() + np.log(arrow.variances).sum() / 2
    fit = (sizes * np.log(at) - squares * np.array(at)).sum() / 2
    return Round(float(determinants + fit), np.array([determined, own, counts - determined - own]), squares)


def _residual(evidence: LinearEvidence, along: F64, intercepts: F64) -> float:
    """Σ (r - xᵀ along_a - b_a)² over all impressions, from the sums."""
    fitted = (evidence.precision @ along[:, :, None])[:, :, 0]  # (A, d): G_a W z_a
    pull = fitted - 2 * evidence.information + 2 * intercepts[:, None] * evidence.sums
    own = intercepts * (evidence.counts * intercepts - 2 * evidence.takes)
    return float(evidence.squares.sum() + np.einsum("ad,ad->", along, pull) + own.sum())
