"""The controller's server: on loopback, in a thread of its own."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

import uvicorn

from artwork.web.app import build_app
from artwork.web.stage import Stage
from bandit.errors import SurroundingsError
from service.listening import address_of, bind

HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8000
MAX_HEAD_BYTES: Final = 65_536
_TRIED: Final = 20
_SECONDS_TO_START: Final = 30.0
_SECONDS_TO_END: Final = 5.0


def bind_page(port: int | None) -> socket.socket:
    """A listening socket on loopback: at ``port`` (0 is any), or without one at 8000 or the next port that is free.

    Raises:
        SurroundingsError: the port is taken.
    """
    if port is not None:
        return bind(HOST, port)
    for following in range(DEFAULT_PORT, DEFAULT_PORT + _TRIED):
        try:
            return bind(HOST, following)
        except SurroundingsError:
            continue
    raise SurroundingsError(
        f"the ports {DEFAULT_PORT} to {DEFAULT_PORT + _TRIED - 1} of {HOST} are all in use; choose another with --port"
    )


@contextmanager
def page_server(stage: Stage, listener: socket.socket, image_hosts: tuple[str, ...] = ()) -> Iterator[str]:
    """Serve the page on a listening socket while the block runs; gives the address without its token.

    Raises:
        SurroundingsError: the server did not start.
    """
    app = build_app(stage, image_hosts)
    server = _Server(
        uvicorn.Config(
            app,
            http="h11",  # it bounds the head of a request, and anybody on this machine may send one
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            log_config=None,
            log_level="error",  # what strangers send that is no request is no news
            access_log=False,  # the first request has the token in its address, which no log may hold
            server_header=False,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=2,
        ),
        app.state.live.stop,
    )
    thread = Thread(target=server.run_until_ended, args=(listener,), name="page", daemon=True)
    with listener:
        address = address_of(listener)
        thread.start()
        server.settled.wait(_SECONDS_TO_START)
        try:
            if not server.started:
                raise SurroundingsError("the server of the page did not start; run the command again with --debug")
            yield address
        finally:
            server.should_exit = True
            thread.join(_SECONDS_TO_END)


class _Server(uvicorn.Server):
    """A server of a thread, which ends the streams that would not end by themselves."""

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams
        self.settled = Event()
        """It answers, or has ended."""

    def run_until_ended(self, listener: socket.socket) -> None:
        """Answer on a socket until ``should_exit``."""
        try:
            self.run([listener])
        finally:
            self.settled.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.settled.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then as every server."""
        self._end_streams()
        await super().shutdown(sockets)
