"""contextualbandits: ``LinTS`` ``fit`` and ``predict``, drawing coefficients (its default) or values."""

from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from contextualbandits.online import LinTS

from artwork.bench.kernels.data import Log
from artwork.bench.rivals.base import Rival
from bandit.arrays import F64


class ContextualBandits(Rival):
    """Draws the coefficients of every arm anew for each context."""

    calls = "LinTS(nchoices, fit_intercept=False): fit, predict"
    sample_from: ClassVar[str] = "coef"

    def __init__(self, fitted: LinTS) -> None:
        self._fitted = fitted

    @classmethod
    def learn(cls, log: Log) -> Self:
        """``fit``: it splits by arm itself. The contexts have a constant feature, so no intercept is added."""
        fitted = LinTS(log.n_arms, fit_intercept=False, sample_from=cls.sample_from, random_state=1)
        fitted.fit(log.contexts, log.arms, log.rewards)
        return cls(fitted)

    def choose(self, contexts: F64) -> npt.NDArray[np.generic]:
        """``predict`` of all contexts in one call."""
        chosen: npt.NDArray[np.generic] = self._fitted.predict(contexts)
        return chosen

    def draws(self, contexts: F64, count: int) -> F64:
        """``decision_function`` returns the drawn values."""
        drawn = self._fitted.decision_function(np.tile(contexts, (count, 1)))
        return np.asarray(drawn).reshape(count, len(contexts), -1)


class FromIntervals(ContextualBandits):
    """Draws each arm's value from its own mean and deviation: the same choices for independent arms, without coefficients."""

    calls = "LinTS(nchoices, fit_intercept=False, sample_from='ci'): fit, predict"
    sample_from: ClassVar[str] = "ci"
