import numpy as np
import pytest

from bandit.errors import InputError
from bandit.policies import Greedy, Policy, ThompsonSampling, Uniform
from bandit.posterior import LinearPosterior
from bandit.simulation.delay import Delay
from bandit.simulation.linear_world import LinearWorld
from bandit.simulation.play import Pace, Played, play
from bandit.snapshot import TOTAL_WEIGHT

WORLD = LinearWorld.still([[0.5, 0.2], [0.5, -0.2], [0.3, 0.0]])
USERS = 7


def posterior() -> LinearPosterior:
    return LinearPosterior(3, 2, noise_precision=4.0, prior_mean=[0.5, 0.0])


def played(
    learner: LinearPosterior,
    policy: Policy | None = None,
    steps: int = 25,
    pace: Pace | None = None,
    seed: int = 1,
    floor: float = 0.0,
    users: int = USERS,
) -> Played:
    chosen = policy or ThompsonSampling()
    random = np.random.default_rng(5)
    return play(WORLD, learner, chosen, steps=steps, users=users, seed=seed, random=random, pace=pace, floor=floor)


@pytest.mark.parametrize(
    ("delay", "known"),
    [
        (Delay(1), 24),  # all but the last step
        (Delay(10, "batches"), 20),  # at the steps 10 and 20
        (Delay(10, "each"), 15),
        (Delay(10, "refits"), 20),
        (Delay(25, "batches"), 0),
        (Delay(100, "each"), 0),
    ],
)
def test_what_was_learned_is_what_has_arrived(delay: Delay, known: int) -> None:
    learner = posterior()
    made = played(learner, pace=Pace(delay))
    arms = made.arms[:known].ravel()
    assert learner.evidence.counts.tolist() == np.bincount(arms, minlength=3).tolist()


def test_nothing_is_learned_before_the_first_rewards_arrive() -> None:
    made = played(posterior(), pace=Pace(Delay(10)), floor=0.02)
    assert (np.abs(made.weights[0].astype(np.int64) - TOTAL_WEIGHT // 3) <= 2).sum() == USERS
    same = played(posterior(), Uniform(), pace=Pace(Delay(10)), floor=0.02)
    assert (np.abs(made.weights[:10].astype(np.int64) - same.weights[:10]) <= 2).all()


def test_a_sticky_pick_is_kept_with_its_propensity() -> None:
    made = played(posterior(), steps=12, pace=Pace(sticky=4))
    for start in (0, 4, 8):
        assert (made.arms[start : start + 4] == made.arms[start]).all()
        assert (made.weights[start : start + 4] == made.weights[start]).all()
    assert (made.arms[0] != made.arms[4]).any()


def test_evidence_is_discounted_once_a_period() -> None:
    learner = posterior()
    played(learner, steps=21, pace=Pace(retention=0.5, period=10))
    # At step 10 the evidence of 9 steps is halved, at step 20 that of 19; the last reward is not yet known.
    assert learner.evidence.counts.sum() == pytest.approx(USERS * (9 * 0.25 + 10 * 0.5 + 1))


def test_a_seed_fixes_the_picks() -> None:
    first, again, other = (played(posterior(), seed=seed) for seed in (1, 1, 2))
    assert (first.arms == again.arms).all()
    assert (first.rewards == again.rewards).all()
    assert (first.arms != other.arms).any()


def test_the_propensity_is_the_probability_of_the_pick() -> None:
    # The inverse of the chosen arm's probability is on average the number of arms, whatever the probabilities are.
    made = played(posterior(), steps=300, users=100, pace=Pace(Delay(100)), floor=0.3)
    inverse = 1 / made.propensities
    assert abs(inverse.mean() - 3) < 4 * inverse.std() / np.sqrt(inverse.size)
    assert inverse.std() > 0.3


def test_regret_is_the_best_expectation_less_that_of_the_pick() -> None:
    still = LinearWorld.still([[0.2], [0.6]])
    learner = LinearPosterior(2, 1, prior_mean=[[0.9], [0.1]])
    made = play(
        still, learner, Greedy(), steps=3, users=2, seed=0, random=np.random.default_rng(0), pace=Pace(Delay(9))
    )
    assert made.regrets == pytest.approx(np.full((3, 2), 0.4))
    assert made.cumulative == pytest.approx([0.4, 0.8, 1.2])
    assert made.slope(1, 3) == pytest.approx(0.4)


def test_rewards_are_taken_as_often_as_expected() -> None:
    still = LinearWorld.still([[0.2]])
    made = play(still, LinearPosterior(1, 1), Uniform(), steps=50, users=200, seed=0, random=np.random.default_rng(0))
    assert abs(made.rewards.mean() - 0.2) < 4 * np.sqrt(0.16 / made.rewards.size)
    assert not made.regrets.any()


@pytest.mark.parametrize(("steps", "users"), [(0, 1), (1, 0)])
def test_playing_nothing_is_refused(steps: int, users: int) -> None:
    with pytest.raises(InputError, match=f"{steps} steps of {users} users"):
        played(posterior(), steps=steps, users=users)


def test_a_posterior_that_lacks_an_arm_is_refused() -> None:
    with pytest.raises(InputError, match="expected 0 to 1"):
        played(LinearPosterior(2, 2))


def test_a_posterior_of_other_features_is_refused() -> None:
    with pytest.raises(InputError, match=r"expected \(n, 5\)"):
        played(LinearPosterior(3, 5))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sticky": 0}, "sticky is 0 steps, expected at least 1"),
        ({"period": 0}, "period is 0 steps, expected at least 1"),
        ({"retention": 0.0}, "retention is 0.0, expected above 0"),
        ({"retention": 1.5}, "retention is 1.5, expected above 0"),
        ({"retention": float("nan")}, "retention is nan, expected above 0"),
    ],
)
def test_a_pace_out_of_range_is_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Pace(**wrong)  # type: ignore[arg-type]
