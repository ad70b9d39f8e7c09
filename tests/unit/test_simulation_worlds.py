from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import expit

from bandit.errors import InputError
from bandit.simulation.delay import READINGS, Delay
from bandit.simulation.linear_world import LinearWorld

CONTEXTS = np.array([[1.0, 0.5], [1.0, -1.0]])
WEIGHTS = [[0.5, 0.2], [0.4, -0.2]]


def test_the_expected_reward_is_linear_in_the_context() -> None:
    assert LinearWorld.still(WEIGHTS).expected(0, CONTEXTS) == pytest.approx(np.array([[0.6, 0.3], [0.3, 0.6]]))


def test_the_expected_reward_is_cut_to_probabilities() -> None:
    world = LinearWorld.still([[2.0, 0.0], [-1.0, 0.0]])
    assert world.expected(0, CONTEXTS).tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_on_the_logit_link_the_logit_is_linear_in_the_context() -> None:
    world = LinearWorld.still(WEIGHTS, "logit")
    assert world.expected(0, CONTEXTS) == pytest.approx(expit(np.array([[0.6, 0.3], [0.3, 0.6]])))


def test_contexts_are_a_constant_and_features_within_one() -> None:
    contexts = LinearWorld.still(WEIGHTS).contexts(2000, np.random.default_rng(0))
    assert (contexts[:, 0] == 1).all()
    assert (np.abs(contexts[:, 1]) <= 1).all()
    assert abs(contexts[:, 1].var() - 1 / 3) < 0.03


def test_the_best_arm_moves_on_by_one_at_each_of_the_steps() -> None:
    world = LinearWorld.moving([[0.2], [0.8], [0.5]], steps=[5, 9])
    best = [int(world.expected(step, np.ones((1, 1))).argmax()) for step in range(12)]
    assert best == [1] * 5 + [2] * 4 + [0] * 3


def test_weights_walk_by_steps_of_the_given_deviation() -> None:
    world = LinearWorld.walking(np.zeros((3, 4)), 2000, 0.1, np.random.default_rng(1))
    moves = np.diff(world.weights, axis=0)
    assert not world.weights[0].any()
    assert abs(moves.std() - 0.1) < 0.002
    assert world.weights[-1].std() > 1


def test_a_walk_of_no_deviation_stands_still() -> None:
    world = LinearWorld.walking(np.array(WEIGHTS), 10, 0.0, np.random.default_rng(1))
    assert (world.expected(9, CONTEXTS) == LinearWorld.still(WEIGHTS).expected(0, CONTEXTS)).all()


@pytest.mark.parametrize(
    ("weights", "starts", "link", "message"),
    [
        (np.zeros((2, 3)), [0, 1], "identity", r"expected \(s, k, d\) and \(s,\)"),
        (np.zeros((2, 1, 1)), [0], "identity", r"expected \(s, k, d\) and \(s,\)"),
        (np.zeros((1, 0, 1)), [0], "identity", r"expected \(s, k, d\) and \(s,\)"),
        (np.full((1, 1, 1), np.nan), [0], "identity", "weights must be finite"),
        (np.zeros((2, 1, 1)), [1, 2], "identity", r"pieces start at \[1, 2\]"),
        (np.zeros((2, 1, 1)), [0, 0], "identity", r"pieces start at \[0, 0\]"),
        (np.zeros((1, 1, 1)), [0], "probit", "there is no link 'probit'; choose one of identity, logit"),
    ],
)
def test_a_world_that_is_none_is_refused(
    weights: npt.NDArray[np.float64], starts: list[int], link: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        LinearWorld(weights, np.array(starts), link)


@pytest.mark.parametrize("steps", [0, -1, 1.5, "10", None])
def test_a_walk_of_no_steps_is_refused(steps: Any) -> None:
    with pytest.raises(InputError, match=f"the walk has {steps!r} steps, expected a whole number, at least 1"):
        LinearWorld.walking(np.array(WEIGHTS), steps, 0.1, np.random.default_rng(1))


@pytest.mark.parametrize("deviation", [-0.1, np.nan, np.inf, "much", None])
def test_a_walk_of_a_deviation_that_is_none_is_refused(deviation: Any) -> None:
    with pytest.raises(InputError, match=f"the standard deviation is {deviation!r}, expected at least 0 and finite"):
        LinearWorld.walking(np.array(WEIGHTS), 10, deviation, np.random.default_rng(1))


def test_weights_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="weights is an array of <U1, expected real numbers"):
        LinearWorld.still(np.array([["a"]]))


def test_a_step_before_the_first_is_refused() -> None:
    with pytest.raises(InputError, match="the step is -1, expected at least 0"):
        LinearWorld.moving(WEIGHTS, steps=[5]).expected(-1, CONTEXTS)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_every_reward_arrives_once_in_order_and_never_before_its_time(steps: int, reading: str) -> None:
    delay = Delay(steps, reading)
    arrived = [(step, of) for step in range(50) for of in delay.arriving(step)]
    assert [of for _, of in arrived] == list(range(len(arrived)))
    ages = {step - of for step, of in arrived}
    assert ages == ({steps} if reading == "each" else set(range(1, steps + 1)))


@pytest.mark.parametrize(
    ("steps", "reading", "message"),
    [
        (0, "batches", "the delay is 0 steps, expected at least 1"),
        (1.5, "batches", "the delay is 1.5 steps, expected at least 1, a whole number"),
        ("2", "each", "the delay is '2' steps"),
        (1, "late", "there is no reading 'late' of a delay; choose one of batches, each, refits"),
    ],
)
def test_a_delay_that_is_none_is_refused(steps: Any, reading: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Delay(steps, reading)
