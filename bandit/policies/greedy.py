"""The artwork with the largest posterior mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bandit.arrays import F64, Bool
from bandit.policies.base import Policy, eligible_rows, share_of_best
from bandit.scores import Scores


@dataclass(frozen=True)
class Greedy(Policy):
    """Exploitation alone: the arm with the largest expected reward; ties share.

    >>> import numpy as np
    >>> from bandit.posterior import Moments
    >>> Greedy().probabilities(Moments(np.array([[0.1, 0.3, 0.3]]), np.ones((1, 3))))
    array([[0. , 0.5, 0.5]])
    """

    name: ClassVar[str] = "greedy"

    def probabilities(self, scores: Scores, eligible: Bool | None = None) -> F64:
        """1 for the best eligible arm of each row, shared by ties."""
        return share_of_best(scores.expected, eligible_rows(scores.shape, eligible))
