"""The compiled loop of the driver: send when due, read what arrives, sleep in epoll in between.

It never spins: it shares its core with the store. No call blocks, connecting included: a stalled or dead server must not
keep the loop from its schedule. All of it is one compiled function, ``run_loop``.
"""

from errno import EAGAIN, EINPROGRESS, EINTR, ENOSYS
from select import EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP
from socket import IPPROTO_TCP, TCP_NODELAY
from time import CLOCK_MONOTONIC
from typing import Any, Final

import numpy as np

from loadtest.driver import libc
from loadtest.driver.libc import entry, piece
from loadtest.driver.load import U8
from loadtest.driver.loop_data import CHUNKED, NO_POLL, TOO_LONG, Run, Script

TICK_NS: Final = 10_000_000
"""How often timeouts and lost connections are looked after."""

RETRY_NS: Final = 10_000_000
"""Wait after a refused connection: a server that is being restarted is not worth a core of attempts."""

AWAY, CONNECTING, FREE, BUSY = range(4)
"""States of a connection."""

UNTIL_CLOSE: Final = -1
"""The length of a body that ends with its connection."""

LENGTH_NAME, CODING_NAME, CONNECTION_NAME, CLOSE = (
    np.frombuffer(name, np.uint8) for name in (b"content-length:", b"transfer-encoding:", b"connection:", b"close")
)
CR, LF, SPACE, ZERO, NINE, A, Z, TO_LOWER = *map(ord, "\r\n 09AZ"), ord("a") - ord("A")


@entry
def run_loop(script: Script, run: Run) -> int:
    """Send every request (in a closed loop: until ``end_ns``) and note its answer; 0, or why it ended before its time.

    Connections come in open and leave closed. ``due`` comes out in clock time: take ``began`` off.
    """
    state = run.state[0]
    state.poll = libc.epoll_create1(0)
    if state.poll < 0:
        return NO_POLL
    libc.prctl(libc.PR_SET_TIMERSLACK, 1, 0, 0, 0)  # else sleep ends up to 50 microseconds late
    for c in range(len(run.connections)):
        set_up(run, c)
        set_free(run, c)
    state.began = state.next_tick = clock(run)
    if not script.closed:
        for i in range(len(run.requests)):
            run.requests[i].due += state.began
    fault = turn(script, run, state.began + script.end_ns)
    for c in range(len(run.connections)):
        if run.connections[c].fd >= 0:
            libc.close(run.connections[c].fd)
    libc.close(state.poll)
    return fault


@piece
def turn(script: Script, run: Run, end: int) -> int:
    """The loop itself."""
    state = run.state[0]
    while True:
        send_due(script, run, end)
        now = clock(run)
        if is_over(script, run, now, end):
            return 0
        if now >= state.next_tick:
            state.next_tick = now + TICK_NS
            look_after(script, run, now)
        for event in range(sleep(script, run, now)):
            fault = handle(script, run, run.events[event])
            if fault:
                return fault
            send_due(script, run, end)


@piece
def clock(run: Run) -> int:
    """Nanoseconds of the monotonic clock."""
    libc.clock_gettime(CLOCK_MONOTONIC, run.clock.ctypes.data)
    return int(run.clock[0].seconds * 1_000_000_000 + run.clock[0].nanoseconds)


@piece
def send_due(script: Script, run: Run, end: int) -> None:
    """Send what is due, as long as a connection is free."""
    state = run.state[0]
    while state.n_free and state.next < len(run.requests):
        now = clock(run)
        if now >= end if script.closed else now < run.requests[state.next].due:
            return
        c = take_free(run)
        if c < 0:
            return
        send_next(script, run, c)


@piece
def is_over(script: Script, run: Run, now: int, end: int) -> bool:
    """Whether every request is finished with; those that a grace of one timeout did not answer, or send, are given up."""
    state = run.state[0]
    all_sent = (script.closed and now >= end) or state.next == len(run.requests)
    if all_sent and state.done == state.next:
        return True
    if now < end + script.timeout_ns and not state.stop:
        return False
    for c in range(len(run.connections)):
        if run.connections[c].state == BUSY:
            give_up(run, run.connections[c].request)
    while not script.closed and state.next < len(run.requests) and run.requests[state.next].due <= now:
        run.requests[state.next].lag = run.requests[state.next].waited = -1
        give_up(run, state.next)
        state.next += 1
    return True


@piece
def look_after(script: Script, run: Run, now: int) -> None:
    """Give up what has taken too long, and open again what was lost."""
    for c in range(len(run.connections)):
        row = run.connections[c]
        if row.state in (BUSY, CONNECTING) and now > row.deadline:
            lose(script, run, c)
        elif row.state == AWAY and now >= row.since:
            connect(script, run, c)


