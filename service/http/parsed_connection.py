"""One client's connection as uvicorn speaks HTTP, within limits: the slow path, and what both paths share.

Every whole request is answered, then what cannot be answered is refused, and the connection closes. A request that is not whole
gets no answer but the refusal. A client that has shut down its sending side (``nc -N``) sends no more requests, but still reads.
"""

import asyncio
from functools import partial
from typing import Any, Final, NoReturn, cast

import orjson
import structlog
from httptools import HttpParserError, HttpParserUpgrade
from starlette.responses import Response
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.http.calls import EVENTS
from service.http.clients import client_of
from service.http.deadlines import Deadlines
from service.http.departure import Departure
from service.http.head_size import HeadSize
from service.http.heads import form_refusal, origin_form, parser_refusal
from service.http.problems import cut_short, too_many_fields, too_slow
from service.http.reading import Flow, Kept
from service.http.state import Service
from service.http.writing import Lingering, Parting, response_bytes
from service.limits import BODY_SECONDS, HEAD_SECONDS, LINGER_SECONDS, MAX_FIELDS, MAX_HEAD_BYTES, WRITE_SECONDS
from service.metrics.metrics import UNMATCHED

logger = structlog.get_logger()

TURN_BYTES: Final = 4096
"""So much of a connection is parsed in one turn of the event loop: some 130 short heads, which take milliseconds."""


