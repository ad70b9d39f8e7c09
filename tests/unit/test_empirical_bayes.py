import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import multivariate_normal

from bandit.errors import InputError
from bandit.policies import ThompsonSampling
from bandit.posterior import (
    Hyperparameters,
    LinearEvidence,
    LinearPosterior,
    estimate_hyperparameters,
    popularity_mean,
)

F64 = npt.NDArray[np.float64]
ALPHA, BETA = np.array([4.0, 100.0, 2500.0]), 25.0
START = Hyperparameters(np.ones(3), 20.0)


class Planted:
    """Rewards of a world whose hyperparameters are known; ``contexts`` (k, m, d), ``rewards`` (k, m), ``mu`` (k, d)."""

    def __init__(self, k: int, m: int, alpha: F64 = ALPHA) -> None:
        random = np.random.default_rng(1)
        self.contexts = random.normal(size=(k, m, 3))
        self.mu = np.tile([0.3, 0.0, -0.2], (k, 1))
        weights = self.mu + random.normal(size=(k, 3)) / np.sqrt(alpha)
        noise = random.normal(size=(k, m)) / np.sqrt(BETA)
        self.rewards = np.einsum("kmd,kd->km", self.contexts, weights) + noise

    @property
    def evidence(self) -> LinearEvidence:
        gram = np.einsum("kmi,kmj->kij", self.contexts, self.contexts)
        information = np.einsum("kmi,km->ki", self.contexts, self.rewards)
        counts = np.full(len(self.mu), float(self.rewards.shape[1]))
        squares, sums, takes = (self.rewards**2).sum(axis=1), self.contexts.sum(axis=1), self.rewards.sum(axis=1)
        return LinearEvidence(gram, information, counts, squares, sums, takes)

    def log_likelihood(self, found: Hyperparameters) -> float:
        """log p(rewards) with the weights integrated out, straight from the joint Gaussian of each arm's rewards."""
        total = 0.0
        for x, r, mu in zip(self.contexts, self.rewards, self.mu, strict=True):
            covariance = np.eye(len(r)) / found.noise_precision + x / found.prior_precision @ x.T
            total += float(multivariate_normal.logpdf(r, x @ mu, covariance))
        return total

    def log_posterior(self, found: Hyperparameters) -> float:
        """With the weight of a percentage point and the 20 impressions at the start's noise that were seen beforehand."""
        alpha, beta = found
        told = np.maximum((self.contexts**2).mean(axis=(0, 1)), 1e-300)
        prior = (
            np.log(alpha).sum() - (alpha * 0.01**2 / told).sum() + 20 * np.log(beta) - beta * 20 / START.noise_precision
        )
        return self.log_likelihood(found) + float(prior) / 2


def test_planted_hyperparameters_are_found() -> None:
    planted = Planted(k=1000, m=100)
    found = estimate_hyperparameters(planted.evidence, planted.mu, START)
    np.testing.assert_allclose(found.prior_precision / ALPHA, 1, atol=0.25)
    assert found.noise_precision == pytest.approx(BETA, rel=0.02)


@pytest.mark.parametrize("start", [np.full(3, 1e-2), np.full(3, 1e4), np.array([1e8, 1e-3, 1.0])])
def test_the_prior_precisions_of_the_start_do_not_matter(start: F64) -> None:
    planted = Planted(k=300, m=60)
    found = estimate_hyperparameters(planted.evidence, planted.mu, Hyperparameters(start, 20.0))
    wanted = estimate_hyperparameters(planted.evidence, planted.mu, START)
    np.testing.assert_allclose(found.prior_precision / wanted.prior_precision, 1, atol=0.03)
    assert found.noise_precision == pytest.approx(wanted.noise_precision, rel=0.01)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_the_estimate_is_a_maximum_of_the_log_posterior(place: int, factor: float) -> None:
    planted = Planted(k=60, m=20)
    found = estimate_hyperparameters(planted.evidence, planted.mu, START)
    moved = np.append(found.prior_precision, found.noise_precision)
    moved[place] *= factor
    other = Hyperparameters(moved[:3], float(moved[3]))
    assert planted.log_posterior(found) > planted.log_posterior(other)


def test_arms_without_impressions_change_nothing() -> None:
    planted = Planted(k=50, m=40)
    padded = LinearEvidence.empty(100, 3)
    for sums, more in zip(vars(padded).values(), vars(planted.evidence).values(), strict=True):
        sums[::2] = more
    found = estimate_hyperparameters(padded, np.repeat(planted.mu, 2, axis=0), START)
    wanted = estimate_hyperparameters(planted.evidence, planted.mu, START)
    np.testing.assert_array_equal(found.prior_precision, wanted.prior_precision)
    assert found.noise_precision == wanted.noise_precision


def test_without_evidence_the_start_stands() -> None:
    assert estimate_hyperparameters(LinearEvidence.empty(5, 3), np.zeros((5, 3)), START) is START


def test_weights_that_all_equal_the_prior_mean_are_pinned_to_it() -> None:
    planted = Planted(k=200, m=50, alpha=np.full(3, np.inf))
    found = estimate_hyperparameters(planted.evidence, planted.mu, START)
    assert found.prior_precision.min() > 1000
    assert found.noise_precision == pytest.approx(BETA, rel=0.05)


def test_the_estimate_is_stationary() -> None:
    planted = Planted(k=60, m=4)
    found = np.append(*estimate_hyperparameters(planted.evidence, planted.mu, START))
    for place in range(4):
        sides = []
        for step in (-1e-3, 1e-3):
            moved = found.copy()
            moved[place] *= np.exp(step)
            sides.append(planted.log_posterior(Hyperparameters(moved[:3], float(moved[3]))))
        assert abs(sides[1] - sides[0]) / 2e-3 < 0.2  # of a maximum whose curvature is 2 to 100


