import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import multivariate_normal

from bandit.posterior import Hyperparameters, LinearEvidence, estimate_hyperparameters

F64 = npt.NDArray[np.float64]
ALPHA, BETA = np.array([4.0, 100.0, 2500.0]), 25.0
START = Hyperparameters(np.ones(3), 1.0)


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


def test_planted_hyperparameters_are_found() -> None:
    planted = Planted(k=1000, m=100)
    found = estimate_hyperparameters(planted.evidence, planted.mu, START)
    np.testing.assert_allclose(found.prior_precision / ALPHA, 1, atol=0.25)
    assert found.noise_precision == pytest.approx(BETA, rel=0.02)


@pytest.mark.parametrize("start", [Hyperparameters(np.full(3, 1e-2), 1e-2), Hyperparameters(np.full(3, 1e4), 1e4)])
def test_the_start_does_not_matter(start: Hyperparameters) -> None:
    planted = Planted(k=300, m=60)
    found = estimate_hyperparameters(planted.evidence, planted.mu, start)
    wanted = estimate_hyperparameters(planted.evidence, planted.mu, START)
    np.testing.assert_allclose(found.prior_precision / wanted.prior_precision, 1, atol=0.03)
    assert found.noise_precision == pytest.approx(wanted.noise_precision, rel=0.01)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_the_estimate_is_a_maximum_of_the_marginal_likelihood(place: int, factor: float) -> None:
    planted = Planted(k=60, m=20)
    found = estimate_hyperparameters(planted.evidence, planted.mu, START)
    moved = np.append(found.prior_precision, found.noise_precision)
    moved[place] *= factor
    other = Hyperparameters(moved[:3], float(moved[3]))
    assert planted.log_likelihood(found) > planted.log_likelihood(other)


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


@pytest.mark.parametrize(
    "start", [START, Hyperparameters(np.full(3, 1e-2), 1e3), Hyperparameters(np.full(3, 1e4), 0.1)]
)
def test_no_round_lowers_the_marginal_likelihood(start: Hyperparameters) -> None:
    planted = Planted(k=60, m=20)
    found = [estimate_hyperparameters(planted.evidence, planted.mu, start, max_rounds=1 + count) for count in range(25)]
    likelihoods = np.array([planted.log_likelihood(one) for one in [start, *found]])
    assert (np.diff(likelihoods) >= -1e-2).all()
    best = planted.log_likelihood(estimate_hyperparameters(planted.evidence, planted.mu, START))
    assert best - likelihoods[-1] < 0.1


def test_a_feature_that_is_always_0_is_pinned_to_the_prior_and_changes_no_other_precision() -> None:
    planted = Planted(k=200, m=50)
    wanted = estimate_hyperparameters(planted.evidence, planted.mu, START)
    planted.contexts = np.insert(planted.contexts, 1, 0.0, axis=2)
    planted.mu = np.insert(planted.mu, 1, 0.4, axis=1)
    found = estimate_hyperparameters(planted.evidence, planted.mu, Hyperparameters(np.ones(4), 1.0))
    assert found.prior_precision[1] == 1e8
    np.testing.assert_allclose(np.delete(found.prior_precision, 1), wanted.prior_precision, rtol=1e-3)
    assert found.noise_precision == pytest.approx(wanted.noise_precision, rel=1e-3)


def test_features_that_repeat_each_other_leave_the_noise_and_a_maximum() -> None:
    planted = Planted(k=60, m=20)
    wanted = estimate_hyperparameters(planted.evidence, planted.mu, START)
    planted.contexts = np.concatenate([planted.contexts, planted.contexts[:, :, :1]], axis=2)
    planted.mu = np.insert(planted.mu, 3, 0.0, axis=1)
    found = estimate_hyperparameters(planted.evidence, planted.mu, Hyperparameters(np.ones(4), 1.0))
    assert found.noise_precision == pytest.approx(wanted.noise_precision, rel=1e-3)
    best = planted.log_likelihood(found)
    for place in range(4):
        for factor in (0.5, 2.0):
            moved = found.prior_precision.copy()
            moved[place] *= factor
            assert planted.log_likelihood(Hyperparameters(moved, found.noise_precision)) < best + 1e-3


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
