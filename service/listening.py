"""Ports: taken before anything else is done, alone or shared by the workers of one service."""

import resource
import socket
from contextlib import closing
from typing import Final

from bandit.errors import SurroundingsError

BACKLOG: Final = 2048
OTHER_FILES: Final = 256
"""Descriptors that a worker has open besides its connections, and those that it is about to refuse, with some to spare."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; taken first, so that a port in use ends a start before it has done anything.

    Raises:
        SurroundingsError: the address is in use or cannot be had.
    """
    bound = _bound(host, port, share=False)
    try:
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise _refusal(host, port, error) from error
    return bound


def reserve(host: str, port: int) -> socket.socket:
    """A bound socket that never listens: it keeps the port for the workers, each of which calls ``share`` on it.

    The port is first taken alone: SO_REUSEPORT would silently share it with another server that sets it as well.

    Raises:
        SurroundingsError: the address is in use or cannot be had.
    """
    with closing(_bound(host, port, share=False)) as alone:
        port = alone.getsockname()[1]
    return _bound(host, port, share=True)


def share(host: str, port: int) -> socket.socket:
    """A socket of one worker's own on a reserved port; it gets connections once it listens, which its server does.

    Raises:
        SurroundingsError: the address cannot be had.
    """
    return _bound(host, port, share=True)


def room_for(connections: int) -> int:
    """How many of so many connections this process may have open; it is allowed as many as the system lets it have.

    A process without a descriptor left accepts nobody, and cannot reach its store either.
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
    """The URL that a listener is reached under."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


def _bound(host: str, port: int, *, share: bool) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            # REUSEADDR: connections of a server that has just ended do not hold its port. It shares with no listener.
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
