"""The artwork that does best over all users, whoever asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bandit.arrays import F64, Bool
from bandit.errors import InputError
from bandit.policies.base import Policy, eligible_rows, share_of_best
from bandit.scores import BetaScores, Scores


@dataclass(frozen=True)
class Popularity(Policy):
    """The arm with the largest take rate over all users, shrunk to its title and the catalogue; ties share.

    It is the fallback for cold users and dead stores, so it takes scores that know no context.

    >>> import numpy as np
    >>> from bandit.posterior import BetaScores
    >>> Popularity().probabilities(BetaScores(np.array([[5.0, 9.0]]), np.array([[95.0, 91.0]])))
    array([[0., 1.]])
    """

    name: ClassVar[str] = "popularity"
    contextual: ClassVar[bool] = False

    def probabilities(self, scores: Scores, eligible: Bool | None = None) -> F64:
        """1 for the most popular eligible arm, shared by ties.

        Raises:
            InputError: the scores are not ``BetaScores``.
        """
        if not isinstance(scores, BetaScores):
            raise InputError(
                f"popularity takes BetaScores, got {type(scores).__name__}; use greedy for contextual scores"
            )
        return share_of_best(scores.expected, eligible_rows(scores.shape, eligible))
