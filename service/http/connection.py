"""One client's connection: plain look-ups are answered here, below ASGI; all else takes the slow path.

A request has one of two ways. The *fast path* takes a head that is plain (``service.http.plain``): the read of the row calls back
with what the store answered, and head and body of the answer are written at once, without parser, scope, task and coroutine.
What arrives meanwhile is kept and looked at afterwards, so answers come in order. The *slow path* is that of
``service.http.parsed_connection``. What the fast path answers, the slow path would answer in the same bytes.
"""

import asyncio
from functools import lru_cache, partial
from time import perf_counter
from typing import Any, Final

import structlog

from service.http.parsed_connection import ParsedConnection
from service.http.plain import PlainRequest, plain_request
from service.http.problems import overloaded, unexpected
from service.http.reading import HEAD_END
from service.http.writing import response_bytes
from service.keys import LOOKUP
from service.lookup.row_reads import UNREAD, Unread
from service.lookup.served_generation import ServedGeneration

logger = structlog.get_logger()

TURN_REFUSALS: Final = 64
"""So many look-ups of a connection are refused in one turn."""
_CLOSE: Final = b"connection: close\r\n"
_END_BYTES: Final = len(HEAD_END)


class Connection(ParsedConnection):
    """The protocol of one connection to the service."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The look-up that waits for its row: what is asked, of what, and since when (seconds of ``perf_counter``).
        self._asked: PlainRequest | None = None
        self._serving: ServedGeneration
        self._found: Any = None  # what ``find`` of the request found
        self._began = 0.0
        self._is_parting = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See ``ParsedConnection``."""
        self._write = transport.write
        super().connection_made(transport)

    def take(self, data: bytes, at: int) -> int:
        """Refuse or ask what is plain; the place in ``data`` where the parser's part begins."""
        # What ends the connection is left to the slow path, which says so in its last answer.
        service, refused = self.service, 0
        while self.is_between_requests() and not (self.server_state.leaving or self.has_eof):
            if refused == TURN_REFUSALS:
                self.hold(data, at)
                return len(data)
            end = data.find(HEAD_END, at) + _END_BYTES
            if not _END_BYTES <= end - at <= self.max_head_bytes:
                break
            request = plain_request(data[at:end], service.origins)
            if request is None:
                break
            # Those in progress on the slow path have a task, begun or not.
            waiting = len(self.tasks) - len(service.event_tasks) + service.fast_in_progress
            if waiting >= service.pressure.low and self._shed(request, waiting):
                at = end
                refused += 1
                continue
            if not self._ask(request, data, end):
                break
            return len(data)
        return at

    def _shed(self, request: PlainRequest, waiting: int) -> bool:
        """Refuse a look-up where as many as allowed are in progress: an overloaded worker has to spend next to nothing on it."""
        service, now = self.service, self.loop.time()
        bound = service.pressure.bound(now)
        if waiting < bound:
            return False
        self.transport.write(_overloaded(bound, request.fields.told))
        service.metrics.refused(request.route, 503)
        service.pressure.refused(now)
        self.deadlines.wait(self.timeout_keep_alive)
        return True

    def _ask(self, request: PlainRequest, data: bytes, end: int) -> bool:
        """Read the row that a look-up needs, and keep what is behind its end; False where only the slow path can answer it."""
        service = self.service
        serving, settings = service.poller.serving, service.settings
        if serving is None or (request.query and len(request.query) > settings.max_query_bytes):
            return False
        if service.keys is not None and not service.keys.allows(request.fields.authorization, LOOKUP):
            return False
        # Found now: a generation that is replaced while the row is read gives its titles up.
        found = request.find(serving, settings.max_titles)
        if found is None:
            return False
        service.in_progress += 1
        service.fast_in_progress += 1
        self._asked, self._serving, self._found, self._began = request, serving, found, perf_counter()
        self.is_held = self.is_taken = True
        if end < len(data):
            self.kept.keep(data, end)
        if not request.needs_row(found):  # type: ignore[arg-type]  # it is what this request has found
            self._answer(request, None)
            return True
        try:
            service.look_up.read_into(serving, request.user_id, partial(self._answer, request))
        except Exception:
            logger.exception("row_not_read")
            self._answer(request, UNREAD)
        return True

    def _answer(self, request: PlainRequest, row: bytes | Unread | None) -> None:
        """Answer the look-up that was asked by its user's row, and go on with what has arrived since."""
        if self._asked is not request:
            return  # it has its answer
        self._asked, self.is_taken = None, False
        service, status = self.service, 200
        service.in_progress -= 1
        service.fast_in_progress -= 1
        if self.kept.data:
            self.kept.skip_blank_lines()
        closes = (self.server_state.leaving or self.has_eof) and self._closes_now()
        try:
            body = request.body(service.look_up, self._serving, self._found, row)
            answer = b"".join(
                (
                    self.server_state.success(),
                    _described(len(body)),
                    request.fields.told,
                    _CLOSE if closes else b"",
                    b"\r\n",
                    body,
                )
            )
        except Exception:
            logger.exception("look_up_failed")
            refusal, status = unexpected(), 500
            if closes:
                refusal.headers["Connection"] = "close"
            answer = response_bytes(refusal)
        service.metrics.answered(request.route, status, perf_counter() - self._began)
        if self.transport.is_closing():  # the client is gone
            return
        self._write(answer)
        if closes:
            self.is_ending = True
            self.transport.close()
        elif self.kept.data or self.has_eof or self.flow.read_paused:
            # Not at once: rows that are there at once would nest look-ups in each other.
            self.go_on_soon()
        else:
            self.is_held = False
            self.deadlines.wait(self.timeout_keep_alive)

    def _closes_now(self) -> bool:
        """Whether the look-up that waits is the last one: the client, or the server, is leaving, and no other head is there."""
        if not self.server_state.leaving:
            return not self.kept.data
        return self._is_parting or not (self.flow.read_paused or self.kept.has_head())

    def shutdown(self) -> None:
        """Close now, or after the answers that are outstanding."""
        if self._asked is None:
            super().shutdown()
        else:
            self._is_parting = True


@lru_cache(maxsize=1024)
def _described(length: int) -> bytes:
    """The fields of an answer's body."""
    return b"content-length: %d\r\ncontent-type: application/json\r\n" % length


@lru_cache(maxsize=64)
def _overloaded(bound: int, told: bytes) -> bytes:
    """The whole refusal, made once for each of the two bounds and each page's origin."""
    head, end, body = response_bytes(overloaded(bound)).partition(HEAD_END)
    return b"%b\r\n%b\r\n%b" % (head, told, body) if end else head
