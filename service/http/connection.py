"""One client's connection: plain look-ups are answered here, below ASGI; all else is HTTP as uvicorn speaks it, within limits.

A request has one of two ways. The *fast path* takes a head that is plain (``service.http.plain``): the read of the row calls back
with what the store answered, and head and body of the answer are written at once, without parser, scope, task and coroutine.
What arrives meanwhile is kept and looked at afterwards, so answers come in order. The *slow path* is uvicorn's. What the
fast path answers, the slow path would answer in the same bytes.

On the slow path every whole request is answered, then what cannot be answered is refused, and the connection closes. A request
that is not whole gets no answer but the refusal. A client that has shut down its sending side (``nc -N``) sends no more
requests, but still reads.
"""

import asyncio
from functools import lru_cache, partial
from ipaddress import IPv6Address
from math import inf
from time import perf_counter
from typing import Any, Final, NamedTuple, NoReturn, cast

import orjson
import structlog
from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserInvalidURLError,
    HttpParserUpgrade,
)
from starlette.responses import Response
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from service.http.calls import EVENTS
from service.http.heads import form_refusal, origin_form
from service.http.plain import HEAD_END, PlainRequest, plain_request
from service.http.problems import (
    cut_short,
    head_too_large,
    overloaded,
    query_too_long,
    target_too_long,
    too_many_connections,
    too_many_fields,
    too_slow,
    unexpected,
    unreadable,
)
from service.http.state import Service
from service.http.writing import Lingering, Parting, response_bytes
from service.keys import LOOKUP
from service.limits import (
    BODY_SECONDS,
    HEAD_SECONDS,
    LINGER_SECONDS,
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    MAX_TARGET_BYTES,
    WRITE_SECONDS,
)
from service.lookup.row_reads import UNREAD, Unread
from service.lookup.served_generation import ServedGeneration, ServedTitle
from service.metrics.metrics import UNMATCHED

logger = structlog.get_logger()

SPARE: Final = 64
"""So many connections beyond a limit read why they are refused, which keeps each for up to two seconds; others are cut off."""
FIELDS: Final = {HttpParserInvalidMethodError: "method", HttpParserInvalidURLError: "target"}
NAMED: Final = ("content-length", "transfer-encoding")
"""Header fields that the parser's complaints name."""
TURN_BYTES: Final = 4096
"""So much of a connection is parsed in one turn of the event loop: some 130 short heads, which take milliseconds."""
TURN_REFUSALS: Final = 64
"""So many look-ups of a connection are refused in one turn."""
_CLOSE: Final = b"connection: close\r\n"
_HASH: Final = ord("#")
"""A number, because Python takes eight times as long to look for a byte that is given as bytes."""


def client_of(host: str) -> str:
    """The client of an address: of IPv6, where one client has a whole network, its first 64 bits."""
    if ":" not in host:
        return host
    address = IPv6Address(host.partition("%")[0])
    return str(address.ipv4_mapped or address.packed[:8].hex())


class Departure(ServerState):
    """What the connections of a server share; ``leaving`` once it is stopping."""

    leaving = False
    _fields: list[tuple[bytes, bytes]] | None = None
    _success = b""

    def success(self) -> bytes:
        """Status line of an answer and the fields that uvicorn gives to all, of which it makes a new list each second."""
        fields = self.default_headers
        if fields is not self._fields:
            self._fields = fields
            self._success = b"HTTP/1.1 200 OK\r\n" + b"".join(b"%b: %b\r\n" % field for field in fields)
        return self._success


class Asked(NamedTuple):
    """A look-up on the fast path that waits for its row, asked at ``began`` (seconds of ``perf_counter``)."""

    request: PlainRequest
    serving: ServedGeneration
    titles: list[ServedTitle | bytes]
    began: float


