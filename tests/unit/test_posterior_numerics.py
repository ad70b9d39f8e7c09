"""The linear posterior where digits are easily lost; the truth is worked out in fractions."""

import naive
import numpy as np
import numpy.typing as npt
import pytest

from bandit.kernels.linear import accumulate
from bandit.posterior import LinearEvidence, LinearPosterior

F64 = npt.NDArray[np.float64]
MILLION = 1_000_000
SCALES = np.array([1e-3, 1.0, 1e3])


def assert_exact(made: LinearPosterior, contexts: F64, mean_rtol: float = 1e-8, deviation_rtol: float = 1e-8) -> None:
    """Means and deviations at the contexts are those of the same sums in fractions, for every arm."""
    found = made.moments(contexts, range(len(made.prior_mean)))
    for arm, (gram, information) in enumerate(zip(made.evidence.precision, made.evidence.information, strict=True)):
        mean, covariance = naive.exact_weights(
            gram, information, made.prior_precision, made.prior_mean[arm], made.noise_precision
        )
        np.testing.assert_allclose(found.means[:, arm], contexts @ np.array(mean), rtol=mean_rtol)
        variances = np.einsum("np,pq,nq->n", contexts, np.array(covariance), contexts)
        np.testing.assert_allclose(found.deviations[:, arm], np.sqrt(variances), rtol=deviation_rtol)


def observed(made: LinearPosterior, contexts: F64, seed: int = 1) -> LinearPosterior:
    random = np.random.default_rng(seed)
    made.observe(contexts, random.integers(0, 2, len(contexts)), random.random(len(contexts)))
    return made


def million() -> tuple[F64, npt.NDArray[np.int64], F64]:
    random = np.random.default_rng(2)
    contexts = random.normal([0.3, -3.0], 1.0, size=(MILLION, 2))
    return contexts, np.zeros(MILLION, dtype=np.int64), random.random(MILLION)


def exact_million() -> naive.LinearSums:
    contexts, _, rewards = million()
    x = contexts.astype(np.longdouble)
    r = rewards.astype(np.longdouble)
    return naive.LinearSums(
        *(
            np.asarray(sums, dtype=np.float64)[None]
            for sums in (np.einsum("mp,mq->pq", x, x), r @ x, np.float64(MILLION), r @ r, x.sum(axis=0), r.sum())
        )
    )


def test_a_million_updates_one_by_one_keep_ten_digits() -> None:
    sums = naive.linear_sums(np.empty((0, 2)), [], [], 1)
    accumulate(*million(), *sums)
    for found, wanted in zip(sums, exact_million(), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10)


@pytest.mark.parametrize("calls", [1, 1000])
def test_a_million_updates_in_groups_keep_ten_digits(calls: int) -> None:
    evidence = LinearEvidence.empty(1, 2)
    for rows in zip(*(np.array_split(column, calls) for column in million()), strict=True):
        evidence.observe(*rows)
    for found, wanted in zip(vars(evidence).values(), exact_million(), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_a_posterior_after_a_million_updates_is_exact() -> None:
    made = LinearPosterior(1, 2, prior_precision=4.0, noise_precision=25.0, prior_mean=[0.05, 0.0])
    made.observe(*million())
    assert_exact(made, np.array([[1.0, 0.0], [0.3, -3.0], [10.0, 1.0]]), mean_rtol=1e-10, deviation_rtol=1e-10)


def test_features_of_scales_a_million_apart_lose_no_digits_to_each_other() -> None:
    contexts = SCALES * np.random.default_rng(3).normal(size=(500, 3))
    made = observed(LinearPosterior(2, 3, SCALES**2, 20.0, 0.1 / SCALES), contexts)
    assert_exact(made, contexts[:20], mean_rtol=1e-9, deviation_rtol=1e-9)


def test_scaling_a_feature_and_its_prior_changes_no_score() -> None:
    contexts = np.random.default_rng(4).normal(size=(300, 3))
    plain = observed(LinearPosterior(2, 3, [1.0, 2.0, 3.0], 20.0), contexts).moments(contexts[:9], range(2))
    scaled = observed(LinearPosterior(2, 3, SCALES**2 * [1.0, 2.0, 3.0], 20.0), SCALES * contexts)
    found = scaled.moments(SCALES * contexts[:9], range(2))
    np.testing.assert_allclose(found.means, plain.means, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.deviations, plain.deviations, rtol=1e-9)


def test_features_that_repeat_each_other_are_told_apart_by_the_prior() -> None:
    once = np.random.default_rng(5).normal(size=(400, 2))
    contexts = np.column_stack([once, once[:, 0], once.sum(axis=1)])
    made = observed(LinearPosterior(2, 4, [1.0, 2.0, 3.0, 4.0], 20.0, 0.1), contexts)
    assert_exact(made, np.concatenate([contexts[:10], np.eye(4)]), mean_rtol=1e-7)


def test_a_million_collinear_updates_under_a_vague_prior_leave_finite_scores() -> None:
    base, arms, rewards = million()
    made = LinearPosterior(1, 3, prior_precision=1e-6, noise_precision=1e4)
    made.observe(np.column_stack([base, base[:, 0] * 1e3]), arms, rewards)
    asked = np.column_stack([base[:50], base[:50, 0] * 1e3])
    found, plain = made.moments(asked, [0]), LinearPosterior(1, 2, prior_precision=1e-6, noise_precision=1e4)
    plain.observe(base, arms, rewards)
    wanted = plain.moments(base[:50], [0])
    np.testing.assert_allclose(found.means, wanted.means, rtol=1e-5)
    np.testing.assert_allclose(found.deviations, wanted.deviations, rtol=1e-2)


@pytest.mark.parametrize("prior_precision", [1e-12, 1e12])
@pytest.mark.parametrize("noise_precision", [1e-12, 1e12])
def test_precisions_of_any_size_are_exact(prior_precision: float, noise_precision: float) -> None:
    contexts = np.random.default_rng(6).normal(size=(50, 3))
    made = observed(LinearPosterior(2, 3, prior_precision, noise_precision, 0.2), contexts)
    assert_exact(made, contexts[:10])


@pytest.mark.parametrize("prior_precision", [1e-12, 1.0, 1e12])
def test_an_arm_without_impressions_scores_as_its_prior_says(prior_precision: float) -> None:
    made = LinearPosterior(2, 3, prior_precision * SCALES, 20.0, [[0.1, 0.2, 0.3], [0.0, 0.0, 0.0]])
    made.observe(np.ones((5, 3)), np.ones(5, dtype=np.int64), np.ones(5))
    contexts = np.random.default_rng(7).normal(size=(10, 3))
    found = made.moments(contexts, [0])
    np.testing.assert_allclose(found.means[:, 0], contexts @ [0.1, 0.2, 0.3], rtol=1e-12, atol=1e-15)
    wanted = np.sqrt((contexts**2 / (prior_precision * SCALES)).sum(axis=1))
    np.testing.assert_allclose(found.deviations[:, 0], wanted, rtol=1e-12)
