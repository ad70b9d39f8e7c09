"""Every artwork in proportion to the exponential of its expected reward."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np

from bandit.arrays import F64, Bool, is_number, plain_number
from bandit.errors import InputError
from bandit.policies.base import Policy, eligible_rows
from bandit.scores import Scores, expected_rewards


@dataclass(frozen=True)
class Softmax(Policy):
    """p_a ∝ exp(r_a / T) (Sutton and Barto 2018, equation 2.10), with r_a the expected reward and T the temperature.

    Of two arms whose rewards differ by T, the better is e times as likely. Scores on a link are taken back to rewards first, at
    their mean: a softmax of log-odds would make the temperature mean something else at every level of reward.

    Args:
        temperature: in units of reward, above 0; towards 0 it is greedy, far above the rewards uniform.

    Raises:
        InputError: a temperature that is not above 0, or infinite.

    >>> import numpy as np
    >>> from bandit.scores import Moments
    >>> Softmax(temperature=0.1).probabilities(Moments(np.array([[0.1, 0.2]]), np.ones((1, 2)))).round(4)
    array([[0.2689, 0.7311]])
    """

    name: ClassVar[str] = "softmax"
    temperature: float = 0.05

    def __post_init__(self) -> None:
        if not (is_number(self.temperature) and 0 < self.temperature < inf):
            raise InputError(
                f"temperature is {self.temperature!r}, expected a reward above 0; use greedy for 0 and uniform for infinity"
            )
        object.__setattr__(self, "temperature", plain_number(self.temperature))

    def probabilities(self, scores: Scores, eligible: Bool | None = None) -> F64:
        """exp(r/T) of each eligible arm, scaled to add up to one."""
        rows = eligible_rows(scores.shape, eligible)
        unit = 0.25 if self.temperature > 1 else 1.0  # differences of the largest numbers fit in a fourth
        rewards = unit * np.where(rows, expected_rewards(scores), -np.inf)  # (n, k)
        with np.errstate(over="ignore"):  # what is far beaten goes to -inf, whose exponential is 0
            below_best = rewards - rewards.max(axis=1, keepdims=True)  # at most 0, so that no exponential overflows
            shares = np.exp(below_best / (unit * float(self.temperature)))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))
