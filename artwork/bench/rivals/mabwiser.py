"""MABWiser: ``MAB(arms, LearningPolicy.LinTS()).fit`` and ``.predict``."""

from typing import Self

import numpy as np
from mabwiser.mab import MAB, LearningPolicy

from artwork.bench.kernels.data import Log
from artwork.bench.rivals.base import Rival
from bandit.arrays import F64


class MabWiser(Rival):
    """Draws the weights of every arm anew for each context."""

    calls = "MAB(arms, LearningPolicy.LinTS()): fit, predict"

    def __init__(self, fitted: MAB, n_arms: int) -> None:
        self._fitted = fitted
        self._n_arms = n_arms

    @classmethod
    def learn(cls, log: Log) -> Self:
        """``fit``: it splits by arm itself."""
        fitted = MAB(list(range(log.n_arms)), LearningPolicy.LinTS(alpha=1.0, l2_lambda=1.0))
        fitted.fit(log.arms, log.rewards, log.contexts)
        return cls(fitted, log.n_arms)

    def choose(self, contexts: F64) -> list[int]:
        """``predict`` of all contexts in one call."""
        chosen: list[int] = self._fitted.predict(contexts)
        return chosen

    def draws(self, contexts: F64, count: int) -> F64:
        """``predict_expectations`` returns the drawn values."""
        drawn = self._fitted.predict_expectations(np.tile(contexts, (count, 1)))
        values = [[row[arm] for arm in range(self._n_arms)] for row in drawn]
        return np.array(values).reshape(count, len(contexts), self._n_arms)
