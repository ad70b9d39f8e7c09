"""The compiled loop of the driver: send when due, read what arrives, sleep in epoll in between.

It never spins: it shares its core with the store. Numba's cache does not see that pieces in other files have changed: save
this file after changing ``wire_kernel`` or ``answer_kernel``.
"""

from loadtest.driver.answer_kernel import first_mark, is_whole, lacks
from loadtest.driver.libc import (
    DATA_WORD,
    EAGAIN,
    EINTR,
    ENOSYS,
    EPOLL_PWAIT2,
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLLRDHUP,
    EVENT_WORDS,
    PR_SET_TIMERSLACK,
    c_close,
    c_epoll_create1,
    c_epoll_wait,
    c_errno,
    c_prctl,
    c_recv,
    c_syscall,
    compiled,
)
from loadtest.driver.tape import (
    AWAY,
    BEGAN,
    BODY,
    BUSY,
    CHUNKED,
    CONNECTING,
    DEADLINE,
    DONE,
    ENDED,
    FD,
    FILLED,
    FREE,
    LEAVES,
    LENGTH,
    N_FREE,
    NEXT,
    NEXT_TICK,
    NO_POLL,
    OLD_KERNEL,
    OPENED,
    POLL,
    REQUEST,
    SINCE,
    STATE,
    STATUS,
    STOP,
    TOO_LONG,
    UNTIL_CLOSE,
    WAIT,
    Script,
    Tape,
    Wires,
)
from loadtest.driver.wire_kernel import (
    clock,
    go_unanswered,
    lose,
    open_wire,
    push,
    send_next,
    set_free,
    set_up_wire,
    take_free,
)

TICK_NS = 10_000_000
"""How often timeouts and lost connections are looked after."""


@compiled
def drive(script: Script, tape: Tape, wires: Wires) -> int:
    """Send every request of the tape (in a closed loop: until ``end_ns``) and fill it; 0, or why it ended before its time.

    Connections come in open and leave closed. ``tape.due`` comes out in clock time: take ``times[BEGAN]`` off.
    """
    wires.counters[POLL] = c_epoll_create1(0)
    if wires.counters[POLL] < 0:
        return NO_POLL
    c_prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)  # else sleep ends up to 50 microseconds late
    for c in range(len(wires.wire)):
        set_up_wire(wires, c)
        set_free(wires, c)
    began = clock(wires.times)
    wires.times[BEGAN], wires.times[NEXT_TICK] = began, began
    if not script.closed:
        for i in range(len(tape.due)):
            tape.due[i] += began
    fault = turn(script, tape, wires, began + script.end_ns)
    for c in range(len(wires.wire)):
        if wires.wire[c, FD] >= 0:
            c_close(wires.wire[c, FD])
    c_close(wires.counters[POLL])
    return fault


@compiled
def turn(script: Script, tape: Tape, wires: Wires, end: int) -> int:
    """The loop itself."""
    while True:
        send_due(script, tape, wires, end)
        now = clock(wires.times)
        if is_over(script, tape, wires, now, end):
            return 0
        if now >= wires.times[NEXT_TICK]:
            wires.times[NEXT_TICK] = now + TICK_NS
            look_after(script, tape, wires, now)
        for event in range(wait(script, tape, wires, now)):
            fault = handle(script, tape, wires, EVENT_WORDS * event)
            if fault:
                return fault
            send_due(script, tape, wires, end)


@compiled
def send_due(script: Script, tape: Tape, wires: Wires, end: int) -> None:
    """Send what is due, as long as a connection is free."""
    while wires.counters[N_FREE] and wires.counters[NEXT] < len(tape.due):
        now = clock(wires.times)
        if now >= end if script.closed else now < tape.due[wires.counters[NEXT]]:
            return
        c = take_free(wires)
        if c < 0:
            return
        send_next(wires, script, tape, c)


@compiled
def is_over(script: Script, tape: Tape, wires: Wires, now: int, end: int) -> bool:
    """Whether every request is finished with; those that a grace of one timeout did not answer, or send, are given up."""
    counters = wires.counters
    all_sent = (script.closed and now >= end) or counters[NEXT] == len(tape.due)
    if all_sent and counters[DONE] == counters[NEXT]:
        return True
    if now < end + script.timeout_ns and not counters[STOP]:
        return False
    for c in range(len(wires.wire)):
        if wires.wire[c, STATE] == BUSY:
            go_unanswered(wires, tape, wires.wire[c, REQUEST])
    while not script.closed and counters[NEXT] < len(tape.due) and tape.due[counters[NEXT]] <= now:
        tape.lag[counters[NEXT]] = -1
        go_unanswered(wires, tape, counters[NEXT])
        counters[NEXT] += 1
    return True


