"""How often alarms come in seasons in which nothing changes, and how soon in those in which something does.

The quiet worlds try what normal laws forget: rare rewards, few users whose rewards hang together, a few who see most, nights that
are all a little better or worse, weekends, populations that grow, and a frozen model that is wrong.
"""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from scipy.special import expit

from bandit.arrays import F64, I64, Bool
from bandit.monitoring.propensities import propensity_bets, shown_and_expected
from bandit.monitoring.signals import (
    EVERYBODY,
    TIMELY,
    Bets,
    Explored,
    Feature,
    Night,
    Ratio,
    Signal,
    explored_ratios,
    watch_nights,
)

FAULTS: Final = ("propensity", "taste", "late", "dead feature", "starved", "clickbait")
"""What may go wrong: see ``_Season``."""

SOON: Final = 7
"""Nights within which a fault is to be found, the first of it counted."""

_ARMS, _FEATURES, _CLASSES = 5, 5, 4
_USERS: Final = 3000
_ENGAGED: Final = 0.55


@dataclass(frozen=True)
class WatchedWorld:
    """A world that nothing happens in, by name.

    ``level`` is the log-odds of a click, about; ``explorers`` the users of a night who explore, on average; ``heavy`` the
    exponent of the tail of their impressions, smaller is heavier; ``likeness`` the standard deviation between users on log-odds,
    ``nightly`` that between nights, and ``memory`` the correlation of a night's with the next one's; ``weekend`` is added on two
    nights of seven; ``growth`` is that of users over 60 nights; ``wrong`` the standard deviation of the frozen model's weights
    around the true ones; ``picks_nights`` how long the same users explore; ``returning`` the share of a night's users who come
    the next night as well, whether they explore or not.
    """

    name: str
    level: float = -2.2
    explorers: float = 300.0
    heavy: float = 2.5
    likeness: float = 0.5
    nightly: float = 0.05
    memory: float = 0.0
    weekend: float = 0.0
    growth: float = 1.0
    wrong: float = 0.3
    picks_nights: int = 1
    decisions: int = 1500
    returning: float = 0.0


WORLDS: Final = (
    WatchedWorld("usual"),
    WatchedWorld("rare rewards", level=-4.5),
    WatchedWorld("skewed users", heavy=1.1, likeness=1.5, explorers=120.0),
    WatchedWorld("uneven nights", nightly=0.25),
    WatchedWorld("weekends", weekend=0.3),
    WatchedWorld("growing", growth=4.0, explorers=150.0),
    WatchedWorld("wrong model", wrong=1.0, level=-3.5),
    WatchedWorld("weekly picks", picks_nights=7, likeness=1.0, explorers=100.0),
    WatchedWorld("returning users", returning=0.9),
)


MOODS: Final = (
    WatchedWorld("moods of 10 %", nightly=0.1, memory=0.8),
    WatchedWorld("moods of 25 %", nightly=0.25, memory=0.8),
    WatchedWorld("monthly picks", picks_nights=28, likeness=1.0, explorers=100.0),
)
"""Worlds in which nights are like the nights before, which no promise is made for."""


class WatchRow(NamedTuple):
    """Some seasons of a world: alarms per night of those without a fault, or the share in which the fault was found soon.

    ``by`` names the signals that found it, by how often each was among the first.
    """

    world: str
    fault: str
    seasons: int
    share: float
    by: dict[str, int]


def quiet_row(world: WatchedWorld, seasons: int, nights: int = 60, seed: int = 0) -> WatchRow:
    """Alarms of seasons in which nothing changes."""
    by: dict[str, int] = {}
    alarmed = 0
    for season in range(seasons):
        alarms = alarms_of(play_season(world, nights, seed=seed + season))
        alarmed += len({night for night, _ in alarms})
        for _, name in alarms:
            by[name] = by.get(name, 0) + 1
    return WatchRow(world.name, "", seasons, alarmed / (seasons * nights), by)


def fault_row(world: WatchedWorld, fault: str, seasons: int, at: int = 30, seed: int = 0) -> WatchRow:
    """How many seasons have an alarm within ``SOON`` nights of a fault."""
    by: dict[str, int] = {}
    soon = 0
    for season in range(seasons):
        signals = play_season(world, at + SOON, fault, at, seed=seed + season)
        alarms = sorted(alarm for alarm in alarms_of(signals) if alarm[0] >= at)
        soon += bool(alarms)
        for name in {name for night, name in alarms if night == alarms[0][0]}:
            by[name] = by.get(name, 0) + 1
    return WatchRow(world.name, fault, seasons, soon / seasons, by)


def alarms_of(signals: list[Signal]) -> list[tuple[int, str]]:
    """The night and the signal of each alarm."""
    return [(alarm.night, s.name) for s in signals if s.watched is not None for alarm in s.watched.alarms]


def play_season(world: WatchedWorld, nights: int, fault: str = "", at: int = 0, *, seed: int) -> list[Signal]:
    """A season, with a fault from night ``at`` on, as ``watch_nights`` sees it."""
    season = _Season(world, np.random.default_rng([seed, 20]))
    return watch_nights([season.night(night, fault if night >= at else "") for night in range(nights)])


