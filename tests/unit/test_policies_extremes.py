"""Policies at the ends of the number range, in half precision, and with hopeless arms beside close ones."""

from typing import Any

import numpy as np
import pytest

from bandit.hashing import hash_ids
from bandit.policies import EpsilonGreedy, Greedy, LinUCB, Policy, Softmax, ThompsonSampling, decide
from bandit.posterior import BetaScores, Draws, Moments


def moments(means: Any, deviations: Any = 1.0) -> Moments:
    m = np.atleast_2d(np.asarray(means, dtype=np.float64))
    return Moments(m, np.broadcast_to(np.asarray(deviations, dtype=np.float64), m.shape).copy())


@pytest.mark.parametrize("hopeless", [-1e3, -1e9, -1e300, -1.7e308])
def test_a_hopeless_arm_makes_no_ties_of_the_others(hopeless: float) -> None:
    assert Greedy().probabilities(moments([0.05, 0.049, hopeless])).tolist() == [[1, 0, 0]]
    assert LinUCB(0.0).probabilities(moments([0.05, 0.049, hopeless])).tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("hopeless", [-1e3, -1e9, -1e300, -1.7e308])
def test_a_hopeless_arm_makes_no_ties_in_draws(hopeless: float) -> None:
    values = np.array([[[0.05, 0.049, hopeless]], [[0.03, 0.04, hopeless]], [[0.05, 0.01, hopeless]]])
    found = ThompsonSampling().probabilities(Draws(values, np.array([[0.04, 0.03, hopeless]])))
    np.testing.assert_allclose(found, [[2 / 3, 1 / 3, 0]])


TIES = [
    [0.3, np.nextafter(0.3, 1)],
    [-0.3, np.nextafter(-0.3, 1)],
    [0.0, -0.0],
    [5e-324, 5e-324],
    [1e-310, 1e-310],
    [1.7e308, np.nextafter(1.7e308, 0)],
    [-1.7976931348623157e308, -1.7976931348623157e308],
]


@pytest.mark.parametrize("policy", [Greedy(), LinUCB(0.0), LinUCB(1.0), LinUCB(1e308), EpsilonGreedy(0.2)])
@pytest.mark.parametrize("means", TIES)
def test_ties_share_at_the_ends_of_the_number_range(policy: Policy, means: list[float]) -> None:
    np.testing.assert_allclose(policy.probabilities(moments(means)), [[0.5, 0.5]], rtol=1e-12)


@pytest.mark.parametrize("policy", [Greedy(), LinUCB(1.0), EpsilonGreedy(0.2)])
def test_an_arm_that_may_not_be_shown_never_ties_with_the_least_double(policy: Policy) -> None:
    found = policy.probabilities(moments([-1.7976931348623157e308, 0.0]), np.array([True, False]))
    assert found.tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("means", "temperature"), [([1e308, -1e308], 1e308), ([2e307, 0.0], 1e307), ([1.7e308, -1.7e308], 1.7e308)]
)
def test_a_softmax_of_rewards_whose_difference_overflows_is_right(means: list[float], temperature: float) -> None:
    wanted = np.exp(-np.array([0.0, means[0] / temperature - means[1] / temperature]))
    np.testing.assert_allclose(Softmax(temperature).probabilities(moments(means))[0], wanted / wanted.sum(), rtol=1e-12)


@pytest.mark.parametrize("temperature", [5e-324, 1e-310, 1e-300, 1e-17])
@pytest.mark.parametrize("means", [[0.2, 0.1, 0.2], [1e308, -1e308, 1e308], [0.0, -1e-3, -0.0]])
def test_a_softmax_of_a_tiny_temperature_is_greedy(means: list[float], temperature: float) -> None:
    assert Softmax(temperature).probabilities(moments(means)).tolist() == [[0.5, 0, 0.5]]


@pytest.mark.parametrize("alpha", [1e16, 1e300, 1.7e308])
def test_linucb_of_a_huge_alpha_takes_the_mean_where_deviations_are_zero(alpha: float) -> None:
    assert LinUCB(alpha).probabilities(moments([1e-12, 2e-12], 0.0)).tolist() == [[0, 1]]
    assert LinUCB(alpha).probabilities(moments([1.0, 0.0], [0.1, 0.2])).tolist() == [[0, 1]]


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_deviations_of_draws_do_not_depend_on_their_unit(scale: float) -> None:
    values = np.random.default_rng(1).normal(size=(50, 2, 3))
    plain, scaled = Draws(values, values.mean(axis=0)), Draws(scale * values, scale * values.mean(axis=0))
    np.testing.assert_allclose(scaled.deviations / scale, plain.deviations, rtol=1e-12)


def test_deviations_of_draws_of_one_arm_do_not_depend_on_another() -> None:
    values = np.random.default_rng(2).normal(size=(50, 1, 2)) * [1.0, 1e300]
    np.testing.assert_allclose(Draws(values, values[0]).deviations[0, 0], values[:, 0, 0].std(), rtol=1e-12)


HALF = [
    Greedy(),
    ThompsonSampling(),
    EpsilonGreedy(np.float16(0.1)),  # type: ignore[arg-type]
    Softmax(np.float16(0.05)),  # type: ignore[arg-type]
    LinUCB(np.float16(2)),  # type: ignore[arg-type]
    LinUCB(np.float16(65504)),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.parametrize("policy", HALF)
def test_scores_and_settings_in_half_precision_are_worked_out_in_double(
    policy: Policy, kind: type[np.floating]
) -> None:
    random = np.random.default_rng(3)
    means, deviations = random.random((9, 5)).astype(kind), random.random((9, 5)).astype(kind)
    found = policy.probabilities(Moments(means, deviations))
    wanted = policy.probabilities(Moments(means.astype(np.float64), deviations.astype(np.float64)))
    assert found.dtype == np.float64
    assert (found == wanted).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    decide(found, hash_ids([str(row) for row in range(9)]), floor=np.float16(0.02))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [np.float16, np.uint16, np.int32])
def test_betas_of_small_types_do_not_overflow(kind: type[np.generic]) -> None:
    counts = np.array([[40000, 50000, 30000]]).astype(kind)
    plain = BetaScores(counts.astype(np.float64), counts[:, ::-1].astype(np.float64))
    small = BetaScores(counts, counts[:, ::-1])
    assert (small.expected == plain.expected).all()
    assert (small.deviations == plain.deviations).all()


def test_epsilon_in_half_precision_falls_with_many_impressions() -> None:
    decaying = EpsilonGreedy(np.float16(0.5), halving=np.float16(1000))  # type: ignore[arg-type]
    assert decaying.for_title(1e6).epsilon == pytest.approx(0.5 / 1001)


def test_draws_in_half_precision_have_deviations_in_double() -> None:
    values = np.array([[[60000.0]], [[-60000.0]]]).astype(np.float16)
    assert Draws(values, np.zeros((1, 1))).deviations[0, 0] == 60000.0  # type: ignore[arg-type]
