from typing import NamedTuple

import naive
import numpy as np
import numpy.typing as npt
import pytest

from bandit.kernels.linear import accumulate, mirror

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


class Sums(NamedTuple):
    precision: F64
    information: F64
    counts: F64
    squares: F64


def summed(contexts: npt.NDArray[np.floating], arms: I64, rewards: F64, n_arms: int) -> Sums:
    d = contexts.shape[1]
    sums = Sums(np.zeros((n_arms, d, d)), np.zeros((n_arms, d)), np.zeros(n_arms), np.zeros(n_arms))
    accumulate(contexts, arms, rewards, *sums)
    mirror(sums.precision)
    return sums


def log(m: int, d: int, n_arms: int) -> tuple[F64, I64, F64]:
    random = np.random.default_rng(m + d)
    return random.normal(size=(m, d)), random.integers(0, n_arms, m), random.random(m)


@pytest.mark.parametrize(("m", "d", "n_arms"), [(0, 3, 2), (1, 1, 1), (60, 4, 1), (200, 3, 7), (40, 2, 256)])
def test_the_sums_are_those_of_the_naive_twin(m: int, d: int, n_arms: int) -> None:
    contexts, arms, rewards = log(m, d, n_arms)
    found = summed(contexts, arms, rewards, n_arms)
    wanted = naive.linear_posterior(contexts, arms, rewards, 1.0, np.zeros((n_arms, d)), 1.0)
    np.testing.assert_allclose(found.precision + np.eye(d), wanted.precisions, rtol=1e-12, atol=1e-12)
    information = np.einsum("kij,kj->ki", wanted.precisions, wanted.means)
    np.testing.assert_allclose(found.information, information, rtol=1e-9, atol=1e-9)


def test_counts_and_squares_are_summed_by_arm() -> None:
    found = summed(np.ones((3, 1)), np.array([0, 2, 2]), np.array([0.5, 1.0, 0.5]), 3)
    assert found.counts.tolist() == [1, 0, 2]
    assert found.squares.tolist() == [0.25, 0, 1.25]


def test_contexts_of_single_precision_are_summed_in_double() -> None:
    contexts, arms, rewards = log(300, 3, 2)
    narrow = contexts.astype(np.float32)
    found, wanted = summed(narrow, arms, rewards, 2), summed(narrow.astype(np.float64), arms, rewards, 2)
    assert (found.precision == wanted.precision).all()
    assert (found.information == wanted.information).all()


def test_sums_are_added_to_what_is_there() -> None:
    contexts, arms, rewards = log(50, 2, 3)
    sums = summed(contexts[:20], arms[:20], rewards[:20], 3)
    accumulate(contexts[20:], arms[20:], rewards[20:], *sums)
    mirror(sums.precision)
    np.testing.assert_allclose(sums.precision, summed(contexts, arms, rewards, 3).precision, rtol=1e-12)


def test_the_precision_is_symmetric_to_the_last_bit() -> None:
    precision = summed(*log(100, 5, 3), 3).precision
    assert (precision == precision.swapaxes(1, 2)).all()


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_feature_that_is_not_finite_stays_within_its_arm(wrong: float) -> None:
    contexts = np.ones((2, 2))
    contexts[0, 1] = wrong
    found = summed(contexts, np.array([0, 1]), np.ones(2), 2)
    assert not np.isfinite(found.precision[0]).all()
    assert np.isfinite(found.precision[1]).all()
