"""The linear posterior of a generation."""

from bandit.posterior.empirical import linear_of
from batch.fitting import Fitted, Fitting


def fit_linear(fitting: Fitting) -> Fitted:
    """One weight vector an artwork; the title's take rate is the prior mean of its level, precisions come from the data."""
    evidence = fitting.learned.linear
    assert evidence is not None  # noqa: S101 - `learn` gathers it for this posterior
    posterior = linear_of(evidence, fitting.levels, fitting.constant_feature)
    return Fitted(posterior, tuple(posterior.prior_precision.tolist()), posterior.noise_precision)
