"""The best artwork most of the time, any artwork otherwise."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from bandit.errors import InputError
from bandit.policies.base import F64, Bool, Policy, eligible_rows, share_of_best, share_of_eligible
from bandit.scores import Scores


@dataclass(frozen=True)
class EpsilonGreedy(Policy):
    """ε/k + (1-ε)·[best] (Sutton and Barto 2018, section 2.2), with ε constant or falling with the title's impressions.

    Args:
        epsilon: share of decisions that explore, in [0, 1].
        halving: impressions of a title after which its ε has halved: ε / (1 + impressions / halving); None keeps ε constant.
            Falling like 1/t it keeps the total of exploration logarithmic (Auer, Cesa-Bianchi and Fischer 2002, theorem 3).

    Raises:
        InputError: ε outside [0, 1] or a halving that is not above 0.

    >>> import numpy as np
    >>> from bandit.posterior import Moments
    >>> EpsilonGreedy(epsilon=0.1).probabilities(Moments(np.array([[0.1, 0.3]]), np.ones((1, 2))))
    array([[0.05, 0.95]])
    >>> EpsilonGreedy(epsilon=0.1, halving=1000).for_title(1000).epsilon
    0.05
    """

    name: ClassVar[str] = "epsilon_greedy"
    epsilon: float = 0.1
    halving: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon <= 1:
            raise InputError(f"epsilon is {self.epsilon}, expected a share between 0 and 1")
        if self.halving is not None and not self.halving > 0:
            raise InputError(
                f"halving is {self.halving}, expected a number of impressions above 0, or none for a constant epsilon"
            )

    def for_title(self, impressions: float) -> Self:
        """ε as it stands after that many impressions of the title."""
        if self.halving is None:
            return self
        return replace(self, epsilon=self.epsilon / (1 + impressions / self.halving), halving=None)

    def probabilities(self, scores: Scores, eligible: Bool | None = None) -> F64:
        """ε/k for each eligible arm, and 1-ε more for the best, shared by ties."""
        rows = eligible_rows(scores.shape, eligible)
        return self.epsilon * share_of_eligible(rows) + (1 - self.epsilon) * share_of_best(scores.expected, rows)
