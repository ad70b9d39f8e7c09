"""When the player of a demo goes on: at the pace that was set, held, hurried, with tasks that were handed over, or not at all."""

import time
from functools import partial
from threading import Thread

import pytest

from artwork.demo.pace import EndedError, Pace

LONG = 3600.0
"""Seconds of a day that no test waits for."""


def passes(pace: Pace) -> Thread:
    """A player at the end of the first half of a day."""
    thread = Thread(target=pace.pass_part, args=(time.monotonic(), 0.5), daemon=True)
    thread.start()
    return thread


def is_through(thread: Thread) -> bool:
    thread.join(20)
    return not thread.is_alive()


def test_days_without_a_pace_pass_at_once() -> None:
    Pace(0.0).pass_part(time.monotonic(), 1.0)


def test_a_part_takes_its_share_of_the_day() -> None:
    began = time.monotonic()
    Pace(0.2).pass_part(began, 0.5)
    assert time.monotonic() - began >= 0.1


def test_a_pace_that_is_set_meanwhile_holds_for_the_part_that_waits() -> None:
    pace = Pace(LONG)
    thread = passes(pace)
    pace.seconds_per_day = 0.0
    assert is_through(thread)


def test_held_days_do_not_pass_until_they_are_let_go_on() -> None:
    pace = Pace(0.0)
    pace.pause()
    order: list[str] = []
    pace.hand_over(lambda: order.append("held"))
    pace.hand_over(lambda: order.append("still held"))
    pace.hand_over(pace.resume)
    pace.pass_part(time.monotonic(), 1.0)  # which would not return without the last of these
    assert order == ["held", "still held"]


def test_a_day_that_is_hurried_passes_though_days_are_held_and_they_are_held_again_after_it() -> None:
    pace = Pace(LONG)
    pace.pause()
    pace.hurry()
    pace.pass_part(time.monotonic(), 0.5)
    pace.pass_night()
    pace.day_ends()
    assert pace.holds


def test_hurrying_reaches_a_part_that_waits_already() -> None:
    pace = Pace(LONG)
    thread = passes(pace)
    pace.hurry()
    assert is_through(thread)


def test_pausing_takes_a_hurry_back() -> None:
    pace = Pace(0.0)
    pace.hurry()
    pace.pause()
    assert pace.holds


def test_tasks_are_done_in_their_order_in_the_thread_of_the_player() -> None:
    pace = Pace(0.0)
    done: list[int] = []
    for number in range(5):
        pace.hand_over(partial(done.append, number))
    assert done == []
    pace.pass_night()
    assert done == [0, 1, 2, 3, 4]


def test_a_task_may_hand_over_another() -> None:
    pace = Pace(0.0)
    done: list[str] = []
    pace.hand_over(lambda: pace.hand_over(lambda: done.append("second")))
    pace.pass_night()
    assert done == ["second"]


@pytest.mark.parametrize("held", [False, True])
def test_a_demo_that_is_to_end_ends_at_the_next_stop(held: bool) -> None:
    pace = Pace(LONG)
    if held:
        pace.pause()
    pace.hand_over(pace.end)
    with pytest.raises(EndedError):
        pace.pass_part(time.monotonic(), 0.5)
    for stop in (pace.pass_night, pace.check, lambda: pace.rest(0.0)):
        with pytest.raises(EndedError):
            stop()
