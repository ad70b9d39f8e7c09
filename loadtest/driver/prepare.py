"""What the driver's compiled loop needs before it starts: bytes laid out, a schedule, connections that stand."""

import socket
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

import numpy as np

from loadtest.driver.libc import EVENT_WORDS
from loadtest.driver.load import Load, schedule
from loadtest.driver.tape import COLUMNS, COUNTERS, FD, I64, ONE, TIMES, Script, Tape, Wires
from loadtest.errors import RunError

ANSWER_BYTES: Final = 1 << 18
"""Longest answer, head included: a page of 200 titles has some 50 KB."""

CLOSED_ROWS: Final = 200_000
"""Rows of tape for each second of a closed loop: more than a core can send."""


def make_script(load: Load) -> tuple[Script, list[bytes]]:
    """The script, and the bytes that its addresses point to, which have to outlive it."""
    texts = [b"".join(each) for each in (load.requests, load.expected or (), load.marks)]
    family, address = _address(load)
    at = [np.frombuffer(text or b"\0", np.uint8).ctypes.data for text in (*texts, address)]
    script = Script(
        requests_at=at[0],
        request_starts=_starts(load.requests),
        expected_at=at[1],
        expected_starts=_starts(load.expected or ()),
        marks_at=at[2],
        mark_starts=_starts(load.marks),
        address_at=at[3],
        address_bytes=len(address),
        family=family,
        closed=load.rate is None,
        end_ns=int(load.seconds * 1e9),
        timeout_ns=int(load.timeout_seconds * 1e9),
    )
    return script, [*texts, address]


def _starts(texts: Sequence[bytes]) -> I64:
    return np.array([0, *accumulate(map(len, texts))], np.int64)


def _address(load: Load) -> tuple[int, bytes]:
    """Family and ``struct sockaddr`` of the first address of the host."""
    try:
        family, _, _, _, where = socket.getaddrinfo(load.host, load.port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise RunError(f"{load.host} is no address that is known here ({error}); check --host") from error
    head = family.to_bytes(2, "little") if np.little_endian else family.to_bytes(2, "big")
    number = socket.inet_pton(family, str(where[0]))
    port = load.port.to_bytes(2, "big")
    if family == socket.AF_INET:
        return int(family), head + port + number + bytes(8)
    return int(family), head + port + bytes(4) + number + bytes(4)


def connect_all(load: Load) -> list[int]:
    """Descriptors of connections that stand before the clock starts."""
    opened: list[socket.socket] = []
    try:
        for _ in range(load.connections):
            opened.append(socket.create_connection((load.host, load.port), timeout=load.timeout_seconds))  # noqa: PERF401  those before a failure are closed
    except OSError as error:
        for each in opened:
            each.close()
        raise RunError(
            f"nothing answers at {load.host}:{load.port} ({error}); start the service, or check --host"
        ) from error
    for each in opened:
        each.settimeout(0)
    return [each.detach() for each in opened]


def make_tape(load: Load) -> Tape:
    """A tape with its schedule; a closed loop writes its own as it goes."""
    if load.rate is None:
        due = np.zeros(int(CLOSED_ROWS * load.seconds), np.int64)
    else:
        due = schedule(load.rate, load.seconds, load.seed)
    n = len(due)
    lag, took = np.empty(n, np.int64), np.empty(n, np.int64)
    return Tape(due, lag, took, np.empty(n, np.int16), np.empty(n, np.int16), np.empty(n, np.uint8))


def make_wires(descriptors: Sequence[int]) -> Wires:
    """Connections that are open, and scratch memory."""
    n = len(descriptors)
    wire = np.zeros((n, COLUMNS), np.int64)
    wire[:, FD] = descriptors
    times = np.zeros(TIMES, np.int64)
    times[ONE] = 1
    events = np.zeros((n + 1) * EVENT_WORDS, np.int32)  # the last is scratch
    return Wires(
        wire, np.empty((n, ANSWER_BYTES), np.uint8), np.zeros(n, np.int64), np.zeros(COUNTERS, np.int64), events, times
    )
