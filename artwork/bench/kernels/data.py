"""The impressions and contexts that every side gets."""

from dataclasses import dataclass

import numpy as np

from bandit.arrays import F64, I64
from bandit.posterior import LinearEvidence, LinearPosterior

BLOCK = 256
"""Users scored together, as in a job."""

_TAKE_RATE = 0.3
CLOSE, APART = 0.01, 0.1
"""Deviation of the arms' true weights. Close arms differ by about what 20,000 impressions leave unknown, so that nearly all of
ten may win; of arms that lie apart one or two may."""


@dataclass(frozen=True)
class Size:
    """How much of everything is made; the catalogue is that of MovieLens' 1,682 titles with its contexts and artworks."""

    users: int = 2048
    impressions: int = 200_000
    features: int = 16
    arms: int = 10
    catalogue: int = 14_000
    catalogue_features: int = 23
    artwork_features: int = 29


@dataclass(frozen=True)
class Log:
    """Impressions in order of arrival: ``contexts`` (m, d), ``arms`` (m,), ``rewards`` (m,) of 0 or 1."""

    contexts: F64
    arms: I64
    rewards: F64
    n_arms: int


def make_log(size: Size, ratio: float = 1.0, weight_deviation: float = CLOSE) -> Log:
    """Impressions after which the posterior deviations of the arms differ by about ``ratio`` times.

    A deviation falls with the square root of an arm's impressions, so arm a gets d + 1 + c · ratio^(2a/(k-1)) of them, with c for
    the wanted total. Each arm has weights of its own near a common take rate.
    """
    random = np.random.default_rng(1)
    k, d = size.arms, size.features
    shares = ratio ** (2 * np.arange(k) / max(k - 1, 1))
    counts = (d + 1 + max(size.impressions - k * (d + 1), 0) * shares / shares.sum()).astype(np.int64)
    arms = random.permutation(np.repeat(np.arange(k), counts))
    weights = weight_deviation * random.normal(size=(k, d))
    weights[:, 0] += _TAKE_RATE
    contexts = _contexts(random, len(arms), d)
    rates = np.einsum("md,md->m", contexts, weights[arms])
    return Log(contexts, arms, (random.random(len(arms)) < rates).astype(np.float64), k)


def make_contexts(size: Size) -> F64:
    """Contexts of users to decide for, (n, d): a constant feature and standard normal ones."""
    return _contexts(np.random.default_rng(2), size.users, size.features)


def learned(log: Log) -> LinearPosterior:
    """Our posterior of a log, with the prior and noise precision of 1 that all libraries here have by default."""
    posterior = LinearPosterior(log.n_arms, log.contexts.shape[1])
    posterior.observe(log.contexts, log.arms, log.rewards)
    return posterior


def summed(log: Log) -> LinearEvidence:
    """Our sums of a log, without a prior."""
    evidence = LinearEvidence.empty(log.n_arms, log.contexts.shape[1])
    evidence.observe(log.contexts, log.arms, log.rewards)
    return evidence


def _contexts(random: np.random.Generator, count: int, features: int) -> F64:
    return np.concatenate([np.ones((count, 1)), random.normal(size=(count, features - 1))], axis=1)
