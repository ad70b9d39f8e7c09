"""Posteriors learned from a part of a log, with the priors that the jobs use."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bandit.errors import InputError
from bandit.impressions import ImpressionLog
from bandit.posterior import BetaPosterior, LinearEvidence, LogisticPosterior, estimate_prior_precision, logit_mean
from bandit.posterior.base import Posterior, Scorer
from bandit.posterior.checks import F64
from bandit.posterior.empirical import constant_feature, linear_of, shared_of
from bandit.scores import BetaScores, Scores

_PRIOR_ROWS = 200_000  # of a log that a logistic prior is estimated from, as in the jobs


@dataclass(frozen=True, eq=False)
class Learned:
    """A posterior of all arms of a log, and how often each was shown while it learned, (A,)."""

    posterior: Posterior[Any]
    shown: F64

    def scorer(self, arms: npt.ArrayLike) -> "Scorer":
        """What scoring many contexts for the same arms (k,) needs."""
        if isinstance(self.posterior, BetaPosterior):
            return _Everybody(self.posterior.scores(None, arms))
        return self.posterior.scorer(arms)


@dataclass(frozen=True)
class _Everybody:
    """Scores that are the same for every context."""

    scored: BetaScores

    def scores(self, contexts: npt.ArrayLike) -> Scores:
        """A row for each context (n, d)."""
        count = len(np.asarray(contexts))
        return BetaScores(
            np.repeat(self.scored.successes, count, axis=0), np.repeat(self.scored.failures, count, axis=0)
        )


def learn(log: ImpressionLog, kind: str, features: npt.ArrayLike | None = None, seed: int = 0) -> Learned:
    """A posterior by its word on the command line, from all impressions of a log.

    Args:
        log: to learn from.
        kind: ``beta``, ``linear``, ``logistic`` or ``shared``.
        features: of the artworks, (A, f), for ``shared`` alone.
        seed: of the joint draws of ``shared``.

    Raises:
        InputError: there is no such posterior, or it lacks features.
    """
    if kind not in LEARNERS:
        raise InputError(f"there is no posterior {kind!r}; choose one of {', '.join(LEARNERS)}")
    beta = _beta(log)
    if kind == "shared" and features is None:
        raise InputError(
            "the posterior shared needs features of the artworks, which this log does not have; choose linear"
        )
    posterior = LEARNERS[kind](log, beta, features, seed)
    return Learned(posterior, np.bincount(log.arms, minlength=log.n_arms).astype(np.float64))


def take_rates(log: ImpressionLog) -> F64:
    """The take rate of each arm, shrunk to its title's, (A,)."""
    return _beta(log).rates


def _beta(log: ImpressionLog) -> BetaPosterior:
    titles = np.repeat(np.arange(len(log.title_starts) - 1), np.diff(log.title_starts))
    posterior = BetaPosterior(titles)
    posterior.observe(None, log.arms, log.rewards)
    return posterior


def _levels(beta: BetaPosterior) -> F64:
    return np.asarray(beta.title_rates[beta.titles])


def _evidence(log: ImpressionLog) -> LinearEvidence:
    evidence = LinearEvidence.empty(log.n_arms, log.n_features)
    evidence.observe(log.contexts, log.arms, log.rewards)
    return evidence


def _linear(log: ImpressionLog, beta: BetaPosterior, _features: object, _seed: int) -> Posterior[Any]:
    return linear_of(_evidence(log), _levels(beta), constant_feature(log.contexts))


def _shared(log: ImpressionLog, beta: BetaPosterior, features: Any, seed: int) -> Posterior[Any]:
    return shared_of(_evidence(log), features, _levels(beta), seed)


def _logistic(log: ImpressionLog, beta: BetaPosterior, _features: object, _seed: int) -> Posterior[Any]:
    constant = constant_feature(log.contexts)
    shape = log.n_arms, log.n_features
    mean = np.zeros(shape) if constant is None else logit_mean(_levels(beta), log.n_features, constant)
    some = log.titles % max(1, round(len(log) / _PRIOR_ROWS)) == 0
    rows = log.contexts[some], log.arms[some], log.rewards[some], np.ones(int(some.sum()))
    precision = estimate_prior_precision(*rows, mean, np.ones(log.n_features))
    posterior = LogisticPosterior(*shape, precision, mean)
    posterior.observe(log.contexts, log.arms, log.rewards)
    return posterior


Learner = Callable[[ImpressionLog, BetaPosterior, Any, int], Posterior[Any]]

LEARNERS: Final[dict[str, Learner]] = {
    "beta": lambda _log, beta, _features, _seed: beta,
    "linear": _linear,
    "logistic": _logistic,
    "shared": _shared,
}
"""Posteriors by the words of the command line."""