class _Season:
    """Users, arms and a frozen model; and what a night of them comes to."""

    def __init__(self, world: WatchedWorld, random: np.random.Generator) -> None:
        self._world, self._random = world, random
        self._order = np.arange(_USERS)
        self._mood = 0.0
        self._came_before = np.empty(0, dtype=np.int64)
        self._contexts = random.normal(size=(_USERS, _FEATURES))
        self._contexts[:, 0] = 1.0
        self._contexts[:, 4] = random.random(_USERS) < 0.3
        self._classes = random.choice(_CLASSES, _USERS, p=[0.5, 0.3, 0.15, 0.05])
        self._bias = random.normal(scale=world.likeness, size=_USERS)
        self._weights = random.normal(scale=0.5, size=(_ARMS, _FEATURES))
        self._weights[:, 0] += world.level
        frozen = self._weights + random.normal(scale=world.wrong, size=self._weights.shape)
        self._frozen = _ENGAGED * expit(self._contexts @ frozen.T)  # (u, k)
        self._shares = self._policy(frozen)

    def _policy(self, frozen: F64) -> F64:
        """What users are shown who do not explore: mostly what the model takes for best, with floors."""
        strong = np.exp(2.0 * (self._contexts @ frozen.T))
        return np.asarray(0.98 * strong / strong.sum(axis=1, keepdims=True) + 0.02 / _ARMS)

    def night(self, number: int, fault: str) -> Night:
        """Everything of a night."""
        world, random = self._world, self._random
        own = np.sqrt(1 - world.memory**2) if number else 1.0
        self._mood = world.memory * self._mood + own * world.nightly * random.normal()
        usual = self._mood + world.weekend * (number % 7 >= 5)
        count = int(np.clip(random.poisson(world.explorers * world.growth ** (number / 60)), 2, _USERS))
        users = np.repeat(*self._visits(count, number))
        explored = self._explored(users, usual, fault)
        ratios = explored_ratios(explored)
        late = 0.5 if fault == "late" else 0.02
        finally_there = float(random.poisson(400))
        in_time = float(random.binomial(int(finally_there), 1 - late))
        came = self._came(count)
        contexts = self._contexts[came].copy()
        if fault == "dead feature":
            contexts[:, 2] = 0.0
        means, variances = contexts.mean(axis=0).tolist(), contexts.var(axis=0).tolist()
        return Night(
            day=number,
            ratios=ratios | {(TIMELY, EVERYBODY): Ratio(in_time, finally_there)},
            bets=self._bets(fault),
            features={f"f{place}": Feature(*pair) for place, pair in enumerate(zip(means, variances, strict=True))},
            users=len(came),
        )

    def _came(self, count: int) -> I64:
        """Everybody who comes in a night, whether they explore or not: some of the night before, and others."""
        again = self._came_before[self._random.random(len(self._came_before)) < self._world.returning][:count]
        others = self._random.permutation(np.setdiff1d(np.arange(_USERS), again))[: count - len(again)]
        self._came_before = np.concatenate((again, others))
        return self._came_before

    def _visits(self, count: int, night: int) -> tuple[I64, I64]:
        """Users who explore in a night, and how many impressions each sees."""
        if night % self._world.picks_nights == 0:
            self._order = self._random.permutation(_USERS)
        users = self._order[:count]
        seen = np.minimum(self._random.pareto(self._world.heavy, count) * 4 + 2, 2000).astype(np.int64)
        return users, seen

    def _explored(self, users: I64, usual: float, fault: str) -> Explored:
        random, rows = self._random, np.arange(len(users))
        arms = random.integers(_ARMS, size=len(users))
        weights = np.roll(self._weights, 1, axis=0) if fault == "taste" else self._weights
        odds = np.einsum("nd,nd->n", self._contexts[users], weights[arms]) + self._bias[users] + usual
        baits: Bool = (random.random(len(users)) < 0.3) & (fault == "clickbait")
        clicked = random.random(len(users)) < expit(odds + 1.0 * baits)
        taken = clicked & (random.random(len(users)) < np.where(baits, 0.1, _ENGAGED))
        predicted = self._frozen[users]
        return Explored(
            users=users,
            rewards=taken.astype(np.float64),
            predicted=predicted[rows, arms],
            is_best=predicted.argmax(axis=1) == arms,
            classes=self._classes[users],
            class_names=[f"class {number}" for number in range(_CLASSES)],
            clicked=clicked,
        )

    def _bets(self, fault: str) -> dict[str, Bets]:
        """Decisions of users who do not explore, each once: a fault makes what is logged other than what was drawn by."""
        random = self._random
        users = random.integers(_USERS, size=self._world.decisions)
        stated = self._shares[users]  # (n, k)
        drawn = stated.copy()
        if fault == "starved":
            drawn[:, 1] = 0.0
            drawn /= drawn.sum(axis=1, keepdims=True)
        shown = (drawn.cumsum(axis=1) < random.random(len(users))[:, None]).sum(axis=1)
        shown = np.minimum(shown, _ARMS - 1)
        rows = np.arange(len(users))
        propensities = stated[rows, shown] * np.where((shown == 1) & (fault == "propensity"), 1.2, 1.0)
        groups = np.broadcast_to(np.arange(_ARMS), stated.shape)
        logs = propensity_bets(shown, propensities, stated, groups, _ARMS)
        weights = stated[rows, shown] / propensities
        observed, expected = shown_and_expected(shown, stated, groups, _ARMS, weights)
        return {f"arm {arm}": Bets(logs[arm], observed[arm], expected[arm]) for arm in range(_ARMS)}


def with_explorers(world: WatchedWorld, explorers: float) -> WatchedWorld:
    """The same world with more or fewer users who explore."""
    return replace(world, name=f"{world.name}, {explorers:.0f} explore", explorers=explorers)
