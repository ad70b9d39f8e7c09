"""Runs the application on a port, in this process."""

import asyncio
import gc
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

import uvicorn

from service.app import create_app
from service.http.connection import Connection
from service.http.departure import Departure
from service.listening import BACKLOG, address_of, bind, room_for
from service.logs import configure_logs, server_log_config
from service.metrics.metrics import Metrics
from service.settings import Settings

__all__ = ["address_of", "bind", "serve"]

PARTING_SECONDS: Final = 1.0
"""How long a stopping server still answers on kept connections; then it closes those that are idle."""
GRACE_SECONDS: Final = 5
"""How long requests in progress may take after that."""
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than load balancers keep idle connections (60 s is usual), so that the client is the first to close."""


def serve(
    settings: Settings,
    listener: socket.socket,
    on_ready: Callable[[], None] = lambda: None,
    metrics: Metrics | None = None,
) -> None:
    """Answer until SIGINT or SIGTERM; ``on_ready`` is called once requests are answered."""
    configure_logs(settings.log_level)
    settings = settings.model_copy(update={"max_connections": room_for(settings.max_connections)})
    config = uvicorn.Config(
        create_app(settings, metrics=metrics),
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=server_log_config("warning" if settings.log_level == "info" else settings.log_level),
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    Server(config, on_ready).run(sockets=[listener])


class Server(uvicorn.Server):
    """uvicorn's server, with a start that does not slow the first requests and an end that loses none."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self.server_state = self._departure = Departure()
        self._on_ready = on_ready

    def connections(self) -> "set[Connection]":
        """The open connections."""
        return cast("set[Connection]", self._departure.connections)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer from now on."""
        await super().startup(sockets)
        # Objects of the start stay for good: unfrozen, all of them would be looked at by each full collection, for milliseconds.
        gc.collect()
        gc.freeze()
        await asyncio.to_thread(self._on_ready)  # it may read the store, which must not delay the first look-ups

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let clients finish, then end as uvicorn does: it closes idle connections and waits for requests in progress."""
        queued = self._stopped_listening(sockets or [])
        self._departure.leaving = True
        for connection in self.connections():
            connection.announce()
        for accepted in queued:
            await asyncio.get_running_loop().connect_accepted_socket(self._announced_connection, accepted)
        await self._clients_gone()
        await super().shutdown(sockets)

    def _stopped_listening(self, listeners: list[socket.socket]) -> list[socket.socket]:
        """Close the listeners and return the connections queued on them, which the kernel would reset."""
        accepted: list[socket.socket] = []
        for server, listener in zip(self.servers, listeners, strict=True):
            with suppress(OSError):  # the queue is empty
                while True:
                    accepted.append(listener.accept()[0])
            server.close()
        for connection in accepted:
            connection.setblocking(False)  # noqa: FBT003 - positional only
        return accepted

    def _announced_connection(self) -> Connection:
        connection = Connection(self.config, self.server_state, self.lifespan.state)
        connection.announce()
        return connection

    async def _clients_gone(self) -> None:
        """Wait until all clients have closed, ``PARTING_SECONDS`` at most."""
        loop = asyncio.get_running_loop()
        end = loop.time() + PARTING_SECONDS
        while self.connections() and loop.time() < end and not self.force_exit:
            await asyncio.sleep(0.01)