@compiled
def look_after(script: Script, tape: Tape, wires: Wires, now: int) -> None:
    """Give up what has taken too long, and open again what was lost."""
    for c in range(len(wires.wire)):
        row = wires.wire[c]
        if (row[STATE] == BUSY or row[STATE] == CONNECTING) and now > row[DEADLINE]:
            lose(wires, script, tape, c)
        elif row[STATE] == AWAY and now >= row[SINCE]:
            open_wire(wires, script, c)


@compiled
def wait(script: Script, tape: Tape, wires: Wires, now: int) -> int:
    """Sleep until something happens, the next request is due (where one could be sent) or the next tick; the number of events."""
    until = wires.times[NEXT_TICK]
    if not script.closed and wires.counters[N_FREE] and wires.counters[NEXT] < len(tape.due):
        until = min(until, tape.due[wires.counters[NEXT]])
    left, room = max(until - now, 0), len(wires.events) // EVENT_WORDS - 1
    if not wires.counters[OLD_KERNEL]:
        wires.times[WAIT], wires.times[WAIT + 1] = left // 1_000_000_000, left % 1_000_000_000
        spec_at = wires.times.ctypes.data + 8 * WAIT
        found = c_syscall(EPOLL_PWAIT2, wires.counters[POLL], wires.events.ctypes.data, room, spec_at, 0, 8)
        if found >= 0 or c_errno()[0] != ENOSYS:
            return int(max(found, 0))
        wires.counters[OLD_KERNEL] = 1
    return int(max(c_epoll_wait(wires.counters[POLL], wires.events.ctypes.data, room, left // 1_000_000), 0))


@compiled
def handle(script: Script, tape: Tape, wires: Wires, event: int) -> int:
    """One event: connected, room to send, bytes to read, or the end of a connection."""
    flags, c = wires.events[event], int(wires.events[event + DATA_WORD])
    row = wires.wire[c]
    leaving = flags & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)
    if wires.events[event + DATA_WORD + 1] != row[OPENED] or row[STATE] == AWAY:
        return 0
    if row[STATE] == CONNECTING:
        if leaving:
            lose(wires, script, tape, c)
        elif flags & EPOLLOUT:
            set_free(wires, c)
        return 0
    if row[STATE] == FREE:
        if leaving or flags & EPOLLIN:  # gone, or bytes that nobody asked for
            lose(wires, script, tape, c)
        return 0
    if flags & EPOLLOUT:
        push(wires, script, tape, c)
    return receive(script, tape, wires, c, leaving)


@compiled
def receive(script: Script, tape: Tape, wires: Wires, c: int, leaving: int) -> int:
    """Read until an answer is whole or nothing more is there."""
    row, room = wires.wire[c], wires.buffers.shape[1]
    while row[STATE] == BUSY:
        into = wires.buffers.ctypes.data + c * room + row[FILLED]
        got = c_recv(row[FD], into, room - row[FILLED], 0)
        if got <= 0:
            stop_reading(script, tape, wires, c, got)
            return 0
        row[FILLED] += got
        if is_whole(wires, c):
            finish(script, tape, wires, c, leaving)
            return 0
        if row[LEAVES] == -CHUNKED:
            return CHUNKED
        if row[FILLED] == room or row[BODY] + row[LENGTH] > room:
            return TOO_LONG
    return 0


@compiled
def stop_reading(script: Script, tape: Tape, wires: Wires, c: int, got: int) -> None:
    """Nothing more to read for now, or the end, which finishes an answer that gave no length and breaks any other off."""
    row = wires.wire[c]
    if got < 0 and (c_errno()[0] == EAGAIN or c_errno()[0] == EINTR):
        return
    if got == 0 and row[BODY] > 0 and row[LENGTH] == UNTIL_CLOSE:
        row[LENGTH] = row[FILLED] - row[BODY]
        finish(script, tape, wires, c, 1)
    else:
        lose(wires, script, tape, c)


@compiled
def finish(script: Script, tape: Tape, wires: Wires, c: int, leaving: int) -> None:
    """Write a whole answer down. Content is checked of successes only: a refusal names nobody."""
    row, i, now = wires.wire[c], wires.wire[c, REQUEST], clock(wires.times)
    tape.latency[i], tape.status[i] = now - tape.due[i], row[STATUS]
    body_at = wires.buffers.ctypes.data + c * wires.buffers.shape[1] + row[BODY]
    tape.mark[i] = first_mark(script, body_at, row[LENGTH])
    tape.wrong[i] = row[FILLED] > row[BODY] + row[LENGTH]
    if len(script.expected_starts) > 1 and 200 <= row[STATUS] < 300:
        tape.wrong[i] |= lacks(script, i % (len(script.expected_starts) - 1), body_at, row[LENGTH])
    wires.counters[DONE] += 1
    wires.counters[ENDED] = now
    set_free(wires, c)
    if leaving or row[LEAVES]:
        lose(wires, script, tape, c)
