"""What the watcher of a demo is shown: phases, days, and presses with what came of them."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from artwork.demo.board import MOST_MARKS, Board
from artwork.demo.days import DayResult

RESULT = DayResult(
    day=4,
    generation=5,
    impressions=1000,
    take_rate=0.08,
    click_through_rate=0.1,
    uniform=0.06,
    best=0.10,
    clickbait=0.01,
    clickbait_uniform=0.1,
    sources=Counter(personalized=990, popularity=10),
    p50_ms=0.5,
    p99_ms=2.0,
    lead=np.zeros(3),
    shown=np.zeros(3),
    rates={"thompson": 0.08},
)


def effect_of(board: Board, mark: str) -> str | None:
    [own] = [own for own in board.marks if own.id == mark]
    return own.effect


def test_a_board_starts_with_the_first_simulated_day_and_nothing_played() -> None:
    figures = Board().figures("up", is_held=False)
    assert (figures.phase, figures.day, figures.days, figures.nights, figures.marks) == ("starting", None, (), (), ())
    assert figures.now == datetime(2026, 1, 1, tzinfo=UTC)


def test_simulated_time_follows_the_parts_of_a_day() -> None:
    board = Board()
    board.at_time("visits", 4, 18, 24)
    figures = board.figures("up", is_held=False)
    assert figures.now == datetime(2026, 1, 5, 18, tzinfo=UTC)
    assert figures.step is not None
    assert (figures.day, figures.step.done, figures.step.total) == (4, 18, 24)


def test_held_days_are_paused_and_visitors_who_wait_are_told_first() -> None:
    board = Board()
    board.at_time("visits", 4, 1, 24)
    assert board.figures("up", is_held=True).phase == "paused"
    board.waits = True
    assert board.figures("stopped", is_held=True).phase == "waiting"
    board.waits = False
    assert board.figures("up", is_held=False).phase == "visits"


def test_a_night_and_the_end_are_not_called_paused() -> None:
    board = Board()
    for phase in ("night", "over", "starting"):
        board.at(phase)
        assert board.figures("up", is_held=True).phase == phase


def test_a_day_is_shown_with_its_truth() -> None:
    board = Board()
    board.add_day(RESULT, "thompson")
    [day] = board.figures("up", is_held=False).days
    assert (day.day, day.policy, day.take_rate, day.uniform, day.best) == (4, "thompson", 0.08, 0.06, 0.10)
    assert day.closed is not None
    assert round(day.closed, 9) == 0.5
    assert day.sources == {"personalized": 990, "popularity": 10}


def test_marks_are_numbered_dated_in_both_times_and_say_later_what_came_of_them() -> None:
    board = Board()
    board.at_time("visits", 4, 12, 24)
    first, second = board.mark("store-stop", "the store is killed", "store-back"), board.mark("pause", "days are held")
    assert (first.id, second.id) == ("1", "2")
    assert (first.now, first.day, first.undo, first.effect) == (
        datetime(2026, 1, 5, 12, tzinfo=UTC),
        4,
        "store-back",
        None,
    )
    board.tell(first.id, "picks are 100% popularity")
    assert effect_of(board, "1") == "picks are 100% popularity"
    assert effect_of(board, "2") is None


def test_the_effect_of_a_press_is_told_by_the_first_day_that_is_wholly_after_it() -> None:
    board = Board()
    board.at_time("visits", 4, 12, 24)
    mark = board.mark("shift-taste", "tastes move")
    board.tell_by_day(mark, lambda after, before: f"{after.day} after {before and before.day}")
    board.add_day(RESULT, "thompson")
    assert effect_of(board, mark.id) is None
    board.add_day(replace(RESULT, day=5), "thompson")
    assert effect_of(board, mark.id) == "5 after 4"
    board.add_day(replace(RESULT, day=6), "thompson")
    assert effect_of(board, mark.id) == "5 after 4"


def test_an_effect_may_be_that_of_the_day_itself_and_waits_for_a_day_that_says_something() -> None:
    board = Board()
    board.at_time("visits", 4, 12, 24)
    hurried, other = board.mark("next-day", ""), board.mark("other-policy", "")
    board.tell_by_day(hurried, lambda after, _before: f"day {after.day}", this_day=True)
    board.tell_by_day(other, lambda after, _before: "two" if len(after.rates) > 1 else None)
    for day in (4, 5):
        board.add_day(replace(RESULT, day=day), "thompson")
    assert (effect_of(board, hurried.id), effect_of(board, other.id)) == ("day 4", None)
    board.add_day(replace(RESULT, day=6, rates={"thompson": 0.08, "uniform": 0.06}), "thompson and uniform")
    assert effect_of(board, other.id) == "two"


def test_only_the_newest_marks_are_kept_and_numbers_go_on() -> None:
    board = Board()
    for _ in range(MOST_MARKS + 5):
        board.mark("pause", "days are held")
    assert len(board.marks) == MOST_MARKS
    assert [board.marks[0].id, board.marks[-1].id] == ["6", str(MOST_MARKS + 5)]
