"""The delay experiment of Chapelle and Li (2011): a dynamic set of ten items, UCB and Thompson sampling, late rewards.

Section 3 of the paper: "At a given time, with probability 10⁻³ one of the item retires and is replaced by a new one. The true
reward probability of a given item is drawn according to a Beta(4,4) distribution. The feedback is received only every δ time
units." What the text leaves open, and what each way of filling it gives, is in ``docs/decisions/0006-chapelle-and-li.md``.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from bandit.arrays import F64, I64, U8
from bandit.errors import InputError
from bandit.kernels import chapelle_li as kernels
from bandit.simulation.delay import READINGS, Delay
from bandit.snapshot import hash_base

N_ITEMS = 10
CHURN = 1e-3
RATE_SHAPE = 4.0
POLICIES = ("ucb", "thompson")
"""In the order of the last axis of all regrets."""

PURPOSE = "chapelle-li"
"""The purpose of the keyed hash that starts the draws of Thompson sampling."""

_CODES = {
    "ucb": kernels.UCB,
    "thompson": kernels.THOMPSON,
    "batches": kernels.BATCHES,
    "each": kernels.EACH,
    "refits": kernels.REFITS,
}


@dataclass(frozen=True, eq=False)
class Items:
    """Who is there when: rates of the first items (k,), and the replacements in order of time.

    At ``times`` (e,) the item in the place ``retired`` (e,) goes, and one of rate ``arrivals`` (e,) comes.
    """

    rates: F64
    times: I64
    retired: I64
    arrivals: F64

    @classmethod
    def draw(cls, steps: int, random: np.random.Generator) -> Self:
        """Ten items; at each step, with probability 10⁻³, one of them retires; rates are Beta(4, 4)."""
        times = np.flatnonzero(random.random(steps) < CHURN)
        retired = random.integers(0, N_ITEMS, len(times))
        rates, arrivals = (random.beta(RATE_SHAPE, RATE_SHAPE, size) for size in (N_ITEMS, len(times)))
        return cls(rates, times, retired, arrivals)


class Trajectory(NamedTuple):
    """What was chosen, whether it was taken, and the regret of each step, all (T,)."""

    arms: U8
    takes: U8
    regrets: F64


def simulate(policy: str, delay: Delay, items: Items, uniforms: F64, key: int) -> Trajectory:
    """Let one policy choose among the items for T steps.

    ``ucb`` takes the largest upper bound (the paper's equation 1), ``thompson`` the largest draw from the posteriors of the prior
    Beta(1, 1) (its algorithm 2).

    Args:
        policy: ``ucb`` or ``thompson``.
        delay: of the rewards.
        items: rates and replacements.
        uniforms: of the takes, (T,): the same for every policy, so that differences between policies are paired.
        key: of the draws of Thompson sampling, 64 bits.

    Raises:
        InputError: the policy is not one of the two.
    """
    if policy not in POLICIES:
        raise InputError(f"there is no policy {policy!r} in this world; choose one of {', '.join(POLICIES)}")
    steps = len(uniforms)
    made = Trajectory(np.empty(steps, dtype=np.uint8), np.empty(steps, dtype=np.uint8), np.empty(steps))
    kernels.play(
        _CODES[policy],
        _CODES[delay.reading],
        delay.steps,
        items.rates.copy(),
        items.times,
        items.retired,
        items.arrivals,
        uniforms,
        np.array([key, 0], dtype=np.uint64),
        *made,
    )
    return made


def delays_of(steps: tuple[int, ...]) -> tuple[Delay, ...]:
    """Each δ in all readings, δ ascending within a reading; δ = 1 once, since there all are the same.

    Raises:
        InputError: there is none, one is under 1, or one is there twice.
    """
    if not steps or len(set(steps)) != len(steps):
        raise InputError(f"the delays are {steps}, expected at least one, and none twice")
    return tuple(
        Delay(each, reading) for reading in READINGS for each in sorted(steps) if each > 1 or reading == READINGS[0]
    )


@dataclass(frozen=True)
class Repetition:
    """One repetition, a task for a process: the same items and takes for every delay and policy."""

    seed: int
    number: int
    steps: int
    delays: tuple[Delay, ...]


def regrets_of(task: Repetition) -> F64:
    """The regret of one repetition by delay and policy, (delays, policies): Σ_t best rate of the step - rate of the item."""
    random = np.random.default_rng((task.seed, task.number))
    items = Items.draw(task.steps, random)
    uniforms = random.random(task.steps)
    key = hash_base(PURPOSE, task.seed, task.number)
    return np.array(
        [[simulate(policy, delay, items, uniforms, key).regrets.sum() for policy in POLICIES] for delay in task.delays]
    )
