"""The C library for compiled loops: sockets, epoll and the clock, called without the interpreter.

Functions are named, not pointed to: a pointer that ctypes found differs from process to process, and numba then refuses to
keep what it compiled. Addresses are plain integers. Linux only.
"""

import platform
import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

import numba
from numba.core import typing

from loadtest.errors import RunError

Compiled = TypeVar("Compiled", bound=Callable[..., object])


def compiled(function: Compiled) -> Compiled:
    """Compile a serial loop, cached on disk, without the interpreter lock; it allocates nothing and counts no references."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
    jitted: Compiled
    try:
        jitted = numba.njit(cache=True, **options)(function)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        jitted = numba.njit(**options)(function)  # no folder may be written: compiled anew, which takes some seconds
    return jitted


_types: Any = numba.types
_int, _long = _types.int32, _types.int64


def _function(name: str, returns: Any, *takes: Any) -> Any:
    return _types.ExternalFunction(name, typing.signature(returns, *takes))


c_socket = _function("socket", _int, _int, _int, _int)
c_connect = _function("connect", _int, _int, _long, _int)
c_accept4 = _function("accept4", _int, _int, _long, _long, _int)
c_setsockopt = _function("setsockopt", _int, _int, _int, _int, _long, _int)
c_send = _function("send", _long, _int, _long, _long, _int)
c_recv = _function("recv", _long, _int, _long, _long, _int)
c_close = _function("close", _int, _int)
c_epoll_create1 = _function("epoll_create1", _int, _int)
c_epoll_ctl = _function("epoll_ctl", _int, _int, _int, _int, _long)
c_epoll_wait = _function("epoll_wait", _int, _int, _long, _int, _int)
c_clock_gettime = _function("clock_gettime", _int, _int, _long)
c_prctl = _function("prctl", _int, _int, _long, _long, _long, _long)
c_memmem = _function("memmem", _long, _long, _long, _long, _long)
c_errno = _function("__errno_location", _types.CPointer(_int))
# epoll_pwait2 by its number: C libraries before 2.35 do not have its name, kernels before 5.11 answer ENOSYS.
c_syscall = _function("syscall", _long, _long, _long, _long, _long, _long, _long, _long)
EPOLL_PWAIT2: Final = 441

EINTR, EAGAIN, ENOSYS, EINPROGRESS = 4, 11, 38, 115
EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLET = 0x1, 0x4, 0x8, 0x10, 0x2000, 1 << 31
EPOLL_CTL_ADD, CLOCK_MONOTONIC, PR_SET_TIMERSLACK = 1, 1, 29
SOCK_STREAM, SOCK_FLAGS, MSG_NOSIGNAL = 1, 0o2004000, 0x4000
"""SOCK_FLAGS: non-blocking, and closed in child processes."""
IPPROTO_TCP, TCP_NODELAY = 6, 1

EVENT_WORDS: Final = 3 if platform.machine() in {"x86_64", "AMD64"} else 4
"""32-bit words of a ``struct epoll_event``: flags and 64 bits of data, packed on x86-64 alone."""
DATA_WORD: Final = EVENT_WORDS - 2


def check_platform() -> None:
    """Refuse to go on where there is no epoll.

    Raises:
        RunError: this is not Linux.
    """
    if sys.platform != "linux":
        raise RunError(f"the open-loop driver needs Linux (epoll), not {sys.platform}; run it in a container")
