"""Credible intervals of the expected reward cover it at their level where the world follows the model."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import beta, binom, norm

from bandit.posterior import BetaPosterior, LinearPosterior

F64 = npt.NDArray[np.float64]
LEVELS = [0.5, 0.8, 0.95, 0.99]
WORLDS = 4000  # each is an arm of its own


def assert_covers(shares: F64, level: float, worlds: int = WORLDS) -> None:
    """``shares`` of worlds whose interval holds the truth: as many as 1 draw in 10,000 would leave out, or fewer off."""
    low, high = binom(worlds, level).ppf([5e-5, 1 - 5e-5]) / worlds
    assert low <= float(shares) <= high


def linear_errors(d: int = 3, impressions: int = 12) -> F64:
    """Standardised errors at the context where each world's model is least sure, (worlds,)."""
    random = np.random.default_rng(1)
    alpha, noise = np.array([400.0, 900.0, 2500.0]), 2500.0
    contexts = np.column_stack([np.ones(WORLDS * impressions), random.normal(size=(WORLDS * impressions, d - 1))])
    weights = [0.5, 0.0, 0.0] + random.normal(size=(WORLDS, d)) / np.sqrt(alpha)
    arms = np.repeat(np.arange(WORLDS), impressions)
    rewards = np.einsum("md,md->m", contexts, weights[arms]) + random.normal(size=len(arms)) / np.sqrt(noise)
    inside = (rewards >= 0) & (rewards <= 1)
    assert inside.all()  # what is cut off would not follow the model
    made = LinearPosterior(WORLDS, d, alpha, noise, [0.5, 0.0, 0.0])
    made.observe(contexts, arms, rewards)
    asked = np.array([[1.0, 1.5, -1.5], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    scores = made.moments(asked, np.arange(WORLDS))
    widest = scores.deviations.argmax(axis=0)
    chosen = widest, np.arange(WORLDS)
    return np.asarray(((weights @ asked.T).T[chosen] - scores.means[chosen]) / scores.deviations[chosen])


@pytest.mark.parametrize("level", LEVELS)
def test_intervals_of_the_linear_posterior_cover_the_expected_reward(level: float) -> None:
    errors = linear_errors()
    assert_covers((np.abs(errors) <= norm.ppf((1 + level) / 2)).mean(), level)


def beta_shares(level: float, made: BetaPosterior, rates: F64, segments: int | None = None) -> F64:
    where = None if segments is None else [segments]
    scores = made.scores(where, np.arange(len(rates)))
    low, high = beta(scores.successes[0], scores.failures[0]).ppf(np.array([[1 - level], [1 + level]]) / 2)
    return np.asarray(((rates >= low) & (rates <= high)).mean())


def observe_rates(made: BetaPosterior, rates: F64, impressions: npt.NDArray[np.int64], segment: int | None) -> None:
    random = np.random.default_rng(3)
    arms = np.repeat(np.arange(len(rates)), impressions)
    where = None if segment is None else np.full(len(arms), segment)
    made.observe(where, arms, (random.random(len(arms)) < rates[arms]).astype(float))


@pytest.mark.parametrize("level", LEVELS)
def test_intervals_of_the_beta_posterior_cover_the_take_rate_under_an_explicit_prior(level: float) -> None:
    random = np.random.default_rng(2)
    means = random.choice([0.05, 0.2], WORLDS)
    rates = random.beta(40 * means, 40 * (1 - means))
    made = BetaPosterior(np.zeros(WORLDS, dtype=np.int64), title_strength=40, prior_rates=means)
    observe_rates(made, rates, random.choice([0, 3, 30, 300], WORLDS), None)
    assert_covers(beta_shares(level, made, rates), level)


@pytest.mark.parametrize("level", LEVELS)
def test_intervals_of_arms_under_titles_whose_rates_are_learned_cover_nearly_as_often(level: float) -> None:
    # The title's rate is plugged in as if it were known: with 40 arms a title that costs at most two points of coverage.
    random = np.random.default_rng(4)
    titles = np.repeat(np.arange(WORLDS // 40), 40)
    levels = random.beta(5, 45, WORLDS // 40)[titles]
    rates = random.beta(100 * levels, 100 * (1 - levels))
    made = BetaPosterior(titles, title_strength=100, catalogue_strength=50, pessimism=1)
    observe_rates(made, rates, np.full(WORLDS, 60), None)
    assert abs(float(beta_shares(level, made, rates)) - level) < 0.02


@pytest.mark.parametrize("level", LEVELS)
def test_intervals_of_a_segment_cover_nearly_as_often_where_its_arm_is_known_well(level: float) -> None:
    random = np.random.default_rng(5)
    rates = random.beta(5, 45, WORLDS)
    own = random.beta(50 * rates, 50 * (1 - rates))
    made = BetaPosterior(np.zeros(WORLDS, dtype=np.int64), 1.0, arm_strength=50, n_segments=2)
    observe_rates(made, rates, np.full(WORLDS, 1000), 0)
    observe_rates(made, own, np.full(WORLDS, 20), 1)
    assert abs(float(beta_shares(level, made, own, segments=1)) - level) < 0.03
