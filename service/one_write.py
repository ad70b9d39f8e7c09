"""The head of a response sent together with its body: one system call, one packet, one wake-up of the client.

uvicorn writes the two one after the other, and uvloop sends each at once; the second write is a seventh of a look-up's time.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class HeldHead:
    """A transport that holds back a response's head until the next piece comes, the response ends, or the transport closes."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held = b""
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
        self._transport.close()


class OneWrite(HttpToolsProtocol):
    """A connection that answers in one piece."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the holding transport in front."""
        super().connection_made(HeldHead(transport))  # type: ignore[arg-type]  # a transport in all that is asked of it

    def on_response_complete(self) -> None:
        """Nothing more comes."""
        self.transport.let_go()  # type: ignore[attr-defined]
        super().on_response_complete()
