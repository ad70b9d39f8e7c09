"""Effects against a margin: as good as the same (TOST), and not worse by more than one allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy.typing as npt

from bandit.errors import InputError
from bandit.experiments.columns import number, positive
from bandit.experiments.effects import Effect, below, interval, mean_effect

Direction = Literal["up", "down"]
DIRECTIONS: Final = ("up", "down")


@dataclass(frozen=True)
class Equivalence:
    """Whether two variants are the same but for a margin.

    ``lower`` and ``upper`` are those of the interval of level 2 * level - 1: it lies within the margins exactly when
    ``p_value`` is below 1 - level. ``effect`` has the usual two-sided interval.
    """

    value: float
    standard_error: float
    lower: float
    upper: float
    p_value: float
    margin: float
    is_equivalent: bool
    effect: Effect


@dataclass(frozen=True)
class NonInferiority:
    """Whether a metric is not worse by more than the margin; ``p_value`` is one-sided, of being worse by the margin.

    The end of the two-sided interval decides: ``p_value`` is compared with (1 - level) / 2. ``is_inferior`` if the whole
    interval is worse than the margin.
    """

    value: float
    standard_error: float
    lower: float
    upper: float
    p_value: float
    margin: float
    direction: str
    is_non_inferior: bool
    is_inferior: bool


def equivalence(treatment: npt.ArrayLike, control: npt.ArrayLike, margin: float, level: float = 0.95) -> Equivalence:
    """Two one-sided tests that the means per user differ by less than the margin, an absolute one (Schuirmann 1987).

    Raises:
        InputError: arrays, the margin or the level are wrong, or nothing varies.

    >>> same = equivalence([1, 2, 3, 4, 5] * 20, [1, 2, 3, 4, 5] * 20, margin=0.5)
    >>> same.is_equivalent, round(same.p_value, 4)
    (True, 0.0068)
    """
    return equivalence_of(mean_effect(treatment, control, level=level), margin)


def equivalence_of(effect: Effect, margin: float) -> Equivalence:
    """The same of an effect that is there already, of a ratio or with a covariate.

    Raises:
        InputError: the margin is not above 0, or the effect's level is not above 0.5.
    """
    bound = positive("margin", margin)
    if effect.level <= 0.5:
        raise InputError(f"level is {effect.level}, expected above 0.5: 0.95 for one false equivalence in 20")
    error, degrees = effect.standard_error, effect.degrees
    p_value = max(below(-(effect.value + bound) / error, degrees), below((effect.value - bound) / error, degrees))
    lower, upper = interval(effect.value, error, degrees, 2 * effect.level - 1)
    return Equivalence(effect.value, error, lower, upper, p_value, bound, p_value < 1 - effect.level, effect)


def non_inferiority(effect: Effect, margin: float, direction: Direction = "up") -> NonInferiority:
    """Whether an effect is not worse than the margin allows; ``direction`` is where better lies, up or down.

    Raises:
        InputError: the margin is negative, or the direction is neither.

    >>> kept = non_inferiority(mean_effect([1, 2, 3, 4, 5] * 20, [1, 2, 3, 4, 5] * 20), margin=0.5)
    >>> kept.is_non_inferior, kept.is_inferior
    (True, False)
    """
    allowed = number("margin", margin)
    if allowed < 0:
        raise InputError(f"margin is {margin!r}, expected 0 or more: by how much a metric may get worse")
    sign = sign_of(direction)
    worst, best = sorted((sign * effect.lower, sign * effect.upper))
    p_value = below(-(sign * effect.value + allowed) / effect.standard_error, effect.degrees)
    ends = effect.value, effect.standard_error, effect.lower, effect.upper
    return NonInferiority(*ends, p_value, allowed, direction, worst > -allowed, best < -allowed)


def sign_of(direction: str) -> int:
    """1 where more is better, -1 where less is.

    Raises:
        InputError: the direction is neither up nor down.
    """
    if direction not in DIRECTIONS:
        raise InputError(f"direction is {direction!r}, expected 'up' if more is better, or 'down' if less is")
    return 1 if direction == "up" else -1
