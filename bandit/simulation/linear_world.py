"""A small world with known truth: how well an arm is received follows the context, and may change over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from bandit.arrays import F64, I64, integer_array, is_count, is_number, real_array
from bandit.checks import checked_contexts
from bandit.errors import InputError
from bandit.scores import LINKS


@dataclass(frozen=True, eq=False)
class LinearWorld:
    """k arms whose expected reward is w_a·x, or 1 / (1 + exp(-w_a·x)), with weights that hold for some steps.

    Rewards are Bernoulli. A context is a constant 1 and d - 1 features uniform on [-1, 1].

    Args:
        weights: of each piece of time and arm, (s, k, d).
        starts: the first step of each piece, (s,), ascending from 0.
        link: ``identity``, where expectations are cut to [0, 1], or ``logit``.

    Raises:
        InputError: shapes differ, a weight is not finite, starts do not ascend from 0, or the link is not known.

    >>> world = LinearWorld.moving([[0.3], [0.6]], steps=[10])
    >>> world.expected(9, np.ones((1, 1))), world.expected(10, np.ones((1, 1)))
    (array([[0.3, 0.6]]), array([[0.6, 0.3]]))
    """

    weights: F64
    starts: I64
    link: str = "identity"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", real_array("weights", self.weights))
        object.__setattr__(self, "starts", integer_array("starts", self.starts))
        if self.weights.ndim != 3 or self.starts.shape != self.weights.shape[:1] or not self.weights.size:
            raise InputError(
                f"weights have the shape {self.weights.shape} and starts {self.starts.shape}, expected (s, k, d) and (s,)"
            )
        if not np.isfinite(self.weights).all():
            raise InputError("weights must be finite; look for NaN or overflow")
        if self.starts[0] != 0 or (np.diff(self.starts) <= 0).any():
            raise InputError(f"pieces start at {self.starts.tolist()}, expected ascending steps from 0")
        if self.link not in LINKS:
            raise InputError(f"there is no link {self.link!r}; choose one of {', '.join(LINKS)}")

    @classmethod
    def still(cls, weights: npt.ArrayLike, link: str = "identity") -> Self:
        """A world of weights (k, d) that never changes."""
        return cls(real_array("weights", weights)[None], np.zeros(1, dtype=np.int64), link)

    @classmethod
    def moving(cls, weights: npt.ArrayLike, steps: Sequence[int], link: str = "identity") -> Self:
        """At each of the steps every arm takes the weights of the arm before it: the best arm moves on by one."""
        first = real_array("weights", weights)
        pieces = [np.roll(first, moves, axis=0) for moves in range(len(steps) + 1)]
        return cls(np.stack(pieces), np.array([0, *steps], dtype=np.int64), link)

    @classmethod
    def walking(
        cls,
        weights: npt.ArrayLike,
        steps: int,
        deviation: float,
        random: np.random.Generator,
        link: str = "identity",
    ) -> Self:
        """Every weight takes a Gaussian step of ``deviation`` between any two of ``steps`` steps.

        Raises:
            InputError: there is no step, or the deviation is negative or not finite.
        """
        if not is_count(steps):
            raise InputError(f"the walk has {steps!r} steps, expected a whole number, at least 1")
        if not (is_number(deviation) and 0 <= deviation < inf):
            raise InputError(f"the standard deviation is {deviation!r}, expected at least 0 and finite; 0 stands still")
        first = real_array("weights", weights)
        moves = random.normal(scale=deviation, size=(steps, *first.shape))
        moves[0] = 0.0
        return cls(first + moves.cumsum(axis=0), np.arange(steps), link)

    @property
    def shape(self) -> tuple[int, int]:
        """(k, d): arms and features."""
        return self.weights.shape[1], self.weights.shape[2]

    def contexts(self, count: int, random: np.random.Generator) -> F64:
        """The contexts of some users, (count, d)."""
        drawn = random.uniform(-1.0, 1.0, size=(count, self.shape[1]))
        drawn[:, 0] = 1.0
        return drawn

    def expected(self, step: int, contexts: F64) -> F64:
        """The expected reward of each arm at a step for each context (n, d), (n, k).

        Raises:
            InputError: the step is before the first.
        """
        if step < 0:
            raise InputError(f"the step is {step}, expected at least 0: the world starts there")
        piece = int(np.searchsorted(self.starts, step, side="right")) - 1
        linear = checked_contexts(contexts, self.shape[1]) @ self.weights[piece].T
        return np.asarray(expit(linear) if self.link == "logit" else linear.clip(0.0, 1.0), dtype=np.float64)
