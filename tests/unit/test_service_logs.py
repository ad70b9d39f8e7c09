"""Logs: every line is JSON, whoever writes it, and no kind of line can fill a disk."""

import json
import logging
import subprocess
import sys

import pytest
import structlog

from service.logs import LINES, MAX_KINDS, WINDOW_SECONDS, RateLimit

WRITES = """
import asyncio, logging, sys, threading, warnings
import structlog
from service.logs import configure_logs, loop_trouble
configure_logs("info")
"""


def written(script: str) -> list[dict[str, object]]:
    """The lines that a process of its own writes on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", WRITES + script], capture_output=True, text=True, check=False, timeout=60
    )
    return [json.loads(line) for line in done.stderr.splitlines()]


TRACEBACK = """
try:
    1 / 0
except ZeroDivisionError:
    {0}
"""


SCRIPTS = [
    "structlog.get_logger().error('x')",
    TRACEBACK.format("structlog.get_logger().exception('y')"),
    TRACEBACK.format("logging.getLogger('uvicorn.error').exception('x\\ny')"),
    TRACEBACK.format("logging.getLogger('asyncio').exception('x')"),
    TRACEBACK.format("logging.getLogger('anybody').exception('x %s', 'y')"),
    "logging.getLogger('anybody').warning('two\\nlines')",
    "warnings.warn('x')",
    "thread = threading.Thread(target=lambda: 1 / 0); thread.start(); thread.join()",
    "class Bad:\n    def __del__(self): 1 / 0\nBad()",
    "loop_trouble(None, {'message': 'x', 'exception': ZeroDivisionError('y')})",
    "loop_trouble(None, {'message': 'accept', 'exception': OSError(24, 'Too many open files')})",
    "loop_trouble(None, {'message': 'x', 'future': asyncio.Queue})",
    "1 / 0",  # which ends the process
]
HANG_UPS = ["ConnectionResetError(104, 'x')", "BrokenPipeError(32, 'x')", "TimeoutError(110, 'x')"]


def test_every_line_is_json_whoever_writes_it() -> None:
    lines = written("\n".join(SCRIPTS))
    assert len(lines) == len(SCRIPTS)
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    [refused] = [line for line in lines if line["event"] == "system_refuses"]
    assert refused["level"] == "warning"
    assert "exception" not in refused


def test_somebody_who_hangs_up_is_no_line() -> None:
    told = (f"loop_trouble(None, {{'message': 'x', 'exception': {error}}})" for error in HANG_UPS)
    assert written("\n".join(told)) == []


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_of_one_kind_so_many_lines_pass_within_the_window_and_the_next_says_how_many_did_not() -> None:
    clock = Clock()
    seldom = RateLimit(clock)
    passed = [seldom.left_out("refused") for _ in range(LINES + 7)]
    assert passed == [0] * LINES + [None] * 7
    assert seldom.left_out("another") == 0
    clock.now = WINDOW_SECONDS
    assert [seldom.left_out("refused"), seldom.left_out("refused")] == [7, 0]


def test_kinds_without_end_share_one() -> None:
    seldom = RateLimit(Clock())
    passed = [seldom.left_out(f"kind {number}") for number in range(10 * MAX_KINDS)]
    assert passed.count(0) <= MAX_KINDS + LINES


def test_a_line_that_passes_tells_how_many_did_not_in_both_kinds_of_log() -> None:
    clock = Clock()
    seldom = RateLimit(clock)
    for _ in range(LINES + 2):
        record = logging.LogRecord("anybody", logging.WARNING, "", 0, "x %s", ("y",), None)
        seldom.filter(record)
    for _ in range(LINES):
        seldom(None, "warning", {"event": "x"})
    with pytest.raises(structlog.DropEvent):
        seldom(None, "warning", {"event": "x"})
    clock.now = WINDOW_SECONDS
    assert seldom.filter(record)
    assert record.__dict__["left_out"] == 2
    assert seldom(None, "warning", {"event": "x"}) == {"event": "x", "left_out": 1}


def test_a_thousand_bad_requests_are_a_handful_of_lines() -> None:
    lines = written("for _ in range(1000): structlog.get_logger().warning('request_refused', status=400)")
    assert len(lines) == LINES
