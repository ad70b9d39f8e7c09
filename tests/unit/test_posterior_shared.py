import re
from pathlib import Path
from typing import Any

import naive
import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import kstest, norm

from bandit.errors import InputError
from bandit.posterior import LinearEvidence, SharedPosterior, SharedWeights

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Log = tuple[F64, I64, F64]

ARMS, FEATURES, WIDTH = 6, 3, 2
PRECISIONS = (2.0, 30.0, 5.0)
Z = np.random.default_rng(8).normal(size=(ARMS, WIDTH))
MEANS = np.random.default_rng(9).random(ARMS)


def random_log(m: int = 200, seed: int = 1) -> Log:
    """Impressions of every arm but the last."""
    random = np.random.default_rng(seed)
    return random.normal(size=(m, FEATURES)), random.integers(0, ARMS - 1, m), random.random(m)


def posterior(n_draws: int = 256, seed: int = 0) -> SharedPosterior:
    return SharedPosterior(Z, FEATURES, *PRECISIONS, MEANS, n_draws, seed)


def observed(*logs: Log) -> SharedPosterior:
    made = posterior()
    for log in logs:
        made.observe(*log)
    return made


def assert_same(one: SharedPosterior, other: SharedPosterior) -> None:
    contexts = np.random.default_rng(5).normal(size=(4, FEATURES))
    found, wanted = one.moments(contexts, range(ARMS)), other.moments(contexts, range(ARMS))
    np.testing.assert_allclose(found.means, wanted.means, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.deviations, wanted.deviations, rtol=1e-10)


def assert_dense(made: SharedPosterior, log: Log, precisions: tuple[float, float, float], rtol: float = 1e-9) -> None:
    """The moments and covariances are those of the dense solution."""
    joint = naive.shared_posterior(made.features, log, precisions, made.intercept_mean)
    everyone = np.arange(len(made.features))
    for context in np.random.default_rng(5).normal(size=(3, log[0].shape[1])) * np.abs(log[0]).max(axis=0):
        means, covariance = joint.at(context, made.features)
        found = made.moments(context[None], everyone)
        np.testing.assert_allclose(found.means[0], means, rtol=rtol, atol=rtol * np.abs(means).max())
        np.testing.assert_allclose(found.deviations[0], np.sqrt(np.diag(covariance)), rtol=rtol)
        np.testing.assert_allclose(
            made.fitted.covariance(context, everyone), covariance, rtol=rtol, atol=rtol * covariance.max()
        )


def test_one_impression_worked_by_hand() -> None:
    # r = w + b + noise, each of variance 1: w and b move by a third of r, and so does the other arm, which shares w alone.
    # var(w) = var(b) = 1 - 1/3 and cov(w, b) = -1/3, while the other arm's own intercept keeps its variance of 1.
    made = SharedPosterior(np.empty((2, 0)), n_features=1)
    made.observe([[1.0]], [0], [1.0])
    found = made.moments([[1.0]], [0, 1])
    np.testing.assert_allclose(found.means, [[2 / 3, 1 / 3]])
    np.testing.assert_allclose(found.deviations**2, [[2 / 3, 5 / 3]])
    np.testing.assert_allclose(made.fitted.covariance([1.0], [0, 1]), [[2 / 3, 1 / 3], [1 / 3, 5 / 3]])


def test_moments_are_those_of_the_dense_solution() -> None:
    assert_dense(observed(random_log()), random_log(), PRECISIONS)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_features_of_other_scales_are_solved_as_well(scale: float) -> None:
    contexts, arms, rewards = random_log()
    contexts[:, 1] *= scale
    made = SharedPosterior(Z * [1.0, scale], FEATURES, *PRECISIONS, MEANS)
    made.observe(contexts, arms, rewards)
    assert_dense(made, (contexts, arms, rewards), PRECISIONS, rtol=1e-6)


def test_collinear_features_share_a_weight() -> None:
    contexts, arms, rewards = random_log()
    contexts[:, 1] = contexts[:, 0]
    made = SharedPosterior(np.column_stack([Z[:, 0], Z[:, 0]]), FEATURES, *PRECISIONS, MEANS)
    made.observe(contexts, arms, rewards)
    assert_dense(made, (contexts, arms, rewards), PRECISIONS)
    np.testing.assert_allclose(made.fitted.mean[0], made.fitted.mean[1], rtol=1e-9, atol=1e-12)


def test_collinear_features_that_drown_the_prior_leave_finite_scores() -> None:
    contexts, arms, rewards = random_log()
    contexts = np.repeat(contexts[:, :1], FEATURES, axis=1) * 1e6
    made = SharedPosterior(np.repeat(Z[:, :1], WIDTH, axis=1) * 1e3, FEATURES, 1e-3, 1.0, 1.0)
    made.observe(contexts, arms, rewards)
    assert np.isfinite(made.scores(contexts, range(ARMS)).expected).all()


