"""What a connection sends: the head of a response together with its body, and an end that loses no answer.

uvicorn writes head and body one after the other, and uvloop sends each at once; the second write is a seventh of a look-up's
time. And it closes where more of a request may still come: the system answers that with a reset, and the client, who is still
sending, may never see why.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.http.limits import LINGER_SECONDS, WRITE_SECONDS


class HeldHead:
    """A transport that holds back a response's head until the next piece comes, the response ends, or the transport closes.

    Args:
        transport: what is written to.
        linger: asked when the transport is to be closed: True where it closes the transport later, by itself.
    """

    def __init__(self, transport: asyncio.Transport, linger: Callable[[asyncio.Transport], bool]) -> None:
        self._transport = transport
        self._held = b""
        self._linger = linger
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        """Whatever else a transport can do."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send, unless it is a head alone. An interim response (100 Continue) is waited for, and goes at once."""
        if self.is_closing():
            return  # the client is gone; uvloop would raise, and blame the application
        if self._held:
            data, self._held = self._held + data, b""
        elif data.startswith(b"HTTP/1.1 ") and data.endswith(b"\r\n\r\n") and not data.startswith(b"HTTP/1.1 1"):
            self._held = data
            return
        self._transport.write(data)

    def let_go(self) -> None:
        """Send what is held back: there was no body to send it with."""
        if self._held and not self.is_closing():
            held, self._held = self._held, b""
            self._transport.write(held)

    def close(self) -> None:
        """Send what is held back, and close."""
        self.let_go()
        if not self.is_closing() and self._linger(self._transport):
            self.is_closing = _always
        else:
            close(self._transport)


def _always() -> bool:
    return True


def close(transport: asyncio.Transport, seconds: float = WRITE_SECONDS) -> None:
    """Close, which waits until all is sent; for a client who does not read, no longer than this."""
    transport.close()
    if transport.get_write_buffer_size():
        asyncio.get_running_loop().call_later(seconds, transport.abort)


class Lingering(asyncio.Protocol):
    """What is left of a connection that has said its last: it hears the client out, for a while, and then closes.

    Args:
        transport: of the connection.
        connection: hears of whatever does not concern what the client still sends.
        seconds: how long it listens at most.
    """

    def __init__(self, transport: asyncio.Transport, connection: HttpToolsProtocol, seconds: float) -> None:
        self._connection = connection
        self._timer = connection.loop.call_later(seconds, close, transport)
        transport.set_protocol(self)
        transport.write_eof()

    def pause_writing(self) -> None:
        """The client does not read what is left to send."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """It does."""
        self._connection.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has closed as well, or its time is over."""
        self._timer.cancel()
        self._connection.connection_lost(exc)


class OneWrite(HttpToolsProtocol):
    """A connection that answers in one piece, and does not cut off who is still sending."""

    linger_seconds = LINGER_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the holding transport in front."""
        super().connection_made(HeldHead(transport, self._lingers))  # type: ignore[arg-type]  # in all that is asked of it

    def on_response_complete(self) -> None:
        """Nothing more comes."""
        self.transport.let_go()  # type: ignore[attr-defined]
        super().on_response_complete()

    def is_still_sent_to(self) -> bool:
        """Whether the client may be in the midst of sending something."""
        return False

    def _lingers(self, transport: asyncio.Transport) -> bool:
        if not self.is_still_sent_to():
            return False
        self.flow.resume_reading()
        Lingering(transport, self, self.linger_seconds)
        return True
