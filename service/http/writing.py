"""How a connection parts from its client without losing an answer.

uvicorn closes where more of a request may still come: the system answers that with a reset, and a client that is still sending
may never read why.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.limits import WRITE_SECONDS


class Parting:
    """A transport that is closed without cutting off a client that is still sending.

    Args:
        transport: what is written to.
        lingers: asked when the transport is to be closed: True where it closes the transport later, by itself.
    """

    def __init__(self, transport: asyncio.Transport, lingers: Callable[[asyncio.Transport], bool]) -> None:
        self._transport = transport
        self._lingers = lingers
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        """Everything else that a transport can do."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send, unless the client is gone: uvloop would raise, and blame the application."""
        if not self.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close, now or later."""
        if not self.is_closing() and self._lingers(self._transport):
            self.is_closing = lambda: True
        else:
            close(self._transport)


def close(transport: asyncio.Transport, seconds: float = WRITE_SECONDS) -> None:
    """Close once all is sent; a client that does not read is cut off after so many seconds."""
    transport.close()
    if transport.get_write_buffer_size():
        asyncio.get_running_loop().call_later(seconds, transport.abort)


class Lingering(asyncio.Protocol):
    """What is left of a connection that has sent its last byte: it drops what the client still sends, then closes.

    Args:
        transport: of the connection.
        connection: its other callbacks still go there.
        seconds: how long it waits at most for the client to close.
    """

    def __init__(self, transport: asyncio.Transport, connection: HttpToolsProtocol, seconds: float) -> None:
        self._connection = connection
        self._timer = connection.loop.call_later(seconds, close, transport)
        transport.set_protocol(self)
        transport.write_eof()

    def pause_writing(self) -> None:
        """The client does not read."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._connection.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has closed as well, or its time is over."""
        self._timer.cancel()
        self._connection.connection_lost(exc)


def response_bytes(response: Response, *, with_body: bool = True) -> bytes:
    """The bytes of a response, for answers below ASGI; a response to HEAD has no body."""
    fields = [b"%b: %b\r\n" % field for field in response.raw_headers]
    return b"".join((STATUS_LINE[response.status_code], *fields, b"\r\n", bytes(response.body) if with_body else b""))
