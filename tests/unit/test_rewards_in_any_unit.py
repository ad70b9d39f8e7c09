"""Rewards that are money or minutes: whatever has no bounds takes them in any unit, and says the same in another one."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import Ridge

from bandit.errors import InputError
from bandit.evaluation import (
    ESTIMATORS,
    PolicyTarget,
    PosteriorModel,
    RegressorModel,
    cross_fit,
    estimate,
    learn,
    samples_of,
)
from bandit.impressions import ImpressionLog
from bandit.policies import ThompsonSampling

F64 = npt.NDArray[np.float64]

M, K = 3000, 3
PRICES = np.array([5.0, -2.0, 30.0])
FEATURES = np.array([[0.0], [0.0], [1.0]])


def log_of_money(scale: float = 1.0, shift: float = 0.0) -> ImpressionLog:
    """A uniform log of what each impression earned, in some currency: most nothing, some a price."""
    random = np.random.default_rng(4)
    arms = random.integers(0, K, M)
    earned = PRICES[arms] * (random.random(M) < 0.3) * random.gamma(2.0, 0.5, M)
    contexts = np.column_stack([np.ones(M), random.normal(size=M)])
    return ImpressionLog(contexts, arms, scale * earned + shift, np.full(M, 1 / K), K)


LOG = log_of_money()
TARGET = np.tile([0.2, 0.2, 0.6], (M, 1))
MEANS = np.tile([LOG.rewards[LOG.arms == arm].mean() for arm in range(K)], (M, 1))


@pytest.mark.parametrize(("name", "interval"), [("snips", "bootstrap"), *((name, "normal") for name in ESTIMATORS)])
def test_an_estimate_of_money_is_the_same_in_another_currency(name: str, interval: str) -> None:
    tuned: dict[str, Any] = {"dros": {"shrinkage": np.inf}, "switch_dr": {"threshold": np.inf}}.get(name, {})

    def told(scale: float) -> F64:
        found = estimate(
            name,
            scale * LOG.rewards,
            LOG.arms,
            LOG.propensities,
            TARGET,
            scale * MEANS,
            interval=interval,
            resamples=100,
            **tuned,
        )
        return np.array([found.value, found.lower, found.upper], dtype=np.float64)

    assert np.isfinite(told(1.0)).all()
    np.testing.assert_allclose(told(250.0), 250 * told(1.0), rtol=1e-9)
    np.testing.assert_allclose(told(1e40), 1e40 * told(1.0), rtol=1e-9)


@pytest.mark.parametrize("kind", ["linear", "shared"])
def test_what_is_learned_of_money_is_the_same_in_another_currency(kind: str) -> None:
    one, other = (
        learn(log, kind, FEATURES).scorer(np.arange(K)).scores(LOG.contexts[:50])
        for log in (LOG, log_of_money(250.0, 7.0))
    )
    np.testing.assert_allclose(other.expected, 250 * one.expected + 7, rtol=1e-6)
    np.testing.assert_allclose(other.deviations, 250 * one.deviations, rtol=1e-6)
    policy = ThompsonSampling()
    np.testing.assert_allclose(policy.probabilities(one), policy.probabilities(other), atol=1e-6)


@pytest.mark.parametrize("kind", ["linear", "shared"])
def test_what_is_learned_of_money_comes_near_the_means(kind: str) -> None:
    found = learn(LOG, kind, FEATURES).scorer(np.arange(K)).scores(LOG.contexts).expected.mean(axis=0)
    np.testing.assert_allclose(found, MEANS[0], atol=0.4)


def ridge() -> Ridge:
    return Ridge()


@pytest.mark.parametrize(
    "model", [PosteriorModel("linear"), RegressorModel("ridge", ridge)], ids=lambda model: model.name
)
def test_a_model_of_money_helps_to_judge_a_policy(model: Any) -> None:
    [sample] = samples_of(LOG, [PolicyTarget(ThompsonSampling(), learn(LOG, "linear"))], cross_fit(model, LOG))
    assert sample.logged_estimates is not None
    assert np.corrcoef(sample.logged_estimates, LOG.rewards)[0, 1] > 0.3


@pytest.mark.parametrize("kind", ["beta", "logistic"])
def test_what_counts_takes_refuses_money_by_row_and_says_what_learns_it(kind: str) -> None:
    row = int(((LOG.rewards < 0) | (LOG.rewards > 1)).argmax())
    with pytest.raises(
        InputError, match=rf"row {row} has the reward .*, expected 0 to 1;.* the linear or the shared.* {kind} "
    ):
        learn(LOG, kind)


@pytest.mark.parametrize("reward", [1e51, -1e51, 1e300, np.inf, -np.inf, np.nan])
def test_rewards_whose_powers_overflow_are_refused_by_row(reward: float) -> None:
    rewards = LOG.rewards.copy()
    rewards[17] = reward
    with pytest.raises(InputError, match=r"row 17 has the reward .*, expected a number up to 1e\+50"):
        replace(LOG, rewards=rewards)
    with pytest.raises(InputError, match=r"row 17 has the reward .*, expected a number up to 1e\+50"):
        estimate("snips", rewards, LOG.arms, LOG.propensities, TARGET)


def test_rewards_in_the_unit_interval_are_learned_as_they_are() -> None:
    takes = replace(LOG, rewards=(LOG.rewards > 0).astype(np.float64))
    assert learn(takes, "linear").unit is None
    assert learn(LOG, "linear").unit is not None