def test_without_impressions_the_prior_stands() -> None:
    joint = naive.shared_posterior(
        Z, (np.empty((0, FEATURES)), np.empty(0, dtype=np.int64), np.empty(0)), PRECISIONS, MEANS
    )
    context = np.array([0.5, -1.0, 2.0])
    means, covariance = joint.at(context, Z)
    np.testing.assert_allclose(posterior().moments(context[None], range(ARMS)).means[0], means)
    np.testing.assert_allclose(posterior().fitted.covariance(context, range(ARMS)), covariance)


def test_an_arm_that_was_never_shown_is_expected_like_its_features() -> None:
    features = np.array([[1.0], [1.0], [-1.0]])
    made = SharedPosterior(features, 1, 1.0, 1e4, 25.0)
    made.observe(np.ones((200, 1)), np.repeat([0, 2], 100), np.repeat([0.9, 0.1], 100))
    found = made.moments([[1.0]], [0, 1, 2])
    np.testing.assert_allclose(found.means, [[0.9, 0.9, 0.1]], atol=0.02)
    assert found.deviations[0, 1] > found.deviations[0, 0]


def test_arms_that_are_added_change_not_a_bit_of_the_others() -> None:
    evidence = observed(random_log()).evidence
    padded = LinearEvidence(
        **{name: np.concatenate([sums, np.zeros((2, *sums.shape[1:]))]) for name, sums in vars(evidence).items()}
    )
    features = np.vstack([Z, [[9.0, 9.0], [1.0, 0.0]]])
    found = SharedPosterior.of(padded, features, *PRECISIONS, np.append(MEANS, [0.3, 0.4])).fitted
    wanted = observed(random_log()).fitted
    np.testing.assert_array_equal(found.mean, wanted.mean)
    np.testing.assert_array_equal(found.root, wanted.root)
    np.testing.assert_array_equal(found.intercepts[:ARMS], wanted.intercepts)
    np.testing.assert_allclose(found.intercepts[ARMS:], [0.3, 0.4])


def test_evidence_that_was_merged_is_taken_without_a_copy() -> None:
    evidence = observed(random_log()).evidence
    made = SharedPosterior.of(evidence, Z, *PRECISIONS, MEANS)
    assert made.evidence is evidence
    assert_same(made, observed(random_log()))


def test_a_posterior_of_other_artwork_features_is_not_merged() -> None:
    made = observed(random_log())
    with pytest.raises(
        InputError, match=re.escape("artworks of features (6, 2) cannot be merged into artworks of other")
    ):
        made.merge(SharedPosterior(Z + 1, FEATURES))
    assert_same(made, observed(random_log()))


def test_a_fit_is_made_anew_after_evidence_changed() -> None:
    made = observed(random_log(seed=1))
    before = made.fitted
    made.observe(*random_log(seed=2))
    assert_same(made, observed(random_log(seed=1), random_log(seed=2)))
    assert made.fitted is not before


def test_forgetting_again_and_again_ends_at_the_prior() -> None:
    made = observed(random_log())
    for _ in range(60):
        made.forget(0.5)
    assert_same(made, posterior())


def test_a_file_brings_back_evidence_prior_and_draws(tmp_path: Path) -> None:
    made = observed(random_log())
    made.save(tmp_path / "shared.npz")
    found = SharedPosterior.load(tmp_path / "shared.npz")
    for one in (made, found):
        one.observe(*random_log(seed=3))
    contexts = np.ones((2, FEATURES))
    np.testing.assert_array_equal(
        found.fitted.scorer([0, 5]).scores(contexts).values, made.fitted.scorer([0, 5]).scores(contexts).values
    )


def test_a_fit_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    fitted = observed(random_log()).fitted
    fitted.save(tmp_path / "weights.npz")
    found = SharedWeights.load(tmp_path / "weights.npz")
    one, other = (
        found.scorer([2, 1]).scores(np.ones((3, FEATURES))),
        fitted.scorer([2, 1]).scores(np.ones((3, FEATURES))),
    )
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.means, other.means)


