import re
from pathlib import Path
from typing import Any

import naive
import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import expit
from scipy.stats import norm

from bandit.errors import InputError
from bandit.posterior import Laplace, LogisticEvidence, LogisticPosterior, fit_laplace

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Log = tuple[F64, I64, F64]

ARMS, FEATURES = 5, 4
ALPHA = np.array([1.0, 2.0, 3.0, 4.0])


def random_log(m: int = 300, seed: int = 1) -> Log:
    """Impressions of every arm but the last."""
    random = np.random.default_rng(seed)
    return random.normal(size=(m, FEATURES)), random.integers(0, ARMS - 1, m), random.random(m)


def posterior() -> LogisticPosterior:
    return LogisticPosterior(ARMS, FEATURES, ALPHA, np.random.default_rng(9).normal(size=(ARMS, FEATURES)))


def observed(*logs: Log) -> LogisticPosterior:
    made = posterior()
    for log in logs:
        made.observe(*log)
    return made


def assert_same(one: LogisticPosterior, other: LogisticPosterior) -> None:
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(one.precision, other.precision, rtol=1e-10, atol=1e-12)


def rows_of(log: Log, arm: int, weight: float = 1.0) -> tuple[F64, F64, F64]:
    own = log[1] == arm
    return log[0][own], log[2][own], np.full(own.sum(), weight)


def test_one_take_worked_by_hand() -> None:
    # At w = ln 2 the take's residual is 1 - 2/3, which a prior of precision (1/3) / ln 2 around 0 balances.
    made = LogisticPosterior(1, 1, prior_precision=1 / (3 * np.log(2)))
    made.observe([[1.0]], [0], [1.0])
    np.testing.assert_allclose(made.mean, [[np.log(2)]], rtol=1e-10)
    np.testing.assert_allclose(made.precision, [[[1 / (3 * np.log(2)) + 2 / 9]]], rtol=1e-10)


def test_a_half_reward_says_what_a_take_and_a_miss_of_half_weight_say() -> None:
    half, both = LogisticPosterior(1, 1), LogisticPosterior(1, 1)
    half.observe([[2.0]], [0], [0.5])
    both.observe([[2.0], [2.0]], [0, 0], [1.0, 0.0])
    both.forget(0.5)
    np.testing.assert_allclose(half.precision, both.precision, rtol=1e-12)


