"""Bounds the head of a request, its request line and header fields, in bytes and in time; uvicorn does neither with httptools.

The rest of the service sees only whole heads, so this is the one limit that has to be held below ASGI.
"""

import asyncio
from typing import Any, cast

from httptools import HttpParserError
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from service.limits import HEAD_SECONDS, MAX_HEAD_BYTES
from service.problems import head_too_large, problem


class HeadLimit(HttpToolsProtocol):
    """A connection whose heads are at most ``max_head_bytes`` and arrive within ``head_seconds``.

    A head that is whole is judged exactly. One without an end is given up with the first read that takes it beyond the limit;
    the read in which it began does not count, because what else that one held may have been an earlier request. The fields
    after a body in chunks are bounded like those of a head.
    """

    max_head_bytes = MAX_HEAD_BYTES
    head_seconds = HEAD_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.in_head = False
        self._in_trailer = False
        self._earlier_bytes = 0
        self._read_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The time for the first head runs."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_timer()
        self._unset_keepalive_if_required()  # uvicorn lets it run, and the connection stay, where a client broke off
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of heads, bodies or both."""
        self._read_bytes = len(data)
        if self.in_head or self._in_trailer:
            self._earlier_bytes += len(data)
        super().data_received(data)
        if self.in_head:  # rare: nearly every head arrives in one piece
            self._start_timer()
            if self._earlier_bytes > self.max_head_bytes:
                self._refuse(head_too_large(self.max_head_bytes))
        elif self._in_trailer and self._earlier_bytes > self.max_head_bytes:
            self.transport.close()  # its request may have been answered
        elif self.timeout_keep_alive_task is None and self._is_answered():
            self._keep_alive()  # rest of an answered request, or empty lines: no answer will start the timer again

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self.in_head = True
        self._in_trailer = False
        self._earlier_bytes = 0

    def on_headers_complete(self) -> None:
        """A head is whole: its request is answered."""
        self.in_head = False
        if self._head_timer is not None:
            self._stop_timer()
        # Counted only where it may matter: adding up the header fields costs as much as the rest of this class.
        if self._earlier_bytes + self._read_bytes > self.max_head_bytes and self._head_bytes() > self.max_head_bytes:
            self._refuse(head_too_large(self.max_head_bytes))
            raise HttpParserError("the head is too large")  # the parser stops; no request comes of it
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """A chunk begins; one without bytes is the last, and header fields may follow it."""
        self._in_trailer = True
        self._earlier_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Bytes of a body."""
        self._in_trailer = False
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """What cannot be parsed is refused by a problem document, like everything else."""
        self._refuse(problem(400, msg, headers={"Connection": "close"}))

    def _is_answered(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        return cycle is not None and cycle.response_complete

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)

    def _keep_alive(self) -> None:
        """Close once nothing has come for the time that a connection is kept."""
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _start_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self._late)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _late(self) -> None:
        if self.in_head:
            detail = f"The head of a request has {self.head_seconds:g} s to arrive."
            self._refuse(problem(408, detail, "head-too-slow", headers={"Connection": "close"}))
        else:
            self.transport.close()  # a connection that never asked for anything

    def _refuse(self, refusal: Response) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(response_bytes(refusal))
        self.transport.close()


def response_bytes(response: Response) -> bytes:
    """A response as it goes over the wire, for what is refused below ASGI."""
    fields = [b"%b: %b\r\n" % field for field in response.raw_headers]
    return b"".join((STATUS_LINE[response.status_code], *fields, b"\r\n", bytes(response.body)))
