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
from bandit.posterior.linear import LinearEvidence, LinearPosterior
from bandit.scores import BetaScores, Moments

__all__ = [
    "BetaEvidence",
    "BetaPosterior",
    "BetaScores",
    "Hyperparameters",
    "LinearEvidence",
    "LinearPosterior",
    "Moments",
    "estimate_hyperparameters",
]
