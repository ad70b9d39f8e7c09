"""Posteriors learned from a part of a log, with the priors that the jobs use."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64
from bandit.checks import checked_contexts, checked_takes
from bandit.errors import InputError
from bandit.impressions import ImpressionLog
from bandit.posterior import BetaPosterior, LinearEvidence, LogisticPosterior, estimate_prior_precision, logit_mean
from bandit.posterior.base import Posterior, Scorer
from bandit.posterior.beta import CATALOGUE_STRENGTH, TITLE_STRENGTH
from bandit.posterior.empirical import constant_feature, linear_of, shared_of
from bandit.scores import BetaScores, Draws, Moments, Scores

_RATE = 0.05  # of takes, which the priors of posteriors are made for
_PRIOR_ROWS = 200_000  # of a log that a logistic prior is estimated from, as in the jobs


@dataclass(frozen=True, eq=False)
class Learned:
    """A posterior of all arms of a log, and how often each was shown while it learned, (A,).

    ``unit`` is what the posterior counts rewards in; scores are in the log's own.
    """

    posterior: Posterior[Any]
    shown: F64
    unit: "Unit | None" = None

    def scorer(self, arms: npt.ArrayLike) -> "Scorer":
        """What scoring many contexts for the same arms (k,) needs."""
        if isinstance(self.posterior, BetaPosterior):
            return _Everybody(self.posterior.scores(None, arms))
        scorer = self.posterior.scorer(arms)
        return scorer if self.unit is None else _InUnit(scorer, self.unit)


class Unit(NamedTuple):
    """A scale on which rewards are like takes at 5 %, whose priors are known: reward = zero + size · scaled."""

    zero: float
    size: float

    @classmethod
    def of(cls, rewards: F64) -> "Unit | None":
        """The unit of some rewards; None for those in [0, 1], which are learned as they are."""
        if not len(rewards) or (rewards.min() >= 0 and rewards.max() <= 1):
            return None
        size = float(rewards.std()) / sqrt(_RATE * (1 - _RATE)) or 1.0
        return cls(float(rewards.mean()) - _RATE * size, size)

    def scaled(self, rewards: F64) -> F64:
        """Rewards in this unit."""
        return np.asarray((rewards - self.zero) / self.size)

    def back(self, scaled: F64) -> F64:
        """Rewards again."""
        return np.asarray(self.zero + self.size * scaled)


@dataclass(frozen=True)
class _InUnit:
    """Scores of rewards that were learned in another unit."""

    scorer: Scorer
    unit: Unit

    def scores(self, contexts: npt.ArrayLike) -> Scores:
        """A row for each context (n, d)."""
        found = self.scorer.scores(contexts)
        if isinstance(found, Draws):
            return Draws(self.unit.back(found.values), self.unit.back(found.means))
        return Moments(self.unit.back(found.expected), self.unit.size * found.deviations)


@dataclass(frozen=True)
class _Everybody:
    """Scores that are the same for every context."""

    scored: BetaScores

    def scores(self, contexts: npt.ArrayLike) -> Scores:
        """A row for each context (n, d)."""
        count = len(checked_contexts(contexts))
        return BetaScores(
            np.repeat(self.scored.successes, count, axis=0), np.repeat(self.scored.failures, count, axis=0)
        )


def learn(log: ImpressionLog, kind: str, features: npt.ArrayLike | None = None, seed: int = 0) -> Learned:
    """A posterior by its word on the command line, from all impressions of a log.

    Args:
        log: to learn from. Rewards that are not in [0, 1] are for ``linear`` and ``shared``, which learn them scaled.
        kind: ``beta``, ``linear``, ``logistic`` or ``shared``.
        features: of the artworks, (A, f), for ``shared`` alone.
        seed: of the joint draws of ``shared``.

    Raises:
        InputError: there is no such posterior, it lacks features, or it needs rewards in [0, 1].
    """
    if kind not in LEARNERS:
        raise InputError(f"there is no posterior {kind!r}; choose one of {', '.join(LEARNERS)}")
    if kind == "shared" and features is None:
        raise InputError(
            "the posterior shared needs features of the artworks, which this log does not have; choose linear"
        )
    unit = Unit.of(log.rewards) if kind in _OF_ANY_REWARD else None
    own = log if unit is None else replace(log, rewards=unit.scaled(log.rewards))
    posterior = LEARNERS[kind](own, features, seed)
    return Learned(posterior, np.bincount(log.arms, minlength=log.n_arms).astype(np.float64), unit)


def take_rates(log: ImpressionLog) -> F64:
    """The take rate of each arm, or its mean reward, shrunk to its title's, (A,)."""
    unit = Unit.of(log.rewards)
    if unit is None:
        return _beta(log).rates
    scaled = unit.scaled(log.rewards)
    levels = _shrunk_means(log, scaled)
    takes, shown = (np.bincount(log.arms, weights=each, minlength=log.n_arms) for each in (scaled, None))
    return unit.back((takes + TITLE_STRENGTH * levels) / (shown + TITLE_STRENGTH))


