"""What was shown before is kept as the formula says, and drawn as often as the logged propensity says."""

from collections import Counter
from typing import Any

import naive
import numpy as np
import pytest
from scipy.stats import chi2

from bandit.deploying import Deployed, Floors
from bandit.errors import InputError
from bandit.hashing import hash_users
from bandit.policies import EpsilonGreedy, Greedy, Policy, Popularity, Stickiness, ThompsonSampling, Uniform, decide
from bandit.scores import BetaScores, Moments, Scores

DECISIONS = 200_000
SHOWN = np.array([900, 40, 300, 120])


def scores_of(rows: int, seed: int = 0, spread: float = 1.0) -> Moments:
    random = np.random.default_rng(seed)
    return Moments(spread * random.normal(size=(rows, 4)), np.exp(0.3 * random.normal(size=(rows, 4))))


def sticky(share: float, margin: float, policy: Policy | None = None, floors: Floors | None = None) -> Deployed:
    return Deployed(policy or ThompsonSampling(), SHOWN, [0, 4], floors, 4095, Stickiness(share, margin))


def chi_square(seen: Counter[Any], expected: dict[Any, float], free: int) -> float:
    """The probability of a statistic as large as this one, by Pearson's law."""
    assert set(seen) <= set(expected)
    value = sum((seen[cell] - mean) ** 2 / mean for cell, mean in expected.items())
    return float(chi2.sf(value, free))


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.4, 1.0])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_the_probability_given_the_previous_arm_is_that_of_the_slow_twin(share: float, margin: float) -> None:
    wins = ThompsonSampling().probabilities(scores_of(60))
    p = EpsilonGreedy(0.2).probabilities(scores_of(60))
    wins[:9, 1] = 0.0  # an arm that cannot be the best
    previous = np.arange(60) % 5 - 1
    made = Stickiness(share, margin).keep(p, wins, previous)
    expected = [
        naive.kept(p[row].tolist(), wins[row].tolist(), None if arm < 0 else arm, share, margin)
        for row, arm in enumerate(previous.tolist())
    ]
    assert made == pytest.approx(np.array(expected), abs=1e-15)
    assert made.sum(axis=1) == pytest.approx(1)


def test_users_alike_differ_by_what_they_were_shown() -> None:
    made = Stickiness(0.5, 1.0).keep(np.array([[0.75, 0.25]]), np.array([[0.75, 0.25]]), np.array([-1, 0, 1]))
    assert made.tolist() == [[0.75, 0.25], [0.875, 0.125], [0.375, 0.625]]


def test_equal_arms_are_within_a_margin_of_nothing() -> None:
    wins = ThompsonSampling().probabilities(Moments(np.zeros((1, 3)), np.ones((1, 3))))
    made = Stickiness(0.5, 0.0).keep(wins, wins, np.array([0, 1, 2]))
    assert made == pytest.approx(np.full((3, 3), 1 / 6) + np.eye(3) / 2)


@pytest.mark.parametrize(
    ("share", "margin"),
    [(1.0, 0.1), (-0.1, 0.1), (float("nan"), 0.1), ("0.5", 0.1), (0.5, -0.01), (0.5, 1.01), (0.5, float("nan"))],
)
def test_a_share_or_a_margin_that_is_none_is_refused(share: float, margin: float) -> None:
    with pytest.raises(InputError, match="expected a"):
        Stickiness(share, margin)


