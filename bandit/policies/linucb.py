"""The artwork that could be best: optimism in the face of uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np

from bandit.arrays import F64, Bool, is_number, plain_number
from bandit.errors import InputError
from bandit.policies.base import Policy, eligible_rows, share_of_best
from bandit.scores import Scores

_LARGEST = 1000  # the power of two of a row's largest number


@dataclass(frozen=True)
class LinUCB(Policy):
    """All probability on the largest mean + α standard deviations (Li, Chu, Langford and Schapire 2010, algorithm 1); ties share.

    With ``Moments`` of the linear posterior of noise precision 1 this is the paper's rule; Beta scores and draws have the same
    bound from their own deviations. Logistic scores are bounded on their linear scale, which ranks as rewards do (Filippi, Cappé,
    Garivier and Szepesvári 2010). Without a floor the propensities are 0 and 1, so that its logs can judge no other policy.

    Args:
        alpha: standard deviations added to the mean, at least 0; 0 is greedy.

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
            raise InputError(
                f"alpha is {self.alpha!r}, expected a number of standard deviations, at least 0; 0 is greedy"
            )
        object.__setattr__(self, "alpha", plain_number(self.alpha))

    def probabilities(self, scores: Scores, eligible: Bool | None = None) -> F64:
        """1 for the largest upper bound among the eligible arms of each row, shared by ties."""
        rows, alpha = eligible_rows(scores.shape, eligible), float(self.alpha)
        means, deviations = (np.asarray(values, dtype=np.float64) for values in (scores.expected, scores.deviations))
        # The bound over 1 + α, in units that bring a row's largest number to 2¹⁰⁰⁰: the same order, and whatever α, it neither
        # overflows nor loses what means add to it.
        most = np.where(rows, np.maximum(np.abs(means), deviations), 0.0).max(axis=1, keepdims=True)  # (n, 1)
        exponents = _LARGEST - np.frexp(most)[1]
        of_mean, of_deviation = 1 / (1 + alpha), alpha / (1 + alpha)
        with np.errstate(over="ignore"):  # of ineligible arms
            bounds = of_mean * np.ldexp(means, exponents) + of_deviation * np.ldexp(deviations, exponents)  # (n, k)
        return share_of_best(bounds, rows)
