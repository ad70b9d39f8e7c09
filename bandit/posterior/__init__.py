"""Posteriors of how each artwork is received: what impressions say, on top of a prior.

``BetaPosterior`` knows no features, ``LinearPosterior`` and ``LogisticPosterior`` one weight vector per arm, ``SharedPosterior``
weights on context and artwork features that all titles share. All observe, merge, forget, save and load alike, and their
scores say by type what policies may assume: ``BetaScores``, ``Moments``, or ``Draws`` of arms that are correlated.

>>> import numpy as np
>>> posterior = LinearPosterior(n_arms=2, n_features=1)
>>> posterior.observe(np.ones((3, 1)), np.array([0, 0, 1]), np.array([1.0, 0.0, 0.0]))
>>> posterior.mean.round(4)
array([[0.3333],
       [0.    ]])

Half of the evidence forgotten; the prior is not:

>>> posterior.forget(0.5)
>>> posterior.scores([[1.0]], arms=[0, 1]).means.round(4)
array([[0.25, 0.  ]])

The evidence of another day:

>>> day = LinearEvidence.empty(n_arms=2, n_features=1)
>>> day.observe(np.ones((2, 1)), np.array([1, 1]), np.array([1.0, 1.0]))
>>> posterior.merge(day)
>>> posterior.scores([[1.0]], arms=[0, 1]).means.round(4)
array([[0.25  , 0.5714]])
"""

from bandit.posterior.base import Evidence, Posterior, Scorer
from bandit.posterior.beta import BetaEvidence, BetaPosterior
from bandit.posterior.laplace import Laplace, fit_laplace
from bandit.posterior.linear import LinearEvidence, LinearPosterior
from bandit.posterior.linear_prior import Hyperparameters, estimate_hyperparameters, popularity_mean
from bandit.posterior.logistic import LogisticEvidence, LogisticPosterior
from bandit.posterior.logistic_prior import estimate_prior_precision, logit_mean, next_prior_precision
from bandit.posterior.shared import SharedPosterior
from bandit.posterior.shared_prior import SharedPrior, estimate_shared_prior
from bandit.posterior.shared_weights import SharedWeights
from bandit.scores import BetaScores, Draws, Moments

__all__ = [
    "BetaEvidence",
    "BetaPosterior",
    "BetaScores",
    "Draws",
    "Evidence",
    "Hyperparameters",
    "Laplace",
    "LinearEvidence",
    "LinearPosterior",
    "LogisticEvidence",
    "LogisticPosterior",
    "Moments",
    "Posterior",
    "Scorer",
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
