"""What seasons come to: expectations by period, regret, ages, and tables over seeds."""

import json
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest
from seasons import contender, played, scene, season

from bandit.simulation.seasons.season_run import Ran, Run, periods_of, ran
from bandit.simulation.seasons.season_table import Mean, Standing, standings

pytestmark = pytest.mark.simulations


@cache
def runs(word: str, posterior: str = "linear", seed: int = 1, **dials: int) -> Ran:
    """A season of enough visits to learn from."""
    who = contender(word, posterior)
    return ran(Run(scene(100, 20), season(**{"days": 8, "arrival_day": 4} | dials), who, seed))


def standing(word: str, *, seeds: tuple[int, ...] = (1, 2)) -> Standing:
    both = [runs(each, seed=seed) for each in dict.fromkeys(("uniform", word)) for seed in seeds]
    return standings(both, season(days=8, arrival_day=4))[-1]


def test_expectations_by_period_are_the_worlds() -> None:
    made = played("thompson", arrival_share=1.0)
    found = periods_of(made)
    for period in (0, made.season.arrival - 1, made.season.arrival):
        at = made.periods == period
        users, titles, arms = made.visits.users[at], made.visits.titles[at], made.shown.arms[at]
        world = made.scene.world
        assert found.impressions[period] == at.sum()
        assert found.takes[period] == made.shown.rewards[at].sum()
        assert found.expected[period] == pytest.approx(world.take_probability_of(users, arms).sum())
        assert found.clickbait[period] == world.artwork_clickbait[arms].sum()
        uniform, best = world.uniform_and_best(users, titles)
        if period >= made.season.arrival:
            assert (found.uniform[period], found.best[period]) == pytest.approx((uniform.sum(), best.sum()))
        else:  # without the late artworks, which are the best of their titles
            assert found.best[period] < best.sum()
            assert found.uniform[period] < uniform.sum()


def test_takes_come_as_the_world_expects() -> None:
    found = periods_of(played("thompson", on=scene(300, 20)))
    takes, expected = sum(found.takes), sum(found.expected)
    assert takes == pytest.approx(expected, abs=4 * np.sqrt(expected))


def test_uniform_is_the_worlds_uniform_and_its_regret_grows_by_as_much_every_day() -> None:
    made = standing("uniform")
    daily = np.diff([0.0, *made.curve.regret])
    assert np.abs(daily / daily.mean() - 1).max() < 0.1
    assert made.closed.mean == pytest.approx(0, abs=0.02)
    found = runs("uniform").periods
    assert sum(found.expected) == pytest.approx(sum(found.uniform), rel=0.02)


@pytest.mark.parametrize("word", ["thompson", "greedy", "linucb", "popularity"])
def test_a_policy_that_learns_beats_uniform_and_its_regret_grows_ever_slower(word: str) -> None:
    made, uniform = standing(word), standing("uniform")
    assert made.closed.mean > 0.15
    assert made.regret.mean < 0.9 * uniform.regret.mean
    assert made.curve.regret[-1] == made.regret.mean
    assert made.behind.mean == 0


def test_regret_is_what_an_average_user_missed() -> None:
    run = runs("thompson")
    live = slice(run.first_live, None)
    missed = sum(run.periods.best[live]) - sum(run.periods.expected[live])
    found = standings([run], season(days=8, arrival_day=4))[0].regret
    assert found == Mean(found.mean, None)
    assert found.mean == pytest.approx(missed / 100)


def test_behind_is_told_seed_by_seed() -> None:
    both = [runs(word, seed=seed) for word in ("uniform", "thompson") for seed in (1, 2)]
    uniform, thompson = standings(both, season(days=8, arrival_day=4))
    assert uniform.behind.mean == pytest.approx(uniform.regret.mean - thompson.regret.mean)
    assert uniform.behind.error is not None
    assert uniform.regret.error is not None
    assert (thompson.behind.mean, thompson.behind.error) == (0, 0)


