"""Seasons in which picks are kept, and worlds in which another artwork than the last one costs clicks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from seasons import played, scene

from bandit.policies import Stickiness
from bandit.simulation.scene import Scene
from bandit.simulation.seasons.simulate import Played
from bandit.simulation.world import World

HALF = Stickiness(0.5, 1.0)


def costly(cost: float, users: int = 40, titles: int = 12) -> Scene:
    world = scene(users, titles).world
    return replace(scene(users, titles), world=replace(world, constants=replace(world.constants, click_change=cost)))


def flips(made: Played) -> float:
    return float(made.shown.changed[made.live].mean())


def test_what_changed_is_what_the_user_did_not_see_of_the_title_last() -> None:
    made = played("thompson")
    last: dict[tuple[int, int], int] = {}
    expected = []
    rows = zip(made.visits.users.tolist(), made.visits.titles.tolist(), made.shown.arms.tolist(), strict=True)
    for user, title, arm in rows:
        expected.append(last.get((user, title), arm) != arm)
        last[user, title] = arm
    assert made.shown.changed.tolist() == expected
    assert 0 < sum(expected) < len(expected)


def test_keeping_picks_changes_fewer_of_them_and_is_logged() -> None:
    plain, half, most = (played("thompson", stickiness=Stickiness(share, 1.0)) for share in (0.0, 0.5, 0.9))
    assert flips(plain) > 1.2 * flips(half) > 1.2 * flips(most)
    assert played("thompson", stickiness=Stickiness(0.0, 0.7)).shown.weights.tolist() == plain.shown.weights.tolist()
    assert plain.shown.weights.tolist() == played("thompson").shown.weights.tolist()


def test_a_pick_is_given_the_pick_of_the_refresh_before_whether_it_was_looked_at_or_not() -> None:
    """With a margin of 1 the arm of before has a share of 0.9 and more, every other arm 0.1 and less."""
    made = played("thompson", on=scene(20, 3), stickiness=Stickiness(0.9, 1.0), floor=0.0, new_floor=0.0)
    shares = made.shown.weights[made.live] / made.shown.total
    assert ((shares >= 0.9 - 1e-3) | (shares <= 0.1 + 1e-3)).all()


def test_uniform_keeps_nothing() -> None:
    kept = played("uniform", stickiness=HALF)
    assert kept.shown.weights.tolist() == played("uniform").shown.weights.tolist()
    assert kept.shown.arms.tolist() == played("uniform").shown.arms.tolist()


def test_another_artwork_costs_clicks_where_the_world_says_so() -> None:
    users, arms = np.arange(40), np.zeros(40, dtype=np.int64)
    world = costly(0.7).world
    free, paid = (world.click_probability_of(users, arms, np.full(40, changed)) for changed in (False, True))
    assert np.log(free / (1 - free)) - np.log(paid / (1 - paid)) == pytest.approx(np.full(40, 0.7))
    assert free.tolist() == world.click_probability_of(users, arms).tolist()
    assert free.tolist() == costly(0.0).world.click_probability_of(users, arms, np.full(40, True)).tolist()


def test_a_world_keeps_what_a_change_costs_and_one_of_before_costs_nothing(tmp_path: Path) -> None:
    costly(0.7).world.save(tmp_path / "new.npz")
    assert World.load(tmp_path / "new.npz").constants.click_change == 0.7
    with np.load(tmp_path / "new.npz") as file:
        old = {name: file[name] for name in file.files if name != "click_change"}
    np.savez(tmp_path / "old.npz", **old)
    assert World.load(tmp_path / "old.npz").constants.click_change == 0.0


@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_a_log_of_a_sticky_policy_judges_one_that_is_not(margin: float) -> None:
    made = played("thompson", on=scene(120, 12), days=8, stickiness=Stickiness(0.8, margin))
    at, log = made.live, made.log
    assert log.propensities is not None
    users, titles = made.visits.users[at], made.visits.titles[at]
    weights = 1 / np.diff(made.scene.starts)[titles] / log.propensities
    truth = made.scene.world.uniform_and_best(users, titles)[0].mean()
    by_user = np.bincount(users, weights * log.rewards - truth)
    assert abs(by_user.sum() / len(users)) < 4 * np.sqrt(by_user @ by_user) / len(users)
    totals = np.bincount(users, weights - 1)
    assert abs(totals.sum()) < 4 * np.sqrt(totals @ totals)
