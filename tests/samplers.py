"""A rival of the benchmarks that is always installed: Thompson sampling in numpy, one drawn value an arm."""

from typing import Self

import numpy as np

from artwork.bench.kernels.data import Log, learned
from artwork.bench.rivals.base import Rival
from bandit.arrays import F64, I64


class Sampler(Rival):
    """Thompson sampling by drawing each arm's value; subclasses make the mistakes that are looked for."""

    calls = "numpy"

    def __init__(self, log: Log) -> None:
        self._posterior = learned(log)
        self._arms = np.arange(log.n_arms)
        self.random = np.random.default_rng(0)

    @classmethod
    def learn(cls, log: Log) -> Self:
        return cls(log)

    def noise(self, shape: tuple[int, ...]) -> F64:
        return self.random.normal(size=shape)

    def choose(self, contexts: F64) -> I64:
        return np.asarray(self.draws(contexts, 1)[0].argmax(axis=1))

    def draws(self, contexts: F64, count: int) -> F64:
        scores = self._posterior.moments(contexts, self._arms)
        return scores.means + scores.deviations * self.noise((count, *scores.shape))
