"""The shared posterior of a generation: one model of contexts and artwork features for all titles."""

from bandit.posterior.empirical import shared_of
from batch.fitting import Fitted, Fitting


def fit_shared(fitting: Fitting) -> Fitted:
    """Weights on context ⊗ artwork features, and a level an artwork whose prior mean is its title's take rate."""
    evidence = fitting.learned.linear
    assert evidence is not None  # noqa: S101 - `learn` gathers it for this posterior
    posterior = shared_of(evidence, fitting.artwork_features, fitting.levels)
    weights = float(posterior.prior_precision.flat[0])
    return Fitted(posterior.fitted, (weights, posterior.intercept_precision), posterior.noise_precision)
