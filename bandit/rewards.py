"""From what a user did to the number learned from."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from math import nan
from typing import ClassVar, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64, Bool, boolean_array, integer_array, is_number, real_array
from bandit.errors import InputError
from bandit.parameters import check_parameters, parse_parameters

_SUM_TOLERANCE = 1e-9

AGES: Final = "ages"
DIVERSITY: Final = "diversity"
"""What some rewards look at beside what the user did, by the argument of ``Reward.rewards`` that gives it."""


class Seen(NamedTuple):
    """What is known of m impressions, checked; ``ages`` and ``diversity`` are empty where nobody asks for them."""

    clicked: Bool
    watched: F64
    ages: F64
    diversity: F64


class Reward(ABC):
    """A rule that turns what a user did, and what was shown, into a reward in [0, 1].

    ``name`` is its word on the command line and in manifests, ``text`` its whole definition: ``parse_reward`` reads it back.
    """

    name: ClassVar[str]

    def rewards(
        self,
        clicked: npt.ArrayLike,
        watch_fraction: npt.ArrayLike,
        ages: npt.ArrayLike | None = None,
        diversity: npt.ArrayLike | None = None,
    ) -> F64:
        """The reward of each impression, (m,).

        Args:
            clicked: whether a play began, (m,) booleans.
            watch_fraction: share of the title watched, (m,), in [0, 1]; it counts only where a play began.
            ages: of the artworks when they were shown, in days, (m,), at least 0 and perhaps infinite; for ``freshness``.
            diversity: as of ``page_diversity``, (m,), in [0, 1]; for ``diversity``.

        Raises:
            InputError: shapes differ, ``clicked`` is not boolean, a value is out of range, a list is ragged, or something that
                the reward ``needs`` is not given.
        """
        return self._of(_checked(self, clicked, watch_fraction, ages, diversity))

    @property
    def needs(self) -> frozenset[str]:
        """What it looks at beside what the user did: ``AGES``, ``DIVERSITY``."""
        return frozenset()

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
    def _of(self, seen: Seen) -> F64:
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

    def _of(self, seen: Seen) -> F64:
        return np.asarray(seen.clicked & (seen.watched >= self.engaged_fraction), dtype=np.float64)


@dataclass(frozen=True)
class Click(Reward):
    """1 where a play began.

    >>> Click().rewards(np.array([True, False]), np.array([0.1, 0.0]))
    array([1., 0.])
    """

    name: ClassVar[str] = "click"

    def _of(self, seen: Seen) -> F64:
        return seen.clicked.astype(np.float64)


@dataclass(frozen=True)
class WatchedFraction(Reward):
    """The share of the title watched, where a play began.

    >>> WatchedFraction().rewards(np.array([True, False]), np.array([0.25, 0.0]))
    array([0.25, 0.  ])
    """

    name: ClassVar[str] = "watched_fraction"

    def _of(self, seen: Seen) -> F64:
        return np.where(seen.clicked, seen.watched, 0.0)


@dataclass(frozen=True)
class Freshness(Reward):
    """How new the artwork was when it was shown: 2^(-age / half_life), whatever the user did.

    Ages are in days since the artwork came into the catalogue, so an artwork is worth 1 on its first day, a half after
    ``half_life`` days, and 0 where nobody knows when it came.

    Raises:
        InputError: ``half_life`` is not a number above 0.

    >>> Freshness(half_life=7.0).rewards([False, True], [0.0, 0.9], ages=[0.0, 14.0])
    array([1.  , 0.25])
    """

    name: ClassVar[str] = "freshness"
    half_life: float = 14.0

    def __post_init__(self) -> None:
        if not (is_number(self.half_life) and self.half_life > 0):
            raise InputError(f"half_life is {self.half_life!r}, expected a number of days above 0")

    @property
    def needs(self) -> frozenset[str]:
        """The ages."""
        return frozenset({AGES})

    def _of(self, seen: Seen) -> F64:
        return np.asarray(np.exp2(-seen.ages / self.half_life), dtype=np.float64)


@dataclass(frozen=True)
class Diversity(Reward):
    """The share of the rest of the user's page that shows another theme, whatever the user did; see ``page_diversity``.

    >>> Diversity().rewards([False, True], [0.0, 0.9], diversity=[1.0, 0.5])
    array([1. , 0.5])
    """

    name: ClassVar[str] = "diversity"

    @property
    def needs(self) -> frozenset[str]:
        """The diversity of each place of the page."""
        return frozenset({DIVERSITY})

    def _of(self, seen: Seen) -> F64:
        return seen.diversity


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

    @property
    def needs(self) -> frozenset[str]:
        """What its objectives need."""
        return frozenset().union(*(reward.needs for reward, _ in self.objectives))

    def _of(self, seen: Seen) -> F64:
        total = np.zeros(seen.clicked.shape)
        for reward, weight in self.objectives:
            total += weight * reward._of(seen)
        return np.minimum(total, 1.0)  # 0.7 + 0.2 + 0.1 of doubles is not 1


_SIMPLE: dict[str, type[Reward]] = {
    reward.name: reward for reward in (EngagedTake, Click, WatchedFraction, Freshness, Diversity)
}
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


def page_diversity(pages: npt.ArrayLike, titles: npt.ArrayLike, artworks: npt.ArrayLike, themes: npt.ArrayLike) -> F64:
    """Of each impression the share of the rest of its page that shows another theme, (m,), in [0, 1].

    The rest of the page are the artworks of other titles on it, each once however often it was shown; 1 where there are none.
    Where a page shows one artwork of each title, the mean over its titles is the probability that two titles drawn without
    replacement show different themes (Simpson 1949): the diversity of the page, in shares that belong to one title each.

    Args:
        pages: number of the page that each impression is on, (m,).
        titles: number of its title, (m,).
        artworks: number of its artwork, (m,).
        themes: number of the artwork's theme, (m,), the same wherever the artwork is shown; a negative one is like no other.

    Raises:
        InputError: a column is not of whole numbers, or they differ in length.

    >>> page_diversity([0, 0, 0], [0, 1, 2], [0, 5, 9], [3, 3, 8])
    array([0.5, 0.5, 1. ])
    """
    given = {"pages": pages, "titles": titles, "artworks": artworks, "themes": themes}
    columns = [integer_array(name, values) for name, values in given.items()]
    shapes = [column.shape for column in columns]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        said = ", ".join(f"{name} {shape}" for name, shape in zip(given, shapes, strict=True))
        raise InputError(f"{said}: expected all (m,), one per impression")
    page, title, artwork, theme = (np.unique(column, return_inverse=True)[1] for column in columns)
    of_title = _paired(page, title)
    shown, first, place = np.unique(_paired(of_title, artwork), return_index=True, return_inverse=True)
    page, of_title, theme, is_known = page[first], of_title[first], theme[first], columns[3][first] >= 0
    of_theme = _paired(page, theme)
    others = _counts(page) - _counts(of_title)
    alike = _counts(of_theme) - _counts(_paired(of_title, theme))
    share = np.divide(alike, others, out=np.zeros(len(shown)), where=(others > 0) & is_known)
    return np.asarray((1.0 - share)[place])


def _paired(one: I64, other: I64) -> I64:
    """The number of each pair of two columns (m,), from 0."""
    return np.asarray(np.unique(one * (other.max(initial=0) + 1) + other, return_inverse=True)[1], dtype=np.int64)


def _counts(codes: I64) -> F64:
    """How often the number of each row is there, (m,)."""
    return np.bincount(codes)[codes].astype(np.float64)


def _checked(
    reward: Reward,
    clicked: npt.ArrayLike,
    watch_fraction: npt.ArrayLike,
    ages: npt.ArrayLike | None,
    diversity: npt.ArrayLike | None,
) -> Seen:
    plays = boolean_array("clicked", clicked, "compare with 0 first")
    watched = real_array("watch_fraction", watch_fraction)
    if plays.ndim != 1 or plays.shape != watched.shape:
        raise InputError(
            f"clicked has the shape {plays.shape} and watch_fraction {watched.shape}, expected both (m,): one per impression"
        )
    _refuse(watched, 1.0, "watch_fraction", "0 to 1; 0 where nothing was played")
    return Seen(
        plays,
        watched,
        _needed(reward, AGES, ages, len(plays), np.inf, "days of at least 0"),
        _needed(reward, DIVERSITY, diversity, len(plays), 1.0, "0 to 1"),
    )


def _needed(reward: Reward, name: str, given: npt.ArrayLike | None, count: int, most: float, expected: str) -> F64:
    """A column that some rewards need, checked; empty where this one does not."""
    if name not in reward.needs:
        return np.empty(0)
    if given is None:
        raise InputError(
            f"the reward {reward.text} needs {name}, which are not given; pass {name}=, one per impression"
        )
    values = real_array(name, given)
    if values.shape != (count,):
        raise InputError(f"{name} has the shape {values.shape}, expected ({count},): one per impression")
    _refuse(values, most, name, expected)
    return values


def _refuse(values: F64, most: float, name: str, expected: str) -> None:
    wrong = ~((values >= 0) & (values <= most))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(f"row {row} has the {name} {values[row]}, expected {expected}")
