"""Regret over 20 seeds, with intervals, in worlds whose truth is known."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from bandit.policies import EpsilonGreedy, Greedy, Policy, ThompsonSampling, Uniform
from bandit.posterior import BetaPosterior, LinearPosterior, LogisticPosterior, SharedPosterior
from bandit.posterior.base import Posterior
from bandit.simulation.delay import Delay
from bandit.simulation.linear_world import LinearWorld
from bandit.simulation.play import Pace, Played, play

pytestmark = pytest.mark.simulations

F64 = npt.NDArray[np.float64]

SEEDS, STEPS, USERS, ARMS, FEATURES = 20, 200, 20, 4, 3
EARLY, LATE = (0, STEPS // 5), (STEPS - STEPS // 5, STEPS)


def weights(seed: int) -> F64:
    """Expected rewards of 0.06 to 0.84 that depend on the context."""
    random = np.random.default_rng((seed, 1))
    drawn = random.uniform(-0.12, 0.12, (ARMS, FEATURES))
    drawn[:, 0] = random.uniform(0.3, 0.6, ARMS)
    return drawn


def still(seed: int) -> LinearWorld:
    return LinearWorld.still(weights(seed))


def moving(seed: int) -> LinearWorld:
    return LinearWorld.moving(weights(seed), steps=[70, 140])


def without_context(seed: int) -> LinearWorld:
    return LinearWorld.still(np.random.default_rng((seed, 2)).uniform(0.2, 0.7, (ARMS, 1)))


def logistic(seed: int) -> LinearWorld:
    drawn = np.random.default_rng((seed, 3)).uniform(-1, 1, (ARMS, FEATURES))
    return LinearWorld.still(drawn * [2, 1, 1] - [0.5, 0, 0], "logit")


def linear_posterior() -> LinearPosterior:
    return LinearPosterior(ARMS, FEATURES, noise_precision=4.0, prior_mean=[0.5, 0.0, 0.0])


def beta_posterior() -> BetaPosterior:
    return BetaPosterior(np.zeros(ARMS, dtype=np.int64), title_strength=2.0)


def shared_posterior() -> SharedPosterior:
    features = np.eye(ARMS)[:, :2]
    return SharedPosterior(features, FEATURES, noise_precision=4.0, intercept_mean=0.5, n_draws=64)


class Case(NamedTuple):
    """A world and a posterior, and how long to play: the refits of some posteriors take their time."""

    world: Callable[[int], LinearWorld]
    posterior: Callable[[], Posterior[Any]]
    steps: int = STEPS
    users: int = USERS
    pace: Pace = Pace()


CASES = {
    "linear": Case(still, linear_posterior),
    "beta": Case(without_context, beta_posterior),
    "logistic": Case(logistic, lambda: LogisticPosterior(ARMS, FEATURES), 60, 60, Pace(Delay(5))),
    "shared": Case(still, shared_posterior, 60, 80, Pace(Delay(5))),
}


@cache
def plays(case: Case, policy: Policy) -> list[Played]:
    """One play a seed; the same worlds, contexts and uniforms for every policy."""
    return [
        play(
            case.world(seed),
            case.posterior(),
            policy,
            steps=case.steps,
            users=case.users,
            seed=seed,
            random=np.random.default_rng(seed),
            pace=case.pace,
        )
        for seed in range(SEEDS)
    ]


def slopes(case: Case, policy: Policy) -> tuple[F64, F64]:
    """Regret a step in the first and in the last fifth of each play, both (seeds,)."""
    fifth = case.steps // 5
    made = plays(case, policy)
    early = [one.slope(0, fifth) for one in made]
    return np.array(early), np.array([one.slope(case.steps - fifth, case.steps) for one in made])


def total(case: Case, policy: Policy) -> F64:
    return np.array([one.cumulative[-1] for one in plays(case, policy)])


def interval(values: F64) -> tuple[float, float]:
    """The 95 % interval of the mean over seeds."""
    found = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    return float(found.low), float(found.high)


def retaining(world: Callable[[int], LinearWorld], retention: float) -> Case:
    return Case(world, linear_posterior, pace=Pace(retention=retention, period=10) if retention < 1 else Pace())


@pytest.mark.parametrize("name", CASES)
def test_thompson_sampling_flattens(name: str) -> None:
    early, late = slopes(CASES[name], ThompsonSampling())
    assert interval(late - 0.5 * early)[1] < 0  # the late slope is below half of the early one


@pytest.mark.parametrize("name", ["linear", "beta"])
def test_a_decaying_epsilon_flattens(name: str) -> None:
    early, late = slopes(CASES[name], EpsilonGreedy(epsilon=1.0, halving=300))
    assert interval(late - 0.5 * early)[1] < 0


@pytest.mark.parametrize("name", ["linear", "beta"])
def test_the_regret_of_a_constant_epsilon_goes_on(name: str) -> None:
    _, late = slopes(CASES[name], EpsilonGreedy(epsilon=0.4))
    _, uniform = slopes(CASES[name], Uniform())
    assert interval(late - 0.35 * uniform)[0] > 0


@pytest.mark.parametrize("name", ["linear", "beta"])
def test_the_regret_of_uniform_is_linear(name: str) -> None:
    early, late = slopes(CASES[name], Uniform())
    low, high = interval(late - early)
    assert -0.05 * early.mean() < low < high < 0.05 * early.mean()


def late_share(name: str, policy: Policy) -> F64:
    """Late regret as a share of uniform's, of the seeds whose arms are far enough apart for a choice to matter."""
    _, late = slopes(CASES[name], policy)
    _, uniform = slopes(CASES[name], Uniform())
    return np.asarray((late / uniform)[uniform > 0.05])


@pytest.mark.parametrize("name", ["linear", "beta"])
def test_greedy_sometimes_sticks_to_a_wrong_arm_and_sometimes_does_not(name: str) -> None:
    shares = late_share(name, Greedy())
    assert (shares > 0.4).sum() >= 2
    assert (shares < 0.1).sum() >= 2


@pytest.mark.parametrize("name", ["linear", "beta"])
def test_thompson_sampling_never_sticks(name: str) -> None:
    assert (late_share(name, ThompsonSampling()) < 0.4).all()


def test_forgetting_pays_where_the_best_arm_moves() -> None:
    gain = total(retaining(moving, 1.0), ThompsonSampling()) - total(retaining(moving, 0.93), ThompsonSampling())
    assert interval(gain)[0] > 0


def test_forgetting_costs_little_where_nothing_moves() -> None:
    kept, discounted = (total(retaining(still, retention), ThompsonSampling()) for retention in (1.0, 0.93))
    cost = interval(discounted - kept)
    gain = interval(
        total(retaining(moving, 1.0), ThompsonSampling()) - total(retaining(moving, 0.93), ThompsonSampling())
    )
    assert 0 < cost[0] < cost[1] < gain[0]
    assert cost[1] < 0.1 * total(CASES["linear"], Uniform()).mean()


def test_waiting_for_rewards_costs() -> None:
    waiting = {
        reading: total(CASES["linear"]._replace(pace=Pace(Delay(30, reading))), ThompsonSampling())
        for reading in ("batches", "each")
    }
    assert interval(waiting["batches"] - total(CASES["linear"], ThompsonSampling()))[0] > 0
    assert (
        interval(waiting["each"] - waiting["batches"])[0] > 0
    )  # a batch's rewards are 15 steps old on average, not 30
