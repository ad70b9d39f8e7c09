"""From a log and several target policies to what estimators need, block by block, so that no (m, k) matrix is ever held."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bandit.arrays import F64, I64, numbered
from bandit.errors import InputError
from bandit.evaluation.arrays import checked_table, supported
from bandit.evaluation.results import LOG, USERS
from bandit.evaluation.reward_models import CrossFitted
from bandit.evaluation.sample import Sample, reward_range_of, users_of_decisions
from bandit.evaluation.targets import LoggingPolicy, Target
from bandit.impressions import ImpressionLog

_AT_A_TIME = 4096  # impressions: joint draws of 256 for 20 arms take 170 MB


def samples_of(
    log: ImpressionLog,
    targets: Sequence[Target | LoggingPolicy],
    model: CrossFitted | None = None,
    *,
    population: str = USERS,
    reward_range: tuple[float, float] | None = None,
) -> list[Sample]:
    """A sample for each target policy, all of the same impressions and decisions.

    Args:
        log: to judge by.
        targets: the policies.
        model: of rewards, cross-fitted on this log; None leaves the estimators that need one out.
        population: whom intervals are about: ``users`` like those of the log, where it knows them, or the ``log`` itself.
        reward_range: the smallest and the largest possible reward, as for ``estimate``.

    Raises:
        InputError: a target's probabilities are not (n, k) or a row does not sum to one, a decision has two users, or a
            reward is outside the range.
    """
    known: dict[str, Any] = {
        "users": _users(log, population),
        "reward_range": reward_range_of(log.rewards, reward_range),
    }
    kept = [_Kept(len(log), log.n_arms) for _ in targets]
    clusters = None if log.clusters is None else numbered(log.clusters)
    of_decision = np.ones(len(log)) if clusters is None else 1 / np.bincount(clusters)[clusters]  # 1 / n, (m,)
    logged = np.empty(len(log))
    counts = np.bincount(log.arms, minlength=log.n_arms)
    ever = counts > 0
    of_title = np.repeat(np.add.reduceat(counts, log.title_starts[:-1]), np.diff(log.title_starts))
    shares = np.maximum(counts, 1) / np.maximum(of_title, 1)  # (A,)
    for title, rows in log.by_title(_AT_A_TIME):
        arms = log.arms_of(title)
        shown = log.arms[rows] - arms[0]
        q = None if model is None else model.predict(log, rows, arms)  # (n, k)
        if q is not None:
            logged[rows] = q[np.arange(len(rows)), shown]
        for target, into in zip(targets, kept, strict=True):
            if isinstance(target, LoggingPolicy):
                continue
            p = _probabilities(target, log, title, rows, len(arms))
            propensities = None if log.propensities is None else log.propensities[rows]
            into.target[rows] = p[np.arange(len(rows)), shown]
            into.squares[rows] = np.einsum("nk,nk->n", p, p)
            able = supported(p, shown, propensities, log.eligible_of(title, rows), ever[arms])
            into.unsupported[rows] = (p - able).sum(axis=1)
            into.largest = max(into.largest, float(able.max(initial=0.0)))
            into.expected_arms[arms] += of_decision[rows] @ able
            into.expected_squares[arms] += of_decision[rows] @ able**2
            if clusters is not None:
                into.shown_arms[arms] += able.sum(axis=0)
                into.shown_squares[arms] += np.einsum("nk,nk->k", able, able)
            if q is not None:
                into.estimates[rows] = np.einsum("nk,nk->n", p, q)
    estimates = None if model is None else logged
    return [
        replace(_logging_sample(log, of_decision, estimates, clusters), **known)
        if isinstance(target, LoggingPolicy)
        else Sample(
            rewards=log.rewards,
            target=into.target,
            unsupported=into.unsupported,
            propensities=log.propensities,
            logged_estimates=estimates,
            target_estimates=None if model is None else into.estimates,
            arms=log.arms,
            expected_arms=into.expected_arms,
            expected_squares=into.expected_squares / shares,
            shown_arms=None if clusters is None else into.shown_arms,
            shown_squares=None if clusters is None else into.shown_squares / shares,
            clusters=clusters,
            contexts=log.contexts,
            target_squares=into.squares,
            largest_probability=into.largest,
            **known,
        )
        for target, into in zip(targets, kept, strict=True)
    ]


class _Kept:
    """What is gathered of one target: target, its squares, unsupported and estimates (m,), and the sums by arm, (A,)."""

    def __init__(self, count: int, n_arms: int) -> None:
        self.target, self.unsupported, self.estimates = np.empty(count), np.empty(count), np.empty(count)
        self.squares, self.largest = np.empty(count), 0.0
        self.expected_arms, self.expected_squares = np.zeros(n_arms), np.zeros(n_arms)
        self.shown_arms, self.shown_squares = np.zeros(n_arms), np.zeros(n_arms)


def _users(log: ImpressionLog, population: str) -> I64 | None:
    """The user of each impression as a number, (m,); None where nobody is known, or decisions are what intervals are about."""
    if log.users is None or population == LOG:
        return None
    return users_of_decisions(numbered(log.users), None if log.clusters is None else numbered(log.clusters))


def _probabilities(target: Target, log: ImpressionLog, title: int, rows: I64, k: int) -> F64:
    p = target.probabilities(log, title, rows)
    if np.shape(p) != (len(rows), k):
        raise InputError(
            f"policy {target.name} gives probabilities of the shape {np.shape(p)} for {len(rows)} impressions of a title of {k}"
            " arms, expected one row per impression and one column per arm"
        )
    return checked_table(f"probabilities of policy {target.name}, title {title}", p)


def _logging_sample(log: ImpressionLog, of_decision: F64, estimates: F64 | None, clusters: I64 | None) -> Sample:
    """Weights of 1. Its model's answer is not asked for: what it is worth is what was earned."""
    shown = np.bincount(log.arms, weights=of_decision, minlength=log.n_arms).astype(np.float64, copy=False)
    return Sample(
        rewards=log.rewards,
        target=np.ones(len(log)) if log.propensities is None else log.propensities,
        unsupported=np.zeros(len(log)),
        propensities=log.propensities,
        logged_estimates=estimates,
        target_estimates=estimates,
        arms=log.arms,
        expected_arms=shown,
        expected_squares=shown,
        clusters=clusters,
    )
