"""Runs the application on a port."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

import uvicorn

from bandit.errors import SurroundingsError
from service.app import create_app
from service.logs import configure_logs, server_log_config
from service.settings import Settings

GRACE_SECONDS: Final = 5
"""How long requests in flight may take to end after a request to stop."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; taken first, so that a port in use ends a start before it has done anything.

    Raises:
        SurroundingsError: the address is in use or cannot be had.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family, backlog=2048)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise SurroundingsError(
            f"cannot listen on {host} port {port}: {why}; choose another with --host and --port"
        ) from error


def address_of(listener: socket.socket) -> str:
    """The URL that a listener is reached under."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


def serve(settings: Settings, listener: socket.socket, on_ready: Callable[[], None] = lambda: None) -> None:
    """Answer until told to stop by SIGINT or SIGTERM; ``on_ready`` is called once requests are answered."""
    configure_logs(settings.log_level)
    config = uvicorn.Config(
        create_app(settings),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=server_log_config("warning" if settings.log_level == "info" else settings.log_level),
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    _Server(config, on_ready).run(sockets=[listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        await asyncio.to_thread(self._on_ready)  # it may ask the store, which must not hold up the first look-ups
