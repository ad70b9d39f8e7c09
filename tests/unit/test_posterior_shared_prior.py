import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import multivariate_normal

from bandit.errors import InputError
from bandit.policies import ThompsonSampling
from bandit.posterior import LinearEvidence, SharedPosterior, SharedPrior, estimate_shared_prior

F64 = npt.NDArray[np.float64]
TRUTH = SharedPrior(400.0, 900.0, 25.0)
START = SharedPrior(1.0, 1.0, 25.0)


class Planted:
    """Rewards of a world whose precisions are known; ``contexts`` (k, m, d), ``rewards`` (k, m), ``features`` (k, f)."""

    def __init__(self, k: int, m: int, d: int = 4, f: int = 5) -> None:
        random = np.random.default_rng(1)
        self.features, self.contexts = random.normal(size=(k, f)), random.normal(size=(k, m, d))
        self.contexts[:, :, 0] = 1
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

    def log_posterior(self, found: SharedPrior) -> float:
        """With the weight and the intercept of a percentage point and the 20 impressions that were seen beforehand."""
        at, counts = np.array(found), np.array([1.0, 1.0, 20.0])
        told = np.einsum("kmd,kq->kmdq", self.contexts**2, self.design**2).mean()
        squares = np.array([0.01**2 / told, 0.01**2, 20 / START.noise_precision])
        return self.log_likelihood(found) + float((counts * np.log(at) - at * squares).sum()) / 2


def test_planted_precisions_are_found() -> None:
    planted = Planted(k=3000, m=60, d=10, f=29)
    found = estimate_shared_prior(planted.evidence, planted.features, planted.means, START)
    np.testing.assert_allclose(np.array(found) / np.array(TRUTH), 1, atol=0.15)


@pytest.mark.parametrize(("k", "m"), [(25, 16), (40, 4)])
def test_the_estimate_is_stationary(k: int, m: int) -> None:
    # With a constant feature the intercepts and the weights are correlated, and no term of the estimate is small.
    planted = Planted(k=k, m=m, d=3, f=4)
    found = estimate_shared_prior(planted.evidence, planted.features, planted.means, START)
    for place in range(3):
        below, above = (
            planted.log_posterior(
                SharedPrior(*(value * np.exp(step * (at == place)) for at, value in enumerate(found)))
            )
            for step in (-1e-3, 1e-3)
        )
        assert abs(above - below) / 2e-3 < 0.006 * np.sqrt([3 * 5, k, k * m][place])


@pytest.mark.parametrize("start", [1e-2, 1e5])
def test_where_prior_precisions_start_does_not_matter(start: float) -> None:
    planted = Planted(k=400, m=30)
    found = estimate_shared_prior(planted.evidence, planted.features, planted.means, SharedPrior(start, start, 25.0))
    wanted = estimate_shared_prior(planted.evidence, planted.features, planted.means, START)
    np.testing.assert_allclose(np.array(found) / np.array(wanted), 1, atol=0.02)


def test_a_first_day_without_takes_leaves_an_arm_of_five_impressions_a_chance() -> None:
    arms = np.repeat([0, 1], [1000, 5])
    contexts = np.column_stack([np.ones(1005), np.random.default_rng(0).normal(size=1005)])
    evidence, features = LinearEvidence.empty(3, 2), np.array([[0.0], [1.0], [2.0]])
    evidence.observe(contexts, arms, np.zeros(1005))
    found = estimate_shared_prior(evidence, features, 0.01, SharedPrior(100.0, 1000.0, 20.0))
    made = SharedPosterior.of(evidence, features, *found, intercept_mean=0.01)
    assert ThompsonSampling().probabilities(made.scores([[1.0, 0.0]], [0, 1, 2]))[0, 1:].min() > 0.2
    assert max(found) < 1e7


WRONG: dict[str, tuple[Any, Any, SharedPrior, str]] = {
    "features": (
        np.ones((4, 1)),
        0.0,
        START,
        "features of 4 artworks and evidence of 5 arms, expected one row per arm",
    ),
    "mean": (np.ones((5, 1)), np.zeros(3), START, "intercept_mean has the shape (3,)"),
    "prior": (np.ones((5, 1)), 0.0, SharedPrior(0.0, 1.0, 1.0), "the prior precision is 0.0, expected a finite number"),
    "intercept": (np.ones((5, 1)), 0.0, SharedPrior(1.0, np.nan, 1.0), "the intercept precision is nan"),
    "noise": (np.ones((5, 1)), 0.0, SharedPrior(1.0, 1.0, -1.0), "the noise precision is -1.0"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_features_mean_or_start_are_refused(wrong: str) -> None:
    features, mean, start, said = WRONG[wrong]
    with pytest.raises(InputError, match=re.escape(said)):
        estimate_shared_prior(LinearEvidence.empty(5, 3), features, mean, start)


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
