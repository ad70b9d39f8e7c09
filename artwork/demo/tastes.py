"""Tastes that move while the demo runs: whose go where, and how soon the policy is back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bandit.arrays import I64
from bandit.simulation.world import World
from bandit.snapshot import SIMULATION, hash_base

NIGHTS_BEFORE: Final = 3
BACK: Final = 0.9
"""The policy is back where a day closes this share of the mean of so many days before tastes moved."""


@dataclass(frozen=True)
class ShiftResult:
    """What came of tastes that moved on a ``day``, the number of the first one with others.

    ``before`` is the mean share of the way from uniform to the best over up to ``NIGHTS_BEFORE`` live days before it.
    ``nights_until_back`` is None where no day was back, or ``before`` is at most 0: there is nothing to be back at.
    """

    day: int
    before: float
    nights_until_back: int | None


def order_of_genres(count: int, seed: int, number: int) -> I64:
    """An order of genres in which none keeps its place: one cycle through all of them."""
    random = np.random.Generator(np.random.Philox(hash_base(f"{SIMULATION} taste", seed, number)))
    cycle = random.permutation(count)
    genres = np.empty(count, dtype=np.int64)
    genres[cycle] = np.roll(cycle, 1)
    return genres


def with_tastes(world: World, genres: I64) -> World:
    """The world in which each user likes genre g as much as ``genres[g]`` of before."""
    return replace(world, tastes=np.ascontiguousarray(world.tastes[:, genres]))


def judge_shift(closed: Sequence[float], place: int, day: int) -> ShiftResult:
    """How soon the policy is back after tastes moved.

    A night is counted from the first one that learns of the new tastes, which is that after the first day of them.

    Args:
        closed: the share of the way from uniform to the best that each of the live days closed.
        place: in ``closed``, of the first day of other tastes; at least 1.
        day: its number.

    >>> judge_shift([0.7, 0.8, 0.75, 0.1, 0.5, 0.7], 3, 7)
    ShiftResult(day=7, before=0.75, nights_until_back=2)
    """
    shares = closed[max(place - NIGHTS_BEFORE, 0) : place]
    before = sum(shares) / len(shares)
    back = (night for night, share in enumerate(closed[place:]) if share >= BACK * before)
    nights = next(back, None) if before > 0 else None
    return ShiftResult(day, before, nights)
