"""Posteriors of how each artwork is received: what impressions say, on top of a prior.

>>> import numpy as np
>>> posterior = LinearPosterior(n_arms=2, n_features=1)
>>> posterior.observe(np.ones((3, 1)), np.array([0, 0, 1]), np.array([1.0, 0.0, 0.0]))
>>> posterior.mean.round(4)
array([[0.3333],
       [0.    ]])
"""

from bandit.posterior.beta import BetaEvidence, BetaPosterior
from bandit.posterior.empirical_bayes import Hyperparameters, estimate_hyperparameters
from bandit.posterior.laplace import Laplace, fit_laplace
from bandit.posterior.linear import LinearEvidence, LinearPosterior
from bandit.posterior.logistic import LogisticEvidence, LogisticPosterior
from bandit.posterior.logistic_prior import estimate_prior_precision, logit_mean, next_prior_precision
from bandit.posterior.popularity import popularity_mean
from bandit.posterior.shared import SharedPosterior
from bandit.posterior.shared_prior import SharedPrior, estimate_shared_prior
from bandit.posterior.shared_weights import SharedWeights
from bandit.scores import BetaScores, Moments

__all__ = [
    "BetaEvidence",
    "BetaPosterior",
    "BetaScores",
    "Hyperparameters",
    "Laplace",
    "LinearEvidence",
    "LinearPosterior",
    "LogisticEvidence",
    "LogisticPosterior",
    "Moments",
    "SharedPosterior",
    "SharedPrior",
    "SharedWeights",
    "estimate_hyperparameters",
    "estimate_prior_precision",
    "estimate_shared_prior",
    "fit_laplace",
    "logit_mean",
    "next_prior_precision",
    "popularity_mean",
]
