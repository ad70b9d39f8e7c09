import re

import numpy as np
import numpy.typing as npt
import pytest

from bandit.errors import InputError
from bandit.posterior import BetaScores, Moments

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
        (with_value(np.nan), ONES, "must be finite; look for NaN"),
        (ONES, with_value(np.inf), "must be finite; look for NaN"),
        (ONES, with_value(-0.5), "a deviation is -0.5, expected at least 0"),
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
        (with_value(0.0), ONES, "successes must be finite and above 0, the smallest is 0.0"),
        (ONES, with_value(-2.0), "failures must be finite and above 0, the smallest is -2.0"),
        (ONES, with_value(np.nan), "failures must be finite"),
    ],
)
def test_wrong_beta_scores_are_refused(successes: F64, failures: F64, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        BetaScores(successes, failures)
