import re
from typing import Any

import naive
import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import kstest, norm
from threadpoolctl import threadpool_limits

from bandit.errors import InputError
from bandit.posterior import LinearEvidence, LinearPosterior, popularity_mean

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Log = tuple[F64, I64, F64]

ARMS, FEATURES = 5, 4


def random_log(m: int = 400, seed: int = 1) -> Log:
    """Impressions of every arm but the last."""
    random = np.random.default_rng(seed)
    return random.normal(size=(m, FEATURES)), random.integers(0, ARMS - 1, m), random.random(m)


def posterior() -> LinearPosterior:
    means = np.random.default_rng(9).normal(size=(ARMS, FEATURES))
    return LinearPosterior(ARMS, FEATURES, [1.0, 2.0, 3.0, 4.0], 20.0, means)


def observed(*logs: Log) -> LinearPosterior:
    made = posterior()
    for log in logs:
        made.observe(*log)
    return made


def assert_same(one: LinearPosterior, other: LinearPosterior) -> None:
    np.testing.assert_allclose(one.precision, other.precision, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-10, atol=1e-12)


def test_two_impressions_worked_by_hand() -> None:
    # Precision I + 2 (x1 x1' + x2 x2') = [[5, 2], [2, 3]], information 2 x1 = (2, 0), determinant 11.
    made = LinearPosterior(1, 2, prior_precision=1.0, noise_precision=2.0)
    made.observe([[1, 0], [1, 1]], [0, 0], [1, 0])
    np.testing.assert_allclose(made.precision, [[[5, 2], [2, 3]]])
    np.testing.assert_allclose(made.mean, [[6 / 11, -4 / 11]])


def test_moments_worked_by_hand() -> None:
    # At x = (1, 1) the mean is 2/11 and the variance (3 - 2 - 2 + 5) / 11.
    made = LinearPosterior(1, 2, prior_precision=1.0, noise_precision=2.0)
    made.observe([[1, 0], [1, 1]], [0, 0], [1, 0])
    scores = made.moments([[1, 1]], [0])
    np.testing.assert_allclose([scores.means[0, 0], scores.deviations[0, 0]], [2 / 11, np.sqrt(4 / 11)])


