"""Bets against propensities are fair where these are right, and win where an arm is drawn less often than is stated."""

import numpy as np
import pytest

from bandit.arrays import F64, I64
from bandit.monitoring.propensities import BETS, propensity_bets, shown_and_expected

SHARES = np.array([0.5, 0.3, 0.15, 0.05])
PLACES = np.arange(4)[None, :]


def bets(arms: I64, stated: F64, computed: F64) -> F64:
    count = len(arms)
    return propensity_bets(arms, stated[arms], np.tile(computed, (count, 1)), np.broadcast_to(PLACES, (count, 4)), 4)


@pytest.mark.parametrize("computed", [SHARES, np.array([0.25] * 4) * 0.2, np.array([0.9, 0.05, 0.03, 0.02])])
def test_every_bet_is_fair_where_propensities_are_right(computed: F64) -> None:
    factors = np.array([np.exp(bets(np.array([arm]), SHARES, computed)) for arm in range(4)])  # (arms drawn, g, b)
    np.testing.assert_allclose(np.tensordot(SHARES, factors, axes=1), np.ones((4, len(BETS))))


@pytest.mark.parametrize(("factor", "grows"), [(1.2, 0), (0.8, 5)])
def test_a_propensity_that_is_wrong_for_one_arm_is_bet_against(factor: float, grows: int) -> None:
    arms = np.random.default_rng(0).choice(4, 4000, p=SHARES)
    stated = SHARES * np.where(np.arange(4) == 1, factor, 1.0)
    logs = bets(arms, stated, SHARES)
    assert logs[1].max() > np.log(2800)
    assert np.argmax(logs[1]) in {grows, grows + 1, grows - 1}
    assert np.delete(logs, 1, axis=0).max() < np.log(2800)


def test_an_arm_that_is_never_drawn_is_bet_against() -> None:
    rest = np.array([0.5, 0.0, 0.15, 0.05]) / 0.7
    arms = np.random.default_rng(0).choice(4, 100, p=rest)
    assert bets(arms, SHARES, SHARES)[1].max() > np.log(1000)


def test_arms_that_could_not_be_drawn_are_not_bet_on() -> None:
    computed = np.array([[0.5, 0.5, 0.0]])
    made = propensity_bets(np.array([0]), np.array([0.5]), computed, np.array([[0, -1, 1]]), 2)
    assert made[1].tolist() == [0.0] * len(BETS)
    assert made[0, 0] < 0


@pytest.mark.parametrize("ratio", [1e-12, 0.1, 0.5, 1.0, 2.0, 1e9])
def test_whatever_is_stated_every_bet_keeps_a_stake(ratio: float) -> None:
    assert np.isfinite(bets(np.array([0, 1, 2, 3] * 3), SHARES * ratio, SHARES)).all()


def test_a_night_without_decisions_bets_nothing() -> None:
    nothing = np.empty((0, 3))
    made = propensity_bets(np.empty(0, dtype=np.int64), np.empty(0), nothing, nothing.astype(np.int64), 5)
    assert made.tolist() == [[0.0] * len(BETS)] * 5


def test_weights_of_what_is_shown_add_up_to_what_is_expected() -> None:
    arms = np.random.default_rng(1).choice(4, 20_000, p=SHARES)
    groups = np.broadcast_to(PLACES, (len(arms), 4))
    shown, expected = shown_and_expected(arms, np.tile(SHARES, (len(arms), 1)), groups, 4, np.ones(len(arms)))
    np.testing.assert_allclose(expected, 20_000 * SHARES)
    assert (np.abs(shown - expected) < 4 * np.sqrt(expected)).all()