@pytest.mark.parametrize(
    ("p", "wins", "previous", "wrong"),
    [
        (np.full((2, 2), 0.5), np.full((2, 2), 0.5), [0, 2], "arm 2"),
        (np.full((2, 2), 0.5), np.full((2, 2), 0.5), [-2, 0], "arm -2"),
        (np.full((2, 2), 0.5), np.full((2, 2), 0.5), [0], r"\(1,\)"),
        (np.full((2, 2), 0.5), np.full((2, 3), 0.3), [0, 1], r"\(2, 3\)"),
        (np.full((3, 2), 0.5), np.full((2, 2), 0.5), [0, 1], r"\(3, 2\)"),
        (np.full((2, 2), 0.5), np.full((2, 2), 0.5), [0.5, 1], "previous"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(p: np.ndarray, wins: np.ndarray, previous: list[int], wrong: str) -> None:
    with pytest.raises(InputError, match=wrong):
        Stickiness(0.5).keep(p, wins, previous)


@pytest.mark.parametrize("policy", [ThompsonSampling(), EpsilonGreedy(0.3), Greedy()], ids=lambda policy: policy.name)
def test_without_stickiness_and_without_anything_before_weights_are_those_of_the_policy(policy: Policy) -> None:
    plain = Deployed(policy, SHOWN, [0, 4], None, 4095).weights(0, scores_of(50))
    previous = np.arange(50) % 4
    assert np.array_equal(plain, sticky(0.0, 1.0, policy).weights(0, scores_of(50), None, previous))
    assert np.array_equal(plain, sticky(0.7, 1.0, policy).weights(0, scores_of(50), None, None))
    assert np.array_equal(plain, sticky(0.7, 1.0, policy).weights(0, scores_of(50), None, np.full(50, -1)))
    assert not np.array_equal(plain, sticky(0.7, 1.0, policy).weights(0, scores_of(50), None, previous))


def test_uniform_stays_uniform() -> None:
    plain = Deployed(Uniform(), SHOWN, [0, 4], Floors(new_floor=0.0)).weights(0, scores_of(5))
    kept = Deployed(Uniform(), SHOWN, [0, 4], Floors(new_floor=0.0), stickiness=Stickiness(0.9, 1.0))
    assert np.array_equal(kept.weights(0, scores_of(5), None, np.arange(5) % 4), plain)


def test_what_may_not_be_shown_is_not_kept() -> None:
    eligible = np.array([True, False, True, True])
    made = sticky(0.9, 1.0).weights(0, scores_of(6), eligible, np.full(6, 1))
    assert (made[:, 1] == 0).all()
    assert np.array_equal(made, sticky(0.9, 1.0).weights(0, scores_of(6), eligible, None))


def test_the_margin_is_of_the_probability_to_be_the_best_whatever_the_policy() -> None:
    """Greedy gives nothing to what is not the best, and keeps it all the same where it may be."""
    near = Moments(np.array([[0.50, 0.49, 0.0, 0.0]]), np.full((1, 4), 0.05))
    floors = Floors(0.0, 0.0)
    made = sticky(0.5, 0.3, Greedy(), floors).weights(0, near, None, np.array([1])) / 4095
    assert made[0] == pytest.approx([0.5, 0.5, 0, 0], abs=1e-3)
    far = sticky(0.5, 0.3, Greedy(), floors).weights(0, near, None, np.array([2])) / 4095
    assert far[0] == pytest.approx([1, 0, 0, 0], abs=1e-3)


def scores_alike() -> BetaScores:
    return BetaScores(np.array([[30.0, 28.0, 9.0, 3.0]]), np.array([[300.0, 300.0, 100.0, 60.0]]))


@pytest.mark.parametrize(
    ("policy", "scores", "margin"),
    [
        (ThompsonSampling(), scores_of(5, seed=3), 0.3),
        (EpsilonGreedy(0.2), scores_of(5, seed=4, spread=0.3), 0.5),
        (Popularity(), scores_alike(), 0.4),
    ],
    ids=["thompson", "epsilon_greedy", "popularity"],
)
def test_two_nights_of_200_000_decisions_are_drawn_as_the_propensities_say(
    policy: Policy, scores: Scores, margin: float
) -> None:
    """Pairs (first pick, second pick) follow p(first) · p'(second | first): draws are fresh, and p' is what is logged."""
    deployed, kinds = sticky(0.6, margin, policy), scores.shape[0]
    kind = np.arange(DECISIONS) % kinds
    users = np.arange(DECISIONS, dtype=np.uint64)
    floors = {"floor": deployed.floors.floor, "new_floor": deployed.floors.new_floor, "new": deployed.new(0)}
    p = deployed.chances(0, scores).probabilities
    first = decide(p[kind], hash_users("draw", 5, 1, users), total=4095, **floors)  # type: ignore[arg-type]
    previous = first.arms.astype(np.int64)
    chances = deployed.chances(0, scores)
    by_user = type(chances)(chances.probabilities[kind], chances.wins[kind])
    second = decide(deployed.kept(by_user, previous), hash_users("draw", 5, 2, users), total=4095, **floors)  # type: ignore[arg-type]

    before = deployed.weights(0, scores) / 4095  # (n, k)
    after = [np.asarray(deployed.weights(0, scores, None, np.full(kinds, arm))) / 4095 for arm in range(4)]
    seen = Counter(zip(kind.tolist(), previous.tolist(), second.arms.tolist(), strict=True))
    expected = {
        (row, one, two): DECISIONS / kinds * before[row, one] * after[one][row, two]
        for row in range(kinds)
        for one in range(4)
        for two in range(4)
    }
    assert chi_square(seen, expected, kinds * 15) > 1e-3
    # The logged weight is that of the drawn arm given the previous one, and 1/w over draws of an arm adds up to its share.
    stated = second.weights / 4095
    assert np.array_equal(stated, np.stack(after)[previous, kind, second.arms])
    for arm in range(4):
        own = second.arms == arm
        weights = np.where(own, 1 / stated, 0.0)
        assert abs(weights.mean() - 1) < 5 * weights.std() / DECISIONS**0.5
    assert (second.arms == previous).mean() > (before**2).sum(axis=1).mean() + 0.03  # it does keep


def test_the_same_check_finds_a_propensity_that_forgets_the_previous_arm() -> None:
    deployed, scores = sticky(0.6, 1.0), scores_of(1, seed=3)
    users = np.arange(20_000, dtype=np.uint64)
    p = deployed.chances(0, scores).probabilities
    first = decide(np.repeat(p, 20_000, axis=0), hash_users("draw", 5, 1, users))
    chances = deployed.chances(0, scores)
    second = decide(deployed.kept(chances, first.arms.astype(np.int64)), hash_users("draw", 5, 2, users))
    plain = Deployed(ThompsonSampling(), SHOWN, [0, 4], Floors(new_floor=0.0)).weights(0, scores)[0] / 65535
    seen = Counter(zip(first.arms.tolist(), second.arms.tolist(), strict=True))
    expected = {(one, two): 20_000 * plain[one] * plain[two] for one in range(4) for two in range(4)}
    assert chi_square(seen, expected, 15) < 1e-12
