import re

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import norm

from bandit.errors import InputError
from bandit.policies import ThompsonSampling
from bandit.posterior import BetaScores, Moments
from bandit.scores import LEAST_COUNT, MOST_COUNT, Draws

F64 = npt.NDArray[np.float64]
ONES = np.ones((2, 3))


def with_value(value: float) -> F64:
    array = np.ones((2, 3))
    array[1, 2] = value
    return array


def test_scores_tell_their_users_and_arms() -> None:
    assert (Moments(ONES, ONES).shape, BetaScores(ONES, ONES).shape) == ((2, 3), (2, 3))


def test_the_expected_reward_of_a_beta_is_its_mean() -> None:
    np.testing.assert_allclose(BetaScores(ONES, 4 * ONES).expected, 0.2)


def test_the_expected_reward_of_a_gaussian_is_its_mean() -> None:
    np.testing.assert_array_equal(Moments(2 * ONES, ONES).expected, 2 * ONES)


def test_a_deviation_of_0_is_allowed() -> None:
    assert Moments(ONES, 0 * ONES).shape == (2, 3)


@pytest.mark.parametrize(
    ("means", "deviations", "said"),
    [
        (np.ones(3), np.ones(3), "means (3,) and deviations (3,) must both be (n, k)"),
        (ONES, np.ones((3, 2)), "means (2, 3) and deviations (3, 2) must both be (n, k)"),
        (with_value(np.nan), ONES, "means of row 1, arm 2 are nan; they must be finite; look for NaN"),
        (ONES, with_value(np.inf), "deviations of row 1, arm 2 are inf; they must be finite; look for NaN"),
        (np.empty((1, 0)), np.empty((1, 0)), "(1, 0) must both be (n, k) with at least one arm"),
        (np.array([["0.1"]]), np.ones((1, 1)), "means is an array of <U3, expected real numbers"),
        (
            np.array([[0.1j]]),
            np.ones((1, 1)),
            "means is an array of complex128, expected real numbers",
        ),
        ([["0.1"]], np.ones((1, 1)), "row 0 of the means, column 0, is '0.1' (str), expected real numbers"),
        (ONES, with_value(-0.5), "a standard deviation is -0.5, expected at least 0"),
    ],
)
def test_wrong_moments_are_refused(means: F64, deviations: F64, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        Moments(means, deviations)


@pytest.mark.parametrize(
    ("successes", "failures", "said"),
    [
        (np.ones(3), np.ones(3), "successes (3,) and failures (3,) must both be (n, k)"),
        (ONES, np.ones((2, 2)), "successes (2, 3) and failures (2, 2)"),
        (np.empty((1, 0)), np.empty((1, 0)), "(1, 0) must both be (n, k) with at least one arm"),
        (with_value(0.0), ONES, "successes of row 1, arm 2 are 0.0, expected 1e-15 to 1e+15; add the prior's counts"),
        (ONES, with_value(-2.0), "failures of row 1, arm 2 are -2.0, expected 1e-15 to 1e+15"),
        (ONES, with_value(np.nan), "failures of row 1, arm 2 are nan"),
        (with_value(np.inf), ONES, "successes of row 1, arm 2 are inf"),
        (1e-300 * ONES, 1e-300 * ONES, "successes of row 0, arm 0 are 1e-300, expected 1e-15 to 1e+15"),
        (ONES, 1e308 * ONES, "failures of row 0, arm 0 are 1e+308, expected 1e-15 to 1e+15"),
    ],
)
def test_wrong_beta_scores_are_refused(successes: F64, failures: F64, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        BetaScores(successes, failures)


def test_a_link_that_is_not_known_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        InputError, match="the link is 'probit', expected one of identity, logit; take scores to rewards"
    ):
        Moments(ONES, ONES, link="probit")


@pytest.mark.parametrize(
    ("values", "means", "said"),
    [
        (np.ones((4, 2, 3)), np.ones((3, 2)), "draws have the shape (4, 2, 3) and means (3, 2), expected (m, n, k)"),
        (np.ones((0, 2, 3)), ONES, "draws have the shape (0, 2, 3)"),
        (np.ones((4, 1, 0)), np.empty((1, 0)), "means (1, 0) must be (n, k) with at least one arm"),
        (np.array([ONES, with_value(np.nan)]), ONES, "draws of row 1, arm 2 are nan; they must be finite"),
        (np.ones((4, 2, 3)), with_value(np.inf), "means of row 1, arm 2 are inf; they must be finite"),
        (np.full((4, 2, 3), "a"), ONES, "values is an array of <U1, expected real numbers"),
    ],
)
def test_wrong_draws_are_refused(values: F64, means: F64, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        Draws(values, means)


def test_rates_of_the_least_counts_win_as_their_limit_says() -> None:
    # A rate of next to no counts is 0 or 1; of two at the same end, how near it they are is a race of exponentials.
    (a, c), (b, d) = LEAST_COUNT * np.array([1, 5]), LEAST_COUNT * np.array([3, 2])
    p, q = a / (a + b), c / (c + d)
    wanted = p * (1 - q) + p * q * d / (b + d) + (1 - p) * (1 - q) * a / (a + c)
    scores = BetaScores(np.array([[a, c]]), np.array([[b, d]]))
    assert ThompsonSampling().probabilities(scores)[0, 0] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("few", [LEAST_COUNT, 1.0])
def test_rates_of_both_ends_of_the_range_have_win_probabilities(few: float) -> None:
    scores = BetaScores(np.array([[few, MOST_COUNT, 1.0]]), np.array([[MOST_COUNT, few, 1.0]]))
    assert ThompsonSampling().probabilities(scores).tolist() == [[0, 1, 0]]


@pytest.mark.parametrize("total", [1e13, 1e15])
def test_rates_of_the_most_impressions_win_as_the_normal_distribution_says(total: float) -> None:
    deviation = np.sqrt(0.3 * 0.7 / (total / 2))
    rates = np.array([0.3, 0.3 + 1.5 * deviation])
    scores = BetaScores(total / 2 * rates[None], total / 2 * (1 - rates)[None])
    apart = np.diff(scores.expected[0])[0] / np.hypot(*scores.deviations[0])
    assert ThompsonSampling().probabilities(scores)[0, 1] == pytest.approx(norm.cdf(apart), abs=1e-6)
