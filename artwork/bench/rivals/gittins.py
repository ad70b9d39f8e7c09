"""gittins: ``create``, ``decide`` and ``learn``, one decision a call, each record with its propensity."""

from typing import Any, ClassVar, Self

import gittins
import numpy as np

from artwork.bench.kernels.data import Log
from artwork.bench.rivals.base import Rival
from bandit.arrays import F64, I64

_LEARNED = 2000  # impressions: it learns 12,000 a second, one by one
_BITS = 12  # of its hashed model: 4,096 weights for 17 features of 10 arms
_NEVER = 1e12  # seconds after which a decision without a reward is resolved


class Gittins(Rival):
    """Chooses by its estimates with an exploration of its own and one linear model of hashed features; no posterior."""

    calls = "create, decide, learn"
    aside = f"one decision a call, not Thompson sampling; learned from the first {_LEARNED:,} impressions"
    gives_propensity: ClassVar[bool] = True
    has_posterior: ClassVar[bool] = False
    learns_logs: ClassVar[bool] = False

    def __init__(self, state: Any, n_arms: int) -> None:
        self._state = state
        self._arms: list[tuple[str, dict[str, float]]] = [(str(arm), {}) for arm in range(n_arms)]
        self._time = float(_LEARNED)

    @classmethod
    def learn(cls, log: Log) -> Self:
        """It learns from decisions of its own alone, so the shown arm is the one candidate of each."""
        state = gittins.create(bits=_BITS, horizon=_NEVER)
        shown = zip(log.contexts[:_LEARNED], log.arms[:_LEARNED], log.rewards[:_LEARNED], strict=True)
        for time, (context, arm, reward) in enumerate(shown):
            made = gittins.decide(state, _features(context), [(str(arm), {})], float(time), "bench")
            gittins.learn(state, made.decision_id, float(reward), float(time))
        return cls(state, log.n_arms)

    def choose(self, contexts: F64) -> I64:
        """``decide`` for each context."""
        self._time += 1.0
        made = [gittins.decide(self._state, _features(x), self._arms, self._time, "bench").chosen for x in contexts]
        return np.array(made)

    def draws(self, contexts: F64, count: int) -> F64:
        """None: it has no posterior to draw from."""
        raise NotImplementedError


def _features(context: F64) -> dict[str, float]:
    return {f"x{place}": value for place, value in enumerate(context.tolist())}