def _beta(log: ImpressionLog) -> BetaPosterior:
    titles = np.repeat(np.arange(len(log.title_starts) - 1), np.diff(log.title_starts))
    posterior = BetaPosterior(titles)
    posterior.observe(None, log.arms, log.rewards)
    return posterior


def _levels(log: ImpressionLog) -> F64:
    """The level of each arm's title, shrunk to that of all, (A,)."""
    if Unit.of(log.rewards) is not None:  # scaled
        return _shrunk_means(log, log.rewards)
    beta = _beta(log)
    return np.asarray(beta.title_rates[beta.titles])


def _shrunk_means(log: ImpressionLog, rewards: F64) -> F64:
    """Mean reward of each arm's title, shrunk to the mean of all as ``BetaPosterior`` does with takes, (A,)."""
    n_titles = len(log.title_starts) - 1
    sums = np.bincount(log.titles, weights=rewards, minlength=n_titles)
    shown = np.bincount(log.titles, minlength=n_titles)
    means = (sums + CATALOGUE_STRENGTH * rewards.mean()) / (shown + CATALOGUE_STRENGTH)
    return np.asarray(np.repeat(means, np.diff(log.title_starts)))


def _evidence(log: ImpressionLog) -> LinearEvidence:
    evidence = LinearEvidence.empty(log.n_arms, log.n_features)
    evidence.observe(log.contexts, log.arms, log.rewards)
    return evidence


def _linear(log: ImpressionLog, _features: object, _seed: int) -> Posterior[Any]:
    return linear_of(_evidence(log), _levels(log), constant_feature(log.contexts))


def _shared(log: ImpressionLog, features: Any, seed: int) -> Posterior[Any]:
    return shared_of(_evidence(log), features, _levels(log), seed)


def _logistic(log: ImpressionLog, _features: object, _seed: int) -> Posterior[Any]:
    checked_takes(log.rewards, len(log), "logistic")
    constant = constant_feature(log.contexts)
    shape = log.n_arms, log.n_features
    mean = np.zeros(shape) if constant is None else logit_mean(_levels(log), log.n_features, constant)
    some = log.titles % max(1, round(len(log) / _PRIOR_ROWS)) == 0
    rows = log.contexts[some], log.arms[some], log.rewards[some], np.ones(int(some.sum()))
    precision = estimate_prior_precision(*rows, mean, np.ones(log.n_features))
    posterior = LogisticPosterior(*shape, precision, mean)
    posterior.observe(log.contexts, log.arms, log.rewards)
    return posterior


Learner = Callable[[ImpressionLog, Any, int], Posterior[Any]]

LEARNERS: Final[dict[str, Learner]] = {
    "beta": lambda log, _features, _seed: _beta(log),
    "linear": _linear,
    "logistic": _logistic,
    "shared": _shared,
}
"""Posteriors by the words of the command line."""
_OF_ANY_REWARD = ("linear", "shared")
