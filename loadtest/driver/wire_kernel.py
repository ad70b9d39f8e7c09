"""Opening, filling, emptying and losing a connection: compiled pieces of the driver's loop.

No call blocks, connecting included: a stalled or dead server must not keep the loop from its schedule.
"""

from loadtest.driver.libc import (
    CLOCK_MONOTONIC,
    DATA_WORD,
    EAGAIN,
    EINPROGRESS,
    EPOLL_CTL_ADD,
    EPOLLET,
    EPOLLIN,
    EPOLLOUT,
    EPOLLRDHUP,
    EVENT_WORDS,
    IPPROTO_TCP,
    MSG_NOSIGNAL,
    SOCK_FLAGS,
    SOCK_STREAM,
    TCP_NODELAY,
    c_clock_gettime,
    c_close,
    c_connect,
    c_epoll_ctl,
    c_errno,
    c_send,
    c_setsockopt,
    c_socket,
    compiled,
)
from loadtest.driver.tape import (
    AWAY,
    BODY,
    BUSY,
    CONNECTING,
    DEADLINE,
    DONE,
    FD,
    FILLED,
    FIRST_FREE,
    FREE,
    I64,
    LEAVES,
    N_FREE,
    N_REOPENED,
    NEXT,
    ONE,
    OPENED,
    POLL,
    QUEUED,
    REQUEST,
    SENT,
    SINCE,
    STATE,
    Script,
    Tape,
    Wires,
)

RETRY_NS = 10_000_000
"""Wait after a refused connection: a server that is being restarted is not worth a core of attempts."""


@compiled
def clock(times: I64) -> int:
    """Nanoseconds of the monotonic clock."""
    c_clock_gettime(CLOCK_MONOTONIC, times.ctypes.data)
    return int(times[0] * 1_000_000_000 + times[1])


@compiled
def open_wire(wires: Wires, script: Script, c: int) -> None:
    """Begin to connect; what comes of it is reported by epoll. At failure it is tried again a little later."""
    row = wires.wire[c]
    row[FD] = c_socket(script.family, SOCK_STREAM | SOCK_FLAGS, 0)
    row[STATE], row[OPENED], row[DEADLINE] = CONNECTING, row[OPENED] + 1, clock(wires.times) + script.timeout_ns
    if row[FD] < 0:
        close_wire(wires, c, AWAY)
        return
    failed = c_connect(row[FD], script.address_at, script.address_bytes) != 0
    if failed and c_errno()[0] != EINPROGRESS:
        close_wire(wires, c, AWAY)
        return
    set_up_wire(wires, c)


@compiled
def set_up_wire(wires: Wires, c: int) -> None:
    """Send at once what is sent, and have epoll report every change; the number of openings tells stale reports apart."""
    row, event = wires.wire[c], len(wires.events) - EVENT_WORDS
    one_at = wires.times.ctypes.data + 8 * ONE
    c_setsockopt(row[FD], IPPROTO_TCP, TCP_NODELAY, one_at, 4)
    wires.events[event] = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET
    wires.events[event + DATA_WORD] = c
    wires.events[event + DATA_WORD + 1] = row[OPENED]
    c_epoll_ctl(wires.counters[POLL], EPOLL_CTL_ADD, row[FD], wires.events.ctypes.data + 4 * event)


@compiled
def close_wire(wires: Wires, c: int, state: int) -> None:
    """Close a connection; one that is ``AWAY`` is opened again after ``RETRY_NS``."""
    row = wires.wire[c]
    if row[FD] >= 0:
        c_close(row[FD])
    row[FD], row[STATE], row[SINCE] = -1, state, clock(wires.times) + RETRY_NS


@compiled
def lose(wires: Wires, script: Script, tape: Tape, c: int) -> None:
    """Open a connection anew; what it carried goes unanswered. One that could not be opened waits before the next try."""
    row = wires.wire[c]
    if row[STATE] == CONNECTING:
        close_wire(wires, c, AWAY)
        return
    if row[STATE] == BUSY:
        go_unanswered(wires, tape, row[REQUEST])
    close_wire(wires, c, AWAY)
    wires.counters[N_REOPENED] += 1
    open_wire(wires, script, c)


@compiled
def go_unanswered(wires: Wires, tape: Tape, i: int) -> None:
    """Finish with a request that got no answer: its latency is how long it has been waited for."""
    tape.status[i], tape.mark[i], tape.wrong[i] = 0, -1, 0
    tape.latency[i] = clock(wires.times) - tape.due[i]
    wires.counters[DONE] += 1


@compiled
def set_free(wires: Wires, c: int) -> None:
    """Put a connection at the end of the ring, so that each takes its turn."""
    row = wires.wire[c]
    row[STATE], row[SINCE] = FREE, clock(wires.times)
    if not row[QUEUED]:
        row[QUEUED] = 1
        wires.free[(wires.counters[FIRST_FREE] + wires.counters[N_FREE]) % len(wires.free)] = c
        wires.counters[N_FREE] += 1


@compiled
def take_free(wires: Wires) -> int:
    """The connection that has been free longest, -1 if none is; those lost while they stood in the ring are passed over."""
    while wires.counters[N_FREE]:
        c = wires.free[wires.counters[FIRST_FREE]]
        wires.counters[FIRST_FREE] = (wires.counters[FIRST_FREE] + 1) % len(wires.free)
        wires.counters[N_FREE] -= 1
        wires.wire[c, QUEUED] = 0
        if wires.wire[c, STATE] == FREE:
            return int(c)
    return -1


@compiled
def send_next(wires: Wires, script: Script, tape: Tape, c: int) -> None:
    """Send the next request of the tape. The lag is the driver's own: late although it was due and a connection free."""
    row, i, now = wires.wire[c], wires.counters[NEXT], clock(wires.times)
    if script.closed:
        tape.due[i] = now
    tape.lag[i] = now - max(tape.due[i], row[SINCE])
    wires.counters[NEXT] += 1
    row[REQUEST], row[STATE], row[DEADLINE] = i, BUSY, now + script.timeout_ns
    row[SENT], row[FILLED], row[BODY], row[LEAVES] = 0, 0, 0, 0
    push(wires, script, tape, c)


@compiled
def push(wires: Wires, script: Script, tape: Tape, c: int) -> None:
    """Send what the socket takes of the request; epoll reports when it takes more."""
    row = wires.wire[c]
    which = row[REQUEST] % (len(script.request_starts) - 1)
    start = script.request_starts[which] + row[SENT]
    left = script.request_starts[which + 1] - start
    if left == 0:
        return
    sent = c_send(row[FD], script.requests_at + start, left, MSG_NOSIGNAL)
    if sent > 0:
        row[SENT] += sent
    elif c_errno()[0] != EAGAIN:
        lose(wires, script, tape, c)
