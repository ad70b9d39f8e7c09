"""From what a user did to the number learned from."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from math import nan
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, Bool, boolean_array, is_number, real_array
from bandit.errors import InputError
from bandit.parameters import check_parameters, parse_parameters

_SUM_TOLERANCE = 1e-9


class Reward(ABC):
    """A rule that turns what a user did into a reward in [0, 1].

    ``name`` is its word on the command line and in manifests, ``text`` its whole definition: ``parse_reward`` reads it back.
    """

    name: ClassVar[str]

    def rewards(self, clicked: npt.ArrayLike, watch_fraction: npt.ArrayLike) -> F64:
        """The reward of each impression, (m,).

        Args:
            clicked: whether a play began, (m,) booleans.
            watch_fraction: share of the title watched, (m,), in [0, 1]; it counts only where a play began.

        Raises:
            InputError: shapes differ, ``clicked`` is not boolean, a fraction is not a number in [0, 1], or a list is ragged.
        """
        return self._of(*_checked(clicked, watch_fraction))

    @property
    def text(self) -> str:
        """The canonical form, with every parameter, so that a manifest keeps its meaning when a default moves."""
        settings = ",".join(f"{key}={value!r}" for key, value in self._settings())
        return f"{self.name}:{settings}" if settings else self.name

    def __str__(self) -> str:
        return self.text

    def _settings(self) -> list[tuple[str, float]]:
        """Parameters by name, in the order of ``text``."""
        return [(field.name, float(getattr(self, field.name))) for field in fields(self)]  # type: ignore[arg-type]

    @abstractmethod
    def _of(self, clicked: Bool, watched: F64) -> F64:
        """Rewards of checked impressions."""


@dataclass(frozen=True)
class EngagedTake(Reward):
    """The take: played, and at least ``engaged_fraction`` of the title watched. The default reward.

    A click alone would reward clickbait: artworks that many open and few watch.

    Raises:
        InputError: ``engaged_fraction`` is outside (0, 1].

    >>> EngagedTake().rewards(np.array([True, True, False]), np.array([0.9, 0.2, 0.0]))
    array([1., 0., 0.])
    """

    name: ClassVar[str] = "take"
    engaged_fraction: float = 0.7

    def __post_init__(self) -> None:
        if not (is_number(self.engaged_fraction) and 0 < self.engaged_fraction <= 1):
            raise InputError(f"engaged_fraction is {self.engaged_fraction!r}, expected above 0 and at most 1")

    def _of(self, clicked: Bool, watched: F64) -> F64:
        return np.asarray(clicked & (watched >= self.engaged_fraction), dtype=np.float64)


@dataclass(frozen=True)
class Click(Reward):
    """1 where a play began.

    >>> Click().rewards(np.array([True, False]), np.array([0.1, 0.0]))
    array([1., 0.])
    """

    name: ClassVar[str] = "click"

    def _of(self, clicked: Bool, watched: F64) -> F64:  # noqa: ARG002 - how much was watched does not count
        return clicked.astype(np.float64)


@dataclass(frozen=True)
class WatchedFraction(Reward):
    """The share of the title watched, where a play began.

    >>> WatchedFraction().rewards(np.array([True, False]), np.array([0.25, 0.0]))
    array([0.25, 0.  ])
    """

    name: ClassVar[str] = "watched_fraction"

    def _of(self, clicked: Bool, watched: F64) -> F64:
        return np.where(clicked, watched, 0.0)


@dataclass(frozen=True)
class WeightedSum(Reward):
    """Several objectives at once, each with its weight.

    Args:
        objectives: rewards of different names with their weights, which are at least 0 and add up to 1: the sum stays in [0, 1].

    Raises:
        InputError: there is no objective, one appears twice or is a sum itself, or the weights are wrong.

    >>> both = WeightedSum(((EngagedTake(), 0.75), (Click(), 0.25)))
    >>> both.rewards(np.array([True, True, False]), np.array([0.9, 0.2, 0.0]))
    array([1.  , 0.25, 0.  ])
    >>> both.text
    'weighted_sum:take=0.75,take.engaged_fraction=0.7,click=0.25'
    """

    name: ClassVar[str] = "weighted_sum"
    objectives: tuple[tuple[Reward, float], ...]

    def __post_init__(self) -> None:
        names = [reward.name for reward, _ in self.objectives]
        weights = [weight for _, weight in self.objectives]
        if len(set(names)) < max(len(names), 1) or self.name in names:
            raise InputError(
                f"the objectives are {', '.join(names) or 'none'}, expected each of {', '.join(_SIMPLE)} at most once"
            )
        total = sum(weights) if all(map(is_number, weights)) else nan
        if not (abs(total - 1) <= _SUM_TOLERANCE and min(weights) >= 0):
            raise InputError(
                f"the weights are {', '.join(map(str, weights))} and add up to {total}, expected weights of at least 0 "
                "that add up to 1; divide them by their sum"
            )

    def _settings(self) -> list[tuple[str, float]]:
        listed: list[tuple[str, float]] = []
        for reward, weight in self.objectives:
            listed.append((reward.name, float(weight)))
            listed += [(f"{reward.name}.{key}", value) for key, value in reward._settings()]
        return listed

    def _of(self, clicked: Bool, watched: F64) -> F64:
        total = np.zeros(clicked.shape)
        for reward, weight in self.objectives:
            total += weight * reward._of(clicked, watched)
        return np.minimum(total, 1.0)  # 0.7 + 0.2 + 0.1 of doubles is not 1


_SIMPLE: dict[str, type[Reward]] = {reward.name: reward for reward in (EngagedTake, Click, WatchedFraction)}
_NAMES = (*_SIMPLE, WeightedSum.name)


def parse_reward(text: str) -> Reward:
    """A reward from its word: ``take``, ``take:engaged_fraction=0.8``, ``click``, ``weighted_sum:take=0.7,click=0.3``.

    The parameters of an objective of a sum carry its name: ``weighted_sum:take=0.7,take.engaged_fraction=0.8,click=0.3``.

    Raises:
        InputError: the name or a parameter is not known, or a value is not a number in its range.

    >>> parse_reward("take").text
    'take:engaged_fraction=0.7'
    >>> parse_reward("weighted_sum:take=0.7,click=0.3").rewards([True], [0.2])
    array([0.3])
    """
    name, parameters = parse_parameters(text)
    return _sum(parameters) if name == WeightedSum.name else _simple(name, parameters)


def _simple(name: str, parameters: dict[str, float]) -> Reward:
    if name not in _SIMPLE:
        raise InputError(f"there is no reward {name!r}; choose one of {', '.join(_NAMES)}")
    check_parameters(name, parameters, (field.name for field in fields(_SIMPLE[name])))  # type: ignore[arg-type]
    return _SIMPLE[name](**parameters)


def _sum(parameters: dict[str, float]) -> WeightedSum:
    weights = {key: value for key, value in parameters.items() if "." not in key}
    check_parameters(WeightedSum.name, weights, _SIMPLE)
    settings: dict[str, dict[str, float]] = {name: {} for name in weights}
    for key, value in parameters.items():
        name, dot, parameter = key.partition(".")
        if name not in settings:
            raise InputError(
                f"{WeightedSum.name} sets {key} and has no objective {name!r}; give it a weight: {name}=0.5"
            )
        if dot:
            settings[name][parameter] = value
    return WeightedSum(tuple((_simple(name, settings[name]), weight) for name, weight in weights.items()))


def _checked(clicked: npt.ArrayLike, watch_fraction: npt.ArrayLike) -> tuple[Bool, F64]:
    plays = boolean_array("clicked", clicked, "compare with 0 first")
    watched = real_array("watch_fraction", watch_fraction)
    if plays.ndim != 1 or plays.shape != watched.shape:
        raise InputError(
            f"clicked has the shape {plays.shape} and watch_fraction {watched.shape}, expected both (m,): one per impression"
        )
    wrong = ~((watched >= 0) & (watched <= 1))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"row {row} has the watch_fraction {watched[row]}, expected 0 to 1; 0 where nothing was played"
        )
    return plays, watched
