"""Policies to be judged: the probability that each gives every arm at every impression of a log."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64, real_array
from bandit.deploying import Deployed, Floors, total_of
from bandit.errors import InputError
from bandit.evaluation.arrays import checked_table
from bandit.evaluation.learning import Learned
from bandit.impressions import ImpressionLog
from bandit.policies import Policy
from bandit.posterior.base import Scorer
from bandit.snapshot import MAX_ARMS

LOGGING: Final = "logging"
"""The policy that made the log, judged by itself: a check, and what others are compared with."""

_SCORERS_KEPT = 8


class Target(Protocol):
    """A policy to be judged. ``name`` is its word in reports."""

    @property
    def name(self) -> str:
        """Its word."""
        ...

    def probabilities(self, log: ImpressionLog, title: int, rows: I64) -> F64:
        """The probability of each arm of a title at some of its impressions, (n, k), rows summing to one."""
        ...


@dataclass(frozen=True)
class LoggingPolicy:
    """The policy that made the log: its probabilities are known of the shown arms alone, which is all that is needed."""

    name: str = LOGGING


class PolicyTarget:
    """One of our policies with what it has learned, as it is deployed: with floors and quantised weights.

    Arms count as new by the impressions that were learned from. Weights add up to what the job would take for the titles of the
    log. A title of more arms than a row of the store can hold is never
    deployed; its probabilities are judged as they are.

    Args:
        policy: any of ``bandit.policies``.
        learned: what its scores come from; from another part of the log than it is judged on.
        floors: that it is deployed with; None judges the bare policy, whose probabilities are not quantised.
        name: its word; the policy's own unless given.
    """

    def __init__(self, policy: Policy, learned: Learned, floors: Floors | None = None, name: str = "") -> None:
        self.name = name or policy.name
        self._policy, self._learned, self._floors = policy, learned, floors
        self._deployed: Callable[[tuple[int, ...]], Deployed] = lru_cache(maxsize=1)(self._deploy)
        self._scorer: Callable[[int, int], Scorer] = lru_cache(maxsize=_SCORERS_KEPT)(
            lambda start, stop: learned.scorer(np.arange(start, stop))
        )

    def probabilities(self, log: ImpressionLog, title: int, rows: I64) -> F64:
        """See ``Target``."""
        start, stop = log.title_starts[title : title + 2].tolist()
        deployed, eligible = self._deployed(tuple(log.title_starts.tolist())), log.eligible_of(title, rows)
        scores = self._scorer(start, stop).scores(log.contexts[rows])
        if self._floors is None or stop - start > MAX_ARMS:
            return deployed.probabilities(title, scores, eligible)
        return deployed.weights(title, scores, eligible) / deployed.total

    def _deploy(self, starts: tuple[int, ...]) -> Deployed:
        return Deployed(self._policy, self._learned.shown, starts, self._floors, total_of(starts))


class TableTarget:
    """A table of probabilities: one of each arm, (A,), or one row an impression of a log of one title, (m, A).

    Probabilities of arms are in proportion among those that are eligible; where none of its arms is, they stand, and have no
    support.

    Raises:
        InputError: the probabilities of a title, or of an impression, do not sum to one.
    """

    def __init__(self, name: str, probabilities: npt.ArrayLike, log: ImpressionLog) -> None:
        self.name = name
        table = real_array(f"table {name}", probabilities)
        if table.shape == (log.n_arms,):
            for title, (start, stop) in enumerate(zip(log.title_starts, log.title_starts[1:], strict=False)):
                checked_table(f"table {name}, title {title}:", table[None, start:stop])
        elif log.starts is None and table.shape == (len(log), log.n_arms):
            checked_table(f"table {name}:", table)
        else:
            raise InputError(
                f"table {name} has the shape {table.shape}, expected ({log.n_arms},): one probability per arm; or, for one title,"
                f" ({len(log)}, {log.n_arms}): one row per impression"
            )
        self._table = table

    def probabilities(self, log: ImpressionLog, title: int, rows: I64) -> F64:
        """See ``Target``."""
        if self._table.ndim == 2:
            return np.asarray(self._table[rows])
        own = self._table[log.title_starts[title] : log.title_starts[title + 1]]
        p = np.broadcast_to(own, (len(rows), len(own)))
        able = log.eligible_of(title, rows)
        if able is None:
            return p
        kept = np.where(able, p, 0.0)
        sums = kept.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(kept, sums, out=p.copy(), where=sums > 0))
