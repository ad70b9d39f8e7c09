"""What is watched: what a night is kept as, and the signals that are made of many nights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from bandit.arrays import F64, I64, Bool
from bandit.monitoring.detector import (
    NIGHTS_TO_FALSE_ALARM,
    Member,
    Watched,
    against_past,
    against_truth,
    watch,
)
from bandit.monitoring.numbers import Numbers, context_numbers, contrast_numbers, ratio_numbers, user_shares
from bandit.monitoring.propensities import BETS

RATE: Final = "reward rate"
CLASSES: Final = "rewards by class of users"
BEST: Final = "rewards by predicted best artwork"
CLICKS: Final = "takes per click"
TIMELY: Final = "rewards in time"
PROPENSITIES: Final = "propensities"
CONTEXTS: Final = "contexts"

SIGNALS: Final = (RATE, CLASSES, BEST, CLICKS, TIMELY, PROPENSITIES, CONTEXTS)
"""Each has an alarm of its own, at ``THRESHOLD``."""

THRESHOLD: Final = float(NIGHTS_TO_FALSE_ALARM * len(SIGNALS))

EVERYBODY: Final = "all"
IS_BEST, NOT_BEST = "the predicted best", "the others"


class Ratio(NamedTuple):
    """What was seen in a night, and what was expected of it."""

    seen: float
    expected: float


class Bets(NamedTuple):
    """A group of arms in a night: bets against its propensities (b,), its decisions by weight, and those expected.

    ``share`` is what it counts among the groups: those of places in a title half, those of artworks half.
    """

    logs: F64
    shown: float
    expected: float
    share: float = 1.0


class Feature(NamedTuple):
    """A number of the contexts in a night: mean, variance and kurtosis (3 of a normal law) over its users."""

    mean: float
    variance: float
    kurtosis: float = 3.0


@dataclass(frozen=True)
class Night:
    """All that is kept of a night: sums, so that months of nights are small.

    ``ratios`` by signal and member, of explore users but for ``TIMELY``; ``bets`` by group of arms; ``features`` by name, over
    ``users``. What there is nothing of is left out.
    """

    day: int
    ratios: Mapping[tuple[str, str], Ratio] = field(default_factory=dict)
    bets: Mapping[str, Bets] = field(default_factory=dict)
    features: Mapping[str, Feature] = field(default_factory=dict)
    users: int = 0


@dataclass(frozen=True)
class Signal:
    """A signal of some nights: what was watched, None where nothing could be, with why."""

    name: str
    watched: Watched | None
    numbers: int = 0
    why: str = ""


class Explored(NamedTuple):
    """The impressions of a night's explore users, (m,) each; ``predicted`` by a model that knew nothing of the night.

    ``classes`` are numbered, and ``class_names`` name them; ``is_best`` says whether the artwork was the best by the same model;
    ``clicked`` is None where nobody knows.
    """

    users: I64
    rewards: F64
    predicted: F64
    is_best: Bool
    classes: I64
    class_names: Sequence[str]
    clicked: Bool | None


def explored_ratios(explored: Explored) -> dict[tuple[str, str], Ratio]:
    """Rewards beside what was predicted, of everybody and of parts: each user's impressions count at most so much."""
    shares = user_shares(explored.users)
    rewards, predicted = shares * explored.rewards, shares * np.maximum(explored.predicted, 0.0)
    parts: dict[tuple[str, str], Bool] = {(RATE, EVERYBODY): np.ones(len(shares), dtype=np.bool_)}
    parts |= {(CLASSES, name): explored.classes == number for number, name in enumerate(explored.class_names)}
    parts |= {(BEST, IS_BEST): explored.is_best, (BEST, NOT_BEST): ~explored.is_best}
    made = {key: Ratio(float(rewards[own].sum()), float(predicted[own].sum())) for key, own in parts.items()}
    if explored.clicked is not None:
        made[CLICKS, EVERYBODY] = Ratio(float(rewards.sum()), float((shares * explored.clicked).sum()))
    return made


