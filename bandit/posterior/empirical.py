"""Posteriors as the jobs make them: levels of titles as the prior mean, precisions from the evidence itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64
from bandit.posterior.empirical_bayes import Hyperparameters, estimate_hyperparameters
from bandit.posterior.linear import LinearEvidence, LinearPosterior
from bandit.posterior.popularity import popularity_mean
from bandit.posterior.shared import SharedPosterior
from bandit.posterior.shared_prior import SharedPrior, estimate_shared_prior

_PRIOR_PRECISION, _NOISE_PRECISION = 1.0, 20.0  # where the estimate starts, and what holds without any impressions
_SHARED_START = SharedPrior(prior_precision=100.0, intercept_precision=1000.0, noise_precision=20.0)
"""Where the estimate starts, and what holds without any impressions: take rates move by some percent."""


def linear_of(evidence: LinearEvidence, levels: F64, constant: int | None) -> LinearPosterior:
    """One weight vector an arm, over evidence that is taken as it is, not copied.

    Args:
        evidence: of A arms.
        levels: the take rate that each arm starts with, such as its title's, (A,).
        constant: the feature that is 1 in every context, which holds the level; None where there is none.
    """
    shape = evidence.shape
    mean = np.zeros(shape) if constant is None else popularity_mean(levels, shape[1], constant)
    start = Hyperparameters(np.full(shape[1], _PRIOR_PRECISION), _NOISE_PRECISION)
    found = estimate_hyperparameters(evidence, mean, start)
    posterior = LinearPosterior(*shape, found.prior_precision, found.noise_precision, mean)
    posterior.evidence = evidence  # not merged: a second copy would be as large as all else together
    return posterior


def shared_of(evidence: LinearEvidence, features: npt.ArrayLike, levels: F64, seed: int = 0) -> SharedPosterior:
    """Weights on context ⊗ artwork features, and a level an artwork that starts at ``levels`` (A,); ``features`` (A, f)."""
    prior = estimate_shared_prior(evidence, features, levels, _SHARED_START)
    return SharedPosterior.of(evidence, features, *prior, intercept_mean=levels, seed=seed)


def constant_feature(contexts: npt.NDArray[np.floating]) -> int | None:
    """The feature that is 1 in every context (n, d), whose weight is the level of an arm; None if there is none."""
    constant = np.flatnonzero((contexts == 1).all(axis=0))
    return int(constant[0]) if len(constant) else None