@piece
def sleep(script: Script, run: Run, now: int) -> int:
    """Until something happens, the next request is due (where one could be sent) or the next tick; the number of events."""
    state = run.state[0]
    until = state.next_tick
    if not script.closed and state.n_free and state.next < len(run.requests):
        until = min(until, run.requests[state.next].due)
    left, events_at = max(until - now, 0), run.events.ctypes.data
    if not state.old_kernel:
        run.wait[0].seconds, run.wait[0].nanoseconds = left // 1_000_000_000, left % 1_000_000_000
        count = libc.syscall(libc.EPOLL_PWAIT2, state.poll, events_at, len(run.events), run.wait.ctypes.data, 0, 8)
        if count >= 0 or libc.errno()[0] != ENOSYS:
            return int(max(count, 0))
        state.old_kernel = 1
    return int(max(libc.epoll_wait(state.poll, events_at, len(run.events), left // 1_000_000), 0))


@piece
def handle(script: Script, run: Run, event: Any) -> int:
    """One event: connected, room to send, bytes to read, or the end of a connection."""
    c = event.who
    row = run.connections[c]
    leaving = event.flags & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)
    if event.opened != row.opened or row.state == AWAY:
        return 0
    if row.state == CONNECTING:
        if leaving:
            lose(script, run, c)
        elif event.flags & EPOLLOUT:
            set_free(run, c)
        return 0
    if row.state == FREE:
        if leaving or event.flags & EPOLLIN:  # gone, or bytes that nobody asked for
            lose(script, run, c)
        return 0
    if event.flags & EPOLLOUT:
        push(script, run, c)
    return receive(script, run, c, leaving)


@piece
def receive(script: Script, run: Run, c: int, leaving: int) -> int:
    """Read until an answer is whole or no more is there; the end completes one without a length and breaks others off."""
    row, room = run.connections[c], run.buffers.shape[1]
    while row.state == BUSY:
        got = libc.recv(row.fd, run.buffers.ctypes.data + c * room + row.filled, room - row.filled, 0)
        if got < 0 and libc.errno()[0] in (EAGAIN, EINTR):
            break
        if got == 0 and row.body > 0 and row.length == UNTIL_CLOSE:
            row.length = row.filled - row.body
            finish(script, run, c, 1)
            break
        if got <= 0:
            lose(script, run, c)
            break
        row.filled += got
        if is_whole(run.buffers[c], row):
            finish(script, run, c, leaving)
        elif row.leaves == -CHUNKED:
            return CHUNKED
        elif row.filled == room or row.body + row.length > room:
            return TOO_LONG
    return 0


@piece
def finish(script: Script, run: Run, c: int, leaving: int) -> None:
    """Write a whole answer down. Content is checked of successes only: a refusal names nobody."""
    row, now = run.connections[c], clock(run)
    request = run.requests[row.request]
    body_at = run.buffers.ctypes.data + c * run.buffers.shape[1] + row.body
    request.latency, request.status = now - request.due, row.status
    request.mark = first_mark(script, body_at, row.length)
    request.wrong = row.filled > row.body + row.length
    if len(script.expected_starts) > 1 and 200 <= row.status < 300:
        which = row.request % (len(script.expected_starts) - 1)
        start, end = script.expected_starts[which], script.expected_starts[which + 1]
        request.wrong |= libc.memmem(body_at, row.length, script.expected_at + start, end - start) == 0
    run.state[0].done += 1
    run.state[0].ended = now
    set_free(run, c)
    if leaving or row.leaves:
        lose(script, run, c)


@piece
def connect(script: Script, run: Run, c: int) -> None:
    """Begin to connect; what comes of it is reported by epoll. At failure it is tried again a little later."""
    row = run.connections[c]
    row.fd = libc.socket(script.family, libc.SOCK_STREAM | libc.NON_BLOCKING, 0)
    row.state, row.opened, row.deadline = CONNECTING, row.opened + 1, clock(run) + script.timeout_ns
    if row.fd < 0:
        close(run, c)
    elif libc.connect(row.fd, script.address_at, script.address_bytes) == 0 or libc.errno()[0] == EINPROGRESS:
        set_up(run, c)
    else:
        close(run, c)


@piece
def set_up(run: Run, c: int) -> None:
    """Send at once what is sent, and have epoll report every change; the number of openings tells stale reports apart."""
    row, interest = run.connections[c], run.interest[0]
    libc.setsockopt(row.fd, IPPROTO_TCP, TCP_NODELAY, run.one.ctypes.data, 4)
    interest.flags, interest.who, interest.opened = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, c, row.opened
    libc.epoll_ctl(run.state[0].poll, libc.EPOLL_CTL_ADD, row.fd, run.interest.ctypes.data)


@piece
def close(run: Run, c: int) -> None:
    """Close a connection, to be opened again after ``RETRY_NS``."""
    row = run.connections[c]
    if row.fd >= 0:
        libc.close(row.fd)
    row.fd, row.state, row.since = -1, AWAY, clock(run) + RETRY_NS


@piece
def lose(script: Script, run: Run, c: int) -> None:
    """Open a connection anew; what it carried goes unanswered. One that could not be opened waits before the next try."""
    row = run.connections[c]
    before = row.state
    if before == BUSY:
        give_up(run, row.request)
    close(run, c)
    if before != CONNECTING:
        run.state[0].n_reopened += 1
        connect(script, run, c)


@piece
def give_up(run: Run, i: int) -> None:
    """Finish with a request that got no answer: its latency is how long it has been waited for."""
    request = run.requests[i]
    request.status, request.mark, request.wrong, request.latency = 0, -1, 0, clock(run) - request.due
    run.state[0].done += 1


@piece
def set_free(run: Run, c: int) -> None:
    """Put a connection at the end of the ring, so that each takes its turn."""
    row, state = run.connections[c], run.state[0]
    row.state, row.since = FREE, clock(run)
    if not row.queued:
        row.queued = 1
        run.free[(state.first_free + state.n_free) % len(run.free)] = c
        state.n_free += 1


@piece
def take_free(run: Run) -> int:
    """The connection that has been free longest, -1 if none is; those lost while they stood in the ring are passed over."""
    state = run.state[0]
    while state.n_free:
        c = run.free[state.first_free]
        state.first_free = (state.first_free + 1) % len(run.free)
        state.n_free -= 1
        run.connections[c].queued = 0
        if run.connections[c].state == FREE:
            return int(c)
    return -1


@piece
def send_next(script: Script, run: Run, c: int) -> None:
    """Send the next request. The lag is the driver's own: late although it was due and a connection free."""
    row, state, now = run.connections[c], run.state[0], clock(run)
    request = run.requests[state.next]
    if script.closed:
        request.due = now
    request.lag, request.waited = now - max(request.due, row.since), now - request.due
    row.request, row.state, row.deadline = state.next, BUSY, now + script.timeout_ns
    row.sent, row.filled, row.body, row.leaves = 0, 0, 0, 0
    state.next += 1
    push(script, run, c)


@piece
def push(script: Script, run: Run, c: int) -> None:
    """Send what the socket takes of the request; epoll reports when it takes more."""
    row = run.connections[c]
    which = row.request % (len(script.request_starts) - 1)
    start = script.request_starts[which] + row.sent
    left = script.request_starts[which + 1] - start
    if left == 0:
        return
    sent = libc.send(row.fd, script.requests_at + start, left, libc.MSG_NOSIGNAL)
    if sent > 0:
        row.sent += sent
    elif libc.errno()[0] != EAGAIN:
        lose(script, run, c)


@piece
def is_whole(buffer: U8, row: Any) -> bool:
    """Whether a connection's buffer holds all of an answer; reads its head once it is there."""
    if row.body == 0:
        row.body = end_of_head(buffer, row.filled)
        if row.body == 0:
            return False
        read_head(buffer, row)
    return bool(row.length != UNTIL_CLOSE and row.filled >= row.body + row.length)


@piece
def end_of_head(buffer: U8, filled: int) -> int:
    """Where the body begins; 0 while the empty line has not arrived."""
    for at in range(3, filled):
        if buffer[at] == LF and buffer[at - 1] == CR and buffer[at - 2] == LF and buffer[at - 3] == CR:
            return at + 1
    return 0


@piece
def read_head(buffer: U8, row: Any) -> None:
    """Status, length of the body, and whether the server leaves afterwards; HTTP/1.0 leaves unless it says otherwise."""
    row.status, at = 0, 9
    while at < row.body and ZERO <= buffer[at] <= NINE:
        row.status = row.status * 10 + buffer[at] - ZERO
        at += 1
    row.length, row.leaves = UNTIL_CLOSE, buffer[7] == ZERO
    for at in range(10, row.body):
        if buffer[at - 1] != LF:
            continue
        if starts_with(buffer, at, LENGTH_NAME):
            row.length = number(buffer, at + len(LENGTH_NAME))
        elif starts_with(buffer, at, CODING_NAME):
            row.length, row.leaves = UNTIL_CLOSE, -CHUNKED
            return
        elif starts_with(buffer, at, CONNECTION_NAME):
            row.leaves = starts_with(buffer, at + len(CONNECTION_NAME) + 1, CLOSE)
    if row.status in (204, 304):  # no content, not modified
        row.length = 0


@piece
def starts_with(buffer: U8, at: int, name: U8) -> bool:
    """Whether ``name``, in small letters, stands at ``at`` of any size. A head ends in an empty line: it is not passed."""
    for i in range(len(name)):
        byte = buffer[at + i]
        if byte != name[i] and not (A <= byte <= Z and byte + TO_LOWER == name[i]):
            return False
    return True


@piece
def number(buffer: U8, at: int) -> int:
    """The whole number at ``at``, after spaces."""
    while buffer[at] == SPACE:
        at += 1
    value = 0
    while ZERO <= buffer[at] <= NINE:
        value = value * 10 + buffer[at] - ZERO
        at += 1
    return value


@piece
def first_mark(script: Script, body_at: int, length: int) -> int:
    """Which mark comes first in a body; -1 for none. Each is looked for only before the best so far."""
    first, best = -1, length
    for mark in range(len(script.mark_starts) - 1):
        start, end = script.mark_starts[mark], script.mark_starts[mark + 1]
        at = libc.memmem(body_at, min(length, best + end - start - 1), script.marks_at + start, end - start)
        if at != 0:
            first, best = mark, at - body_at
    return first
