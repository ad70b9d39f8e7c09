"""A server that does nothing but answer: what the driver reaches against it is the driver's own ceiling.

    python -m loadtest.driver.null_server --core 0     writes its port to standard output, and answers until it is ended

Every request (without a body) gets the same 200. Linux only.
"""

import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np

from loadtest.boundary import Parser, run, write_out
from loadtest.driver.libc import (
    DATA_WORD,
    EPOLL_CTL_ADD,
    EPOLLIN,
    EVENT_WORDS,
    IPPROTO_TCP,
    MSG_NOSIGNAL,
    SOCK_FLAGS,
    TCP_NODELAY,
    c_accept4,
    c_close,
    c_epoll_ctl,
    c_epoll_wait,
    c_recv,
    c_send,
    c_setsockopt,
    check_platform,
    compiled,
)
from loadtest.driver.tape import I32, I64, U8
from loadtest.errors import RunError

ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 220\r\n\r\n" + b"-" * 220
"""As long as a pick."""

MAX_DESCRIPTORS: Final = 65_536
EVENTS: Final = 512
LF, CR = 10, 13


@compiled
def answer_all(poll: int, listener: int, answer: U8, received: U8, ends: I64, events: I32, one: I64) -> None:
    """Answer for ever, or not at all without a listener. ``ends[fd]`` is how many bytes of an empty line have been read last."""
    while listener >= 0:
        for event in range(c_epoll_wait(poll, events.ctypes.data, EVENTS, -1)):
            fd = int(events[EVENT_WORDS * event + DATA_WORD])
            if fd != listener:
                answer_one(fd, answer, received, ends)
                continue
            fd = int(c_accept4(listener, 0, 0, SOCK_FLAGS))
            if 0 <= fd < len(ends):
                ends[fd] = 0
                c_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, one.ctypes.data, 4)
                watch(poll, fd, events)


@compiled
def watch(poll: int, fd: int, events: I32) -> None:
    """Have epoll report whenever bytes wait."""
    last = len(events) - EVENT_WORDS
    events[last], events[last + DATA_WORD], events[last + DATA_WORD + 1] = EPOLLIN, fd, 0
    c_epoll_ctl(poll, EPOLL_CTL_ADD, fd, events.ctypes.data + 4 * last)


@compiled
def answer_one(fd: int, answer: U8, received: U8, ends: I64) -> None:
    """Read what waits, and answer as many requests as end in it."""
    got = c_recv(fd, received.ctypes.data, len(received), 0)
    if got <= 0:
        c_close(fd)
        return
    for at in range(got):
        expected = CR if ends[fd] % 2 == 0 else LF
        ends[fd] = ends[fd] + 1 if received[at] == expected else received[at] == CR
        if ends[fd] == 4:
            ends[fd] = 0
            c_send(fd, answer.ctypes.data, len(answer), MSG_NOSIGNAL)


@contextmanager
def null_server(core: int | None = None) -> Iterator[int]:
    """The port of a null server on loopback, in a process of its own, pinned to ``core`` if one is given.

    Raises:
        RunError: it does not start.
    """
    command = [
        sys.executable,
        "-P",
        "-m",
        "loadtest.driver.null_server",
        *([] if core is None else ["--core", str(core)]),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  our own interpreter, no shell
    assert process.stdout is not None  # noqa: S101  it was asked for
    try:
        said = process.stdout.readline()
        if not said.strip().isdigit():
            raise RunError(
                f"the null server did not start, it said {said!r}; run `python -m loadtest.driver.null_server`"
            )
        yield int(said)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def main() -> int:
    """Listen, say where, answer."""
    parser = Parser("python -m loadtest.driver.null_server", description=__doc__)
    parser.add_argument("--core", type=int, help="Pin it to this core.")
    core = parser.parse_args().core
    check_platform()
    if core is not None:
        os.sched_setaffinity(0, {core})
    answer = np.frombuffer(ANSWER, np.uint8)
    scratch = (
        np.empty(65_536, np.uint8),
        np.zeros(MAX_DESCRIPTORS, np.int64),
        np.zeros((EVENTS + 1) * EVENT_WORDS, np.int32),
        np.ones(1, np.int64),
    )
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener, select.epoll() as poll:
        listener.settimeout(0)
        poll.register(listener, select.EPOLLIN)
        answer_all(poll.fileno(), -1, answer, *scratch)  # compiled before anybody asks
        write_out(f"{listener.getsockname()[1]}\n")
        answer_all(poll.fileno(), listener.fileno(), answer, *scratch)
    return 0


if __name__ == "__main__":
    run(lambda: main)
