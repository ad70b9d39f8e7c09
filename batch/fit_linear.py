"""The linear posterior of a generation."""

import numpy as np

from bandit.posterior import Hyperparameters, LinearPosterior, estimate_hyperparameters, popularity_mean
from batch.fitting import F64, Fitted, Fitting

_PRIOR_PRECISION, _NOISE_PRECISION = 1.0, 20.0  # where the estimate starts, and what holds without any impressions


def fit_linear(fitting: Fitting) -> Fitted:
    """One weight vector an artwork; the title's take rate is the prior mean of its level, precisions come from the data."""
    evidence = fitting.learned.linear
    assert evidence is not None  # noqa: S101 - `learn` gathers it for this posterior
    mean = _popularity_mean(fitting)
    start = Hyperparameters(np.full(fitting.shape[1], _PRIOR_PRECISION), _NOISE_PRECISION)
    found = estimate_hyperparameters(evidence, mean, start)
    posterior = LinearPosterior(*fitting.shape, found.prior_precision, found.noise_precision, mean)
    posterior.evidence = evidence  # not merged: a second copy would be as large as all else together
    return Fitted(posterior, tuple(found.prior_precision.tolist()), found.noise_precision)


def _popularity_mean(fitting: Fitting) -> F64:
    constant = fitting.constant_feature
    if constant is None:
        return np.zeros(fitting.shape)
    return popularity_mean(fitting.beta.title_rates[fitting.catalogue.titles], fitting.shape[1], constant)
