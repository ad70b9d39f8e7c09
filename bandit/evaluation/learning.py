"""Posteriors learned from a part of a log, with the priors that the jobs use."""

from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64
from bandit.checks import checked_contexts
from bandit.impressions import ImpressionLog
from bandit.posterior.base import Evidence, Posterior, Scorer
from bandit.posterior.beta import CATALOGUE_STRENGTH, TITLE_STRENGTH, BetaEvidence, BetaPosterior
from bandit.posterior.linear_prior import constant_feature
from bandit.posterior.registry import registered
from bandit.scores import BetaScores, Draws, Moments, Scores

_RATE = 0.05  # of takes, which the priors of posteriors are made for


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
        scaled = self.scorer.scores(contexts)
        if isinstance(scaled, Draws):
            return Draws(self.unit.back(scaled.values), self.unit.back(scaled.means))
        return Moments(self.unit.back(scaled.expected), self.unit.size * scaled.deviations)


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


def learn(
    log: ImpressionLog, kind: str, features: npt.ArrayLike | None = None, seed: int = 0, pessimism: float = 1.0
) -> Learned:
    """A posterior by its word on the command line, from all impressions of a log.

    Args:
        log: to learn from. Rewards that are not in [0, 1] are for ``linear`` and ``shared``, which learn them scaled.
        kind: one of ``bandit.posterior.registry.POSTERIORS``.
        features: of the artworks, (A, f), for ``shared`` alone.
        seed: of the joint draws of ``shared``.
        pessimism: share of its title's take rate that an arm starts with, where the posterior looks at contexts.

    Raises:
        InputError: there is no such posterior, it lacks features, or it needs rewards in [0, 1].
    """
    entry = registered(kind)
    unit = Unit.of(log.rewards) if entry.any_reward else None
    own = log if unit is None else replace(log, rewards=unit.scaled(log.rewards))
    posterior = entry.fit(_evidence(own, entry.evidence), _ArmsOfLog(own, features, seed, pessimism))
    return Learned(posterior, np.bincount(log.arms, minlength=log.n_arms).astype(np.float64), unit)


def take_rates(log: ImpressionLog) -> F64:
    """The take rate of each arm, or its mean reward, shrunk to its title's, (A,)."""
    unit = Unit.of(log.rewards)
    if unit is None:
        return _beta(log).rates
    scaled = unit.scaled(log.rewards)
    levels = _shrunk_means(log, scaled)
    takes, shown = (np.bincount(log.arms, weights=counted, minlength=log.n_arms) for counted in (scaled, None))
    return unit.back((takes + TITLE_STRENGTH * levels) / (shown + TITLE_STRENGTH))


def _beta(log: ImpressionLog) -> BetaPosterior:
    posterior = BetaPosterior(_ArmsOfLog(log, None, 0).titles)
    posterior.observe(None, log.arms, log.rewards)
    return posterior


def _shrunk_means(log: ImpressionLog, rewards: F64) -> F64:
    """Mean reward of each arm's title, shrunk to the mean of all as ``BetaPosterior`` does with takes, (A,)."""
    n_titles = len(log.title_starts) - 1
    sums = np.bincount(log.titles, weights=rewards, minlength=n_titles)
    shown = np.bincount(log.titles, minlength=n_titles)
    means = (sums + CATALOGUE_STRENGTH * rewards.mean()) / (shown + CATALOGUE_STRENGTH)
    return np.asarray(np.repeat(means, np.diff(log.title_starts)))


def _evidence(log: ImpressionLog, kind: type[Evidence]) -> Evidence:
    contexts: Any = None if kind is BetaEvidence else log.contexts
    evidence = kind.empty(log.n_arms, 0 if contexts is None else log.n_features)
    evidence.observe(contexts, log.arms, log.rewards)
    return evidence


@dataclass(frozen=True, eq=False)
class _ArmsOfLog:
    """What a log says of its arms beside the evidence."""

    log: ImpressionLog
    features: npt.ArrayLike | None
    seed: int
    pessimism: float = 1.0

    @property
    def titles(self) -> I64:
        starts = self.log.title_starts
        return np.repeat(np.arange(len(starts) - 1), np.diff(starts))

    @property
    def levels(self) -> F64:
        """The level of each arm's title, shrunk to that of all, (A,)."""
        log = self.log
        if Unit.of(log.rewards) is not None:  # scaled
            return _shrunk_means(log, log.rewards)
        beta = _beta(log)
        return np.asarray(self.pessimism * beta.title_rates[beta.titles])

    @property
    def constant_feature(self) -> int | None:
        return constant_feature(self.log.contexts)
