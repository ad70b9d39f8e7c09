"""Pairs of runs on one core."""

import os
from functools import partial

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from artwork.bench.timing import Pace, Side, Spread, alone, compare, one_core

AT_ONCE = 1e-9  # seconds: every run is one call


def test_the_two_sides_run_in_turn_after_calls_that_do_not_count() -> None:
    ran: list[str] = []
    ours, theirs = (Side(partial(ran.append, name), 1) for name in ("ours", "theirs"))
    compare(ours, theirs, Pace(3, AT_ONCE))
    assert ran == ["ours", "ours", "theirs", "theirs", *["ours", "theirs"] * 3]


def test_a_run_repeats_its_work_until_it_lasts_long_enough() -> None:
    calls: list[int] = []
    alone(Side(lambda: calls.append(len(calls)), 1), Pace(1, 0.001))
    assert len(calls) > 12  # appending to a list takes far less than 0.1 ms


def test_rates_count_the_units_of_a_call() -> None:
    found = compare(Side(lambda: sum(range(1000)), 1e9), Side(lambda: sum(range(1000)), 1), Pace(5, AT_ONCE))
    assert found.ours.lowest > found.theirs.highest
    assert found.ratio.lowest <= found.ratio.median <= found.ratio.highest


def test_the_ratio_is_that_of_the_pairs() -> None:
    found = compare(Side(lambda: sum(range(100)), 1), Side(lambda: sum(range(100)), 1), Pace(1, AT_ONCE))
    assert found.ratio.median == pytest.approx(found.ours.median / found.theirs.median)


def test_a_spread_is_the_median_between_the_lowest_and_the_highest() -> None:
    assert Spread.of([3.0, 1.0, 8.0, 2.0]) == Spread(2.5, 1.0, 8.0)


def test_a_spread_turned_over_is_of_the_time_a_unit_takes() -> None:
    assert Spread(4.0, 2.0, 8.0).inverse() == Spread(0.25, 0.125, 0.5)


def test_one_core_holds_every_numerical_library_to_one_thread() -> None:
    with threadpool_limits(limits=2), one_core():
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system pins no process to a core")
def test_one_core_pins_the_process_and_lets_go_of_it() -> None:
    before = os.sched_getaffinity(0)
    with one_core():
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before
