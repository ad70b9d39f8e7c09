"""Runs the application on a port, in this process."""

import asyncio
import gc
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

import uvicorn

from service.app import create_app
from service.http.protocol import Connection, Departure
from service.listening import BACKLOG, address_of, bind, room_for
from service.logs import configure_logs, server_log_config
from service.metrics.metrics import Metrics
from service.settings import Settings

__all__ = ["address_of", "bind", "serve"]

PARTING_SECONDS: Final = 1.0
"""How long a stopping server still answers on kept connections. Who sends nothing in that time finds its connection closed."""
GRACE_SECONDS: Final = 5
"""How long requests in progress may then take to end."""
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than load balancers keep their connections (60 s is usual): who closes an idle one first must be the client."""


def serve(
    settings: Settings,
    listener: socket.socket,
    on_ready: Callable[[], None] = lambda: None,
    metrics: Metrics | None = None,
) -> None:
    """Answer until told to stop by SIGINT or SIGTERM; ``on_ready`` is called once requests are answered."""
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
    """uvicorn's server, with a start that leaves nothing to the first requests and an end that loses none."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self.server_state = self._departure = Departure()
        self._on_ready = on_ready

    def connections(self) -> "set[Connection]":
        """Those that are open."""
        return cast("set[Connection]", self._departure.connections)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer from now on."""
        await super().startup(sockets)
        # What is there by now stays: without it, each full collection would look at all of it, which takes milliseconds.
        gc.collect()
        gc.freeze()
        await asyncio.to_thread(self._on_ready)  # it may ask the store, which must not hold up the first look-ups

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Part from the clients, then end as uvicorn does: idle connections are closed, requests in progress waited for."""
        queued = self._stopped_listening(sockets or [])
        self._departure.leaving = True
        for connection in self.connections():
            connection.announce()
        for accepted in queued:
            await asyncio.get_running_loop().connect_accepted_socket(self._parting, accepted)
        await self._parted()
        await super().shutdown(sockets)

    def _stopped_listening(self, listeners: list[socket.socket]) -> list[socket.socket]:
        """Close the listeners and return what is queued on them: the kernel has accepted that, and would reset it."""
        accepted: list[socket.socket] = []
        for server, listener in zip(self.servers, listeners, strict=True):
            with suppress(OSError):  # the queue is empty
                while True:
                    accepted.append(listener.accept()[0])
            server.close()
        for connection in accepted:
            connection.setblocking(False)  # noqa: FBT003 - positional only
        return accepted

    def _parting(self) -> Connection:
        connection = Connection(self.config, self.server_state, self.lifespan.state)
        connection.announce()
        return connection

    async def _parted(self) -> None:
        """Wait until every client has left that sends anything."""
        loop = asyncio.get_running_loop()
        end = loop.time() + PARTING_SECONDS
        while self.connections() and loop.time() < end and not self.force_exit:
            await asyncio.sleep(0.01)
