"""Figures with intervals, and lines through measured ones, beside numbers that were worked out by hand."""

import random

import pytest

from artwork.size.estimates import RUN_ERROR, Estimate, Point, fit


def test_the_middle_of_repeated_runs_reaches_from_the_lowest_to_the_highest() -> None:
    assert Estimate.measured([3.0, 1.0, 2.0]) == Estimate(2.0, 1.0, 3.0)
    assert Estimate.measured([4.0, 1.0, 2.0, 3.0]) == Estimate(2.5, 1.0, 4.0)


def test_a_run_that_was_made_once_may_be_wrong_either_way() -> None:
    assert Estimate.measured([100.0]) == Estimate(100.0, 100 * (1 - RUN_ERROR), 100 * (1 + RUN_ERROR))


def test_sums_products_and_inverses_take_the_ends_of_their_parts() -> None:
    one, other = Estimate(2, 1, 4, 3.0), Estimate(10, 5, 20, 7.0)
    assert one.plus(other) == Estimate(12, 6, 24, 7.0)
    assert one.by(other) == Estimate(20, 5, 80, 7.0)
    assert one.inverse() == Estimate(0.5, 0.25, 1.0, 3.0)
    assert one.scaled(3) == Estimate(6, 3, 12, 3.0)
    assert Estimate.exactly(5).beyond(9) == Estimate(5, 5, 5, 9)


def test_a_line_through_two_points_goes_through_them() -> None:
    line = fit([Point(1, 3), Point(3, 7)])
    assert (line.base, line.slope) == pytest.approx((1, 2))
    # By hand: the steepest line passes 3 - 0.36 and 7 + 0.84, the flattest 3 + 0.36 and 7 - 0.84.
    steepest, flattest = (7.84 - 2.64) / 2, (6.16 - 3.36) / 2
    far = line.at(100)
    assert (far.value, far.low, far.high) == pytest.approx((201, 3.36 + 99 * flattest, 2.64 + 99 * steepest))
    assert far.times == pytest.approx(100 / 3)


def test_within_what_was_measured_a_line_errs_by_the_errors_of_the_runs() -> None:
    near = fit([Point(1, 100), Point(3, 100)]).at(2)
    assert (near.value, near.low, near.high) == pytest.approx((100, 88, 112))
    assert near.times < 1


@pytest.mark.parametrize("points", [[(1, 9.4), (10, 7.5)], [(1, 3.6), (10, 3.4)], [(1, 5.0), (2, 5.0), (3, 1.0)]])
def test_work_that_seems_to_shrink_is_taken_for_constant(points: list[tuple[float, float]]) -> None:
    line = fit([Point(*point) for point in points])
    assert line.slope == 0
    assert min(y for _, y in points) <= line.base <= max(y for _, y in points)
    assert line.at(1000).high > line.base


def test_a_slope_that_is_known_otherwise_is_the_least() -> None:
    line = fit([Point(10_000, 3.6), Point(100_000, 3.4)], least_slope=2e-6)
    assert line.slope == 2e-6
    assert line.at(1e6).low >= 2.0
    assert 3.3 < line.base < 3.5


def test_a_line_never_starts_below_nothing() -> None:
    line = fit([Point(1, 0.1), Point(10, 20)])
    assert line.base == 0
    assert line.at(0).low == 0


def test_points_of_one_amount_count_as_growing_and_may_be_all_start() -> None:
    line = fit([Point(2, 8), Point(2, 8)])
    assert (line.base, line.slope) == (0, 4)
    far = line.at(20)
    assert far.value == 80
    assert far.low == pytest.approx(8 * (1 - RUN_ERROR))
    assert far.high == pytest.approx(80 * (1 + RUN_ERROR))


def test_a_run_far_from_the_line_widens_it() -> None:
    straight = fit([Point(1, 11), Point(10, 20), Point(100, 110)]).at(1000)
    bent = fit([Point(1, 11), Point(10, 40), Point(100, 110)]).at(1000)
    assert bent.high - bent.low > straight.high - straight.low


def test_the_interval_holds_true_lines_whose_runs_err_by_less_than_a_run_may() -> None:
    drawn = random.Random(5)
    for _ in range(300):
        base, slope = drawn.uniform(0, 10), drawn.uniform(0, 3)
        runs = [Point(x, (base + slope * x) * drawn.uniform(1 - 0.1, 1 + 0.1)) for x in (1, 10, 100)]
        far = fit(runs).at(26_000)
        assert far.low <= base + slope * 26_000 <= far.high
        assert far.low <= far.value <= far.high
