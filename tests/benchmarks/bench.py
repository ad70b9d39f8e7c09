"""Speed of the parts, one core, on this machine: ``make bench``. Correctness is asserted before anything is timed.

Figures are medians of repeated runs with their spread; machines differ, so compare ratios within one run only.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from bandit.hashing import hash_ids
from bandit.kernels.warm import warm
from bandit.policies import ThompsonSampling, decide
from bandit.posterior import LinearEvidence, LinearPosterior, Moments
from bandit.snapshot import decode_row, encode_row

REPEATS = 7
FEATURES, ARMS, USERS = 16, 10, 2048


@dataclass(frozen=True)
class Timing:
    """Units of work a second: the median of the runs, the slowest and the fastest."""

    what: str
    median: float
    slowest: float
    fastest: float


def timed(what: str, units: int, work: Callable[[], object]) -> Timing:
    """Time some work after one run that is not counted."""
    work()
    rates = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        rates.append(units / (time.perf_counter() - began))
    return Timing(what, median(rates), min(rates), max(rates))


def thompson(ratio: float) -> Timing:
    """Decisions with exact propensities from Gaussian scores whose deviations differ by up to ``ratio``."""
    random = np.random.default_rng(int(ratio))
    deviations = np.exp(random.uniform(0, np.log(ratio), size=(USERS, ARMS))) if ratio > 1 else np.ones((USERS, ARMS))
    scores = Moments(random.normal(size=(USERS, ARMS)), deviations)
    hashes = hash_ids(f"u{row}" for row in range(USERS))
    assert np.allclose(ThompsonSampling().probabilities(scores).sum(axis=1), 1)
    return timed(
        f"decisions/s, Thompson, {ARMS} arms, deviations differ by {ratio:g} x",
        USERS,
        lambda: decide(ThompsonSampling().probabilities(scores), hashes),
    )


def linear_scores() -> Timing:
    """Scores of a linear posterior."""
    random = np.random.default_rng(1)
    posterior = LinearPosterior(ARMS, FEATURES)
    contexts = random.normal(size=(USERS, FEATURES))
    posterior.observe(contexts, random.integers(ARMS, size=USERS), random.integers(2, size=USERS).astype(float))
    scorer = posterior.scorer(np.arange(ARMS))
    one = scorer.moments(contexts[:1])
    covariance = np.linalg.inv(posterior.precision[0])
    assert np.isclose(one.deviations[0, 0] ** 2, contexts[0] @ covariance @ contexts[0])
    return timed(f"scores/s, linear, d = {FEATURES}", USERS * ARMS, lambda: scorer.moments(contexts))


def observe() -> Timing:
    """Impressions into the sums of a linear posterior, rows sorted by arm."""
    random = np.random.default_rng(2)
    count = 200_000
    contexts, arms = random.normal(size=(count, FEATURES)), np.sort(random.integers(ARMS, size=count))
    rewards = random.integers(2, size=count).astype(float)
    evidence = LinearEvidence.empty(ARMS, FEATURES)
    evidence.observe(contexts, arms, rewards)
    own = contexts[arms == 3]
    assert np.allclose(evidence.precision[3], own.T @ own)
    fresh = LinearEvidence.empty(ARMS, FEATURES)
    return timed(f"impressions/s, observe, d = {FEATURES}", count, lambda: fresh.observe(contexts, arms, rewards))


def rows(picks: int) -> tuple[Timing, Timing]:
    """Packing rows for the store, and checking them on the way back."""
    body = bytes([1, 255, 127]) * picks
    row = encode_row("u1", 17, 0, body)
    pick = decode_row(row, "u1", 17).pick(picks - 1)
    assert pick is not None
    assert (pick.arm, pick.weight) == (1, 32767)
    return (
        timed(f"rows/s packed, {picks} picks", 2000, lambda: [encode_row("u1", 17, 0, body) for _ in range(2000)]),
        timed(f"rows/s checked, {picks} picks", 2000, lambda: [decode_row(row, "u1", 17).pick(3) for _ in range(2000)]),
    )


def main() -> None:
    """Print one line a part."""
    warm()
    with threadpool_limits(limits=1):
        timings = [thompson(ratio) for ratio in (1, 5, 25, 100)] + [linear_scores(), observe(), *rows(100), *rows(1682)]
    width = max(len(timing.what) for timing in timings)
    sys.stdout.write(f"{'median (slowest to fastest) of ' + str(REPEATS) + ' runs, one core':<{width}}\n")
    for timing in timings:
        spread = f"({timing.slowest:,.0f} to {timing.fastest:,.0f})"
        sys.stdout.write(f"{timing.what:<{width}}  {timing.median:>12,.0f}  {spread}\n")


if __name__ == "__main__":
    main()
