"""Intervals hold the truth as often as they say, and decisions err no more often than their level, in simulated experiments."""

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy import stats

from bandit.arrays import F64
from bandit.experiments import (
    Effect,
    Metric,
    confidence_sequence,
    decide,
    difference_in_differences,
    discontinuity,
    interactions,
    mean_effect,
    paired_effect,
    power_of,
    quantile_effect,
    ratio_effect,
    sample_ratio_sequence,
    spending_bounds,
    stratified_effect,
    users_for,
)

pytestmark = pytest.mark.simulations

COVERED = 0.93, 0.98
LEVEL = 0.05


def at_most(rate: float, replicates: int) -> float:
    """What a rate may come to by chance: 3 standard errors above it."""
    return rate + 3 * math.sqrt(rate * (1 - rate) / replicates)


def viewers(random: np.random.Generator, users: int, rate: float) -> tuple[F64, F64]:
    """Takes and impressions of users who come back: Pareto impressions up to 300, and a taste of each user's own."""
    impressions = np.minimum(np.ceil(random.pareto(1.5, users)), 300)
    tastes = random.beta(20 * rate, 20 * (1 - rate), users)
    return random.binomial(impressions.astype(np.int64), tastes).astype(np.float64), impressions


def assert_covers(effects: list[Effect], truth: float) -> None:
    inside = np.mean([effect.lower <= truth <= effect.upper for effect in effects])
    assert COVERED[0] <= inside <= COVERED[1], inside


@pytest.mark.parametrize(("users", "rate"), [(2000, 0.01), (1000, 0.1)])
def test_intervals_of_ratios_hold_the_truth_with_skewed_activity_and_rare_rewards(users: int, rate: float) -> None:
    random = np.random.default_rng(1)
    effects = [ratio_effect(viewers(random, users, rate), viewers(random, users, rate)) for _ in range(1500)]
    assert_covers(effects, 0.0)
    relative = [effect.relative for effect in effects if effect.relative]
    unsure = np.mean(["of the control is" in effect.caution for effect in relative])
    if rate > 0.05:
        assert_covers(relative, 0.0)
        assert unsure < 0.2
    else:  # 60 takes are too few to divide by, which is said
        assert unsure > 0.8


