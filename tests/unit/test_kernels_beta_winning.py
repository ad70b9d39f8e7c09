import naive
import numba
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from bandit.kernels.beta_winning import beta_win_probabilities

F64 = npt.NDArray[np.float64]

SLOW = bool(numba.config.DISABLE_JIT)
BOUND = 1e-6


def won(alphas: npt.ArrayLike, betas: npt.ArrayLike, eligible: npt.ArrayLike | None = None) -> F64:
    """Win probabilities of one row, (k,)."""
    a, b = np.atleast_2d(np.asarray(alphas, dtype=np.float64)), np.atleast_2d(np.asarray(betas, dtype=np.float64))
    yes = np.ones(a.shape, dtype=np.bool_) if eligible is None else np.atleast_2d(np.asarray(eligible, dtype=np.bool_))
    out = np.full(a.shape, 99.0)
    with np.errstate(all="ignore"):
        beta_win_probabilities(a, b, yes, out)
    return np.asarray(out[0])


def error(alphas: F64, betas: F64) -> float:
    return float(np.abs(won(alphas, betas) - naive.beta_win_probabilities(alphas, betas)).max())


POWERS = st.floats(-2, 6).map(lambda power: float(10**power))


@given(st.lists(st.tuples(POWERS, POWERS), min_size=1, max_size=10))
@settings(deadline=None, max_examples=5 if SLOW else 60)
def test_the_error_is_within_the_bound_for_any_parameters(arms: list[tuple[float, float]]) -> None:
    alphas, betas = (np.array(side) for side in zip(*arms, strict=True))
    assert error(alphas, betas) <= BOUND


@pytest.mark.parametrize("seed", range(2 if SLOW else 20))
def test_the_error_is_within_the_bound_where_rates_are_near_each_other(seed: int) -> None:
    random = np.random.default_rng(seed)
    total = 10 ** random.uniform(0, 6, 5)
    rates = expit(random.normal(-3, 0.2, 5))
    assert error(np.maximum(total * rates, 0.01), np.maximum(total * (1 - rates), 0.01)) <= BOUND


MANY = [(0.01, 0.01), (0.01, 1e6), (1, 1), (0.5, 10), (5, 95), (1e6, 1e6), (1e6, 0.01)]


@pytest.mark.parametrize(("alpha", "beta"), MANY[:2] if SLOW else MANY)
@pytest.mark.parametrize("lead", [1.0, 3.0])
def test_a_leader_of_a_hundred_arms_is_within_the_bound(alpha: float, beta: float, lead: float) -> None:
    k = 10 if SLOW else 100
    alphas = np.array([alpha] * (k - 1) + [alpha * lead])
    betas = np.full(k, beta)
    found = won(alphas, betas)
    # The wins of 99 equal arms are equal: the leader's, of two different integrands, settles them all.
    np.testing.assert_allclose(found[:-1], found[0], rtol=1e-9)
    assert found[-1] == pytest.approx(naive.beta_leader(alphas[-1], beta, alpha, beta, k - 1), abs=BOUND)


@given(*[st.integers(1, 30)] * 4)
@settings(deadline=None, max_examples=5 if SLOW else 200)
def test_two_arms_of_whole_parameters_follow_the_exact_sum(a: int, b: int, c: int, d: int) -> None:
    assert won([a, c], [b, d])[0] == pytest.approx(float(naive.beta_duel((a, b), (c, d))), abs=BOUND)


def test_arms_win_as_often_as_their_draws_do() -> None:
    alphas, betas = np.array([3.0, 0.4, 60.0, 10.0]), np.array([40.0, 9.0, 1000.0, 90.0])
    draws = np.random.default_rng(1).beta(alphas, betas, size=(200_000, 4))
    wins = np.bincount(draws.argmax(axis=1), minlength=4) / len(draws)
    np.testing.assert_allclose(won(alphas, betas), wins, atol=5 * 0.5 / np.sqrt(len(draws)))


@given(*[st.floats(-9, 15).map(lambda power: float(10**power))] * 4)
@settings(deadline=None, max_examples=10 if SLOW else 500)
def test_swapping_successes_and_failures_reverses_two_arms(a: float, b: float, c: float, d: float) -> None:
    assert won([a, c], [b, d])[0] == pytest.approx(won([b, d], [a, c])[1], abs=BOUND)


@given(POWERS, POWERS)
@settings(deadline=None, max_examples=5 if SLOW else 100)
def test_powers_of_uniforms_follow_the_closed_form(a: float, b: float) -> None:
    # Beta(a, 1) is U^(1/a): P(U^(1/a) > V^(1/b)) = a / (a + b).
    assert won([a, b], [1, 1])[0] == pytest.approx(a / (a + b), abs=BOUND)


@pytest.mark.parametrize("k", [1, 2, 7] if SLOW else [1, 2, 7, 20, 100, 256])
def test_identical_arms_share_equally(k: int) -> None:
    np.testing.assert_allclose(won([5.0] * k, [95.0] * k), 1 / k, rtol=1e-10)


def test_an_arm_that_is_far_beaten_has_nothing() -> None:
    assert won([1e3, 9e5], [1e6, 1e5]).tolist() == [0, 1]


def test_masked_arms_have_nothing_and_the_others_are_as_if_alone() -> None:
    alphas, betas = np.array([50.0, 3.0, 4.0, 1e6]), np.array([1.0, 20.0, 30.0, 1.0])
    found = won(alphas, betas, [False, True, True, False])
    assert found[[0, 3]].tolist() == [0, 0]
    assert found[[1, 2]].tolist() == won(alphas[[1, 2]], betas[[1, 2]]).tolist()


def test_rows_do_not_touch_each_other() -> None:
    random = np.random.default_rng(2)
    alphas, betas = 10 ** random.uniform(-2, 3, (4, 3)), 10 ** random.uniform(-2, 3, (4, 3))
    out = np.empty(alphas.shape)
    with np.errstate(all="ignore"):
        beta_win_probabilities(alphas, betas, np.ones(alphas.shape, dtype=np.bool_), out)
    assert (out == [won(a, b) for a, b in zip(alphas, betas, strict=True)]).all()
    np.testing.assert_allclose(out.sum(axis=1), 1, rtol=1e-14)


def test_no_rows_are_answered_with_none() -> None:
    none = np.empty((0, 3))
    beta_win_probabilities(none, none, np.empty((0, 3), dtype=np.bool_), none)
    assert none.shape == (0, 3)


WILD = [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e308, 5e-324]


@pytest.mark.parametrize("alpha", WILD)
@pytest.mark.parametrize("beta", WILD[:3] if SLOW else [*WILD, 1.0])
def test_the_kernel_returns_whatever_the_numbers_are(alpha: float, beta: float) -> None:
    found = won([alpha, 1.0, 2.0], [beta, 2.0, 30.0])
    assert found.shape == (3,)
    assert (found != 99).all()


def test_no_eligible_arm_returns_too() -> None:
    assert won([1, 2], [1, 2], [False, False]).shape == (2,)
