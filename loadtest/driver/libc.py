"""The C library for compiled loops: sockets, epoll and the clock, called without the interpreter. Linux only.

Functions are named, not pointed to: a pointer that ctypes found differs from process to process, and numba then refuses to
keep what it compiled. Addresses are plain integers. Constants come from ``errno``, ``select`` and ``socket``; here are those that
Python does not have, or has in a type that numba does not know.
"""

import socket as sockets
from collections.abc import Callable
from typing import Any, Final, TypeVar

import numba
from numba.core import typing

Compiled = TypeVar("Compiled", bound=Callable[..., object])


def entry(function: Compiled) -> Compiled:
    """Compile a serial loop with all its pieces, cached on disk as one; its pieces have to stand in the same file.

    numba compiles it again when its own file has changed, and looks at no other. Without the interpreter lock; nothing in it
    may allocate.
    """
    try:
        return _jitted(function, cache=True)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        return _jitted(function)  # no folder may be written: compiled anew, which takes some seconds


def piece(function: Compiled) -> Compiled:
    """A part of a loop, which is compiled into the entry that calls it and never by itself."""
    return _jitted(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _jitted(function: Compiled, **options: Any) -> Compiled:
    jitted: Compiled = numba.njit(nogil=True, error_model="numpy", _nrt=False, **options)(function)
    return jitted


_types: Any = numba.types
_int, _long = _types.int32, _types.int64


def _function(name: str, returns: Any, *takes: Any) -> Any:
    return _types.ExternalFunction(name, typing.signature(returns, *takes))


socket = _function("socket", _int, _int, _int, _int)
connect = _function("connect", _int, _int, _long, _int)
accept4 = _function("accept4", _int, _int, _long, _long, _int)
setsockopt = _function("setsockopt", _int, _int, _int, _int, _long, _int)
send = _function("send", _long, _int, _long, _long, _int)
recv = _function("recv", _long, _int, _long, _long, _int)
close = _function("close", _int, _int)
epoll_create1 = _function("epoll_create1", _int, _int)
epoll_ctl = _function("epoll_ctl", _int, _int, _int, _int, _long)
epoll_wait = _function("epoll_wait", _int, _int, _long, _int, _int)
clock_gettime = _function("clock_gettime", _int, _int, _long)
prctl = _function("prctl", _int, _int, _long, _long, _long, _long)
memmem = _function("memmem", _long, _long, _long, _long, _long)
errno = _function("__errno_location", _types.CPointer(_int))
# epoll_pwait2 by its number: C libraries before 2.35 do not have its name, kernels before 5.11 answer ENOSYS.
syscall = _function("syscall", _long, _long, _long, _long, _long, _long, _long, _long)
EPOLL_PWAIT2: Final = 441

EPOLL_CTL_ADD: Final = 1
PR_SET_TIMERSLACK: Final = 29
MSG_NOSIGNAL: Final = int(sockets.MSG_NOSIGNAL)
SOCK_STREAM: Final = int(sockets.SOCK_STREAM)
NON_BLOCKING: Final = int(sockets.SOCK_NONBLOCK | sockets.SOCK_CLOEXEC)
"""Flags of a new socket: it is closed in child processes, too."""