class ParsedConnection(HttpToolsProtocol):
    """A connection that leaves every request to the parser; a subclass may take some before that (``take``).

    A head has at most ``max_head_bytes`` and arrives within ``head_seconds``, a body within ``body_seconds``; answers are read
    within ``write_seconds``. The fields after a body in chunks are bounded like those of a head.
    """

    max_head_bytes = MAX_HEAD_BYTES
    head_seconds = HEAD_SECONDS
    body_seconds = BODY_SECONDS
    write_seconds = WRITE_SECONDS
    linger_seconds = LINGER_SECONDS
    flow: Flow
    server_state: Departure

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.service: Service = self.app_state["service"]
        self.deadlines: Deadlines
        self.kept = Kept()
        self.is_held = False  # what arrives is kept: a request that was taken waits, or what was kept is not read yet
        self.is_taken = False  # by the subclass, and it waits
        self.is_ending = self.has_eof = False  # no more bytes are read; the client sends none
        self._client = ""
        self._goes_on = False  # soon
        self._is_running = False  # a request, and those in the pipeline wait for it
        self._in_head = self._in_body = self._in_trailer = False
        self._is_part_timed = False  # what is there of a head or body
        self._size = HeadSize(self.max_head_bytes)
        self._before: RequestResponseCycle | None = None  # the request before the last one
        self._refusal: Response | None = None
        self._asked_head_alone = self._is_idle = False

    # --- opened and closed -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it, refuse it beyond a limit, and wait for its first head."""
        super().connection_made(Parting(transport, self._lingers))  # type: ignore[arg-type]  # in all that is asked of it
        self.flow = Flow(self.transport, self.kept, self.pipeline)
        self.deadlines = Deadlines(self.transport, self._late)
        self.deadlines.wait(self.head_seconds)
        self._client = client_of(self.client[0]) if self.client else ""
        refusal, is_cut = self.service.clients.came(self._client, len(self.connections))
        if is_cut:
            self.transport.abort()
        elif refusal is not None:
            self._refuse(refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take it off the counts."""
        self.deadlines.end()
        self.kept.take()
        super().connection_lost(exc)
        self.service.clients.left(self._client, len(self.connections))

    # --- bytes arrive, and wait for their turn -----------------------------------------------------------------------

    def data_received(self, data: bytes, at: int = 0) -> None:
        """Take requests at the beginning, and let the parser read what is left.

        Args:
            data: what was read.
            at: the place in it where what is not looked at yet begins.
        """
        if self.is_held:
            self.kept.add(data)
            self.flow.pause_reading()
        elif not self.is_ending and (at := self.take(data, at)) < len(data):
            self._parse(data, at)

    def take(self, data: bytes, at: int) -> int:  # noqa: ARG002 - for the subclass
        """Take requests at the beginning, or none; the place in ``data`` where the parser's part begins."""
        return at

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio asks for an answer
        """The client sends nothing more. The result says whether answers are outstanding, for which the connection stays open."""
        self.has_eof = True
        if self.is_held:
            return self.scheme == "http"  # TLS ends both directions at once
        if not self.is_ending:
            if self._in_head or self._in_body:
                self._refuse(cut_short("head" if self._in_head else "body"))
            elif self._is_outstanding():
                self._end()
        return self._is_outstanding()

    def hold(self, data: bytes, at: int) -> None:
        """Keep bytes until it is their turn."""
        self.kept.keep(data, at)
        self.is_held = True
        self.flow.pause_reading()
        self._advance()

    def go_on_soon(self) -> None:
        """Look at what is kept in the next turn of the event loop."""
        if not self._goes_on:
            self._goes_on = True
            self.loop.call_soon(self._go_on)

    def is_between_requests(self) -> bool:
        """Whether the next byte begins a request and the client reads its answers.

        A request may be answered before all of its body is there, and that body may look like a request.
        """
        cycle = self.cycle  # as in _is_outstanding, which is worth the call elsewhere
        return not (
            (cycle is not None and not cycle.response_complete)  # type: ignore[redundant-expr]
            or self._in_head
            or self._in_body
            or self.is_ending
            or self.flow.write_paused
        )

    def _advance(self) -> None:
        """Begin the request that is next, and look at bytes that are kept once no request waits in the pipeline.

        Nothing is begun for a client that leaves its answers unread.
        """
        if self.flow.write_paused or self.transport.is_closing():
            return
        begins = bool(self.pipeline) and not self._is_running
        if self.is_held and not self.is_taken and len(self.pipeline) == begins:
            self.go_on_soon()
        if begins:
            self._start_asgi_task(*self.pipeline.pop())

    def _go_on(self) -> None:
        """Read what was kept, then what comes."""
        data, at = self.kept.take()
        self.is_held = self._goes_on = False
        if self.transport.is_closing():
            return
        if not (self._in_head or self._in_body):
            self.deadlines.wait(self.timeout_keep_alive)
        if data:
            self.data_received(data, at)
        if self.has_eof and not self.eof_received() and not self.transport.is_closing():
            self.transport.close()
        if not (self._is_outstanding() and len(self.cycle.body) > HIGH_WATER_LIMIT):
            self.flow.resume_reading()

    # --- the parser's events -----------------------------------------------------------------------------------------

    def _parse(self, data: bytes, at: int) -> None:
        """Bytes of heads, bodies or both; the rest of many is kept for the next turn, or until they can be answered."""
        if self.flow.write_paused:
            self.hold(data, at)
            return
        piece = data[at : at + TURN_BYTES]
        self._size.read(len(piece), is_begun=self._in_head or self._in_trailer)
        try:
            self.parser.feed_data(piece)
        except HttpParserUpgrade:
            self._end()  # answered as a request of HTTP/1.1; the bytes after it may be of another protocol
        except HttpParserError as error:
            self._refuse(parser_refusal(error, "body" if self._in_body else "head"))
        if self._in_head or self._in_body:  # rare: nearly every request arrives in one piece
            if not self._is_part_timed:
                self._is_part_timed = True
                self.deadlines.wait(self.head_seconds if self._in_head else self.body_seconds)
            if (self._in_head or self._in_trailer) and self._size.is_already_too_large(
                self.url, self.headers, in_head=self._in_head
            ):
                self._refuse(self._too_large(), self.parser.get_method())
        if len(data) > at + TURN_BYTES and not self.is_ending:
            self.hold(data, at + TURN_BYTES)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head = True
        self._size.head_begins()

    def on_headers_complete(self) -> None:
        """A head is whole: its request is answered."""
        self._in_head = self._is_part_timed = False
        if self._size.whole_is_too_large(self.url, self.headers):
            self._give_up(self._too_large())
        if len(self.headers) > MAX_FIELDS:
            self._give_up(too_many_fields(MAX_FIELDS))
        if wrong := form_refusal(self.parser, self.headers):
            self._give_up(wrong)
        if not self.url.startswith(b"/") or b"#" in self.url:
            target = origin_form(self.parser.get_method(), self.url)
            self.url = self._give_up(target) if isinstance(target, Response) else target
        if self.expect_100_continue and self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False  # such a client would take the interim answer for the answer
        self._before = self.cycle
        earlier = self._unanswered() if self.server_state.leaving else None
        super().on_headers_complete()
        self._in_body = True
        if self.server_state.leaving:
            if earlier is not None:
                earlier.keep_alive = True  # another request has followed it, whose answer will close the connection
            self.announce()

    def on_chunk_header(self) -> None:
        """A chunk begins; one without bytes is the last, and header fields may follow it."""
        self._in_trailer = True
        self._size.trailer_begins()

    def on_body(self, body: bytes) -> None:
        """Bytes of a body."""
        self._in_trailer = False
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._in_body = self._in_trailer = self._is_part_timed = False
        cycle = self.cycle
        if cycle.response_complete:
            self.deadlines.wait(self.timeout_keep_alive)  # the rest of a request that was answered before it was whole
        else:  # as uvicorn does, minus what only WebSockets need
            cycle.more_body = False
            cycle.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Begin a request in its turn."""
        self._is_running = True
        self.server_state.begin(partial(self._begin, cycle, app))

    def _begin(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Begin it now; requests with events are told apart, because they have a bound of their own."""
        if cycle.disconnected:  # the client is gone
            return
        task = self.loop.create_task(cycle.run_asgi(app))
        own = (self.tasks, self.service.event_tasks) if cycle.scope["path"] == EVENTS else (self.tasks,)
        for tasks in own:
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    def on_response_complete(self) -> None:
        """Begin the next request, or wait for it."""
        self._is_running = False
        if self.transport.is_closing():
            return
        if self.pipeline or self.is_held:
            self._advance()
            return
        self.flow.resume_reading()
        if not (self._in_head or self._in_body):
            self.deadlines.wait(self.timeout_keep_alive)

    def _is_outstanding(self) -> bool:
        """Whether a request waits for its answer; they are answered in order, so it is enough to look at the last."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete  # type: ignore[redundant-expr]  # None before the first

    # --- refusals ----------------------------------------------------------------------------------------------------

    def _refuse(self, refusal: Response, method: bytes = b"") -> None:
        """Read no more; once all requests are answered, send this and close. ``method`` where it is known."""
        if self.is_ending or self.transport.is_closing():
            return
        self._asked_head_alone = method == b"HEAD"
        self.is_ending = True
        if not self._in_body or self._take_back():
            self._refusal = refusal
            refusal.headers["Connection"] = "close"
            self.service.metrics.refused(UNMATCHED, refusal.status_code)
            logger.warning("request_refused", status=refusal.status_code, detail=orjson.loads(refusal.body)["detail"])
        if self._is_outstanding():
            self.cycle.on_response = self._after_last_answer
        else:
            self._refuse_and_close()

    def _too_large(self) -> Response:
        return self._size.refusal(self.url, self.headers, self.service.settings.max_query_bytes)

    def _give_up(self, refusal: Response) -> NoReturn:
        self._refuse(refusal, self.parser.get_method())
        raise HttpParserError(refusal)  # the parser stops; no request comes of it

    def _end(self) -> None:
        """Close after the answer to the last request."""
        self.is_ending = True
        self.cycle.keep_alive = False  # its answer says so; one that has begun closes all the same

    def _take_back(self) -> bool:
        """Drop the request whose body broke off, unless its answer has begun; whether it was dropped."""
        cycle = self.cycle
        if cycle.response_started:
            if not cycle.response_complete:
                self.transport.abort()  # half an answer, to half a request
            return False
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()
        cycle.disconnected = True  # an application that waits for the rest ends, and its answer is dropped
        cycle.message_event.set()
        self.cycle = cast("RequestResponseCycle", self._before)
        return True

    def _after_last_answer(self) -> None:
        self.on_response_complete()
        self._refuse_and_close()

    def _refuse_and_close(self) -> None:
        if self._refusal is not None:
            self.transport.write(response_bytes(self._refusal, with_body=not self._asked_head_alone))
        self.transport.close()

    # --- time --------------------------------------------------------------------------------------------------------

    def _late(self) -> None:
        if self._in_body and self.flow.read_paused:
            self.deadlines.wait(self.body_seconds)  # the service does not read, so the client is not late
        elif self._in_head:
            self._refuse(too_slow("head", self.head_seconds))
        elif self._in_body:
            self._refuse(too_slow("body", self.body_seconds))
        elif not (self._is_outstanding() or self.is_held):
            self._is_idle = True  # or never asked for anything
            self.transport.close()

    def pause_writing(self) -> None:
        """The buffer is full: the client has ``write_seconds`` to empty it.

        An answer waits where socket and buffer are full: a client that reads at all, or that waits for one answer before it asks
        again, does not get there.
        """
        super().pause_writing()
        self.deadlines.wait_for_reading(self.write_seconds)

    def resume_writing(self) -> None:
        """The client reads."""
        self.deadlines.has_read()
        super().resume_writing()
        self._advance()

    # --- the end -----------------------------------------------------------------------------------------------------

    def announce(self) -> None:
        """Close after the answer to the last request, and say so in it, unless it has begun; the server is leaving.

        Closing without announcement, as uvicorn does, loses a request that the client has just sent.
        """
        cycle = self._unanswered()
        if cycle is not None and not self.kept.has_head():
            cycle.keep_alive = False

    def shutdown(self) -> None:
        """Close now, or after the answers that are outstanding."""
        self._is_idle = not self._is_outstanding()
        super().shutdown()

    def _unanswered(self) -> RequestResponseCycle | None:
        """The last request so far, unless its answer has begun."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        return None if cycle is None or cycle.response_started else cycle

    def _lingers(self, transport: asyncio.Transport) -> bool:
        """After an answer, stay until the client has closed too (RFC 9112, section 9.6).

        What it still sends would be answered with a reset, and it might never read the answers that are on their way.
        """
        if self.has_eof or self._is_idle:
            return False
        self.deadlines.wait_no_more()
        self.kept.take()
        self.pipeline.clear()
        self.flow.resume_reading()
        Lingering(transport, self, self.linger_seconds)
        return True
