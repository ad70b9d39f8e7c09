"""Listening sockets: of one process, or of workers that share a port."""

import resource
import socket
from contextlib import closing
from typing import Final

from bandit.errors import SurroundingsError

BACKLOG: Final = 2048
OTHER_FILES: Final = 256
"""More descriptors than a worker has open besides its connections and those that it is about to refuse."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; made first, so that a port in use ends a start before it has done anything.

    Raises:
        SurroundingsError: the address is in use or not available.
    """
    bound = _bound(host, port, share=False)
    try:
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise _refusal(host, port, error) from error
    return bound


def reserve(host: str, port: int) -> socket.socket:
    """A bound socket that never listens: it reserves the port for the workers, which call ``share``.

    The port is bound without SO_REUSEPORT first, which would silently share it with another server that sets it as well.

    Raises:
        SurroundingsError: the address is in use or not available.
    """
    with closing(_bound(host, port, share=False)) as alone:
        port = alone.getsockname()[1]
    return _bound(host, port, share=True)


def share(host: str, port: int) -> socket.socket:
    """One worker's own socket on a reserved port; the worker's server makes it listen.

    Raises:
        SurroundingsError: the address is not available.
    """
    return _bound(host, port, share=True)


def room_for(connections: int) -> int:
    """How many of so many connections this process can have open; raises its limit of descriptors as far as it may.

    A process without a free descriptor accepts no connection, and cannot reach its store either.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - OTHER_FILES))


def address_of(listener: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


def _bound(host: str, port: int, *, share: bool) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            # REUSEADDR: binds although connections of an ended server linger, but never shares with a listener.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT if share else socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except BaseException:
            bound.close()
            raise
    except (OSError, UnicodeError) as error:
        raise _refusal(host, port, error) from error
    return bound


def _refusal(host: str, port: int, error: Exception) -> SurroundingsError:
    why = getattr(error, "strerror", None) or error
    return SurroundingsError(f"cannot listen on {host} port {port}: {why}; choose another with --host and --port")