def test_impressions_that_tell_next_to_nothing_end_at_the_maximum_all_the_same() -> None:
    # Two impressions an arm of three weights: going round crawls for hundreds of rounds here.
    random = np.random.default_rng(3)
    planted = Planted(k=300, m=2, alpha=np.full(3, np.inf))
    planted.rewards = (random.random(planted.rewards.shape) < 0.06).astype(np.float64)
    planted.mu = np.zeros_like(planted.mu)
    found = estimate_hyperparameters(planted.evidence, planted.mu, START)
    for place in range(3):
        for factor in (0.7, 1.4):
            moved = found.prior_precision.copy()
            moved[place] *= factor
            assert (
                planted.log_posterior(Hyperparameters(moved, found.noise_precision))
                < planted.log_posterior(found) + 0.01
            )


@pytest.mark.parametrize("times", [1, 50])
def test_a_first_day_without_takes_leaves_an_arm_of_five_impressions_a_chance(times: int) -> None:
    arms = np.repeat([0, 1], [1000 * times, 5])
    contexts = np.column_stack([np.ones(len(arms)), np.random.default_rng(0).normal(size=len(arms))])
    posterior = LinearPosterior(3, 2)
    posterior.observe(contexts, arms, np.zeros(len(arms)))
    mean = popularity_mean(np.full(3, 0.01), 2)
    found = estimate_hyperparameters(posterior.evidence, mean, Hyperparameters(np.ones(2), 20.0))
    made = LinearPosterior(3, 2, *found, mean)
    made.evidence = posterior.evidence
    scores = made.scores([[1.0, 0.0]], [0, 1, 2])
    assert ThompsonSampling().probabilities(scores)[0, 1:].min() > 0.1
    assert scores.deviations[0, 1] > 1e-3
    assert found.prior_precision.max() < 1e7


WRONG: dict[str, tuple[Any, Hyperparameters, str]] = {
    "mean": (np.zeros((2, 3)), START, "prior_mean has the shape (2, 3), expected a number or what spreads to (5, 3)"),
    "width": (0.0, Hyperparameters(np.ones(2), 1.0), "prior_precision has the shape (2,)"),
    "precision": (0.0, Hyperparameters(np.array([1.0, 0.0, 1.0]), 1.0), "the smallest prior precision is 0.0"),
    "noise": (0.0, Hyperparameters(np.ones(3), -1.0), "the noise precision is -1.0, expected a finite number above 0"),
    "text": (0.0, Hyperparameters(np.ones(3), "x"), "the noise precision is 'x'"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_mean_or_start_is_refused(wrong: str) -> None:
    mean, start, said = WRONG[wrong]
    with pytest.raises(InputError, match=re.escape(said)):
        estimate_hyperparameters(LinearEvidence.empty(5, 3), mean, start)


def test_a_feature_that_is_always_0_is_pinned_to_the_prior_and_changes_no_other_precision() -> None:
    planted = Planted(k=200, m=50)
    wanted = estimate_hyperparameters(planted.evidence, planted.mu, START)
    planted.contexts = np.insert(planted.contexts, 1, 0.0, axis=2)
    planted.mu = np.insert(planted.mu, 1, 0.4, axis=1)
    found = estimate_hyperparameters(planted.evidence, planted.mu, Hyperparameters(np.ones(4), 20.0))
    assert found.prior_precision[1] == 1e8
    np.testing.assert_allclose(np.delete(found.prior_precision, 1), wanted.prior_precision, rtol=1e-3)
    assert found.noise_precision == pytest.approx(wanted.noise_precision, rel=1e-3)


def test_features_that_repeat_each_other_leave_the_noise_and_a_maximum() -> None:
    planted = Planted(k=60, m=20)
    wanted = estimate_hyperparameters(planted.evidence, planted.mu, START)
    planted.contexts = np.concatenate([planted.contexts, planted.contexts[:, :, :1]], axis=2)
    planted.mu = np.insert(planted.mu, 3, 0.0, axis=1)
    found = estimate_hyperparameters(planted.evidence, planted.mu, Hyperparameters(np.ones(4), 20.0))
    assert found.noise_precision == pytest.approx(wanted.noise_precision, rel=1e-3)
    best = planted.log_posterior(found)
    for place in range(4):
        for factor in (0.5, 2.0):
            moved = found.prior_precision.copy()
            moved[place] *= factor
            assert planted.log_posterior(Hyperparameters(moved, found.noise_precision)) < best + 1e-3


def test_features_of_scales_a_million_apart_find_the_precisions_of_their_scales() -> None:
    planted = Planted(k=200, m=50, alpha=np.array([4.0, 100.0, 25.0]))
    wanted = estimate_hyperparameters(planted.evidence, planted.mu, START)
    scales = np.array([0.1, 1.0, 1e3])  # precisions stay within their bounds
    planted.contexts, planted.mu = planted.contexts * scales, planted.mu / scales
    found = estimate_hyperparameters(planted.evidence, planted.mu, START)
    np.testing.assert_allclose(found.prior_precision, wanted.prior_precision * scales**2, rtol=2e-2)
    assert found.noise_precision == pytest.approx(wanted.noise_precision, rel=1e-3)


@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_rewards_that_never_vary_give_finite_precisions(reward: float) -> None:
    evidence = LinearEvidence.empty(2, 1)
    evidence.observe(np.ones((20, 1)), np.arange(20) % 2, np.full(20, reward))
    found = estimate_hyperparameters(evidence, np.zeros((2, 1)), Hyperparameters(np.ones(1), 1.0))
    assert np.isfinite(found.prior_precision).all()
    assert (found.prior_precision > 0).all()
    assert 0 < found.noise_precision < np.inf