def test_p_values_are_uniform_where_nothing_differs() -> None:
    random = np.random.default_rng(2)
    world = viewers(random, 4000, 0.1)
    p_values = []
    for _ in range(1500):  # splits of one log
        own = random.random(4000) < 0.5
        p_values.append(ratio_effect((world[0][own], world[1][own]), (world[0][~own], world[1][~own])).p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


@pytest.mark.parametrize(("treated", "control"), [(1000, 1000), (1000, 9000)])
def test_intervals_of_rare_rewards_hold_the_truth_where_there_is_no_caution(treated: int, control: int) -> None:
    random = np.random.default_rng(3)
    effects = [
        mean_effect(random.random(treated) < rate, random.random(control) < rate)
        for rate in (0.006, 0.008, 0.01, 0.02)
        for _ in range(1000)
    ]
    assert_covers([effect for effect in effects if not effect.caution], 0.0)
    cautioned = [effect for effect in effects if effect.caution]
    assert 0.2 < len(cautioned) / len(effects) < 0.8


def test_intervals_with_covariates_and_segments_and_of_quantiles_hold_the_truth() -> None:
    random = np.random.default_rng(4)
    kinds: dict[str, list[Effect]] = {"covariate": [], "segments": [], "quantile": [], "paired": []}
    for _ in range(1000):
        before = random.gamma(1.0, 1.0, 600)
        after = before * random.gamma(2.0, 0.5, 600)
        segments, own = (before > 1).astype(int), random.random(600) < 0.3
        kinds["covariate"].append(mean_effect(after[own] + 0.2, after[~own], (before[own], before[~own])))
        kinds["segments"].append(stratified_effect(after[own] + 0.2, after[~own], (segments[own], segments[~own])))
        users = np.repeat(np.arange(200), 3)
        waits = np.repeat(random.gamma(2.0, 1.0, 200), 3) * random.gamma(3.0, 0.4, 600)
        others = np.repeat(random.gamma(2.0, 1.0, 200), 3) * random.gamma(3.0, 0.4, 600)
        kinds["quantile"].append(quantile_effect((waits + 0.2, users), (others, users), 0.75))
        shown = random.integers(1, 20, (2, 600))
        taken = random.binomial(shown, np.clip(np.stack([0.05 * after + 0.1, 0.05 * after]), 0, 1))
        kinds["paired"].append(paired_effect((taken[0], shown[0]), (taken[1], shown[1])))
    for kind in ("covariate", "segments", "quantile"):
        assert_covers(kinds[kind], 0.2)
    assert_covers(kinds["paired"], 0.1)


class Days(NamedTuple):
    """The difference of two equal variants on days 10 to 60, its error and p-value, and the users so far, (51,) each."""

    values: F64
    errors: F64
    p_values: F64
    users: F64


def days(random: np.random.Generator, users: int) -> Days:
    """Users come on any of 50 days, and come back."""
    first = random.integers(0, 50, users)[:, np.newaxis]
    activity, tastes = random.gamma(0.5, 1.0, (users, 1)), random.beta(2.0, 38.0, (users, 1))
    came = np.arange(60) >= first
    impressions = random.poisson(activity, (users, 60)) * came + (np.arange(60) == first)
    takes = random.binomial(impressions, np.broadcast_to(tastes, impressions.shape))
    shown, taken, own = impressions.cumsum(axis=1)[:, 9:], takes.cumsum(axis=1)[:, 9:], random.random(users) < 0.5
    ratios, variances, counts = np.empty((3, 2, shown.shape[1]))
    for place, side in enumerate((own, ~own)):
        y, n = taken[side], shown[side]
        counts[place] = (n > 0).sum(axis=0)
        ratios[place] = y.sum(axis=0) / n.sum(axis=0)
        rest = (y - ratios[place] * n) / (n.sum(axis=0) / counts[place])
        variances[place] = (rest**2).sum(axis=0) / counts[place] / (counts[place] - 1)
    values, errors = ratios[0] - ratios[1], np.sqrt(variances.sum(axis=0))
    degrees = errors**4 / (variances**2 / (counts - 1)).sum(axis=0)
    return Days(values, errors, 2 * stats.t.sf(np.abs(values) / errors, degrees), counts.sum(axis=0))


def test_peeking_every_day_alarms_no_more_often_than_the_level() -> None:
    random, replicates = np.random.default_rng(5), 400
    planned = np.arange(1, 61) / 60
    bounds = {name: spending_bounds(planned, LEVEL, name)[9:] for name in ("power:3", "obrien_fleming", "pocock")}
    alarms = dict.fromkeys([*bounds, "sequence", "fixed"], 0)
    for _ in range(replicates):
        seen = days(random, 1000)
        lower, upper = confidence_sequence(seen.values, seen.errors, seen.users, tuning=1000)
        alarms["sequence"] += bool(((lower > 0) | (upper < 0)).any())  # type: ignore[union-attr]
        alarms["fixed"] += bool((seen.p_values < LEVEL).any())
        for name, bound in bounds.items():
            alarms[name] += bool((seen.p_values < 2 * stats.norm.sf(bound)).any())
    rates = {name: count / replicates for name, count in alarms.items()}
    assert rates.pop("fixed") > 3 * LEVEL, rates
    assert max(rates.values()) <= at_most(LEVEL, replicates), rates


def test_a_sample_ratio_that_is_watched_every_day_alarms_no_more_often_than_the_level() -> None:
    random, replicates = np.random.default_rng(6), 2000
    for concentration in (100.0, 10_000.0):
        counts = random.multinomial(100, [0.6, 0.3, 0.1], (replicates, 60)).cumsum(axis=1)
        alarms = [sample_ratio_sequence(looks, [0.6, 0.3, 0.1], concentration).p_value < LEVEL for looks in counts]
        assert np.mean(alarms) <= at_most(LEVEL, replicates)
    off = random.multinomial(100, [0.55, 0.35, 0.1], (100, 60)).cumsum(axis=1)
    assert all(sample_ratio_sequence(looks, [0.6, 0.3, 0.1], 100.0).p_value < LEVEL for looks in off)


def metrics(random: np.random.Generator, count: int, shift: float, users: int = 200, **settings: Any) -> list[Metric]:
    """Metrics that hang together; each is better by ``shift``."""
    treatment, control = (random.normal(0, 1, (users, 1)) + random.normal(0, 1, (users, count)) for _ in range(2))
    role = settings.get("role", "primary")
    return [
        Metric(f"{role} {place}", mean_effect(treatment[:, place] + shift, control[:, place]), **settings)
        for place in range(count)
    ]


@pytest.mark.parametrize("count", [1, 5, 20])
def test_decisions_about_many_metrics_err_no_more_often_than_the_level(count: int) -> None:
    random, replicates = np.random.default_rng(7 + count), 800 if count < 20 else 300
    verdicts = [decide(metrics(random, count, 0.0)).verdict for _ in range(replicates)]
    false = np.mean([verdict in {"SHIP", "ROLL BACK"} for verdict in verdicts])
    assert false <= at_most(LEVEL, replicates)
    assert verdicts.count("SHIP") / replicates <= at_most(LEVEL / 2, replicates)


@pytest.mark.parametrize("count", [1, 5, 20])
def test_a_guardrail_at_its_margin_is_neither_shipped_nor_called_worse_beyond_the_level(count: int) -> None:
    random, replicates = np.random.default_rng(8 + count), 500 if count < 20 else 250
    verdicts = []
    for _ in range(replicates):
        guardrails = metrics(random, count, -0.5, role="guardrail", margin=0.5)
        verdicts.append(decide([*metrics(random, 1, 2.0), *guardrails]).verdict)
    assert verdicts.count("SHIP") / replicates <= at_most(LEVEL / 2, replicates)
    assert verdicts.count("ROLL BACK") / replicates <= at_most(LEVEL / 2, replicates)


def test_power_is_what_was_planned() -> None:
    random, replicates = np.random.default_rng(9), 2000
    variance = 1.0 + 2.0
    users = users_for(0.25, variance, correlation=(2 / 3) ** 0.5, share=0.3)
    treated = round(0.3 * users)
    shown = 0
    for _ in range(replicates):
        before = random.normal(0, 2**0.5, users)
        after = before + random.normal(0, 1, users)
        pairs = (before[:treated], before[treated:])
        shown += mean_effect(after[:treated] + 0.25, after[treated:], pairs).p_value < LEVEL
    assert shown / replicates == pytest.approx(0.8, abs=0.03)
    assert power_of(0.25, variance, users, share=0.3, correlation=(2 / 3) ** 0.5) == pytest.approx(0.8, abs=0.005)


def panel(random: np.random.Generator, units: int, times: int = 8) -> tuple[F64, Any, Any, Any]:
    """Units whose noise walks randomly, half of them treated from the middle on, by 0.5."""
    noise = 0.3 * random.normal(0, 1, (units, times)).cumsum(axis=1) + random.normal(0, 0.3, (units, times))
    unit, time = np.meshgrid(np.arange(units), np.arange(times), indexing="ij")
    treated = (unit % 2 == 0) & (time >= times // 2)
    outcomes = noise + 0.1 * time + random.normal(0, 1, (units, 1)) + 0.5 * treated
    return outcomes.ravel(), unit.ravel(), time.ravel(), treated.ravel()


def test_differences_in_differences_hold_the_truth_with_noise_that_stays() -> None:
    random = np.random.default_rng(10)
    many = [difference_in_differences(*panel(random, 40)) for _ in range(500)]
    inside = np.mean([found.lower <= 0.5 <= found.upper for found in many])
    assert COVERED[0] <= inside <= COVERED[1]
    trends = [found.pre_trend.p_value < LEVEL for found in many if found.pre_trend]
    assert np.mean(trends) <= at_most(LEVEL, 500)


def test_the_wild_bootstrap_of_few_units_alarms_no_more_often_than_the_level() -> None:
    random, alarms = np.random.default_rng(11), 0
    for _ in range(400):
        outcomes, unit, time, treated = panel(random, 10)
        found = difference_in_differences(outcomes - 0.5 * treated, unit, time, treated)
        assert found.wild_p_value is not None
        alarms += found.wild_p_value < LEVEL
    assert alarms / 400 <= at_most(LEVEL, 400)


def test_discontinuities_hold_the_truth_where_the_outcome_bends() -> None:
    random, inside, conventional, density = np.random.default_rng(12), 0, 0, 0
    for _ in range(400):
        scores = 2 * random.beta(2, 4, 600) - 1
        outcomes = np.where(scores >= -0.3, 1 + 3 * (scores + 0.3) ** 2, 0.0) + random.normal(
            0, 0.3, 600
        )  # bends on one side
        found = discontinuity(outcomes, scores, -0.3, 0.5, 0.5)
        inside += found.lower <= 1.0 <= found.upper
        conventional += found.conventional.lower <= 1.0 <= found.conventional.upper
        assert found.density is not None
        density += found.density.p_value < LEVEL
    assert COVERED[0] <= inside / 400 <= COVERED[1]
    assert density / 400 <= at_most(LEVEL, 400)
    assert conventional / 400 < 0.9


def test_interactions_of_many_experiments_are_called_no_more_often_than_the_level() -> None:
    random, alarms = np.random.default_rng(13), 0
    for _ in range(60):
        takes, impressions = viewers(random, 3000, 0.1)
        found = interactions((takes, impressions), random.integers(0, 2, (3000, 12)))
        alarms += min(pair.adjusted for pair in found) < LEVEL
    assert alarms / 60 <= at_most(LEVEL, 60)
