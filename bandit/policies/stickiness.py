"""What was shown before is kept for a share of the draws, where it may well be the best still."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, integer_array, is_number, real_array
from bandit.errors import InputError

MARGIN = 0.3
"""The most by which the win probability of what was shown before may lie below the largest one, and be kept."""
_TIE = 1e-9  # equal arms win with equal probability but for rounding


@dataclass(frozen=True)
class Stickiness:
    """p' = (1 - S)·p + S·[previous arm], where its win probability is at least the largest one less the margin M; else p' = p.

    Given the arm that was shown before, p' is the probability that an arm is drawn with: the draw is a fresh one, and p' is what
    is logged. S = 1 is refused: nothing else would ever be tried again.

    Args:
        share: S, from 0 to below 1; 0 keeps nothing.
        margin: M, from 0, which keeps the arm that is best alone, to 1, which keeps any
            that can be the best at all.

    Raises:
        InputError: a number is out of range.

    >>> p = np.array([[0.7, 0.2, 0.1]])
    >>> Stickiness(0.5, margin=0.5).keep(p, p, np.array([1]))
    array([[0.35, 0.6 , 0.05]])
    >>> Stickiness(0.5, margin=0.5).keep(p, p, np.array([2]))
    array([[0.7, 0.2, 0.1]])
    """

    share: float = 0.0
    margin: float = MARGIN

    def __post_init__(self) -> None:
        if not (is_number(self.share) and 0 <= self.share < 1):
            raise InputError(
                f"stickiness is {self.share!r}, expected a share from 0 to below 1; at 1 no other artwork would be tried again"
            )
        if not (is_number(self.margin) and 0 <= self.margin <= 1):
            raise InputError(
                f"stickiness_margin is {self.margin!r}, expected a difference of win probabilities from 0 to 1"
            )

    def keep(self, probabilities: npt.ArrayLike, wins: npt.ArrayLike, previous: npt.ArrayLike) -> F64:
        """The probability of each arm given what was shown before, (n, k), rows summing to one.

        Args:
            probabilities: of the policy, (n, k), or (1, k) for users alike.
            wins: the probability of each arm to be the best, in either shape.
            previous: the arm that was shown before, (n,), -1 for none.

        Raises:
            InputError: shapes do not fit, or there is no such arm.
        """
        p, best = real_array("probabilities", probabilities), real_array("wins", wins)
        arms = integer_array("previous", previous)
        n, k = len(arms) if arms.ndim == 1 else -1, p.shape[-1]
        if {p.shape, best.shape} - {(n, k), (1, k)}:
            raise InputError(
                f"probabilities are {p.shape}, wins {best.shape} and previous {arms.shape}, expected (n, k), (n, k) and (n,)"
            )
        wrong = (arms < -1) | (arms >= k)
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(f"row {row} of previous is arm {arms[row]}, expected 0 to {k - 1}, or -1 for none")
        rows = np.arange(n)
        own = np.broadcast_to(best, (n, k))[rows, np.maximum(arms, 0)]
        near = (arms >= 0) & (own > 0) & (own >= best.max(axis=1) - self.margin - _TIE)  # (n,)
        kept = np.where(near, float(self.share), 0.0)
        out = p * (1 - kept[:, None])  # (n, k)
        out[rows[near], arms[near]] += kept[near]
        return np.asarray(out)
