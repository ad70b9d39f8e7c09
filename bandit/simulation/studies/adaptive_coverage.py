"""How often intervals hold the truth where the logging policy learns from its own log."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr

from bandit.arrays import F64, I64
from bandit.evaluation.estimators import make_estimator
from bandit.evaluation.intervals.batches import stabilised
from bandit.evaluation.intervals.normal import normal_interval, standard_error
from bandit.evaluation.sample import Sample

ESTIMATORS: Final = ("ips", "dr")
KINDS: Final = ("normal", "batches")
FLOOR: Final = 0.01
RATES: Final = ((0.5, 0.5), (0.1, 0.1), (0.3, 0.35))
"""Take rates of two arms: where they are equal, Thompson sampling settles on either; in the last the target is the worse one."""


@dataclass(frozen=True)
class AdaptiveReplicates:
    """Some replicates, a task for a process: numbers ``first`` to before ``stop`` of a seed.

    A log has ``batches`` of ``size`` impressions under Thompson sampling, learned from all batches before, each arm with a
    probability of at least ``floor``.
    """

    rates: tuple[float, float]
    batches: int
    size: int
    first: int
    stop: int
    seed: int = 0
    level: float = 0.95
    floor: float = FLOOR


@dataclass(frozen=True)
class AdaptiveRow:
    """One estimator of the value of always showing the first arm, with one kind of interval."""

    estimator: str
    interval: str
    bias: float
    width: float
    covered: float


@dataclass(frozen=True)
class AdaptiveCoverage:
    """All replicates of one pair of arms."""

    rates: tuple[float, float]
    batches: int
    size: int
    replicates: int
    level: float
    rows: list[AdaptiveRow]


def replicate(task: AdaptiveReplicates) -> F64:
    """(r, estimators, kinds, 3): value, lower and upper end in each replicate."""
    found = []
    for number in range(task.first, task.stop):
        sample, batches = draw_log(task, np.random.default_rng((task.seed, number)))
        found.append([_intervals(sample, batches, name, task.level) for name in ESTIMATORS])
    return np.array(found)


def coverage_of(found: Sequence[F64], tasks: Sequence[AdaptiveReplicates]) -> AdaptiveCoverage:
    """The table of some tasks of one pair of arms."""
    task, every = tasks[0], np.concatenate(found)
    truth = task.rates[0]
    rows = []
    for i, estimator in enumerate(ESTIMATORS):
        for j, kind in enumerate(KINDS):
            value, lower, upper = every[:, i, j].T
            covered = float(((lower <= truth) & (truth <= upper)).mean())
            rows.append(
                AdaptiveRow(estimator, kind, float(value.mean() - truth), float((upper - lower).mean()), covered)
            )
    return AdaptiveCoverage(task.rates, task.batches, task.size, len(every), task.level, rows)


def _intervals(sample: Sample, batches: I64, name: str, level: float) -> list[list[float]]:
    terms = make_estimator(name).terms(sample)
    by_batch = stabilised(sample, terms, batches, level)
    plain = normal_interval(terms.value, standard_error(sample, terms), level)
    return [[terms.value, *plain], [by_batch.value, *by_batch.interval]]


def draw_log(task: AdaptiveReplicates, random: np.random.Generator) -> tuple[Sample, I64]:
    """A log judged for the policy that always shows arm 0, with a model that expects four fifths of what is there."""
    takes, shown = np.zeros(2), np.zeros(2)
    arms, rewards, chances = [], [], []
    for batch in range(task.batches):
        chance = 0.5 if batch == 0 else _win_probability(takes, shown)
        first = task.floor + (1 - 2 * task.floor) * chance
        arm = (random.random(task.size) > first).astype(np.int64)
        reward = (random.random(task.size) < np.array(task.rates)[arm]).astype(np.float64)
        takes += np.bincount(arm, weights=reward, minlength=2)
        shown += np.bincount(arm, minlength=2)
        arms.append(arm)
        rewards.append(reward)
        chances.append(np.where(arm == 0, first, 1 - first))
    count = task.batches * task.size
    expected = np.full(count, 0.8 * task.rates[0])
    sample = Sample(
        rewards=np.concatenate(rewards),
        target=(np.concatenate(arms) == 0).astype(np.float64),
        unsupported=np.zeros(count),
        propensities=np.concatenate(chances),
        logged_estimates=expected,
        target_estimates=expected,
    )
    return sample, np.repeat(np.arange(task.batches), task.size)


def _win_probability(takes: F64, shown: F64) -> float:
    """P(arm 0 is better) by the normal approximation of both Beta posteriors."""
    mean = (takes + 1) / (shown + 2)
    variance = mean * (1 - mean) / (shown + 3)
    return float(ndtr((mean[0] - mean[1]) / np.sqrt(variance.sum())))
