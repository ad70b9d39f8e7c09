"""How often intervals of off-policy estimates hold the truth, in a small world where it is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy.special import expit, softmax

from bandit.arrays import F64, I64, numbered
from bandit.evaluation.estimate import check_works, usual_interval, value_range
from bandit.evaluation.estimators import Estimator, parse_estimator
from bandit.evaluation.intervals.bernstein import bernstein_interval
from bandit.evaluation.intervals.normal import Interval, normal_interval, standard_error
from bandit.evaluation.intervals.sequence import confidence_sequence
from bandit.evaluation.sample import Sample
from bandit.evaluation.tuning import resolved

N_TYPES, N_ARMS = 40, 4
UNIFORM, UNEVEN = "uniform", "uneven"
LOGS: Final = (UNEVEN, UNIFORM)
ESTIMATORS: Final = ("replay", "ips", "snips", "dm", "dr", "sndr", "ips:clip=2", "dr:clip=2", "switch_dr", "dros")
UNBIASED: Final = ("ips", "dr")
SHOWINGS: Final = (1, 3)
"""Impressions a decision: always one, or one to three."""


class SmallWorld(NamedTuple):
    """40 kinds of users, all as frequent, and 4 arms: expected rewards, and probabilities of two policies, all (40, 4)."""

    rates: F64
    logging: F64
    target: F64

    @classmethod
    def drawn(cls, log: str) -> "SmallWorld":
        """One world for all replicates. Weights of the uneven log are 0.1 to 4, of the uniform one 0.2 to 3."""
        random = np.random.default_rng(2026)
        rates = expit(random.normal(-1.0, 0.7, (N_TYPES, N_ARMS)))
        logging = np.full((N_TYPES, N_ARMS), 1 / N_ARMS)
        if log == UNEVEN:
            logging = softmax(random.normal(0.0, 0.6, (N_TYPES, N_ARMS)), axis=1)
        return cls(rates, logging, softmax(4 * rates + random.normal(0.0, 0.4, (N_TYPES, N_ARMS)), axis=1))

    @property
    def truth(self) -> float:
        """What the target policy is worth."""
        return float((self.target * self.rates).sum() / N_TYPES)

    @property
    def logged_truth(self) -> float:
        """What the logging policy is worth."""
        return float((self.logging * self.rates).sum() / N_TYPES)

    @property
    def largest_weight(self) -> float:
        """The largest weight that is possible."""
        return float((self.target / self.logging).max())

    def log(self, decisions: int, showings: int, random: np.random.Generator) -> "tuple[Sample, I64]":
        """A log of so many decisions, shown up to ``showings`` times each, and the number of arms each had to choose from.

        Its reward model knows the arms alone, from the other half of the decisions: it is wrong, as models are.
        """
        kinds = random.integers(0, N_TYPES, decisions)
        cumulated = self.logging[kinds].cumsum(axis=1)
        arms = (random.random(decisions)[:, None] > cumulated).sum(axis=1).clip(max=N_ARMS - 1)
        times = random.integers(1, showings + 1, decisions)
        decision = np.repeat(np.arange(decisions), times)
        kind, arm = kinds[decision], arms[decision]
        rewards = (random.random(len(decision)) < self.rates[kind, arm]).astype(np.float64)
        half = decision % 2
        q = np.stack([_arm_rates(arm[half == fold], rewards[half == fold]) for fold in (1, 0)])[half]  # (m, k)
        p = self.target[kind]
        at = np.arange(len(decision))
        sample = Sample(
            rewards=rewards,
            target=p[at, arm],
            unsupported=np.zeros(len(decision)),
            propensities=self.logging[kind, arm],
            logged_estimates=q[at, arm],
            target_estimates=np.einsum("mk,mk->m", p, q),
            clusters=None if showings == 1 else numbered(decision),
        )
        return sample, np.full(len(decision), N_ARMS)


@dataclass(frozen=True)
class Replicates:
    """Some replicates, a task for a process: numbers ``first`` to before ``stop`` of a seed."""

    log: str
    decisions: int
    showings: int
    first: int
    stop: int
    seed: int = 0
    level: float = 0.95


class Found(NamedTuple):
    """What some replicates found, a row each.

    ``values`` (r, e) of the estimators of ``words``. ``covered`` (r, e, 3) by Hall's, normal and Bernstein intervals, the
    last NaN of biased ones. ``always`` (r, 2): whether the sequences of the value, and of the lead over the logging policy,
    held the truth at every single decision.
    """

    values: F64
    covered: F64
    always: F64


def words_of(log: str) -> list[str]:
    """The estimators that work on a kind of log."""
    return [word for word in ESTIMATORS if word != "replay" or log == UNIFORM]


def replicate(task: Replicates) -> Found:
    """Draw logs, estimate, and see what holds the truth."""
    world = SmallWorld.drawn(task.log)
    estimators = [parse_estimator(word) for word in words_of(task.log)]
    found = [_one(world, task, estimators, number) for number in range(task.first, task.stop)]
    return Found(*(np.array(each) for each in zip(*found, strict=True)))


def _one(world: SmallWorld, task: Replicates, estimators: Sequence[Estimator], number: int) -> tuple[F64, F64, F64]:
    random = np.random.default_rng((task.seed, number))
    sample, _ = world.log(task.decisions, task.showings, random)
    used = []
    for estimator in estimators:
        check_works(estimator, sample)
        used.append(resolved(estimator, sample))
    truth, bound = world.truth, world.largest_weight
    values, covered = np.empty(len(used)), np.full((len(used), 3), np.nan)
    for place, (estimator, terms) in enumerate(used):
        values[place] = terms.value
        covered[place, 0] = _holds(usual_interval(sample, terms, task.level), truth)
        covered[place, 1] = _holds(normal_interval(terms.value, standard_error(sample, terms), task.level), truth)
        if estimator.word in UNBIASED:
            width = value_range(estimator, sample, bound)
            covered[place, 2] = _holds(bernstein_interval(sample, terms, width, task.level), truth)
    return values, covered, _always(world, sample, task.level)


def _holds(interval: Interval, truth: float) -> bool:
    return interval.lower <= truth <= interval.upper


def _always(world: SmallWorld, sample: Sample, level: float) -> F64:
    """Whether both sequences hold their truths at every decision, of logs whose decisions are shown once."""
    if sample.clusters is not None:
        return np.full(2, np.nan)
    bound = world.largest_weight
    value = confidence_sequence(sample.weighted_rewards, 0.0, max(bound, 1.0), level, points=None)
    lead = confidence_sequence(sample.weighted_rewards - sample.rewards, -1.0, max(bound - 1, 1.0), level, points=None)
    truths = world.truth, world.truth - world.logged_truth
    return np.array(
        [
            float((found.lower <= truth).all() and (found.upper >= truth).all())
            for found, truth in zip((value, lead), truths, strict=True)
        ]
    )


@dataclass(frozen=True)
class CoverageRow:
    """One estimator on one kind of log: its bias and its error, in reward, and how often each interval held the truth.

    ``error`` is root mean squared; ``bernstein`` is None of biased estimators.
    """

    estimator: str
    bias: float
    error: float
    hall: float
    normal: float
    bernstein: float | None


@dataclass(frozen=True)
class Coverage:
    """All replicates of one kind of log; ``sequence`` and ``lead_sequence`` at all times at once, None where decisions repeat."""

    log: str
    decisions: int
    showings: int
    replicates: int
    level: float
    truth: float
    rows: list[CoverageRow]
    sequence: float | None
    lead_sequence: float | None


def coverage_of(found: Sequence[Found], tasks: Sequence[Replicates]) -> Coverage:
    """The table of some tasks of one kind of log."""
    task = tasks[0]
    values, covered, always = (np.concatenate([getattr(each, name) for each in found]) for name in Found._fields)
    truth = SmallWorld.drawn(task.log).truth
    held = covered.mean(axis=0)
    rows = [
        CoverageRow(
            word,
            float(values[:, place].mean() - truth),
            float(np.sqrt(((values[:, place] - truth) ** 2).mean())),
            float(held[place, 0]),
            float(held[place, 1]),
            float(held[place, 2]) if word in UNBIASED else None,
        )
        for place, word in enumerate(words_of(task.log))
    ]
    sequence, lead = always.mean(axis=0).tolist() if task.showings == 1 else (None, None)
    return Coverage(task.log, task.decisions, task.showings, len(values), task.level, truth, rows, sequence, lead)


def _arm_rates(arms: I64, rewards: F64) -> F64:
    shown = np.bincount(arms, minlength=N_ARMS)
    return np.asarray((np.bincount(arms, weights=rewards, minlength=N_ARMS) + 1) / (shown + 4))