def watch_nights(nights: Sequence[Night], first: int = 0) -> list[Signal]:
    """Every signal over nights in order; changes that began before night ``first`` do not count, and are the past of others."""
    return [_signal(name, nights, first) for name in SIGNALS]


def _signal(name: str, nights: Sequence[Night], first: int) -> Signal:
    days = np.array([night.day for night in nights], dtype=np.int64)
    if name == PROPENSITIES:
        members = _bet_members(nights)
    elif name == CONTEXTS:
        members = _feature_members(nights, days)
    else:
        members = _ratio_members(name, nights, days)
    usable = [member for member in members if np.isfinite(member.logs).any()]
    count = max((len(member.nights) for member in members), default=0)
    if not usable:
        return Signal(name, None, count, "nothing of it in these nights" if not count else "too few nights yet")
    return Signal(name, watch(usable, len(nights), THRESHOLD, first), count)


def _ratio_members(name: str, nights: Sequence[Night], days: I64) -> list[Member]:
    """The series of a signal of ratios. Whether somebody came is known before the rewards, so that it decides nothing."""
    keys = sorted({key for night in nights for key in night.ratios if key[0] == name})
    if name == BEST:
        keys = [key for key in keys if key[1] == IS_BEST]
    if name in {BEST, CLASSES}:
        whole = _series((RATE, EVERYBODY), nights)
        return [_contrast(key, days, _series(key, nights), whole) for key in keys]
    made = [("/".join(key), key[1], *_series(key, nights)) for key in keys]
    return [_compared(member, ratio_numbers(own, days, seen, hoped)) for own, member, seen, hoped in made]


def _series(key: tuple[str, str], nights: Sequence[Night]) -> F64:
    """What was seen and what was expected, (2, n)."""
    ratios = [night.ratios.get(key, Ratio(0.0, 0.0)) for night in nights]
    return np.array(ratios, dtype=np.float64).T


def _contrast(key: tuple[str, str], days: I64, own: F64, whole: F64) -> Member:
    """A part beside all that is not in it; for words the numbers are ratios again."""
    observed, expected = np.stack([own, whole - own], axis=1)
    numbers = contrast_numbers("/".join(key), days, observed, expected)
    return _compared(key[1], numbers)._replace(values=np.exp(numbers.values))


def _feature_members(nights: Sequence[Night], days: I64) -> list[Member]:
    there = np.array([place for place, night in enumerate(nights) if night.users], dtype=np.int64)
    members = []
    for name in sorted({name for night in nights for name in night.features}):
        own = np.array([place for place in there.tolist() if name in nights[place].features], dtype=np.int64)
        features = [nights[place].features[name] for place in own.tolist()]
        users = np.array([nights[place].users for place in own.tolist()], dtype=np.int64)
        means, variances, kurtoses = np.array(features, dtype=np.float64).T
        both = context_numbers(name, days[own], means, variances, users, float(np.median(kurtoses)))
        members += [_compared(name, numbers._replace(nights=own[numbers.nights])) for numbers in both]
    return members


def _compared(name: str, numbers: Numbers) -> Member:
    return Member(name, *numbers, against_past(numbers.values, numbers.weights))


def _bet_members(nights: Sequence[Night]) -> list[Member]:
    names = sorted({name for night in nights for name in night.bets})
    nothing = Bets(np.zeros(len(BETS)), 0.0, 0.0, 0.0)
    members = []
    for name in names:
        own = [night.bets.get(name, nothing) for night in nights]
        expected = np.array([bets.expected for bets in own])
        ratios = np.array([bets.shown / bets.expected if bets.expected else 1.0 for bets in own])
        logs = against_truth(np.stack([bets.logs for bets in own]))
        share = max(bets.share for bets in own)
        members.append(Member(name, np.arange(len(nights)), ratios, np.maximum(expected, 1e-9), logs, share))
    return members
