"""The shared posterior of a generation: one model of contexts and artwork features for all titles."""

from bandit.posterior.shared import SharedPosterior
from bandit.posterior.shared_prior import SharedPrior, estimate_shared_prior
from batch.fitting import Fitted, Fitting

_START = SharedPrior(prior_precision=100.0, intercept_precision=1000.0, noise_precision=20.0)
"""Where the estimate starts, and what holds without any impressions: take rates move by some percent."""


def fit_shared(fitting: Fitting) -> Fitted:
    """Weights on context ⊗ artwork features, and a level an artwork whose prior mean is its title's take rate."""
    evidence, features = fitting.learned.linear, fitting.artwork_features
    assert evidence is not None  # noqa: S101 - `learn` gathers it for this posterior
    levels = fitting.beta.title_rates[fitting.catalogue.titles]
    prior = estimate_shared_prior(evidence, features, levels, _START)
    posterior = SharedPosterior.of(evidence, features, *prior, intercept_mean=levels)
    return Fitted(posterior.fitted, (prior.prior_precision, prior.intercept_precision), prior.noise_precision)
