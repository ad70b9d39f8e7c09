"""Bounds a request in what uvicorn does not: its head in bytes, its head and its body in time.

The rest of the service sees only whole heads, so the first limit has to be held below ASGI; the others end what would be
waited for without end.
"""

import asyncio
from typing import Any, Final, NoReturn

from httptools import HttpParserError
from starlette.responses import Response

from service.http.limits import BODY_SECONDS, HEAD_SECONDS, MAX_HEAD_BYTES, MAX_QUERY_BYTES
from service.http.problems import head_too_large, query_too_long, target_too_long, too_slow
from service.http.refusing import Refusing
from service.http.request_head import MAX_TARGET_BYTES, origin_form, refusal

_HASH: Final = ord("#")
"""A number: Python looks for a byte that is given as bytes eight times as long."""


class HeadLimit(Refusing):
    """A connection whose heads are at most ``max_head_bytes`` and arrive within ``head_seconds``, as bodies do in theirs.

    A head that is whole is judged exactly. One without an end is given up with the first read that takes it beyond the limit;
    of the read in which it began only what is known to be of it counts, because the rest may have been an earlier request.
    The fields after a body in chunks are bounded like those of a head.
    """

    max_head_bytes = MAX_HEAD_BYTES
    max_query_bytes = MAX_QUERY_BYTES
    head_seconds = HEAD_SECONDS
    body_seconds = BODY_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_trailer = False
        self._read_bytes = 0  # of this read
        self._first_bytes = 0  # of the read in which the head or trailer began
        self._later_bytes = 0  # of the reads since
        self._timer: asyncio.TimerHandle | None = None

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
            self._later_bytes += len(data)
        kept = self.timeout_keep_alive_task
        super().data_received(data)
        if self.in_head or self.in_body:  # rare: nearly every request arrives in one piece
            self._start_timer()
            if (self.in_head or self._in_trailer) and self._is_beyond():
                self.refuse(self._too_large())
        elif self.timeout_keep_alive_task is None and not self.is_outstanding():
            self._keep_alive(kept)  # rest of an answered request, or empty lines: no answer will start the timer again

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self.in_head = True
        self._first_bytes, self._later_bytes = self._read_bytes, 0

    def on_headers_complete(self) -> None:
        """A head is whole: its request is answered."""
        self.in_head = False
        if self._timer is not None:
            self._stop_timer()
        # Counted only where it may matter: adding up the header fields costs as much as the rest of this class.
        if self._first_bytes + self._later_bytes > self.max_head_bytes and self._is_too_large():
            self._give_up(self._too_large())
        if wrong := refusal(self.parser, self.headers):
            self._give_up(wrong)
        if not self.url.startswith(b"/") or _HASH in self.url:
            self.url = self._origin_form()
        if self.expect_100_continue and self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False  # such a client would take the interim answer for the answer
        self.before = self.cycle
        super().on_headers_complete()
        self.in_body = True

    def on_message_complete(self) -> None:
        """A request is whole."""
        self.in_body = self._in_trailer = False
        if self._timer is not None:
            self._stop_timer()
        cycle = self.cycle
        if not cycle.response_complete:  # as uvicorn has it, less what only WebSockets need
            cycle.more_body = False
            cycle.message_event.set()

    def on_chunk_header(self) -> None:
        """A chunk begins; one without bytes is the last, and header fields may follow it."""
        self._in_trailer = True
        self._first_bytes, self._later_bytes = self._read_bytes, 0

    def on_body(self, body: bytes) -> None:
        """Bytes of a body."""
        self._in_trailer = False
        super().on_body(body)

    def _is_beyond(self) -> bool:
        """Whether what has no end yet is too large already."""
        return self._later_bytes > self.max_head_bytes or (self.in_head and self._head_bytes() > self.max_head_bytes)

    def _is_too_large(self) -> bool:
        return self._head_bytes() > self.max_head_bytes or len(self.url) > MAX_TARGET_BYTES

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)

    def _too_large(self) -> Response:
        """What of the head is: whoever shortens the part that is named gets further."""
        if len(self.url.partition(b"?")[2]) > self.max_query_bytes:
            return query_too_long(self.max_query_bytes)
        if len(self.url) > min(self.max_head_bytes, MAX_TARGET_BYTES):
            return target_too_long(min(self.max_head_bytes, MAX_TARGET_BYTES))
        return head_too_large(self.max_head_bytes)

    def _origin_form(self) -> bytes:
        target = origin_form(self.parser.get_method(), self.url)
        return self._give_up(target) if isinstance(target, Response) else target

    def _give_up(self, refusal: Response) -> NoReturn:
        self.refuse(refusal, self.parser.get_method())
        raise HttpParserError(refusal)  # the parser stops; no request comes of it

    def _keep_alive(self, earlier: asyncio.TimerHandle | None = None) -> None:
        """Close once nothing has been asked for the time that a connection is kept; what was no request does not prolong it."""
        when = self.loop.time() + self.timeout_keep_alive if earlier is None else earlier.when()
        self.timeout_keep_alive_task = self.loop.call_at(when, self.timeout_keep_alive_handler)

    def _start_timer(self) -> None:
        if self._timer is None:
            seconds = self.body_seconds if self.in_body else self.head_seconds
            self._timer = self.loop.call_later(seconds, self._late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self.in_body and self.flow.read_paused:
            self._start_timer()  # it is not the client who holds it up
        elif self.in_head:
            self.refuse(too_slow("head", self.head_seconds))
        elif self.in_body:
            self.refuse(too_slow("body", self.body_seconds))
        else:
            self.transport.close()  # a connection that never asked for anything
