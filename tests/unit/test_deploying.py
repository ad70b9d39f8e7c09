"""One chooser: what is judged and simulated is what is deployed."""

import numpy as np
import pytest

from bandit.deploying import Deployed, Floors
from bandit.evaluation import PolicyTarget, learn
from bandit.impressions import ImpressionLog
from bandit.policies import EpsilonGreedy, Greedy, Policy, ThompsonSampling, Uniform
from bandit.scores import Moments
from bandit.snapshot import MAX_ARMS, TOTAL_WEIGHT

STARTS = [0, 3, 7]
SHOWN = np.array([900, 40, 300, 120, 0, 99, 100])


def scores_of(rows: int, arms: int) -> Moments:
    random = np.random.default_rng(rows + arms)
    return Moments(random.normal(size=(rows, arms)), np.exp(random.normal(size=(rows, arms))))


def log_of(arms: list[int], starts: list[int] | None = None, n_arms: int = 7) -> ImpressionLog:
    random = np.random.default_rng(4)
    shown = np.array(arms)
    rewards = random.integers(0, 2, len(shown)).astype(float)
    return ImpressionLog(
        random.normal(size=(len(shown), 2)), shown, rewards, None, n_arms, starts=np.array(starts or [0, n_arms])
    )


def test_arms_of_few_impressions_are_new_within_their_title() -> None:
    deployed = Deployed(Greedy(), SHOWN, STARTS)
    assert deployed.new(0).tolist() == [False, True, False]
    assert deployed.new(1).tolist() == [False, True, True, False]


def test_new_arms_get_their_floor_and_all_arms_theirs() -> None:
    shares = Deployed(Greedy(), SHOWN, STARTS).weights(1, scores_of(50, 4)) / TOTAL_WEIGHT
    assert shares.sum(axis=1) == pytest.approx(1)
    assert (shares[:, [1, 2]] > 0.05).all()
    assert (shares > 0.0049).all()


def test_a_policy_that_decays_does_so_by_the_impressions_of_the_title() -> None:
    policy = EpsilonGreedy(0.5, halving=100)
    found = Deployed(policy, SHOWN, STARTS).probabilities(0, scores_of(5, 3))
    assert np.array_equal(found, policy.for_title(1240, SHOWN.sum()).probabilities(scores_of(5, 3)))


def test_an_arm_that_is_not_eligible_has_no_weight() -> None:
    eligible = np.array([True, False, True, True])
    found = Deployed(ThompsonSampling(), SHOWN, STARTS).weights(1, scores_of(20, 4), eligible)
    assert (found[:, 1] == 0).all()
    assert (found.sum(axis=1, dtype=np.int64) == TOTAL_WEIGHT).all()


@pytest.mark.parametrize("policy", [ThompsonSampling(), Uniform(), EpsilonGreedy(0.1)], ids=lambda policy: policy.name)
def test_what_a_log_judges_is_what_would_be_drawn_by(policy: Policy) -> None:
    log = log_of([0] * 150 + [1] * 20 + [2] * 200 + [3, 4, 5, 6] * 40, STARTS)
    learned = learn(log, "linear")
    rows = np.arange(170, 210)
    judged = PolicyTarget(policy, learned, Floors()).probabilities(log, 0, rows)
    deployed = Deployed(policy, learned.shown, STARTS, Floors(), 4095)
    drawn_by = deployed.weights(0, learned.scorer(np.arange(3)).scores(log.contexts[rows]))
    assert np.array_equal(judged, drawn_by / 4095)
    assert (judged[:, 1] > 0.05).all()  # 20 impressions


def test_a_bare_policy_is_judged_without_floors() -> None:
    log = log_of([0, 1, 2] * 10, n_arms=3)
    judged = PolicyTarget(Greedy(), learn(log, "linear")).probabilities(log, 0, np.arange(30))
    assert set(np.unique(judged)) == {0.0, 1.0}


def test_more_arms_than_a_row_can_hold_are_judged_as_they_are() -> None:
    many = MAX_ARMS + 1
    log = log_of(list(range(many)) * 2, n_arms=many)
    judged = PolicyTarget(Uniform(), learn(log, "beta"), Floors()).probabilities(log, 0, np.arange(3))
    assert judged.shape == (3, many)
    assert judged == pytest.approx(1 / many)
