"""How much a worker takes on while it is overloaded."""

import orjson
import pytest

from service.http.problems import overloaded
from service.pressure import LASTING_SECONDS, QUIET_SECONDS, Pressure


def refused_for(pressure: Pressure, start: float, seconds: float) -> float:
    """Refusals a millisecond apart; the time of the last one."""
    now = start
    while now - start < seconds:
        pressure.refused(now)
        now += 0.001
    return now


def test_a_burst_is_taken_up_to_the_whole_bound() -> None:
    pressure = Pressure(64)
    assert pressure.bound(0.0) == 64
    last = refused_for(pressure, 0.0, LASTING_SECONDS / 2)
    assert pressure.bound(last) == 64


def test_while_refusals_go_on_less_is_taken() -> None:
    pressure = Pressure(64)
    last = refused_for(pressure, 0.0, 2 * LASTING_SECONDS)
    assert pressure.bound(last) == pressure.low == 16


def test_once_nothing_was_refused_for_a_while_the_whole_bound_is_back() -> None:
    pressure = Pressure(64)
    last = refused_for(pressure, 0.0, 2 * LASTING_SECONDS)
    assert pressure.bound(last + 2 * QUIET_SECONDS) == 64


def test_refusals_far_apart_are_bursts() -> None:
    pressure = Pressure(64)
    for number in range(100):
        pressure.refused(number * 2 * QUIET_SECONDS)
        assert pressure.bound(number * 2 * QUIET_SECONDS) == 64


def test_one_at_a_time_is_the_least() -> None:
    assert Pressure(1).low == 1


@pytest.mark.parametrize("most", [1, 64, 1000])
def test_a_refusal_names_the_bound_that_it_was_refused_by(most: int) -> None:
    detail = orjson.loads(overloaded(most).body)["detail"]
    assert f"takes {most} requests at a time" in detail
