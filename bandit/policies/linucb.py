"""The artwork that could be best: optimism in the face of uncertainty."""

from dataclasses import dataclass
from math import inf
from typing import ClassVar

from bandit.arrays import is_number, plain_number
from bandit.errors import InputError
from bandit.policies.base import F64, Bool, Policy, eligible_rows, share_of_best
from bandit.scores import Scores


@dataclass(frozen=True)
class LinUCB(Policy):
    """All probability on the largest mean + α · deviation (Li, Chu, Langford and Schapire 2010, algorithm 1); ties share.

    With ``Moments`` of the linear posterior of noise precision 1 this is the paper's rule; Beta scores and draws have the same
    bound from their own deviations. Logistic scores are bounded on their linear scale, which ranks as rewards do (Filippi, Cappé,
    Garivier and Szepesvári 2010). Without a floor the propensities are 0 and 1, so that its logs can judge no other policy.

    Args:
        alpha: deviations added to the mean, at least 0; 0 is greedy.

    Raises:
        InputError: α is negative or not finite.

    >>> import numpy as np
    >>> from bandit.scores import Moments
    >>> LinUCB(alpha=1.0).probabilities(Moments(np.array([[0.3, 0.2]]), np.array([[0.01, 0.2]])))
    array([[0., 1.]])
    """

    name: ClassVar[str] = "linucb"
    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not (is_number(self.alpha) and 0 <= self.alpha < inf):
            raise InputError(f"alpha is {self.alpha!r}, expected a number of deviations, at least 0; 0 is greedy")
        object.__setattr__(self, "alpha", plain_number(self.alpha))

    def probabilities(self, scores: Scores, eligible: Bool | None = None) -> F64:
        """1 for the largest upper bound among the eligible arms of each row, shared by ties."""
        # The bound over 1 + α: the same order, and of finite scores it is finite whatever α.
        of_mean, of_deviation = 1 / (1 + self.alpha), self.alpha / (1 + self.alpha)
        bounds = of_mean * scores.expected + of_deviation * scores.deviations  # (n, k)
        return share_of_best(bounds, eligible_rows(scores.shape, eligible))
