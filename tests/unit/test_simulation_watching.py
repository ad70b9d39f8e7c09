"""Seasons in which nothing changes are quiet, and what goes wrong is found within a week by the signal that is meant for it."""

import pytest

from bandit.monitoring.signals import BEST, CLICKS, CONTEXTS, PROPENSITIES, TIMELY
from bandit.simulation.studies.watching import (
    FAULTS,
    WORLDS,
    WatchedWorld,
    alarms_of,
    fault_row,
    play_season,
    quiet_row,
)

FOUND_BY = {
    "propensity": PROPENSITIES,
    "taste": BEST,
    "late": TIMELY,
    "dead feature": CONTEXTS,
    "starved": PROPENSITIES,
    "clickbait": CLICKS,
}


@pytest.mark.simulations
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_quiet_seasons_have_alarms_on_one_night_of_two_hundred_at_most(world: WatchedWorld) -> None:
    assert quiet_row(world, seasons=20).share <= 1 / 200


@pytest.mark.simulations
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_within_a_week_in_eight_of_ten_seasons(fault: str) -> None:
    row = fault_row(WORLDS[0], fault, seasons=15)
    assert row.share >= 0.8
    assert max(row.by, key=row.by.__getitem__) == FOUND_BY[fault]


@pytest.mark.parametrize("fault", ["late", "dead feature", "starved", "clickbait"])
def test_a_plain_fault_is_found_in_a_season(fault: str) -> None:
    alarms = alarms_of(play_season(WORLDS[0], 37, fault, 30, seed=1))
    assert {name for night, name in alarms if night >= 30} >= {FOUND_BY[fault]}
    assert all(night >= 30 for night, _ in alarms)


def test_a_season_is_the_same_for_the_same_seed() -> None:
    once, again = (play_season(WORLDS[1], 20, seed=3) for _ in range(2))
    assert [s.watched and s.watched.evidence.tolist() for s in once] == [
        s.watched and s.watched.evidence.tolist() for s in again
    ]