def planted(believed_noise_precision: float) -> F64:
    """Standardised errors of expected rewards in 1,000 small worlds that follow the model."""
    random = np.random.default_rng(6)
    errors = []
    for _ in range(1000):
        z, context = random.normal(size=(4, 1)), random.normal(size=2)
        weights, own = random.normal(size=(2, 2)) / np.sqrt(400), 0.5 + random.normal(size=4) / np.sqrt(900)
        coefficients = np.column_stack([np.ones(4), z]) @ weights.T
        contexts, arms = random.normal(size=(20, 2)), random.integers(0, 4, 20)
        rewards = np.einsum("md,md->m", contexts, coefficients[arms]) + own[arms] + random.normal(size=20) / 20
        made = SharedPosterior(z, 2, 400.0, 900.0, believed_noise_precision, 0.5)
        made.observe(contexts, arms, np.clip(rewards, 0, 1))
        found = made.moments(context[None], [1])
        errors.append((coefficients[1] @ context + own[1] - found.means[0, 0]) / found.deviations[0, 0])
    return np.array(errors)


def test_the_truth_lies_within_the_deviations_as_often_as_it_should() -> None:
    assert kstest(planted(400.0), norm.cdf).pvalue > 1e-3


def test_the_same_check_finds_noise_that_is_taken_too_small() -> None:
    assert kstest(planted(16 * 400.0), norm.cdf).pvalue < 1e-6


@pytest.mark.parametrize(
    ("contexts", "arms", "rewards", "said"),
    [
        (np.ones((2, 2)), [0, 1], [0, 1], "contexts have the shape (2, 2), expected (n, 3)"),
        (np.full((2, 3), np.nan), [0, 1], [0, 1], "row 0 of the contexts has a feature that is not finite"),
        (np.ones((2, 3)), [0, 6], [0, 1], "row 1 has the arm 6, expected 0 to 5"),
        (
            np.ones((2, 3)),
            [0, 1],
            [0, 1e51],
            "row 1 has the reward 1e+51, expected a number up to 1e+50; take another unit",
        ),
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
        ({"features": np.ones(3)}, "features have the shape (3,), expected (A, f): one row per artwork"),
        ({"features": [[1.0], [np.nan]]}, "row 1 of the features has a value that is not finite"),
        ({"features": np.empty((0, 2))}, "a posterior of 0 arms and 2 features"),
        ({"n_features": 0}, "a posterior of 2 arms and 0 features"),
        ({"prior_precision": -1.0}, "the smallest prior precision is -1.0, expected above 0"),
        ({"intercept_precision": 0.0}, "the intercept precision is 0.0"),
        ({"noise_precision": float("nan")}, "the noise precision is nan"),
        (
            {"intercept_mean": np.ones(3)},
            "intercept_mean has the shape (3,), expected a number or what spreads to (2,)",
        ),
        ({"n_draws": 0}, "0 draws of the seed 0, expected at least 1"),
        ({"n_draws": 2.7}, "2.7 draws of the seed 0, expected at least 1"),
        ({"n_draws": "8"}, "'8' draws of the seed 0"),
        ({"seed": 1.5}, "256 draws of the seed 1.5"),
        ({"noise_precision": np.inf}, "the noise precision is inf, expected a finite number"),
        ({"features": [["a"], ["b"]]}, "row 0 of the features, column 0, is 'a' (str), expected real numbers"),
        ({"features": [[1.0], [1e101]]}, "row 1 of the features has a value that is not finite or too large: 1e+101"),
        ({"seed": -1}, "256 draws of the seed -1, expected at least 1 and a seed from 0 to 2**64 - 1"),
    ],
)
def test_wrong_settings_are_refused_with_their_value(settings: dict[str, Any], said: str) -> None:
    defaults: dict[str, Any] = {"features": np.ones((2, 1)), "n_features": 2}
    with pytest.raises(InputError, match=re.escape(said)):
        SharedPosterior(**(defaults | settings))


def test_features_of_other_arms_than_the_evidence_are_refused() -> None:
    with pytest.raises(InputError, match="features of 6 artworks and evidence of 5 arms, expected one row per arm"):
        SharedPosterior.of(LinearEvidence.empty(5, FEATURES), Z)


@pytest.mark.parametrize("retention", [0.0, 1.1, float("nan")])
def test_a_retention_that_is_no_share_is_refused(retention: float) -> None:
    made = observed(random_log())
    with pytest.raises(InputError, match=f"retention is {retention}, expected above 0 and at most 1"):
        made.forget(retention)
    assert_same(made, observed(random_log()))


def test_an_unknown_arm_is_not_scored() -> None:
    with pytest.raises(InputError, match="row 0 has the arm 6, expected 0 to 5"):
        posterior().scores(np.ones((1, FEATURES)), [6])


def test_contexts_of_another_length_are_not_scored() -> None:
    with pytest.raises(InputError, match=re.escape("contexts have the shape (1, 2), expected (n, 3)")):
        posterior().scores(np.ones((1, 2)), [0])
