"""A server that does nothing but answer: what the driver reaches against it is the driver's own ceiling.

    python -m loadtest.driver.null_server --core 0     writes its port to standard output, and answers until it is ended

Every request (without a body) gets the same 200. Linux only.
"""

import os
import select
import socket
from select import EPOLLIN
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Final

import numpy as np

from loadtest.boundary import Parser, run, write_out
from loadtest.driver import libc
from loadtest.driver.libc import entry, piece
from loadtest.driver.load import I32, I64, U8
from loadtest.driver.loop_data import EVENT, Records

ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 220\r\n\r\n" + b"-" * 220
"""As long as a pick."""

MAX_DESCRIPTORS: Final = 65_536
EVENTS: Final = 512
LF, CR = ord("\n"), ord("\r")


@entry
def answer_all(poll: int, listener: int, answer: U8, received: U8, ends: I64, events: Records, one: I32) -> None:
    """Answer for ever, or not at all without a listener. ``ends[fd]`` is how many bytes of an empty line have been read last."""
    while listener >= 0:
        for event in range(libc.epoll_wait(poll, events.ctypes.data, len(events), -1)):
            fd = events[event].who
            if fd != listener:
                answer_one(fd, answer, received, ends)
                continue
            fd = libc.accept4(listener, 0, 0, libc.NON_BLOCKING)
            if 0 <= fd < len(ends):
                ends[fd] = 0
                libc.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, one.ctypes.data, 4)
                interest = events[event]  # which has been read
                interest.flags, interest.who = EPOLLIN, fd
                libc.epoll_ctl(poll, libc.EPOLL_CTL_ADD, fd, events.ctypes.data + event * events.itemsize)


@piece
def answer_one(fd: int, answer: U8, received: U8, ends: I64) -> None:
    """Read what waits, and answer as many requests as end in it."""
    got = libc.recv(fd, received.ctypes.data, len(received), 0)
    if got <= 0:
        libc.close(fd)
        return
    for at in range(got):
        expected = CR if ends[fd] % 2 == 0 else LF
        ends[fd] = ends[fd] + 1 if received[at] == expected else received[at] == CR
        if ends[fd] == 4:
            ends[fd] = 0
            libc.send(fd, answer.ctypes.data, len(answer), libc.MSG_NOSIGNAL)


def main() -> int:
    """Listen, say where, answer."""
    parser = Parser("python -m loadtest.driver.null_server", description=__doc__)
    parser.add_argument("--core", type=int, help="Pin it to this core.")
    core = parser.parse_args().core
    if core is not None:
        os.sched_setaffinity(0, {core})
    answer = np.frombuffer(ANSWER, np.uint8)
    scratch = (
        np.empty(65_536, np.uint8),
        np.zeros(MAX_DESCRIPTORS, np.int64),
        np.zeros(EVENTS, EVENT),
        np.ones(1, np.int32),
    )
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener, select.epoll() as poll:
        listener.settimeout(0)
        poll.register(listener, EPOLLIN)
        answer_all(poll.fileno(), -1, answer, *scratch)  # compiled before anybody asks
        write_out(f"{listener.getsockname()[1]}\n")
        answer_all(poll.fileno(), listener.fileno(), answer, *scratch)
    return 0


if __name__ == "__main__":
    run(lambda: main)
