"""A season's dials, its clock, and its visits."""

from typing import Any

import numpy as np
import pytest
from seasons import scene

from bandit.errors import InputError
from bandit.simulation.seasons.season import Season
from bandit.simulation.seasons.visits import PAGE_TITLES, draw_visits


@pytest.mark.parametrize(
    ("dials", "told"),
    [
        ({"days": 0}, ("0", "at least 1")),
        ({"days": 3.5}, ("3.5", "whole number")),
        ({"explore_days": 14}, ("14", "from 0 to 13", "more days")),
        ({"explore_days": -1}, ("-1", "from 0 to 13")),
        ({"cadence_hours": 0}, ("0 hours", "from 1")),
        ({"cadence_hours": 9}, ("9 hours", "336", "96", "always do")),
        ({"sticky_hours": 36}, ("36", "24 hours", "such as 0 or 48")),
        ({"sticky_hours": -24}, ("-24", "whole number of cadences")),
        ({"age_hours": (0, 7)}, ("7 hours", "cadences of 24")),
        ({"age_hours": (0, 336)}, ("336", "at most 312", "more days")),
        ({"age_hours": (24,)}, ("(24,)", "expected 0")),
        ({"age_hours": (0, 24, 24)}, ("(0, 24, 24)", "none twice")),
        ({"arrival_day": 3}, ("3", "from 4 to 13", "arrival share of 0")),
        ({"arrival_day": 14}, ("14", "from 4 to 13")),
        ({"cadence_hours": 48, "age_hours": (), "arrival_day": 13}, ("13", "from 4 to 12")),
        ({"arrival_share": 1.5}, ("1.5", "0 to 1")),
        ({"floor": 0.6}, ("0.6", "0 to 0.5")),
        ({"new_floor": -0.1}, ("-0.1", "0 to 0.5")),
        ({"pessimism": 0.0}, ("0.0", "above 0 and at most 1")),
        ({"pessimism": 1.1}, ("1.1", "above 0 and at most 1")),
        ({"pessimism": float("nan")}, ("nan", "above 0 and at most 1")),
        ({"new_arm_impressions": -1}, ("-1", "at least 0")),
    ],
    ids=str,
)
def test_a_dial_out_of_range_is_refused_with_its_range(dials: dict[str, Any], told: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        Season(**dials)
    for words in told:
        assert words in str(caught.value)


def test_without_new_artworks_the_arrival_day_does_not_matter() -> None:
    assert Season(days=6, arrival_day=7, arrival_share=0.0).refreshes == 6


def test_new_artworks_are_known_from_the_first_refresh_after_they_arrive() -> None:
    slow = Season(days=16, cadence_hours=48, age_hours=(0, 48), arrival_day=7)
    assert (slow.edges[slow.arrival], slow.edges[slow.arrival] - 48) == (192, 144)
    assert Season(arrival_day=7).edges[Season(arrival_day=7).arrival] == 168


def test_sticky_picks_are_renewed_by_as_many_users_at_every_refresh() -> None:
    season = Season(cadence_hours=6, sticky_hours=24, age_hours=())
    turns = season.turns(4000, seed=1)
    for refresh in (20, 21, 22, 23):  # all after the policy took over at 16
        drawn = season.drawn_at(refresh, turns)
        assert set((refresh - drawn).tolist()) == {0, 1, 2, 3}
        assert (drawn == refresh).mean() == pytest.approx(0.25, abs=0.03)


def test_a_user_draws_anew_once_in_the_sticky_hours() -> None:
    season = Season(cadence_hours=6, sticky_hours=24, age_hours=())
    turns = season.turns(50, seed=1)
    drawn = np.array([season.drawn_at(refresh, turns) for refresh in range(20, 40)])  # (refreshes, n)
    for user in drawn.T:
        assert set(np.diff(np.unique(user)).tolist()) == {4}


def test_everybody_draws_anew_when_the_policy_takes_over() -> None:
    season = Season(cadence_hours=6, sticky_hours=24, age_hours=())
    turns = season.turns(50, seed=1)
    assert (season.drawn_at(season.first_live, turns) == season.first_live).all()
    assert (season.drawn_at(season.first_live - 1, turns) < season.first_live).all()
    assert season.drawn_at(0, turns).tolist() == [0] * 50


def test_without_stickiness_picks_are_those_of_the_last_refresh() -> None:
    for hours in (0, 24):
        season = Season(sticky_hours=hours)
        assert season.drawn_at(9, season.turns(20, seed=1)).tolist() == [9] * 20


def test_visits_of_a_day_are_the_same_in_a_longer_season() -> None:
    appeal = scene().world.title_appeal
    short, long = draw_visits(appeal, 40, 2, seed=5), draw_visits(appeal, 40, 3, seed=5)
    for name, values in vars(short).items():
        assert np.array_equal(values, getattr(long, name)[: len(values)])
    assert len(long) == 3 * len(short) // 2
    assert (long.uniforms[: len(short) // 2] != short.uniforms[len(short) // 2 :]).all()  # and days differ


def test_another_seed_has_other_visits() -> None:
    appeal = scene().world.title_appeal
    first, other = draw_visits(appeal, 40, 1, seed=5), draw_visits(appeal, 40, 1, seed=6)
    assert (first.users != other.users).any()
    assert (first.uniforms != other.uniforms).any()


def test_users_come_four_times_a_day_and_a_page_has_no_title_twice() -> None:
    appeal = np.linspace(2, -2, 60)
    visits = draw_visits(appeal, 50, 3, seed=5)
    assert len(visits) == 3 * 4 * 50 * PAGE_TITLES
    assert (np.diff(visits.hours) >= 0).all()
    assert 0 <= visits.hours.min() < visits.hours.max() < 72
    pages = visits.titles.reshape(-1, PAGE_TITLES)
    assert (np.diff(np.sort(pages, axis=1), axis=1) > 0).all()
    shown = np.bincount(visits.titles, minlength=60)
    assert shown[:10].sum() > 1.5 * shown[-10:].sum()  # appealing titles come more often


def test_a_period_has_the_visits_of_its_hours() -> None:
    visits = draw_visits(scene().world.title_appeal, 40, 2, seed=5)
    cuts = visits.cut(np.array([0, 12, 24, 48]))
    assert (cuts[0], cuts[-1]) == (0, len(visits))
    assert (visits.hours[cuts[1] : cuts[2]] >= 12).all()
    assert (visits.hours[cuts[1] : cuts[2]] < 24).all()
