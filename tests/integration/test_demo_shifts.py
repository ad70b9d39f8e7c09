"""The study of tastes that shift, at a size at which it takes seconds."""

from benchmarks.shifts import back_in_time, closed_by_day, told

from artwork.demo.loop import EXPLORE_DAYS

SIZE = {"users": 400, "titles": 8, "before": 2, "after": 2}


def test_a_season_falls_behind_on_the_day_tastes_shift_and_learns_the_night_after() -> None:
    closed = closed_by_day(7, 0.7, SIZE)
    before, shifted, after = EXPLORE_DAYS + 1, EXPLORE_DAYS + 2, EXPLORE_DAYS + 3
    assert len(closed) == after + 1
    assert closed[before] > 0.3
    assert closed[shifted] < closed[before] - 0.1
    assert closed[after] > closed[shifted]


def test_seasons_that_are_back_in_time_are_counted() -> None:
    assert back_in_time([0, 1, 4, 5, None]) == 3
    assert [told(nights) for nights in (None, 1, 4)] == ["not back", "back after 1 night", "back after 4 nights"]
