"""Solving by the arrow structure where digits are easily lost, and where bytes must not move."""

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest

from bandit.posterior import LinearEvidence
from bandit.posterior.arrow import ArrowSystem, Prior

F64 = npt.NDArray[np.float64]
WIDTHS = 23, 29  # features of a context and of an artwork, as in a catalogue


def constant_contexts(k: int, n: int, times: float) -> LinearEvidence:
    """Evidence of contexts that are a 1 alone; ``times`` stands for as many repetitions of all of it."""
    random = np.random.default_rng(0)
    evidence = LinearEvidence.empty(k, 1)
    evidence.observe(np.ones((n, 1)), random.integers(0, k, n), (random.random(n) < 0.1) * 1.0)
    for sums in vars(evidence).values():
        np.multiply(sums, times, out=sums)
    return evidence


def exact(evidence: LinearEvidence, alpha: float, tau: float, beta: float) -> tuple[float, float]:
    """Mean and variance of one weight that all arms share beside an intercept each, in fractions."""
    a, t, b = Fraction(alpha), Fraction(tau), Fraction(beta)
    pairs = [(Fraction(n), Fraction(r)) for n, r in zip(evidence.counts.tolist(), evidence.takes.tolist(), strict=True)]
    precision = a + sum((b * n * t / (t + b * n) for n, _ in pairs), Fraction(0))
    target = sum((b * r * t / (t + b * n) for n, r in pairs), Fraction(0))
    return float(target / precision), float(1 / precision)


@pytest.mark.parametrize(
    ("beta", "tau", "times"), [(20.0, 1.0, 1.0), (1e8, 1e-3, 1e3), (1e8, 1e-3, 1e6), (20.0, 1e-3, 1e9)]
)
def test_a_constant_feature_is_told_from_intercepts_however_many_impressions_there_are(
    beta: float, tau: float, times: float
) -> None:
    evidence = constant_contexts(5, 2000, times)
    found = ArrowSystem(evidence, np.ones((5, 1))).solve(Prior(np.full((1, 1), 1e-3), tau, beta, np.zeros(5)))
    mean, variance = exact(evidence, 1e-3, tau, beta)
    np.testing.assert_allclose(found.mean[0, 0], mean, rtol=1e-12)
    np.testing.assert_allclose(found.root[0, 0] ** 2, variance, rtol=1e-12)


@pytest.mark.parametrize(("k", "padded"), [(50, 57), (1000, 1023), (1020, 1030)])
def test_arms_that_are_added_change_not_a_bit_at_the_widths_of_a_catalogue(k: int, padded: int) -> None:
    d, q = WIDTHS
    random = np.random.default_rng(1)
    evidence, more = LinearEvidence.empty(k, d), LinearEvidence.empty(padded, d)
    evidence.sums[:], more.sums[k:] = random.normal(size=(k, d)), 0
    more.sums[:k] = evidence.sums
    design = random.normal(size=(padded, q))
    found = ArrowSystem(more, design).outer(np.ones(padded))
    np.testing.assert_array_equal(found, ArrowSystem(evidence, design[:k]).outer(np.ones(k)))
