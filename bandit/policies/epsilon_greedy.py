"""The best artwork most of the time, any artwork otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import ClassVar, Self

from bandit.arrays import F64, Bool, is_number, plain_number
from bandit.errors import InputError
from bandit.policies.base import Policy, eligible_rows, share_of_best, share_of_eligible
from bandit.scores import Scores


@dataclass(frozen=True)
class EpsilonGreedy(Policy):
    """ε/k + (1-ε)·[best] (Sutton and Barto 2018, section 2.2), with ε constant or falling with impressions.

    ε falls like 1/t: ε / (1 + t / halving), which keeps the total of exploration logarithmic (Auer, Cesa-Bianchi and Fischer
    2002, theorem 3). t is counted by title, so that a new title explores afresh, or over the whole log.

    Args:
        epsilon: share of decisions that explore, in [0, 1].
        halving: impressions of a title after which its ε has halved; None keeps ε constant.
        total_halving: impressions of all titles after which every ε has halved; excludes ``halving``.

    Raises:
        InputError: ε outside [0, 1], a halving that is not above 0, or two halvings.

    >>> import numpy as np
    >>> from bandit.scores import Moments
    >>> EpsilonGreedy(epsilon=0.1).probabilities(Moments(np.array([[0.1, 0.3]]), np.ones((1, 2))))
    array([[0.05, 0.95]])
    >>> EpsilonGreedy(epsilon=0.1, halving=1000).for_title(1000).epsilon
    0.05
    >>> EpsilonGreedy(epsilon=0.1, total_halving=1000).for_title(0, total=3000).epsilon
    0.025
    """

    name: ClassVar[str] = "epsilon_greedy"
    epsilon: float = 0.1
    halving: float | None = None
    total_halving: float | None = None

    def __post_init__(self) -> None:
        if not (is_number(self.epsilon) and 0 <= self.epsilon <= 1):
            raise InputError(f"epsilon is {self.epsilon!r}, expected a share between 0 and 1; 0 is greedy, 1 uniform")
        object.__setattr__(self, "epsilon", plain_number(self.epsilon))
        for name, value in (("halving", self.halving), ("total_halving", self.total_halving)):
            if value is not None and not (is_number(value) and 0 < value < inf):
                raise InputError(
                    f"{name} is {value!r}, expected a number of impressions above 0; leave it out for a constant epsilon"
                )
        if self.halving is not None and self.total_halving is not None:
            raise InputError(
                f"halving is {self.halving} and total_halving is {self.total_halving}; give one of them: epsilon falls with the "
                "impressions of a title or of the whole log"
            )

    def for_title(self, impressions: float, total: float | None = None) -> Self:
        """ε as it stands after that many impressions of the title, and ``total`` of all titles.

        Raises:
            InputError: a count is negative or not finite, or ε falls with the total and there is none.
        """
        for name, count in (("impressions", impressions), ("total", total)):
            if count is not None and not (is_number(count) and 0 <= count < inf):
                raise InputError(f"{name} is {count!r}, expected a count of impressions, at least 0 and finite")
        if self.total_halving is not None:
            if total is None:
                raise InputError(
                    f"total is None and total_halving is {self.total_halving}; pass the impressions of the whole log"
                )
            return self._after(plain_number(total) / plain_number(self.total_halving))
        return self if self.halving is None else self._after(plain_number(impressions) / plain_number(self.halving))

    def _after(self, halvings: float) -> Self:
        return replace(self, epsilon=float(self.epsilon) / (1 + halvings), halving=None, total_halving=None)

    def probabilities(self, scores: Scores, eligible: Bool | None = None) -> F64:
        """ε/k for each eligible arm, and 1-ε more for the best, shared by ties."""
        rows = eligible_rows(scores.shape, eligible)
        epsilon = float(self.epsilon)  # in half precision ε and 1 - ε would not add up to one
        return epsilon * share_of_eligible(rows) + (1 - epsilon) * share_of_best(scores.expected, rows)
