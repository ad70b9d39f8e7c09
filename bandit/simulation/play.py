"""The loop that measures regret: any policy with any posterior in a world with known truth."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bandit.arrays import F64, U8, U16, U64, is_count
from bandit.checks import checked_retention
from bandit.errors import InputError
from bandit.hashing import hash_users
from bandit.policies import Decisions, Policy, decide
from bandit.posterior import BetaPosterior
from bandit.posterior.base import Posterior
from bandit.simulation.delay import Delay
from bandit.simulation.linear_world import LinearWorld
from bandit.snapshot import TOTAL_WEIGHT

PURPOSE = "play"
"""The purpose of the keyed hashes that picks are drawn with."""


@dataclass(frozen=True)
class Pace:
    """What happens how often, in steps.

    Args:
        delay: when rewards arrive.
        sticky: steps for which a user keeps a pick; with the steps of ``delay``, until the next refit.
        retention: share of the evidence that is kept at each ``period``.
        period: steps between two times of forgetting.

    Raises:
        InputError: a number of steps is not a whole one of at least 1, or the retention is outside (0, 1].
    """

    delay: Delay = field(default_factory=Delay)
    sticky: int = 1
    retention: float = 1.0
    period: int = 1

    def __post_init__(self) -> None:
        for name, steps in (("sticky", self.sticky), ("period", self.period)):
            if not is_count(steps):
                raise InputError(f"{name} is {steps!r} steps, expected at least 1, a whole number")
        checked_retention(self.retention)


@dataclass(frozen=True, eq=False)
class Played:
    """What was shown in T steps to n users each, all (T, n); an impression's propensity is its weight / 65535.

    ``regrets`` are the best expected reward less that of the shown arm.
    """

    arms: U8
    weights: U16
    rewards: F64
    regrets: F64

    @property
    def cumulative(self) -> F64:
        """The regret of an average user up to and with each step, (T,)."""
        return np.asarray(self.regrets.mean(axis=1).cumsum())

    @property
    def propensities(self) -> F64:
        """The probability with which each shown arm was drawn, (T, n)."""
        return self.weights / TOTAL_WEIGHT

    def slope(self, start: int, stop: int) -> float:
        """Regret a step of an average user from ``start`` to before ``stop``."""
        return float(self.regrets[start:stop].mean())


def play(
    world: LinearWorld,
    posterior: Posterior[Any],
    policy: Policy,
    *,
    steps: int,
    users: int,
    seed: int,
    random: np.random.Generator,
    pace: Pace | None = None,
    floor: float = 0.0,
) -> Played:
    """Show, wait, learn: ``posterior`` ends with what it has learned.

    A step shows one arm to each of ``users`` users. Picks go through ``policies.decide`` with keyed hashes, so that the logged
    propensity is exact. Worlds met by generators of the same state are the same whatever is played in them: comparisons
    by pairs need fewer repetitions. A ``beta`` posterior learns without the contexts.

    Args:
        world: of the same arms and features as the posterior.
        posterior: changed in place.
        policy: as it stands for a title that has had all impressions learned from so far.
        steps: T.
        users: n, with new contexts whenever picks are drawn.
        seed: of the picks.
        random: of contexts and rewards.
        pace: of rewards, picks and forgetting; by default every step, and nothing is forgotten.
        floor: share spread over all arms; the regret of a floor never ends, so there is none by default.

    Raises:
        InputError: there is nothing to play, or the posterior lacks an arm of the world or has other features.
    """
    if not (is_count(steps) and is_count(users)):
        raise InputError(f"{steps!r} steps of {users!r} users; expected at least one of each, in whole numbers")
    rhythm = pace or Pace()
    log = Played(*(np.zeros((steps, users), dtype=kind) for kind in (np.uint8, np.uint16, np.float64, np.float64)))
    contexts = np.empty((steps, users, world.shape[1]))
    everyone = np.arange(users)
    learned = 0
    for step in range(steps):
        if step and step % rhythm.period == 0 and rhythm.retention < 1:
            posterior.forget(rhythm.retention)
        learned += _learn(posterior, rhythm.delay.arriving(step), contexts, log)
        if step % rhythm.sticky == 0:
            seen = world.contexts(users, random)
            picks = _pick(
                posterior, policy.for_title(learned, learned), seen, world.shape[0], _hashes(seed, step, users), floor
            )
        contexts[step], log.arms[step], log.weights[step] = seen, *picks
        expected = world.expected(step, seen)  # (n, k)
        received = expected[everyone, picks.arms]
        log.rewards[step] = random.random(users) < received
        log.regrets[step] = expected.max(axis=1) - received
    return log


def _hashes(seed: int, step: int, users: int) -> U64:
    return hash_users(PURPOSE, seed, step, np.arange(users, dtype=np.uint64))


def _learn(posterior: Posterior[Any], arriving: range, contexts: F64, log: Played) -> int:
    """Hand the rewards of the arriving steps to the posterior; how many there are."""
    if not arriving:
        return 0
    rows = slice(arriving.start, arriving.stop)
    arms = log.arms[rows].ravel()
    given: Any = None if isinstance(posterior, BetaPosterior) else contexts[rows].reshape(len(arms), -1)
    posterior.observe(given, arms, log.rewards[rows].ravel())
    return len(arms)


def _pick(
    posterior: Posterior[Any], policy: Policy, contexts: F64, n_arms: int, hashes: U64, floor: float
) -> Decisions:
    arms = np.arange(n_arms)
    given: Any = None if isinstance(posterior, BetaPosterior) else contexts
    p = policy.probabilities(posterior.scores(given, arms))  # (n, k), or (1, k) where all users share one row
    return decide(np.broadcast_to(p, (len(contexts), n_arms)), hashes, floor=floor)
