import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, kstest, norm

from bandit.posterior import SharedPosterior, SharedWeights
from bandit.scores import Draws

F64 = npt.NDArray[np.float64]

ARMS, FEATURES = 5, 3
CONTEXT = np.array([1.0, -0.5, 2.0])


def fitted(n_draws: int, seed: int = 0) -> SharedWeights:
    random = np.random.default_rng(1)
    made = SharedPosterior(random.normal(size=(ARMS, 2)), FEATURES, 2.0, 3.0, 5.0, 0.3, n_draws, seed)
    made.observe(random.normal(size=(60, FEATURES)), random.integers(0, ARMS - 1, 60), random.random(60))
    return made.fitted


def drawn(n_draws: int, seed: int = 0, contexts: F64 = CONTEXT[None]) -> Draws:
    return fitted(n_draws, seed).scorer(range(ARMS)).scores(contexts)


def test_the_mean_of_the_scores_is_exact() -> None:
    contexts = np.random.default_rng(2).normal(size=(7, FEATURES))
    exact = fitted(4).moments(contexts, range(ARMS))
    np.testing.assert_allclose(drawn(4, contexts=contexts).expected, exact.means, rtol=1e-10)


def test_draws_have_the_exact_mean_and_covariance() -> None:
    # Whitened by the exact covariance, draws are standard: squared lengths are chi-squared, each direction is normal.
    scores, exact = drawn(20_000), fitted(1).covariance(CONTEXT, range(ARMS))
    white = np.linalg.solve(np.linalg.cholesky(exact), (scores.values[:, 0] - scores.means[0]).T)  # (k, m)
    assert kstest((white**2).sum(axis=0), chi2(ARMS).cdf).pvalue > 1e-3
    for direction in white:
        assert kstest(direction, norm.cdf).pvalue > 1e-3
    np.testing.assert_allclose(white @ white.T / 20_000, np.eye(ARMS), atol=5 / np.sqrt(20_000))


def test_arms_are_correlated_as_the_model_says() -> None:
    exact = fitted(1).covariance(CONTEXT, range(ARMS))
    scale = np.sqrt(np.diag(exact))
    correlation = np.corrcoef(drawn(20_000).values[:, 0].T)
    np.testing.assert_allclose(correlation, exact / np.outer(scale, scale), atol=0.035)
    assert np.abs(correlation - np.eye(ARMS)).max() > 0.2


def test_an_arm_has_the_same_draws_whichever_arms_are_asked_for_with_it() -> None:
    weights, contexts = fitted(64), np.random.default_rng(2).normal(size=(9, FEATURES))
    everyone = weights.scorer(range(ARMS)).scores(contexts).values
    some = weights.scorer([3, 1]).scores(contexts).values
    np.testing.assert_allclose(some, everyone[:, :, [3, 1]], rtol=1e-12, atol=1e-14)


def test_a_user_has_the_same_draws_whichever_users_are_scored_with_it() -> None:
    contexts = np.random.default_rng(2).normal(size=(9, FEATURES))
    np.testing.assert_allclose(
        drawn(64, contexts=contexts[4:6]).values, drawn(64, contexts=contexts).values[:, 4:6], rtol=1e-12, atol=1e-14
    )


def test_the_same_draw_of_the_shared_weights_serves_all_arms() -> None:
    # Arms that differ in nothing but their own intercept's noise move together as soon as that noise is gone.
    made = SharedPosterior(np.ones((2, 1)), 1, 1.0, 1e12, 1.0, n_draws=50)
    values = made.fitted.scorer([0, 1]).scores(np.ones((1, 1))).values[:, 0]
    np.testing.assert_allclose(values[:, 0], values[:, 1], atol=1e-4)
    assert values[:, 0].std() > 0.5


def test_intercepts_of_two_arms_have_noise_of_their_own() -> None:
    made = SharedPosterior(np.ones((2, 1)), 1, 1e12, 1.0, 1.0, n_draws=5000)
    values = made.fitted.scorer([0, 1]).scores(np.ones((1, 1))).values[:, 0]
    assert abs(np.asarray(np.corrcoef(values.T))[0, 1]) < 5 / np.sqrt(5000)


def test_seeds_pin_the_draws() -> None:
    np.testing.assert_array_equal(drawn(16, seed=7).values, drawn(16, seed=7).values)
    assert not np.isclose(drawn(16, seed=7).values, drawn(16, seed=8).values).any()
