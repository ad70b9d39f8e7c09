"""Bounds a request where uvicorn does not: the size and form of its head, and the time that head and body may take.

ASGI applications see only whole heads, so these limits have to be held below ASGI. The rules of form are those of RFC 9112 that
keep two readers of one message from reading two messages.
"""

import asyncio
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, NoReturn

from httptools import HttpParserError, HttpRequestParser
from starlette.responses import Response

from service.http.problems import (
    bad_request,
    head_too_large,
    method_not_allowed,
    query_too_long,
    target_too_long,
    too_slow,
)
from service.http.refusing_connection import RefusingConnection
from service.limits import BODY_SECONDS, HEAD_SECONDS, MAX_HEAD_BYTES, MAX_QUERY_BYTES, MAX_TARGET_BYTES

_HASH: Final = ord("#")
"""A number, because Python takes eight times as long to look for a byte that is given as bytes."""
VERSIONS: Final = ("1.1", "1.0")
_ABSOLUTE = re.compile(rb"(?i:https?)://[^/?#]+(?P<origin>[^#]*)").fullmatch
_is_host = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[A-Za-z0-9:._~%-]+\])(?::[0-9]*)?[ \t]*").fullmatch


class HeadLimit(RefusingConnection):
    """A connection whose heads have at most ``max_head_bytes`` and arrive within ``head_seconds``, its bodies within theirs.

    A whole head is measured exactly. One without an end is refused with the first read that takes it beyond the limit. Of the
    read in which it began, only what surely belongs to it counts: the rest may have been an earlier request.
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
        """Start the timer of the first head."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        self._stop_timer()
        self._unset_keepalive_if_required()  # else it keeps a connection in memory that broke off
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
            if (self.in_head or self._in_trailer) and self._is_already_too_large():
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
        if not cycle.response_complete:  # as uvicorn does, minus what only WebSockets need
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

    def _is_already_too_large(self) -> bool:
        """Whether a head or trailer without an end is too large already."""
        return self._later_bytes > self.max_head_bytes or (self.in_head and self._head_bytes() > self.max_head_bytes)

    def _is_too_large(self) -> bool:
        return self._head_bytes() > self.max_head_bytes or len(self.url) > MAX_TARGET_BYTES

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)

    def _too_large(self) -> Response:
        """The refusal that names the part of the head that is too large."""
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
        """Close a connection that stays idle; what was no request does not prolong its time."""
        when = self.loop.time() + self.timeout_keep_alive if earlier is None else earlier.when()
        self.timeout_keep_alive_task = self.loop.call_at(when, self.timeout_keep_alive_handler)

    def _start_timer(self) -> None:
        if self._timer is None:
            seconds = self.body_seconds if self.in_body else self.head_seconds
            self._timer = self.loop.call_later(seconds, self._on_timeout)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timeout(self) -> None:
        self._timer = None
        if self.in_body and self.flow.read_paused:
            self._start_timer()  # the service does not read, so the client is not late
        elif self.in_head:
            self.refuse(too_slow("head", self.head_seconds))
        elif self.in_body:
            self.refuse(too_slow("body", self.body_seconds))
        else:
            self.transport.close()  # a connection that never asked for anything


def origin_form(method: bytes, target: bytes) -> bytes | Response:
    """Path and query that a target in another form asks for, or the refusal of a target that names none."""
    if target.startswith(b"/"):
        if b"#" not in target and target.isascii():
            return target
    elif method == b"CONNECT" or (method == b"OPTIONS" and target == b"*"):
        return method_not_allowed()
    elif whole := _ABSOLUTE(target):
        origin = whole["origin"]
        return origin if origin.startswith(b"/") else b"/" + origin
    return bad_request(
        "target", "The target has to be a path in ASCII, with a query or without, or an http URL of one."
    )


def refusal(parser: HttpRequestParser, headers: Iterable[tuple[bytes, bytes]]) -> Response | None:
    """The refusal of a version that is not spoken here, or of header fields that leave open what they mean."""
    hosts = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if not is_host(value):
                return bad_request("host", "The Host has to be a name or address, with a port or without.")
        elif name == b"transfer-encoding" and (
            value.strip(b" \t").lower() != b"chunked" or parser.get_http_version() != "1.1"
        ):
            detail = "A body comes in chunks (HTTP/1.1) or with its Content-Length."
            return bad_request("transfer-encoding", detail, "chunked")
    if hosts == 1 and parser.should_keep_alive():
        return None  # the version is 1.1 or 1.0, for no other is kept alive. Asking for it takes eight times as long
    version = parser.get_http_version()
    if version not in VERSIONS:
        return bad_request("version", "HTTP/1.1 and HTTP/1.0 are spoken here.", " or ".join(VERSIONS))
    if hosts != 1 and (hosts or version == "1.1"):
        return bad_request("host", f"The request has {hosts} Host fields.", 1)
    return None


@lru_cache(maxsize=64)
def is_host(value: bytes) -> bool:
    """Whether it is a host as RFC 3986 has it, with a port or without; it may be empty. Blanks may follow it."""
    return _is_host(value) is not None
