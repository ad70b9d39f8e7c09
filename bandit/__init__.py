"""Contextual bandits whose propensities are exact: posteriors, policies, deciding, rewards and simulated worlds.

- ``bandit.posterior``: what impressions say of each arm, on top of a prior. ``BetaPosterior``, ``LinearPosterior``,
  ``LogisticPosterior``, ``SharedPosterior``.
- ``bandit.scores``: what a posterior says of n users and k arms: ``Moments``, ``BetaScores`` or ``Draws``.
- ``bandit.policies``: from scores to the probability of each arm, and ``decide``, which draws one with its weight.
- ``bandit.rewards``: from what a user did to the number learned from.
- ``bandit.simulation``: worlds with known truth, late rewards, regret.
- ``bandit.snapshot``, ``bandit.hashing``: the pinned random numbers of decisions; store keys and row bytes.

This module imports nothing: a reader of ``bandit.snapshot`` carries no numpy. No Redis, HTTP or pydantic anywhere below.

>>> import numpy as np
>>> from bandit.hashing import hash_ids
>>> from bandit.policies import ThompsonSampling, decide
>>> from bandit.posterior import LinearPosterior
>>> posterior = LinearPosterior(n_arms=2, n_features=1, noise_precision=4.0)
>>> posterior.observe(np.ones((4, 1)), np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 0.0, 1.0]))
>>> probabilities = ThompsonSampling().probabilities(posterior.scores([[1.0]], arms=[0, 1]))
>>> probabilities.round(3)
array([[0.827, 0.173]])
>>> arms, weights = decide(probabilities, hash_ids(["user-1"]))  # the propensity is weights / 65535
>>> int(arms[0]), round(float(weights[0]) / 65535, 4)
(0, 0.8206)
"""
