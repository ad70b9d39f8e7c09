"""What the controls of a demo take, and what they say where they cannot be pressed: nothing here needs a store or a service."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artwork.demo.board import Board
from artwork.demo.pace import Pace
from artwork.demo.play import Plan
from artwork.demo.player import Player
from artwork.demo.pressing.presses import Presses
from artwork.demo.tastes import order_of_genres
from artwork.web.stage import BusyError
from bandit.errors import InputError
from batch.config import Config


@pytest.fixture
def player(tmp_path: Path) -> Player:
    """One who has not begun to play."""
    plan = Plan(Config.of("thompson", seed=7), days=1, users=None, titles=None)
    return Player(
        tmp_path,
        plan,
        Pace(10.0),
        Board(),
        lambda _line: None,
        terms="",
        service_port=1,
        origins=("http://127.0.0.1:8000",),
    )


@pytest.fixture
def presses(player: Player) -> Presses:
    """Those of a player whose service is up."""
    player.plays.set()
    return Presses(player)


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "no such control": ("explode", {}, "no control 'explode'"),
    "an argument too many": ("pause", {"for": 3}, "takes no arguments"),
    "another argument": ("pace", {"seconds": 3}, "takes seconds_per_day; 'seconds' is none"),
    "no pace": ("pace", {}, "expected a number from 0 to 3600"),
    "a pace below zero": ("pace", {"seconds_per_day": -0.1}, "seconds_per_day is -0.1"),
    "too slow": ("pace", {"seconds_per_day": 3601}, "seconds_per_day is 3601"),
    "a pace that is no number": ("pace", {"seconds_per_day": float("nan")}, "seconds_per_day is nan"),
    "an endless pace": ("pace", {"seconds_per_day": float("inf")}, "seconds_per_day is inf"),
    "a pace in words": ("pace", {"seconds_per_day": "3"}, "seconds_per_day is 3, expected a number"),
    "a pace that is a truth": ("pace", {"seconds_per_day": True}, "seconds_per_day is True"),
    "a pace that is a list": ("pace", {"seconds_per_day": [3]}, r"seconds_per_day is \[3\]"),
    "no fault": ("publish-broken", {}, "fault is 'None'"),
    "an unknown fault": ("publish-broken", {"fault": "rows"}, "expected one of nan, swapped, collapsed"),
    "a fault that is a number": ("publish-broken", {"fault": 3}, "expected a text"),
    "a very long fault": ("publish-broken", {"fault": "x" * 5000}, "expected a text of 1 to 200"),
    "no title": ("retire-artwork", {"artwork_id": "a01"}, "title_id is 'None'"),
    "an empty artwork": ("retire-artwork", {"title_id": "t1", "artwork_id": ""}, "artwork_id is ''"),
    "no load": ("load-burst", {"per_second": 0, "seconds": 1}, "per_second is 0"),
    "too much load": ("load-burst", {"per_second": 1e9, "seconds": 1}, "per_second is 1000000000"),
    "load for too long": ("load-burst", {"per_second": 10, "seconds": 3600}, "seconds is 3600"),
    "a policy that there is none of": ("other-policy", {"policy": "best"}, "best"),
    "a policy that is a list": ("other-policy", {"policy": ["greedy"]}, "policy is"),
    "a generation that is none": ("roll-back", {"generation": "last"}, "expected a whole number from 1"),
    "generation zero": ("roll-back", {"generation": 0}, "expected a whole number from 1"),
    "half a generation": ("roll-back", {"generation": 1.5}, "expected a whole number from 1"),
    "a generation that is true": ("roll-back", {"generation": True}, "expected a whole number from 1"),
    "a generation that is not there": ("roll-back", {"generation": 99}, "generation 99 is not"),
}


@pytest.mark.parametrize(("action", "arguments", "words"), WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_refused_in_words_and_leave_no_mark(
    presses: Presses, player: Player, action: str, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        presses.press(action, arguments)
    assert player.board.marks == ()


def test_nothing_can_be_pressed_before_there_is_a_service(player: Player) -> None:
    presses = Presses(player)
    for action in presses.controls:
        with pytest.raises(BusyError, match="no service runs yet"):
            presses.press(action, {})


def test_a_store_of_ones_own_has_no_controls(presses: Presses) -> None:
    assert not [action for action in presses.controls if action.startswith("store-")]
    with pytest.raises(BusyError, match="not one of this demo"):
        presses.press("store-stop", {})


def test_days_are_held_and_go_on_and_the_marks_lead_back(presses: Presses, player: Player) -> None:
    marks = [presses.press("pause", {})]
    held = [player.pace.holds]
    marks.append(presses.press("play", {}))
    held.append(player.pace.holds)
    assert held == [True, False]
    assert [mark.undo for mark in marks] == ["play", "pause"]
    assert [mark.effect for mark in player.board.marks] == ["", ""]


def test_a_pace_is_set(presses: Presses, player: Player) -> None:
    assert "2.5 s" in presses.press("pace", {"seconds_per_day": 2.5}).words
    assert player.pace.seconds_per_day == 2.5
    assert "as fast" in presses.press("pace", {"seconds_per_day": 0}).words


def test_the_next_day_goes_on_though_days_are_held(presses: Presses, player: Player) -> None:
    presses.press("pause", {})
    presses.press("next-day", {})
    assert not player.pace.holds


def test_days_that_go_on_after_the_planned_ones_are_held_like_any_others(presses: Presses, player: Player) -> None:
    player.board.at("over")
    presses.press("pause", {})
    assert player.pace.holds


def test_nothing_is_held_after_the_planned_days(presses: Presses, player: Player) -> None:
    player.board.at("over")
    player.pace.pause()
    with pytest.raises(BusyError, match="next-day plays another"):
        presses.press("pause", {})


@pytest.mark.parametrize(
    ("action", "arguments"), [("learn-now", {}), ("publish-broken", {"fault": "nan"}), ("roll-back", {})]
)
def test_what_the_player_is_to_do_is_refused_while_the_same_waits_to_be_done(
    presses: Presses, action: str, arguments: dict[str, Any]
) -> None:
    presses.press(action, arguments)
    with pytest.raises(BusyError, match=f"{action} goes on already"):
        presses.press(action, arguments)


def test_no_title_is_launched_where_none_was_held_back(presses: Presses) -> None:
    with pytest.raises(BusyError, match="launched already"):
        presses.press("launch-title", {})


def test_there_is_no_load_before_anything_was_published(presses: Presses) -> None:
    with pytest.raises(BusyError, match="nothing to ask for yet"):
        presses.press("load-burst", {"per_second": 10, "seconds": 1})


@pytest.mark.parametrize("count", [2, 3, 18])
def test_tastes_move_to_another_genre_each_time(count: int) -> None:
    first, second = order_of_genres(count, seed=7, number=0), order_of_genres(count, seed=7, number=1)
    for genres in (first, second):
        assert sorted(genres.tolist()) == list(range(count))
        assert (genres != np.arange(count)).all()
    assert np.array_equal(first, order_of_genres(count, seed=7, number=0))
    assert count == 2 or not np.array_equal(order_of_genres(18, 7, 0), order_of_genres(18, 7, 1))


def test_a_demo_that_is_not_watched_loads_no_page() -> None:
    code = "import sys, artwork.commands.demo; print([name for name in sys.modules if name in ('artwork.web.app', 'fastapi')])"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
