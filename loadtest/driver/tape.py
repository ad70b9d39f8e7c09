"""What the driver's compiled loop works on: plain arrays in named tuples, filled by ``open_loop`` and read back by it."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

FD, STATE, REQUEST, SENT, FILLED, BODY, LENGTH, STATUS, LEAVES, SINCE, DEADLINE, QUEUED, OPENED, COLUMNS = range(14)
"""Columns of ``Wires.wire``: a row is a connection.

REQUEST is the place on the tape of what it carries; SENT and FILLED are bytes sent and received; BODY is where the answer's body
begins (0: not there yet), LENGTH its bytes (``UNTIL_CLOSE``: none given); LEAVES says whether the server closes the connection
after this answer; SINCE is when it became free, or may be opened again; DEADLINE when it is given up; QUEUED whether it
stands in ``Wires.free``; OPENED how often it was opened."""

AWAY, CONNECTING, FREE, BUSY = range(4)
"""States of a connection."""

UNTIL_CLOSE: Final = -1

NEXT, DONE, FIRST_FREE, N_FREE, N_REOPENED, POLL, STOP, OLD_KERNEL, ENDED, COUNTERS = range(10)
"""Fields of ``Wires.counters``: the next request to send, requests finished with, the ring of free connections, connections
opened anew, the epoll descriptor, whether to stop early, whether epoll_pwait2 is missing, when the last answer came."""

CLOCK, WAIT, ONE, NEXT_TICK, BEGAN, TIMES = 0, 2, 4, 5, 6, 7
"""Fields of ``Wires.times``: two time specifications (scratch), the constant 1, when the next tick is due, when the run began."""

CHUNKED, TOO_LONG, NO_POLL = 1, 2, 3
"""Why a loop ended before its time."""


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


class Tape(NamedTuple):
    """One row a request, in the order of their intended times; nanoseconds, ``due`` from the beginning of the run."""

    due: I64
    lag: I64
    latency: I64
    status: I16
    mark: I16
    wrong: U8


class Wires(NamedTuple):
    """The connections, and the loop's own scratch memory."""

    wire: I64
    buffers: U8
    free: I64
    counters: I64
    events: I32
    times: I64