def test_fresh_picks_lose_nothing_and_old_ones_lose_while_much_is_learned() -> None:
    dials = season(days=6, explore_days=1, arrival_day=2, age_hours=(0, 24, 48))
    made = standings([ran(Run(scene(100, 20), dials, contender("greedy"), seed)) for seed in (1, 2)], dials)[0]
    fresh, day, two = made.ages
    assert (fresh.lost.mean, fresh.share) == (0, 0)
    assert 0 < day.lost.mean < two.lost.mean
    assert day.share is not None
    assert 0 < day.share < 1


def test_old_picks_lose_the_new_artworks() -> None:
    dials = season(days=6, explore_days=2, arrival_day=3, arrival_share=1.0, age_hours=(0, 24))
    made = standings([ran(Run(scene(), dials, contender("uniform"), 1))], dials)[0]
    # On the day of the arrival, one of the four that count, picks of the day before lack the best artwork of every title.
    before = replace(dials, arrival_share=0.0)
    without = ran(Run(scene(), before, contender("uniform"), 1))
    late = ran(Run(scene(), replace(dials, arrival_day=4), contender("uniform"), 1)).periods
    lost = (without.periods.uniform[3] - late.uniform[3]) / sum(late.impressions[2:])
    assert lost > 5e-4
    assert made.ages[1].lost.mean == pytest.approx(lost, abs=1e-5)
    assert standings([without], before)[0].ages[1].lost.mean == pytest.approx(0, abs=1e-5)


def test_ages_are_measured_on_the_same_visits_once_all_are_old_enough() -> None:
    made = played("thompson", days=5, explore_days=1, arrival_day=2, age_hours=(0, 24, 72))
    assert made.aged.impressions == (made.periods >= 3).sum()
    assert played("thompson").aged.impressions == 0


def test_fresh_picks_are_worth_what_is_shown() -> None:
    made = played("thompson", days=4, age_hours=(0,), on=scene(300, 20))
    live = made.live
    shown = made.scene.taken(made.visits.users[live], made.shown.arms[live]).mean()
    assert made.aged.rates[0] == pytest.approx(shown, rel=0.02)


def test_the_median_time_to_find_counts_what_is_never_found_as_infinite() -> None:
    dials = season(days=8, arrival_day=4)
    run = runs("uniform")
    for hours, expected in (([24.0, 48.0, None], 48.0), ([24.0, None, None], None), ([], None)):
        made = standings([replace(run, hours_to_find=hours)], dials)[0]
        assert (made.arrived, made.found_hours) == (len(hours), expected)
        assert made.never == (hours.count(None) / len(hours) if hours else None)


def test_thompson_finds_new_best_artworks_and_uniform_never_does() -> None:
    dials = season(days=10, explore_days=3, arrival_day=4, arrival_share=0.5)
    thompson, uniform = (
        ran(Run(scene(150, 12), dials, contender(word), 1)).hours_to_find for word in ("thompson", "uniform")
    )
    assert len(thompson) == len(uniform) > 2
    assert set(uniform) == {None}
    found = [hours for hours in thompson if hours is not None]
    assert len(found) > len(thompson) / 2
    assert all(hours % 24 == 0 and hours >= 24 for hours in found)


def test_results_are_plain_numbers() -> None:
    run = runs("thompson")
    table = standings([run], season(days=8, arrival_day=4))
    assert json.loads(json.dumps(asdict(run)))["periods"]["impressions"] == run.periods.impressions
    assert json.loads(json.dumps(asdict(table[0])))["curve"]["regret"] == table[0].curve.regret


def test_a_seed_repeats_the_numbers() -> None:
    who = contender("thompson")
    dials = season(age_hours=(0, 24), arrival_share=0.5)
    assert ran(Run(scene(), dials, who, 1)) == ran(Run(scene(), dials, who, 1)) != ran(Run(scene(), dials, who, 2))
