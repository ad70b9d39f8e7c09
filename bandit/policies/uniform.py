"""Every eligible artwork with the same probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bandit.arrays import F64, Bool
from bandit.policies.base import Policy, eligible_rows, share_of_eligible
from bandit.scores import Scores


@dataclass(frozen=True)
class Uniform(Policy):
    """Uniform choice: what explore data is logged under.

    >>> import numpy as np
    >>> from bandit.posterior import Moments
    >>> Uniform().probabilities(Moments(np.zeros((1, 4)), np.ones((1, 4))))
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    name: ClassVar[str] = "uniform"
    contextual: ClassVar[bool] = False

    def probabilities(self, scores: Scores, eligible: Bool | None = None) -> F64:
        """1/k for each of the k eligible arms."""
        return share_of_eligible(eligible_rows(scores.shape, eligible))
