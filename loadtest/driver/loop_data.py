"""What the driver's compiled loop works on, made ready before it starts: bytes, a schedule, connections that stand."""

import platform
import socket
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from loadtest.boundary import RunError
from loadtest.driver.load import I32, I64, U8, Load, schedule

Records = npt.NDArray[Any]
"""An array with named fields."""

ANSWER_BYTES: Final = 1 << 18
"""Longest answer, head included: a page of 200 titles has some 50 KB."""

CLOSED_ROWS: Final = 200_000
"""Rows for each second of a closed loop: more than a core can send."""

CHUNKED, TOO_LONG, NO_POLL = 1, 2, 3
"""Why a loop ended before its time."""

REQUEST: Final = np.dtype(
    {
        "names": ["due", "lag", "waited", "latency", "status", "mark", "wrong"],
        "formats": [np.int64, np.int64, np.int64, np.int64, np.int16, np.int16, np.uint8],
    },
    align=True,
)
"""One request, in nanoseconds; ``due`` from the beginning of the run, ``waited`` until it was sent, -1 for never.

``status`` 0 stands for no answer, ``mark`` -1 for none."""

CONNECTION: Final = np.dtype(
    [
        ("fd", np.int64),
        ("state", np.int64),
        ("request", np.int64),  # the one that it carries
        ("sent", np.int64),  # bytes
        ("filled", np.int64),  # bytes received
        ("body", np.int64),  # where the answer's body begins; 0: not there yet
        ("length", np.int64),  # of the body in bytes, or UNTIL_CLOSE
        ("status", np.int64),
        ("leaves", np.int64),  # whether the server closes the connection after this answer
        ("since", np.int64),  # when it became free, or may be opened again
        ("deadline", np.int64),  # when it is given up
        ("queued", np.int64),  # whether it stands in the ring of free connections
        ("opened", np.int64),  # how often
    ]
)

STATE: Final = np.dtype(
    [
        ("next", np.int64),  # request to send
        ("done", np.int64),  # requests finished with
        ("first_free", np.int64),  # place in the ring of free connections
        ("n_free", np.int64),
        ("n_reopened", np.int64),  # connections
        ("poll", np.int64),  # epoll descriptor
        ("stop", np.int64),  # whether to stop early
        ("old_kernel", np.int64),  # whether epoll_pwait2 is missing
        ("began", np.int64),  # in nanoseconds of the monotonic clock, as the next two
        ("ended", np.int64),  # when the last answer came
        ("next_tick", np.int64),
    ]
)

TIME: Final = np.dtype([("seconds", np.int64), ("nanoseconds", np.int64)])
"""A ``struct timespec``."""

_DATA_AT: Final = 4 if platform.machine() in {"x86_64", "AMD64"} else 8
EVENT: Final = np.dtype(
    {
        "names": ["flags", "who", "opened"],
        "formats": [np.uint32, np.int32, np.int32],
        "offsets": [0, _DATA_AT, _DATA_AT + 4],
        "itemsize": _DATA_AT + 8,
    }
)
"""A ``struct epoll_event``, packed on x86-64 alone. Its data: which connection (or descriptor), opened how often."""


class Script(NamedTuple):
    """What to send and what to look for. ``*_at`` are addresses of bytes laid end to end; ``*_starts`` (n + 1,) their offsets."""

    requests_at: int
    request_starts: I64
    expected_at: int
    expected_starts: I64
    marks_at: int
    mark_starts: I64
    address_at: int
    address_bytes: int
    family: int
    closed: bool
    end_ns: int
    timeout_ns: int


class Run(NamedTuple):
    """What the loop fills and changes: its requests in the order of their intended times, its connections, its own memory."""

    requests: Records  # (n,) of REQUEST
    connections: Records  # (c,) of CONNECTION
    buffers: U8  # (c, ANSWER_BYTES)
    free: I64  # (c,), a ring
    state: Records  # (1,) of STATE
    events: Records  # (c,) of EVENT, as epoll reports them
    interest: Records  # (1,) of EVENT: what epoll is asked for
    clock: Records  # (1,) of TIME
    wait: Records  # (1,) of TIME
    one: I32  # (1,): the value of a socket option


def make_script(load: Load) -> tuple[Script, list[bytes]]:
    """The script, and the bytes that its addresses point to, which have to outlive it."""
    texts = [b"".join(part) for part in (load.requests, load.expected or (), load.marks)]
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
        for connection in opened:
            connection.close()
        raise RunError(
            f"nothing answers at {load.host}:{load.port} ({error}); start the service, or check --host"
        ) from error
    for connection in opened:
        connection.settimeout(0)
    return [connection.detach() for connection in opened]


def make_due(load: Load) -> I64:
    """When each request is due; a closed loop writes its own times as it goes."""
    if load.rate is None:
        return np.zeros(int(CLOSED_ROWS * load.seconds), np.int64)
    return schedule(load.rate, load.seconds, load.seed)


def make_run(due: I64, descriptors: Sequence[int]) -> Run:
    """A run of requests that are due at these times, over connections that are open."""
    c = len(descriptors)
    requests, connections = np.empty(len(due), REQUEST), np.zeros(c, CONNECTION)
    requests["due"], connections["fd"] = due, descriptors
    return Run(
        requests,
        connections,
        np.empty((c, ANSWER_BYTES), np.uint8),
        np.zeros(c, np.int64),
        np.zeros(1, STATE),
        np.zeros(max(c, 1), EVENT),
        np.zeros(1, EVENT),
        np.zeros(1, TIME),
        np.zeros(1, TIME),
        np.ones(1, np.int32),
    )