@pytest.mark.parametrize("arm", range(ARMS))
def test_the_mode_is_where_scipy_finds_it(arm: int) -> None:
    log, made = random_log(), observed(random_log())
    rows = rows_of(log, arm)
    mode = naive.logistic_mode(rows, ALPHA, made.prior_mean[arm])
    np.testing.assert_allclose(made.mean[arm], mode, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(
        made.precision[arm], naive.log_posterior(rows, ALPHA, made.prior_mean[arm], mode)[2], rtol=1e-9
    )


def test_an_arm_without_impressions_keeps_its_prior() -> None:
    made = observed(random_log())
    np.testing.assert_array_equal(made.mean[-1], made.prior_mean[-1])
    np.testing.assert_array_equal(made.precision[-1], np.diag(ALPHA))


def test_scores_are_moments_on_the_linear_scale() -> None:
    made, contexts = observed(random_log()), np.random.default_rng(2).normal(size=(6, FEATURES))
    found = made.fitted.scorer([3, 0]).scores(contexts)
    assert found.link == "logit"
    covariance = np.linalg.inv(made.precision[[3, 0]])
    np.testing.assert_allclose(found.means, contexts @ made.mean[[3, 0]].T, rtol=1e-12, atol=1e-12)
    wanted = np.sqrt(np.einsum("nd,kde,ne->nk", contexts, covariance, contexts))
    np.testing.assert_allclose(found.deviations, wanted, rtol=1e-10)


def test_evidence_that_was_merged_is_not_discounted_with_the_whole() -> None:
    other, made = observed(random_log(seed=2)), observed(random_log(seed=1))
    made.merge(other)
    made.forget(0.5)
    assert_same(other, observed(random_log(seed=2)))


def test_forgetting_weights_the_rows_and_never_the_prior() -> None:
    made = observed(random_log())
    made.forget(0.25)
    for arm in range(ARMS):
        mode = naive.logistic_mode(rows_of(random_log(), arm, 0.25), ALPHA, made.prior_mean[arm])
        np.testing.assert_allclose(made.mean[arm], mode, rtol=1e-9, atol=1e-10)


def test_forgetting_again_and_again_ends_at_the_prior() -> None:
    made = observed(random_log())
    for _ in range(60):
        made.forget(0.5)
    assert_same(made, posterior())


def test_an_array_that_is_used_again_does_not_change_what_was_observed() -> None:
    contexts, arms, rewards = random_log()
    made = observed((contexts, arms, rewards))
    contexts[:], arms[:], rewards[:] = 0, 0, 1
    assert_same(made, observed(random_log()))


def test_a_mean_that_is_written_into_moves_no_score() -> None:
    made = observed(random_log())
    before = made.scores(np.ones((1, FEATURES)), [0, 1])
    made.mean[:], made.precision[:] = 0, 1
    after = made.scores(np.ones((1, FEATURES)), [0, 1])
    np.testing.assert_array_equal(after.expected, before.expected)
    np.testing.assert_array_equal(after.deviations, before.deviations)


def test_a_fit_is_made_anew_after_more_impressions() -> None:
    made = observed(random_log(seed=1))
    before = made.mean.copy()
    made.observe(*random_log(seed=2))
    assert not np.allclose(before, made.mean)


def test_rows_that_come_one_by_one_equal_all_at_once() -> None:
    made = posterior()
    for x, arm, r in zip(*random_log(), strict=True):
        made.observe(x[None], np.array([arm]), np.array([r]))
    assert_same(made, observed(random_log()))


def test_a_file_brings_back_rows_and_prior(tmp_path: Path) -> None:
    made = observed(random_log())
    made.forget(0.5)
    made.save(tmp_path / "logistic.npz")
    found = LogisticPosterior.load(tmp_path / "logistic.npz")
    for one in (found, made):
        one.observe(*random_log(seed=3))
    np.testing.assert_array_equal(found.mean, made.mean)
    np.testing.assert_array_equal(found.precision, made.precision)


def test_a_fit_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    fitted = observed(random_log()).fitted
    fitted.save(tmp_path / "laplace.npz")
    found = Laplace.load(tmp_path / "laplace.npz")
    np.testing.assert_array_equal(found.means, fitted.means)
    np.testing.assert_array_equal(found.precisions, fitted.precisions)


def test_the_truth_lies_within_the_deviations_as_often_as_it_should() -> None:
    random = np.random.default_rng(6)
    k, m, alpha = 4000, 60, np.array([4.0, 9.0, 9.0])
    prior_mean = np.tile([-1.0, 0.0, 0.0], (k, 1))
    weights = prior_mean + random.normal(size=(k, 3)) / np.sqrt(alpha)
    contexts = np.column_stack([np.ones(k * m), random.normal(size=(k * m, 2))])
    arms = np.repeat(np.arange(k), m)
    takes = random.random(k * m) < expit(np.einsum("md,md->m", contexts, weights[arms]))
    asked = np.column_stack([np.ones(k), random.normal(size=(k, 2))])
    fitted = fit_laplace(contexts, arms, takes.astype(np.float64), np.ones(k * m), k, alpha, prior_mean)
    deviations = np.sqrt(np.einsum("kd,kde,ke->k", asked, np.linalg.inv(fitted.precisions), asked))
    errors = np.abs(np.einsum("kd,kd->k", asked, weights - fitted.means)) / deviations
    for level in (0.5, 0.9, 0.99):
        covered, width = (errors < norm.ppf((1 + level) / 2)).mean(), np.sqrt(level * (1 - level) / k)
        assert abs(covered - level) < 3 * width + 0.005  # Laplace's own error at 60 impressions an arm


@pytest.mark.parametrize(
    ("contexts", "arms", "rewards", "said"),
    [
        (np.ones((2, 3)), [0, 1], [0, 1], "contexts have the shape (2, 3), expected (n, 4)"),
        (np.full((2, 4), np.nan), [0, 1], [0, 1], "row 0 of the contexts has a feature that is not finite"),
        (np.ones((2, 4)), [0, 5], [0, 1], "row 1 has the arm 5, expected 0 to 4"),
        (np.ones((2, 4)), [0], [0], "there are 2 contexts and 1 arms"),
        (np.ones((2, 4)), [0, 1], [0, 1.5], "row 1 has the reward 1.5, expected 0 to 1; scale rewards"),
    ],
)
def test_wrong_impressions_are_refused_and_change_nothing(contexts: Any, arms: Any, rewards: Any, said: str) -> None:
    made = observed(random_log())
    with pytest.raises(InputError, match=re.escape(said)):
        made.observe(contexts, arms, rewards)
    assert_same(made, observed(random_log()))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n_arms": 0}, "a posterior of 0 arms and 2 features"),
        ({"n_features": 0}, "a posterior of 3 arms and 0 features"),
        ({"prior_precision": 0.0}, "the smallest prior precision is 0.0, expected above 0"),
        ({"prior_precision": [1.0, 2.0, 3.0]}, "prior_precision has the shape (3,)"),
        ({"prior_mean": np.inf}, "prior_mean has a value that is not finite"),
    ],
)
def test_a_wrong_prior_is_refused_with_its_value(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        LogisticPosterior(**({"n_arms": 3, "n_features": 2} | settings))


def test_evidence_of_another_shape_is_not_merged() -> None:
    made = observed(random_log())
    with pytest.raises(InputError, match=re.escape("evidence of (5, 3) (arms, features) cannot be merged")):
        made.merge(LogisticEvidence.empty(5, 3))
    assert_same(made, observed(random_log()))


@pytest.mark.parametrize("retention", [0.0, -0.5, 1.1, float("nan")])
def test_a_retention_that_is_no_share_is_refused(retention: float) -> None:
    made = observed(random_log())
    with pytest.raises(InputError, match=f"retention is {retention}, expected above 0 and at most 1"):
        made.forget(retention)
    assert_same(made, observed(random_log()))


def test_an_unknown_arm_is_not_scored() -> None:
    with pytest.raises(InputError, match="row 0 has the arm 5, expected 0 to 4"):
        posterior().scores(np.ones((1, 4)), [5])
