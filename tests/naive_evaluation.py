"""Slow twins of off-policy evaluation, written from the formulas and sharing no code with ``bandit``."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from math import exp, factorial, inf, isinf, log, nan, sqrt
from typing import NamedTuple


class Row(NamedTuple):
    """One impression: what was shown, what came of it, with what probability; target probabilities and estimates of all arms."""

    arm: int
    reward: float
    propensity: float
    target: Sequence[float]
    estimates: Sequence[float]

    @property
    def weight(self) -> float:
        return self.target[self.arm] / self.propensity

    @property
    def expected(self) -> float:
        return sum(p * q for p, q in zip(self.target, self.estimates, strict=True))

    @property
    def residual(self) -> float:
        return self.reward - self.estimates[self.arm]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def replay(rows: Sequence[Row]) -> float:
    """The mean reward of impressions at which a deterministic target chooses as the log did."""
    kept = [row.reward for row in rows if row.target[row.arm] == 1]
    return mean(kept) if kept else nan


def ips(rows: Sequence[Row], clip: float = inf) -> float:
    return mean([min(row.weight, clip) * row.reward for row in rows])


def snips(rows: Sequence[Row], clip: float = inf) -> float:
    return ips(rows, clip) / mean([min(row.weight, clip) for row in rows])


def dm(rows: Sequence[Row]) -> float:
    return mean([row.expected for row in rows])


def dr(rows: Sequence[Row], clip: float = inf) -> float:
    return mean([row.expected + min(row.weight, clip) * row.residual for row in rows])


def sndr(rows: Sequence[Row], clip: float = inf) -> float:
    below = mean([min(row.weight, clip) for row in rows])
    return dm(rows) + mean([min(row.weight, clip) * row.residual for row in rows]) / below


def switch_dr(rows: Sequence[Row], threshold: float) -> float:
    return mean([row.expected + (row.weight * row.residual if row.weight <= threshold else 0.0) for row in rows])


def dros(rows: Sequence[Row], shrinkage: float) -> float:
    def shrunk(w: float) -> float:
        return w if isinf(shrinkage) else shrinkage * w / (w * w + shrinkage)

    return mean([row.expected + shrunk(row.weight) * row.residual for row in rows])


ESTIMATES: dict[str, Callable[..., float]] = {
    "replay": replay,
    "ips": ips,
    "snips": snips,
    "dm": dm,
    "dr": dr,
    "sndr": sndr,
    "switch_dr": switch_dr,
    "dros": dros,
}


def clustered_error(values: Sequence[float], clusters: Sequence[int]) -> float:
    """√(C/(C-1) Σ_c (Σ_{i in c} (v_i - v̄))²) / m."""
    middle = mean(values)
    sums: dict[int, float] = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + value - middle
    count = len(sums)
    return sqrt(count / (count - 1) * sum(each * each for each in sums.values())) / len(values)


def absorb(state: int, word: int) -> int:
    z = ((state ^ word) + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


def poisson_counts(key: int, resample: int, n: int) -> list[int]:
    """Counts of n decisions in one resample: 16 bits of a hash each, by the inverse distribution function of Poisson(1)."""
    bounds, total = [], 0.0
    for count in range(9):
        total += exp(-1) / factorial(count)
        bounds.append(round(total * 65536))
    state = absorb(key, resample)
    counts = []
    for decision in range(n):
        bits = absorb(state, decision - decision % 4) >> 16 * (decision % 4) & 0xFFFF
        counts.append(min(bisect_right(bounds, bits), 8))
    return counts


def lower_sequence(values: Sequence[float], least: float, alpha: float) -> list[float]:
    """The lower confidence sequence: the least μ that the mixture of bets has not ruled out after each value.

    ξ = (v - least) / (1 - least), and μ is ruled out where the mean over λ = 1/2, 1/4, ... 2⁻¹⁸ of
    exp(λ (Σ ξ - t μ) - (-log(1 - λ) - λ) Σ (ξ - ξ̂)²) is above 1/α; by bisection.
    """
    scale = 1 - least
    xi = [(value - least) / scale for value in values]
    bets = [0.5**power for power in range(1, 19)]
    found: list[float] = []
    square = 0.0
    for t in range(len(xi)):
        square += (xi[t] - min((-least / scale + sum(xi[:t])) / (t + 1), 1.0)) ** 2
        total = sum(xi[: t + 1])

        def wealth(x: float, square: float = square) -> float:
            return mean([exp(min(bet * x - (-log(1 - bet) - bet) * square, 700.0)) for bet in bets])

        low, high = 0.0, 1.0
        while wealth(high) <= 1 / alpha:
            high *= 2
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if wealth(middle) <= 1 / alpha else (low, middle)
        found.append((total - high) / (t + 1) * scale + least)
    return found