class Flow(FlowControl):
    """Reading goes on only where nothing that was read waits: uvicorn reads on after each answer, whatever is queued.

    So a client that sends without end has a read or two kept, and is not read from until those are answered.

    An answer is written whole, whether its client reads or not: if it waited, it would keep a place among those in progress
    for as long as the client likes. The next request begins when the client has read.
    """

    def __init__(self, transport: asyncio.Transport, connection: "Connection") -> None:
        super().__init__(transport)
        self._connection = connection

    def resume_reading(self) -> None:
        """Read on, unless requests are queued or bytes are kept."""
        if not (self._connection.pipeline or self._connection._has_kept()):
            super().resume_reading()

    async def drain(self) -> None:
        """Wait for nothing."""


class Connection(HttpToolsProtocol):
    """The protocol of one connection to the service.

    A head has at most ``max_head_bytes`` and arrives within ``head_seconds``, a body within ``body_seconds``; answers are read
    within ``write_seconds``. A whole head is measured exactly. One without an end is refused with the first read that takes it
    beyond the limit. Of the read in which it began, only what surely belongs to it counts: the rest may have been an
    earlier request. The fields after a body in chunks are bounded like those of a head.
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
        self._client = ""
        # Of the fast path.
        self._asked: Asked | None = None
        self._is_held = False  # what arrives is kept: a look-up waits for its row, or what was kept is not read yet
        self._kept = b""
        self._goes_on = False  # soon
        self._is_parting = False
        # Of the slow path.
        self._is_running = False  # a request, and those in the pipeline wait for it
        self._in_head = self._in_body = self._in_trailer = False
        self._before: RequestResponseCycle | None = None  # the request before the last one
        self._read_bytes = 0  # of this read
        self._first_bytes = 0  # of the read in which the head or trailer began
        self._later_bytes = 0  # of the reads since
        self._counted_fields = self._counted_bytes = 0  # of the header fields so far
        # Of the end.
        self._is_ending = False  # no more bytes are read
        self._refusal: Response | None = None
        self._asked_head_alone = False
        self._has_eof = self._is_idle = False
        # Of time.
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = inf
        self._due = self._write_due = inf
        self._is_part_timed = False

    # --- opened and closed -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it, refuse it beyond a limit, and wait for its first head."""
        super().connection_made(Parting(transport, self._lingers))  # type: ignore[arg-type]  # in all that is asked of it
        self.flow = Flow(self.transport, self)
        self._wait(self.head_seconds)
        service = self.service
        self._client = client_of(self.client[0]) if self.client else ""
        service.clients[self._client] += 1
        service.metrics.connections(len(self.connections))
        for reason, of, count, limit in (
            ("worker", "", len(self.connections), service.settings.max_connections),
            ("client", " of one client", service.clients[self._client], service.settings.max_client_connections),
        ):
            if count > limit:
                service.metrics.connection_refused(reason)
                if count > limit + SPARE:
                    self.transport.abort()
                else:
                    self._refuse(too_many_connections(of, limit))
                return

    def connection_lost(self, exc: Exception | None) -> None:
        """Take it off the counts. A look-up that waits for its row is answered to nobody."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._wakes_at, self._kept = None, -inf, b""  # no timer is set again, and nothing is read
        super().connection_lost(exc)
        service = self.service
        service.clients[self._client] -= 1
        if not service.clients[self._client]:
            del service.clients[self._client]
        service.metrics.connections(len(self.connections))

    # --- bytes arrive ------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take the plain look-ups at the beginning, and let the parser read what is left."""
        if self._is_held:
            self._kept += data
            self.flow.pause_reading()
        elif not self._is_ending and (rest := self._take(data)):
            self._parse(rest)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio asks for an answer
        """The client sends nothing more. The result says whether answers are outstanding, for which the connection stays open."""
        self._has_eof = True
        if self._is_held:
            return self.scheme == "http"  # TLS ends both directions at once
        if not self._is_ending:
            if self._in_head or self._in_body:
                self._refuse(cut_short("head" if self._in_head else "body"))
            elif self._is_outstanding():
                self._end()
        return self._is_outstanding()

    # --- the fast path -----------------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> bytes:
        """Refuse or ask what is plain at the beginning of what arrived; what is left for the parser."""
        # What ends the connection is left to the slow path, which says so in its last answer.
        refused = 0
        while self._is_between_requests() and not (self.server_state.leaving or self._has_eof):
            if refused == TURN_REFUSALS:
                self._hold(data)
                return b""
            end = data.find(HEAD_END) + len(HEAD_END)
            if not len(HEAD_END) <= end <= self.max_head_bytes:
                break
            request = plain_request(data if end == len(data) else data[:end], self.service.origins)
            if request is None:
                break
            if self._shed(request):
                data = data[end:]
                refused += 1
                continue
            self._kept = data[end:]
            if self._ask(request):
                return b""
            self._kept = b""
            break
        return data

    def _is_between_requests(self) -> bool:
        """Whether the next byte begins a request and the client reads its answers.

        A request may be answered before all of its body is there, and that body may look like a request.
        """
        return not (
            self._in_head or self._in_body or self._is_outstanding() or self._is_ending or self.flow.write_paused
        )

    def _shed(self, request: PlainRequest) -> bool:
        """Refuse a look-up where as many as allowed are in progress: an overloaded worker has to spend next to nothing on it.

        On the slow path, those in progress have a task, begun or not: of the requests that one turn of the event loop reads from
        many connections, only as many as the bound become tasks.
        """
        service = self.service
        waiting = len(self.tasks) - len(service.event_tasks) + service.fast_in_progress
        if waiting < service.pressure.low:  # nearly always, which makes the rest free
            return False
        now = self.loop.time()
        bound = service.pressure.bound(now)
        if waiting < bound:
            return False
        self.transport.write(_overloaded(bound, request.fields.told))
        service.metrics.refused(request.route, 503)
        service.pressure.refused(now)
        self._wait(self.timeout_keep_alive)
        return True

    def _ask(self, request: PlainRequest) -> bool:
        """Read the row that a look-up needs; False where only the slow path can answer it."""
        service = self.service
        serving = service.poller.serving
        if serving is None or (request.query and len(request.query) > service.settings.max_query_bytes):
            return False
        if service.keys is not None and not service.keys.allows(request.fields.authorization, LOOKUP):
            return False
        # Found now: a generation that is replaced while the row is read gives its titles up.
        titles = request.titles(serving, service.settings.max_titles)
        if titles is None:
            return False
        service.in_progress += 1
        service.fast_in_progress += 1
        self._asked = asked = Asked(request, serving, titles, perf_counter())
        self._is_held = True
        if request.title_id is None and all(isinstance(title, bytes) for title in titles):
            self._answer(asked, None)
            return True
        try:
            service.look_up.read_into(serving, request.user_id, partial(self._answer, asked))
        except Exception:
            logger.exception("row_not_read")
            self._answer(asked, UNREAD)
        return True

    def _answer(self, asked: Asked, row: bytes | Unread | None) -> None:
        """Answer the look-up that was asked by its user's row, and go on with what has arrived since."""
        if self._asked is not asked:
            return  # it has its answer
        self._asked = None
        service, request = self.service, asked.request
        service.in_progress -= 1
        service.fast_in_progress -= 1
        closes, status = self._closes_now(), 200
        try:
            answer = self._answer_bytes(asked, row, closes=closes)
        except Exception:
            logger.exception("look_up_failed")
            refusal, status = unexpected(), 500
            if closes:
                refusal.headers["Connection"] = "close"
            answer = response_bytes(refusal)
        service.metrics.answered(request.route, status, perf_counter() - asked.began)
        self.server_state.total_requests += 1
        if self.transport.is_closing():  # the client is gone
            return
        self.transport.write(answer)
        if closes:
            self._is_ending = True
            self.transport.close()
        elif self._kept or self._has_eof or self.flow.read_paused:
            # Not at once: rows that are there at once would nest look-ups in each other.
            self._go_on_soon()
        else:
            self._is_held = False
            self._wait(self.timeout_keep_alive)

    def _closes_now(self) -> bool:
        """Whether the look-up that waits is the last one: the client, or the server, is leaving, and no other head is there."""
        if self._kept:
            self._kept = self._kept.lstrip(b"\r\n")  # empty lines between requests are none
        if not self.server_state.leaving:
            return self._has_eof and not self._kept
        return self._is_parting or not (self.flow.read_paused or HEAD_END in self._kept)

    def _answer_bytes(self, asked: Asked, row: bytes | Unread | None, *, closes: bool) -> bytes:
        request, look_up = asked.request, self.service.look_up
        answered = look_up.single if request.title_id is not None else look_up.page
        body = answered(asked.serving, request.user_id, asked.titles, row, request.signals)
        return b"".join(
            (
                self.server_state.success(),
                _described(len(body)),
                request.fields.told,
                _CLOSE if closes else b"",
                b"\r\n",
                body,
            )
        )

    def _hold(self, data: bytes) -> None:
        """Keep bytes until it is their turn."""
        self._kept, self._is_held = data, True
        self.flow.pause_reading()
        self._advance()

    def _advance(self) -> None:
        """Begin the request that is next, and look at bytes that are kept once no request waits in the pipeline.

        Nothing is begun for a client that leaves its answers unread.
        """
        if self.flow.write_paused or self.transport.is_closing():
            return
        begins = bool(self.pipeline) and not self._is_running
        if self._is_held and self._asked is None and len(self.pipeline) == begins:
            self._go_on_soon()
        if begins:
            self._start_asgi_task(*self.pipeline.pop())

    def _go_on_soon(self) -> None:
        if not self._goes_on:
            self._goes_on = True
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Read what was kept, then what comes."""
        kept, self._kept, self._is_held, self._goes_on = self._kept, b"", False, False
        if self.transport.is_closing():
            return
        if not (self._in_head or self._in_body):
            self._wait(self.timeout_keep_alive)
        if kept:
            self.data_received(kept)
        if self._has_eof and not self.eof_received() and not self.transport.is_closing():
            self.transport.close()
        if not (self._is_outstanding() and len(self.cycle.body) > HIGH_WATER_LIMIT):
            self.flow.resume_reading()

    def _has_kept(self) -> bool:
        """Whether bytes that have arrived are not looked at yet."""
        return bool(self._kept)

    # --- the slow path: the parser's events --------------------------------------------------------------------------

    def _parse(self, data: bytes) -> None:
        """Bytes of heads, bodies or both; the rest of many is kept for the next turn, or until they can be answered."""
        if self.flow.write_paused:
            self._hold(data)
            return
        data, rest = data[:TURN_BYTES], data[TURN_BYTES:]
        self._read_bytes = len(data)
        if self._in_head or self._in_trailer:
            self._later_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade:
            self._end()  # answered as a request of HTTP/1.1; the bytes after it may be of another protocol
        except HttpParserError as error:
            self._refuse(self._parser_refusal(error))
        if self._in_head or self._in_body:  # rare: nearly every request arrives in one piece
            if not self._is_part_timed:
                self._is_part_timed = True
                self._wait(self.head_seconds if self._in_head else self.body_seconds)
            if (self._in_head or self._in_trailer) and self._is_already_too_large():
                self._refuse(self._too_large(), self.parser.get_method())
        if rest and not self._is_ending:
            self._hold(rest)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head = True
        self._first_bytes, self._later_bytes = self._read_bytes, 0
        self._counted_fields = self._counted_bytes = 0

    def on_headers_complete(self) -> None:
        """A head is whole: its request is answered."""
        self._in_head = self._is_part_timed = False
        # Counted only where it may matter: adding up the header fields costs as much as the rest of these events.
        if self._first_bytes + self._later_bytes > self.max_head_bytes and self._is_too_large():
            self._give_up(self._too_large())
        if len(self.headers) > MAX_FIELDS:
            self._give_up(too_many_fields(MAX_FIELDS))
        if wrong := form_refusal(self.parser, self.headers):
            self._give_up(wrong)
        if not self.url.startswith(b"/") or _HASH in self.url:
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
        self._first_bytes, self._later_bytes = self._read_bytes, 0

    def on_body(self, body: bytes) -> None:
        """Bytes of a body."""
        self._in_trailer = False
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._in_body = self._in_trailer = self._is_part_timed = False
        cycle = self.cycle
        if cycle.response_complete:
            self._wait(self.timeout_keep_alive)  # the rest of a request that was answered before it was whole
        else:  # as uvicorn does, minus what only WebSockets need
            cycle.more_body = False
            cycle.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Begin a request; those with events are told apart, because they have a bound of their own."""
        self._is_running = True
        if cycle.scope["path"] != EVENTS:
            super()._start_asgi_task(cycle, app)
            return
        tasks, self.tasks = self.tasks, set()
        super()._start_asgi_task(cycle, app)
        started, self.tasks = self.tasks, tasks
        for task in started:
            for where in (tasks, self.service.event_tasks):
                where.add(task)
                task.add_done_callback(where.discard)

    def on_response_complete(self) -> None:
        """Begin the next request, or wait for it."""
        self.server_state.total_requests += 1
        self._is_running = False
        if self.transport.is_closing():
            return
        if self.pipeline or self._is_held:
            self._advance()
            return
        self.flow.resume_reading()
        if not (self._in_head or self._in_body):
            self._wait(self.timeout_keep_alive)

    def _is_outstanding(self) -> bool:
        """Whether a request waits for its answer; they are answered in order, so it is enough to look at the last."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete  # type: ignore[redundant-expr]  # None before the first

    # --- refusals ----------------------------------------------------------------------------------------------------

    def _refuse(self, refusal: Response, method: bytes = b"") -> None:
        """Read no more; once all requests are answered, send this and close. ``method`` where it is known."""
        if self._is_ending or self.transport.is_closing():
            return
        self._asked_head_alone = method == b"HEAD"
        self._is_ending = True
        if not self._in_body or self._take_back():
            self._refusal = refusal
            refusal.headers["Connection"] = "close"
            self.service.metrics.refused(UNMATCHED, refusal.status_code)
            logger.warning("request_refused", status=refusal.status_code, detail=orjson.loads(refusal.body)["detail"])
        if self._is_outstanding():
            self.cycle.on_response = self._after_last_answer
        else:
            self._refuse_and_close()

    def _give_up(self, refusal: Response) -> NoReturn:
        self._refuse(refusal, self.parser.get_method())
        raise HttpParserError(refusal)  # the parser stops; no request comes of it

    def _end(self) -> None:
        """Close after the answer to the last request."""
        self._is_ending = True
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

    def _parser_refusal(self, error: HttpParserError) -> Response:
        if isinstance(error, HttpParserCallbackError):
            return unreadable("head", "")
        reason = str(error)
        named = (name for name in NAMED if name in reason.lower())
        return unreadable(FIELDS.get(type(error)) or next(named, "body" if self._in_body else "head"), reason)

    def _is_already_too_large(self) -> bool:
        """Whether a head or trailer without an end is too large already."""
        return (
            len(self.headers) > MAX_FIELDS
            or self._later_bytes > self.max_head_bytes
            or (self._in_head and self._head_bytes() > self.max_head_bytes)
        )

    def _is_too_large(self) -> bool:
        return self._head_bytes() > self.max_head_bytes or len(self.url) > MAX_TARGET_BYTES

    def _head_bytes(self) -> int:
        # Each field once: a head may arrive byte by byte, and have thousands of them.
        more = self.headers[self._counted_fields :]
        self._counted_fields += len(more)
        self._counted_bytes += sum(len(name) + len(value) + len(b": \r\n") for name, value in more)
        return len(self.url) + self._counted_bytes

    def _too_large(self) -> Response:
        """The refusal that names the part of the head that is too large."""
        max_query_bytes = self.service.settings.max_query_bytes
        if len(self.url.partition(b"?")[2]) > max_query_bytes:
            return query_too_long(max_query_bytes)
        if len(self.url) > min(self.max_head_bytes, MAX_TARGET_BYTES):
            return target_too_long(min(self.max_head_bytes, MAX_TARGET_BYTES))
        if len(self.headers) > MAX_FIELDS:
            return too_many_fields(MAX_FIELDS)
        return head_too_large(self.max_head_bytes)

    # --- time: one timer, set anew only where it would ring too late -------------------------------------------------

    def _wait(self, seconds: float) -> None:
        """From now on, the client has so long for what it has to do: to send a head, the rest of a request, or the next one."""
        self._due = self.loop.time() + seconds
        if self._due < self._wakes_at:
            self._wake_at(self._due)

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._wakes_at = when
        self._timer = self.loop.call_at(when, self._on_time)

    def _on_time(self) -> None:
        now = self.loop.time()
        self._timer, self._wakes_at = None, inf
        if now >= self._write_due:
            self.transport.abort()
            return
        if now >= self._due:
            self._due = inf
            self._late()
        if not self.transport.is_closing() and (due := min(self._due, self._write_due)) < inf:
            self._wake_at(due)

    def _late(self) -> None:
        if self._in_body and self.flow.read_paused:
            self._due = self.loop.time() + self.body_seconds  # the service does not read, so the client is not late
        elif self._in_head:
            self._refuse(too_slow("head", self.head_seconds))
        elif self._in_body:
            self._refuse(too_slow("body", self.body_seconds))
        elif not (self._is_outstanding() or self._is_held):
            self._is_idle = True  # or never asked for anything
            self.transport.close()

    def pause_writing(self) -> None:
        """The buffer is full: the client has ``write_seconds`` to empty it.

        An answer waits where socket and buffer are full: a client that reads at all, or that waits for one answer before it asks
        again, does not get there.
        """
        super().pause_writing()
        self._write_due = self.loop.time() + self.write_seconds
        if self._write_due < self._wakes_at:
            self._wake_at(self._write_due)

    def resume_writing(self) -> None:
        """The client reads."""
        self._write_due = inf
        super().resume_writing()
        self._advance()

    # --- the end -----------------------------------------------------------------------------------------------------

    def announce(self) -> None:
        """Close after the answer to the last request, and say so in it, unless it has begun; the server is leaving.

        Closing without announcement, as uvicorn does, loses a request that the client has just sent.
        """
        cycle = self._unanswered()
        if cycle is not None and HEAD_END not in self._kept:
            cycle.keep_alive = False

    def shutdown(self) -> None:
        """Close now, or after the answers that are outstanding."""
        if self._asked is None:
            self._is_idle = not self._is_outstanding()
            super().shutdown()
        else:
            self._is_parting = True

    def _unanswered(self) -> RequestResponseCycle | None:
        """The last request so far, unless its answer has begun."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        return None if cycle is None or cycle.response_started else cycle

    def _lingers(self, transport: asyncio.Transport) -> bool:
        """After an answer, stay until the client has closed too (RFC 9112, section 9.6).

        What it still sends would be answered with a reset, and it might never read the answers that are on their way.
        """
        if self._has_eof or self._is_idle:
            return False
        self._due = inf
        self._kept = b""
        self.pipeline.clear()
        self.flow.resume_reading()
        Lingering(transport, self, self.linger_seconds)
        return True


@lru_cache(maxsize=1024)
def _described(length: int) -> bytes:
    """The fields of an answer's body."""
    return b"content-length: %d\r\ncontent-type: application/json\r\n" % length


@lru_cache(maxsize=64)
def _overloaded(bound: int, told: bytes) -> bytes:
    """The whole refusal, made once for each of the two bounds and each page's origin."""
    head, end, body = response_bytes(overloaded(bound)).partition(HEAD_END)
    return b"%b\r\n%b\r\n%b" % (head, told, body) if end else head
