"""Our answers against independent ones, before anything is timed: a fast wrong answer is worth nothing."""

from dataclasses import fields

import numpy as np

from artwork.bench.kernels.data import Log
from bandit.arrays import F64
from bandit.errors import BanditError
from bandit.policies import Decisions, quantise
from bandit.policies.deciding import FLOOR
from bandit.posterior import LinearEvidence
from bandit.scores import Moments
from bandit.snapshot import TOTAL_WEIGHT

_FALSE_ALARM = 6.0  # standard errors; by chance once in 500 million


class WrongAnswerError(BanditError):
    """A part computes something else than it should, so its speed is not measured."""


def check_moments(scores: Moments, log: Log, contexts: F64) -> None:
    """Means and deviations against the normal equations of each arm's impressions, prior and noise precision 1.

    Raises:
        WrongAnswerError: they differ by more than 1e-6 of the larger.
    """
    for arm in range(log.n_arms):
        own = log.arms == arm
        x = log.contexts[own]
        precision = np.eye(contexts.shape[1]) + x.T @ x
        mean = contexts @ np.linalg.solve(precision, x.T @ log.rewards[own])
        deviation = np.sqrt(np.einsum("nd,dn->n", contexts, np.linalg.solve(precision, contexts.T)))
        near(f"means of arm {arm}", scores.means[:, arm], mean)
        near(f"deviations of arm {arm}", scores.deviations[:, arm], deviation)


def check_sums(evidence: LinearEvidence, log: Log) -> None:
    """All sums of the evidence against one matrix product or plain sum an arm.

    Raises:
        WrongAnswerError: they differ by more than 1e-6 of the larger.
    """
    for arm in range(log.n_arms):
        own = log.arms == arm
        x, r = log.contexts[own].astype(np.float64), log.rewards[own]
        exact = {
            "precision": x.T @ x,
            "information": x.T @ r,
            "counts": np.asarray(own.sum()),
            "squares": np.asarray(r @ r),
            "sums": x.sum(axis=0),
            "takes": np.asarray(r.sum()),
        }
        for name in (field.name for field in fields(evidence)):
            near(f"{name} of arm {arm}", getattr(evidence, name)[arm], exact[name])


def check_decisions(probabilities: F64, made: Decisions) -> None:
    """Weights against the floored probabilities, and drawn arms against their weights.

    Raises:
        WrongAnswerError: a weight is off by more than rounding, or an arm is drawn more or less often than its weight says.
    """
    k = probabilities.shape[1]
    weights = quantise(probabilities)
    floored = (1 - FLOOR) * probabilities + FLOOR / k
    off = float(np.abs(weights / TOTAL_WEIGHT - floored).max())
    if not off <= max(2, k) / TOTAL_WEIGHT:
        raise WrongAnswerError(f"a weight is off by {off:.1e}, rounding allows {max(2, k) / TOTAL_WEIGHT:.1e}")
    if not (made.weights == np.take_along_axis(weights, made.arms[:, None].astype(np.int64), axis=1)[:, 0]).all():
        raise WrongAnswerError("a decision does not carry the weight of the arm that it drew")
    shares = weights / TOTAL_WEIGHT
    drawn = np.bincount(made.arms, minlength=k) - shares.sum(axis=0)
    surprise = np.abs(drawn) / np.sqrt((shares * (1 - shares)).sum(axis=0))
    if not surprise.max() <= _FALSE_ALARM:
        raise WrongAnswerError(
            f"arm {int(surprise.argmax())} is drawn {surprise.max():.0f} standard errors off its weights"
        )


def near(what: str, ours: F64, exact: F64) -> None:
    """Pass values that are within 1e-6 of the largest.

    Raises:
        WrongAnswerError: they are not.
    """
    error, largest = float(np.abs(ours - exact).max()), float(np.abs(exact).max())
    if not error <= 1e-6 * largest:
        raise WrongAnswerError(
            f"{what} err by {error:.1e}, expected at most 1e-6 of the largest, which is {largest:.1e}"
        )
