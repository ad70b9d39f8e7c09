import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import multivariate_normal

from bandit.posterior import LinearEvidence, SharedPrior, estimate_shared_prior

F64 = npt.NDArray[np.float64]
TRUTH = SharedPrior(400.0, 900.0, 25.0)
START = SharedPrior(1.0, 1.0, 1.0)


class Planted:
    """Rewards of a world whose precisions are known; ``contexts`` (k, m, d), ``rewards`` (k, m), ``features`` (k, f)."""

    def __init__(self, k: int, m: int, d: int = 4, f: int = 5) -> None:
        random = np.random.default_rng(1)
        self.features, self.contexts = random.normal(size=(k, f)), random.normal(size=(k, m, d))
        self.means = random.random(k)
        weights = random.normal(size=(d, f + 1)) / np.sqrt(TRUTH.prior_precision)
        own = self.means + random.normal(size=k) / np.sqrt(TRUTH.intercept_precision)
        noise = random.normal(size=(k, m)) / np.sqrt(TRUTH.noise_precision)
        self.design = np.column_stack([np.ones(k), self.features])
        self.rewards = np.einsum("kmd,kd->km", self.contexts, self.design @ weights.T) + own[:, None] + noise

    @property
    def evidence(self) -> LinearEvidence:
        x, r = self.contexts, self.rewards
        return LinearEvidence(
            np.einsum("kmi,kmj->kij", x, x),
            np.einsum("kmi,km->ki", x, r),
            np.full(len(r), float(r.shape[1])),
            (r**2).sum(axis=1),
            x.sum(axis=1),
            r.sum(axis=1),
        )

    def log_likelihood(self, found: SharedPrior) -> float:
        """log p(rewards) with weights and intercepts integrated out, straight from the joint Gaussian of all rewards."""
        k, m = self.rewards.shape
        rows = np.einsum("kmd,kq->kmdq", self.contexts, self.design).reshape(k * m, -1)
        own = np.kron(np.eye(k), np.ones((m, m)))
        covariance = rows @ rows.T / found.prior_precision + own / found.intercept_precision
        covariance += np.eye(k * m) / found.noise_precision
        return float(multivariate_normal.logpdf(self.rewards.ravel(), np.repeat(self.means, m), covariance))


def test_planted_precisions_are_found() -> None:
    planted = Planted(k=3000, m=60, d=10, f=29)
    found = estimate_shared_prior(planted.evidence, planted.features, planted.means, START)
    np.testing.assert_allclose(np.array(found) / np.array(TRUTH), 1, atol=0.15)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_the_estimate_is_a_maximum_of_the_marginal_likelihood(place: int, factor: float) -> None:
    planted = Planted(k=25, m=16)
    found = estimate_shared_prior(planted.evidence, planted.features, planted.means, START)
    other = SharedPrior(*(value * (factor if at == place else 1) for at, value in enumerate(found)))
    assert planted.log_likelihood(found) > planted.log_likelihood(other)


@pytest.mark.parametrize("start", [SharedPrior(1e-2, 1e-2, 1e-2), SharedPrior(1e5, 1e5, 1e3)])
def test_the_start_does_not_matter(start: SharedPrior) -> None:
    planted = Planted(k=400, m=30)
    found = estimate_shared_prior(planted.evidence, planted.features, planted.means, start)
    wanted = estimate_shared_prior(planted.evidence, planted.features, planted.means, START)
    np.testing.assert_allclose(np.array(found) / np.array(wanted), 1, atol=0.02)


def test_few_impressions_an_arm_take_few_rounds_to_the_maximum() -> None:
    planted = Planted(k=120, m=3)
    found = estimate_shared_prior(planted.evidence, planted.features, planted.means, START)
    again = estimate_shared_prior(planted.evidence, planted.features, planted.means, found)
    np.testing.assert_allclose(np.array(again) / np.array(found), 1, atol=0.05)


def test_arms_without_impressions_change_nothing() -> None:
    planted = Planted(k=50, m=40)
    padded = LinearEvidence.empty(100, 4)
    for sums, more in zip(vars(padded).values(), vars(planted.evidence).values(), strict=True):
        sums[::2] = more
    features, means = np.repeat(planted.features, 2, axis=0), np.repeat(planted.means, 2)
    wanted = estimate_shared_prior(planted.evidence, planted.features, planted.means, START)
    assert estimate_shared_prior(padded, features, means, START) == wanted


def test_without_evidence_the_start_stands() -> None:
    assert estimate_shared_prior(LinearEvidence.empty(5, 3), np.ones((5, 1)), np.zeros(5), START) is START
