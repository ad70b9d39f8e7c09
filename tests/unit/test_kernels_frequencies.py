import naive
import numpy as np
import numpy.typing as npt
import pytest

from bandit.kernels.frequencies import win_frequencies

F64 = npt.NDArray[np.float64]


def won(values: npt.ArrayLike, eligible: npt.ArrayLike | None = None) -> F64:
    """Win frequencies (n, k) of draws (m, n, k)."""
    draws = np.asarray(values, dtype=np.float64)
    mask = np.ones(draws.shape[1:], dtype=np.bool_) if eligible is None else np.asarray(eligible, dtype=np.bool_)
    out = np.full(draws.shape[1:], 99.0)
    with np.errstate(all="ignore"):
        win_frequencies(draws, mask, out)
    return out


@pytest.mark.parametrize("seed", range(5))
def test_frequencies_are_the_slow_count(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.integers(-3, 4, size=(20, 3, 5)) * random.choice([1e-9, 1.0, 1e9])  # many ties
    eligible = random.random((3, 5)) < 0.7
    eligible[:, 2] = True
    wanted = [naive.win_frequencies(values[:, row], eligible[row].tolist()) for row in range(3)]
    np.testing.assert_allclose(won(values, eligible), wanted, atol=1e-12)


def test_ties_of_a_draw_share_it() -> None:
    assert won([[[1.0, 1.0, 0.0]], [[0.0, 1.0, 1.0]]]).tolist() == [[0.25, 0.5, 0.25]]


def test_draws_that_differ_in_the_last_bit_tie() -> None:
    assert won([[[0.3, 0.1 + 0.2]]]).tolist() == [[0.5, 0.5]]


def test_draws_that_differ_by_more_than_rounding_do_not_tie() -> None:
    assert won([[[0.3, 0.3 * (1 + 1e-8)]]]).tolist() == [[0, 1]]


def test_negative_draws_have_a_winner() -> None:
    assert won([[[-3.0, -1.0]]]).tolist() == [[0, 1]]


def test_a_masked_arm_wins_nothing_however_large() -> None:
    assert won([[[9.0, 1.0, 0.0]]], [[False, True, True]]).tolist() == [[0, 1, 0]]


def test_one_draw_is_enough() -> None:
    assert won([[[0.0]]]).tolist() == [[1]]


def test_no_users_have_no_frequencies() -> None:
    assert won(np.empty((4, 0, 3))).shape == (0, 3)


@pytest.mark.parametrize("wild", [np.nan, np.inf, -np.inf, 1e308, 5e-324])
@pytest.mark.parametrize("everywhere", [False, True])
def test_the_kernel_returns_whatever_the_numbers_are(wild: float, everywhere: bool) -> None:
    found = won([[[wild] * 3]] if everywhere else [[[wild, 0.0, 1.0]]])
    assert (found != 99).all()


def test_no_eligible_arm_returns_too() -> None:
    assert won([[[1.0, 2.0]]], [[False, False]]).tolist() == [[0, 0]]