def test_the_posterior_is_the_naive_one() -> None:
    log, made = random_log(), observed(random_log())
    wanted = naive.linear_posterior(*log, made.prior_precision, made.prior_mean, made.noise_precision)
    np.testing.assert_allclose(made.precision, wanted.precisions, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(made.mean, wanted.means, rtol=1e-9, atol=1e-12)


def test_moments_are_the_naive_ones_in_the_order_of_the_arms_asked_for() -> None:
    log, made = random_log(), observed(random_log())
    weights = naive.linear_posterior(*log, made.prior_precision, made.prior_mean, made.noise_precision)
    contexts, arms = np.random.default_rng(5).normal(size=(7, FEATURES)), [4, 0, 2]
    found = made.moments(contexts, arms)
    for row, context in enumerate(contexts):
        means, deviations = naive.moments(weights, context, arms)
        np.testing.assert_allclose(found.means[row], means, rtol=1e-9)
        np.testing.assert_allclose(found.deviations[row], deviations, rtol=1e-9)


def test_an_arm_without_impressions_keeps_its_prior() -> None:
    made = observed(random_log())
    np.testing.assert_allclose(made.mean[-1], made.prior_mean[-1])
    np.testing.assert_allclose(made.precision[-1], np.diag([1.0, 2.0, 3.0, 4.0]))


def test_observing_in_two_halves_equals_once() -> None:
    contexts, arms, rewards = random_log()
    halves = (contexts[:150], arms[:150], rewards[:150]), (contexts[150:], arms[150:], rewards[150:])
    assert_same(observed(*halves), observed(random_log()))


def test_observing_nothing_changes_nothing() -> None:
    none = np.empty((0, FEATURES)), np.empty(0, dtype=np.int64), np.empty(0)
    assert_same(observed(random_log(), none), observed(random_log()))


def test_merging_equals_one_pass() -> None:
    made = observed(random_log(seed=1))
    made.merge(observed(random_log(seed=2)))
    assert_same(made, observed(random_log(seed=1), random_log(seed=2)))


def test_merging_evidence_keeps_this_prior() -> None:
    evidence = LinearEvidence.empty(ARMS, FEATURES)
    evidence.observe(*random_log())
    made = posterior()
    made.merge(evidence)
    assert_same(made, observed(random_log()))


def test_the_order_of_rows_inside_an_arm_changes_no_more_than_rounding() -> None:
    order = np.random.default_rng(3).permutation(400)
    contexts, arms, rewards = random_log()
    assert_same(observed((contexts[order], arms[order], rewards[order])), observed(random_log()))


def bytes_of_arm(evidence: LinearEvidence, arm: int) -> dict[str, bytes]:
    return {name: sums[arm].tobytes() for name, sums in vars(evidence).items()}


def test_the_order_of_arms_changes_not_a_bit() -> None:
    contexts, arms, rewards = random_log()
    order = np.argsort(arms, kind="stable")
    sorted_, mixed = observed((contexts[order], arms[order], rewards[order])), observed(random_log())
    for arm in range(ARMS):
        assert bytes_of_arm(sorted_.evidence, arm) == bytes_of_arm(mixed.evidence, arm)


@pytest.mark.parametrize("rows", [1, 3, 4, 200])
@pytest.mark.parametrize("n_arms", [5, 3000])
def test_an_arm_has_the_same_bytes_alone_in_a_shard_and_in_a_catalogue_of_any_size(rows: int, n_arms: int) -> None:
    contexts, arms, rewards = random_log(m=4 * rows)
    arms = np.arange(4 * rows) % 4
    shard, catalogue = LinearEvidence.empty(1, FEATURES), LinearEvidence.empty(n_arms, FEATURES)
    own = arms == 2
    shard.observe(contexts[own], np.zeros(rows, dtype=np.int64), rewards[own])
    catalogue.observe(contexts, n_arms - 1 - arms, rewards)
    assert bytes_of_arm(shard, 0) == bytes_of_arm(catalogue, n_arms - 3)


@pytest.mark.parametrize("n_arms", [5, 3000])
def test_the_number_of_blas_threads_changes_not_a_bit(n_arms: int) -> None:
    random = np.random.default_rng(3)
    log = random.normal(size=(2000, 24)), random.integers(0, 5, 2000), random.random(2000)
    made = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads, user_api="blas"):
            made.append(LinearEvidence.empty(n_arms, 24))
            made[-1].observe(*log)
    assert [bytes_of_arm(made[0], arm) for arm in range(5)] == [bytes_of_arm(made[1], arm) for arm in range(5)]


@pytest.mark.parametrize("n_arms", [4, 3000])
def test_impressions_one_by_one_equal_all_at_once(n_arms: int) -> None:
    one_by_one, at_once = LinearEvidence.empty(n_arms, FEATURES), LinearEvidence.empty(n_arms, FEATURES)
    contexts, arms, rewards = random_log()
    at_once.observe(contexts, arms, rewards)
    for row in range(len(arms)):
        one_by_one.observe(contexts[row : row + 1], arms[row : row + 1], rewards[row : row + 1])
    for name, sums in vars(at_once).items():
        np.testing.assert_allclose(getattr(one_by_one, name), sums, rtol=1e-10, atol=1e-12, err_msg=name)


def test_contexts_of_single_precision_and_in_any_memory_order_teach_the_same() -> None:
    contexts, arms, rewards = random_log()
    narrow: Any = contexts.astype(np.float32)
    wanted = observed((narrow.astype(np.float64), arms, rewards))
    for layout in (narrow, np.asfortranarray(narrow), np.repeat(narrow, 2, axis=1)[:, ::2]):
        assert (observed((layout, arms, rewards)).precision == wanted.precision).all()


def test_features_whose_sum_overflows_are_finite_features() -> None:
    made = LinearEvidence.empty(1, 2)
    made.observe(np.full((1, 2), 3e38, dtype=np.float32), [0], [1.0])
    np.testing.assert_allclose(made.sums, 3e38, rtol=1e-6)


def test_forgetting_discounts_the_evidence_and_never_the_prior() -> None:
    made, kept, prior = observed(random_log()), observed(random_log()), posterior()
    made.forget(0.25)
    np.testing.assert_allclose(made.precision - prior.precision, 0.25 * (kept.precision - prior.precision), atol=1e-9)


