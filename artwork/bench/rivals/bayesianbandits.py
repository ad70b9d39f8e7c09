"""bayesianbandits: ``ContextualAgent`` of ``NormalRegressor`` arms under ``ThompsonSampling``: ``update`` and ``pull``."""

from typing import Self

import numpy as np
from bayesianbandits import Arm, ContextualAgent, NormalRegressor, ThompsonSampling

from artwork.bench.kernels.data import Log
from artwork.bench.rivals.base import Rival
from bandit.arrays import F64


class BayesianBandits(Rival):
    """Draws the weights of every arm once a call, for all contexts in it."""

    calls = "ContextualAgent of NormalRegressor arms: update an arm, pull"
    aside = "one draw of the weights serves all rows of a call"

    def __init__(self, agent: ContextualAgent, n_arms: int) -> None:
        self._agent = agent
        self._n_arms = n_arms

    @classmethod
    def learn(cls, log: Log) -> Self:
        """``update`` takes one arm's impressions, so the caller splits them."""
        arms = [Arm(arm, learner=NormalRegressor(alpha=1.0, beta=1.0)) for arm in range(log.n_arms)]
        agent = ContextualAgent(arms, ThompsonSampling(), random_seed=1)
        for arm in range(log.n_arms):
            own = np.flatnonzero(log.arms == arm)
            agent.select_for_update(arm).update(log.contexts[own], log.rewards[own])
        return cls(agent, log.n_arms)

    def choose(self, contexts: F64) -> list[int]:
        """``pull`` of all contexts in one call."""
        chosen: list[int] = self._agent.pull(contexts)
        return chosen

    def draws(self, contexts: F64, count: int) -> F64:
        """Each arm's ``sample``."""
        return np.stack([self._agent.arm(arm).sample(contexts, size=count) for arm in range(self._n_arms)], axis=-1)
