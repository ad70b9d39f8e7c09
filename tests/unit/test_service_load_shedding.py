"""What may be refused without being parsed: exactly one plain look-up on a connection that stays open."""

import orjson
import pytest

from service.http.load_shedding import LASTING_SECONDS, QUIET_SECONDS, Pressure, is_plain
from service.http.problems import overloaded

HEAD = b"GET /v1/users/u/titles/t/artwork HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize("rest", [b"\r\n", b"Connection: keep-alive\r\n\r\n", b"Authorization: Bearer x\r\n\r\n"])
def test_a_head_that_asks_for_a_look_up_is_plain(rest: bytes) -> None:
    assert is_plain(HEAD + rest)


@pytest.mark.parametrize(
    "data",
    [
        HEAD,
        HEAD[:20],
        HEAD + b"\r\n" + HEAD + b"\r\n",
        HEAD + b"\r\nGET",
        HEAD + b"Connection: close\r\n\r\n",
        HEAD + b"connection:close\r\n\r\n",
        HEAD + b"Connection: foo, Close\r\n\r\n",
        HEAD + b"Content-Length: 4\r\n\r\n",
        HEAD + b"content-length: 4\r\n\r\nbody",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Expect: 100-continue\r\n\r\n",
        HEAD + b"Upgrade: websocket\r\n\r\n",
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n",
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"A: HTTP/1.1\r\n\r\n",
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Content-Length: 4\r\nA: HTTP/1.1\r\nB: c\r\n\r\n",
        HEAD.replace(b"GET", b"POST") + b"\r\n",
        HEAD.replace(b"/v1/users/", b"/readyz?") + b"\r\n",
        b"",
    ],
)
def test_everything_else_is_not(data: bytes) -> None:
    assert not is_plain(data)


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