def test_forgetting_discounts_every_sum_alike() -> None:
    made, kept = observed(random_log()).evidence, observed(random_log()).evidence
    made.forget(0.25)
    for name, sums in vars(kept).items():
        np.testing.assert_allclose(getattr(made, name), 0.25 * sums, err_msg=name)


def test_forgetting_before_observing_equals_a_weighted_regression() -> None:
    old, new, retention = random_log(seed=1), random_log(seed=2), 0.3
    made = observed(old)
    made.forget(retention)
    made.observe(*new)
    weights = np.sqrt(np.repeat([retention, 1.0], 400))
    contexts, arms, rewards = (np.concatenate(pair) for pair in zip(old, new, strict=True))
    wanted = naive.linear_posterior(
        contexts * weights[:, None], arms, rewards * weights, made.prior_precision, made.prior_mean, 20.0
    )
    np.testing.assert_allclose(made.precision, wanted.precisions, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(made.mean, wanted.means, rtol=1e-9, atol=1e-12)


def test_a_prior_mean_of_popularity_is_expected_of_every_context() -> None:
    made = LinearPosterior(3, 4, prior_mean=popularity_mean([0.1, 0.0, 1.0], n_features=4, constant=2))
    contexts = np.random.default_rng(1).normal(size=(6, 4))
    contexts[:, 2] = 1
    np.testing.assert_allclose(made.moments(contexts, range(3)).means, np.tile([0.1, 0.0, 1.0], (6, 1)), atol=1e-15)


@pytest.mark.parametrize(
    ("rates", "constant", "said"),
    [
        ([0.5, np.inf], 0, "rates (2,) run from 0.5 to inf, expected (k,) finite numbers"),
        ([np.nan], 0, "rates (1,) run from nan to nan"),
        ([[0.5]], 0, "rates (1, 1)"),
        ([0.5], 4, "the constant feature is 4, expected 0 to 3"),
        ([0.5], -1, "the constant feature is -1, expected 0 to 3; without one leave the prior mean at 0"),
    ],
)
def test_popularity_that_is_no_rate_or_has_no_place_is_refused(rates: Any, constant: int, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        popularity_mean(rates, 4, constant)


def test_forgetting_again_and_again_ends_at_the_prior() -> None:
    made = observed(random_log())
    for _ in range(60):
        made.forget(0.5)
    assert_same(made, posterior())


def test_more_impressions_never_widen_a_deviation() -> None:
    contexts = np.random.default_rng(4).normal(size=(20, FEATURES))
    before = observed(random_log(seed=1)).moments(contexts, range(ARMS)).deviations
    after = observed(random_log(seed=1), random_log(seed=2)).moments(contexts, range(ARMS)).deviations
    assert (after <= before * (1 + 1e-12)).all()


def planted(believed_noise_precision: float) -> F64:
    """Standardised errors of expected rewards over many arms of a world that follows the model, (k,)."""
    random = np.random.default_rng(6)
    k, d, m = 3000, 3, 30
    weights = 0.02 * random.normal(size=(k, d))
    contexts, arms = random.normal(size=(k * m, d)), np.repeat(np.arange(k), m)
    expected = 0.5 + np.einsum("md,md->m", contexts, weights[arms])
    full = np.column_stack([np.ones(k * m), contexts])
    # A constant that is known to be one half keeps rewards within [0, 1].
    made = LinearPosterior(k, d + 1, [1e8, 2500, 2500, 2500], believed_noise_precision, [0.5, 0, 0, 0])
    made.observe(full, arms, expected + 0.02 * random.normal(size=k * m))
    asked = np.concatenate([[1.0], random.normal(size=d)])
    scores = made.moments(asked[None], np.arange(k))
    return np.asarray((0.5 + weights @ asked[1:] - scores.means[0]) / scores.deviations[0])


def test_the_truth_lies_within_the_deviations_as_often_as_it_should() -> None:
    assert kstest(planted(2500.0), norm.cdf).pvalue > 1e-3


def test_the_same_check_finds_noise_that_is_taken_too_small() -> None:
    assert kstest(planted(4 * 2500.0), norm.cdf).pvalue < 1e-6


@pytest.mark.parametrize(
    ("contexts", "arms", "rewards", "said"),
    [
        (np.ones((2, 3)), [0, 1], [0, 1], "contexts have the shape (2, 3), expected (n, 4)"),
        (np.ones(4), [0], [0], "contexts have the shape (4,), expected (n, 4)"),
        (np.full((2, 4), np.nan), [0, 1], [0, 1], "row 0 of the contexts has a feature that is not finite"),
        (np.ones((2, 4)), [0, 5], [0, 1], "row 1 has the arm 5, expected 0 to 4"),
        (np.ones((2, 4)), [0, -1], [0, 1], "row 1 has the arm -1, expected 0 to 4"),
        (np.ones((2, 4)), [0.5, 1.0], [0, 1], "row 0 of the arms is 0.5, expected a whole number"),
        (np.ones((2, 4)), [0], [0], "there are 2 contexts and 1 arms"),
        (np.ones((2, 4)), [0, 1], [0], "rewards have the shape (1,), expected (2,)"),
        (
            np.ones((2, 4)),
            [0, 1],
            [0, 1e51],
            "row 1 has the reward 1e+51, expected a number up to 1e+50; take another unit",
        ),
        (np.ones((2, 4)), [0, 1], [-np.inf, 1], "row 0 has the reward -inf, expected a number up to 1e+50"),
        (np.ones((2, 4)), [0, 1], [0, np.nan], "row 1 has the reward nan"),
    ],
)
def test_wrong_impressions_are_refused_and_change_nothing(contexts: Any, arms: Any, rewards: Any, said: str) -> None:
    made = observed(random_log())
    with pytest.raises(InputError, match=re.escape(said)):
        made.observe(contexts, arms, rewards)
    assert (made.precision == observed(random_log()).precision).all()
    assert (made.mean == observed(random_log()).mean).all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n_arms": 0}, "a posterior of 0 arms and 2 features"),
        ({"n_features": 0}, "a posterior of 3 arms and 0 features"),
        ({"prior_precision": 0.0}, "the smallest prior precision is 0.0"),
        ({"prior_precision": [1.0, -2.0]}, "the smallest prior precision is -2.0"),
        (
            {"prior_precision": [1.0, 2.0, 3.0]},
            "prior_precision has the shape (3,), expected a number or what spreads to (2,)",
        ),
        ({"noise_precision": 0.0}, "the noise precision is 0.0"),
        ({"noise_precision": float("nan")}, "the noise precision is nan"),
        ({"noise_precision": float("inf")}, "the noise precision is inf, expected a finite number above 0"),
        ({"noise_precision": "5"}, "the noise precision is '5'"),
        (
            {"prior_mean": np.ones((2, 2))},
            "prior_mean has the shape (2, 2), expected a number or what spreads to (3, 2)",
        ),
        ({"prior_mean": np.inf}, "prior_mean has a value that is not finite: inf"),
    ],
)
def test_a_wrong_prior_is_refused_with_its_value(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        LinearPosterior(**({"n_arms": 3, "n_features": 2} | settings))


def test_evidence_of_another_shape_is_not_merged() -> None:
    made = observed(random_log())
    with pytest.raises(
        InputError, match=re.escape("evidence of (5, 3) (arms, features) cannot be merged into evidence of (5, 4)")
    ):
        made.merge(LinearEvidence.empty(5, 3))
    assert_same(made, observed(random_log()))


@pytest.mark.parametrize("retention", [0.0, -0.5, 1.1, float("nan")])
def test_a_retention_that_is_no_share_is_refused(retention: float) -> None:
    made = observed(random_log())
    with pytest.raises(InputError, match=f"retention is {retention}, expected above 0 and at most 1"):
        made.forget(retention)
    assert_same(made, observed(random_log()))


def test_contexts_of_another_length_are_not_scored() -> None:
    with pytest.raises(InputError, match=re.escape("contexts have the shape (1, 3), expected (n, 4)")):
        posterior().moments(np.ones((1, 3)), [0])


def test_an_unknown_arm_is_not_scored() -> None:
    with pytest.raises(InputError, match="row 0 has the arm 5, expected 0 to 4"):
        posterior().moments(np.ones((1, 4)), [5])
