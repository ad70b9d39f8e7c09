"""How a connection refuses what it cannot answer: the requests before it are answered first, in order, then it closes."""

from typing import Final, cast

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
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from service.http.problems import cut_short, unreadable
from service.http.writing import WritingConnection

logger = structlog.get_logger()

FIELDS: Final = {HttpParserInvalidMethodError: "method", HttpParserInvalidURLError: "target"}
NAMED: Final = ("content-length", "transfer-encoding")
"""Header fields that the parser's complaints name."""


class RefusingConnection(WritingConnection):
    """A connection that answers every whole request, then refuses what cannot be answered, and closes.

    A request that is not whole gets no answer but the refusal. A client that has shut down its sending side (``nc -N``) sends
    no more requests, but still reads.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.in_head = self.in_body = False
        self.before: RequestResponseCycle | None = None
        """The request before the last one. The subclass that handles the parser's events keeps these three up to date."""
        self.is_ending = False
        """No more bytes are read."""
        self._refusal: Response | None = None
        self._asked_head_alone = False
        self._has_eof = False

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        if self.is_ending:
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade:
            self._end()  # answered as a request of HTTP/1.1; the bytes after it may be of another protocol
        except HttpParserError as error:
            self.refuse(self._parser_refusal(error))

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio asks for an answer
        """The client sends nothing more. The result says whether answers are outstanding, for which the connection stays open."""
        self._has_eof = True
        if not self.is_ending:
            if self.in_head or self.in_body:
                self.refuse(cut_short("head" if self.in_head else "body"))
            elif self.is_outstanding():
                self._end()
        return self.is_outstanding()

    def is_outstanding(self) -> bool:
        """Whether a request waits for its answer; they are answered in order, so it is enough to look at the last."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete  # type: ignore[redundant-expr]  # None before the first

    def refuse(self, refusal: Response, method: bytes = b"") -> None:
        """Read no more; once all requests are answered, send this and close. ``method`` where it is known."""
        if self.is_ending or self.transport.is_closing():
            return
        self._asked_head_alone = method == b"HEAD"
        self.is_ending = True
        if not self.in_body or self._take_back():
            self._refusal = refusal
            refusal.headers["Connection"] = "close"
            self.count(refusal.status_code)
            logger.warning("request_refused", status=refusal.status_code, detail=orjson.loads(refusal.body)["detail"])
        if self.is_outstanding():
            self.cycle.on_response = self._after_last_answer
        else:
            self._refuse_and_close()

    def count(self, status: int) -> None:
        """Called with the status of each refusal, for a subclass that has metrics."""

    def is_receiving(self) -> bool:
        """Whether the client may still be sending a request."""
        return not self._has_eof and (self.in_head or self.in_body or self._refusal is not None)

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
        self.cycle = cast("RequestResponseCycle", self.before)
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
        return unreadable(FIELDS.get(type(error)) or next(named, "body" if self.in_body else "head"), reason)


def response_bytes(response: Response, *, with_body: bool = True) -> bytes:
    """The bytes of a response, for refusals below ASGI; a response to HEAD has no body."""
    fields = [b"%b: %b\r\n" % field for field in response.raw_headers]
    return b"".join((STATUS_LINE[response.status_code], *fields, b"\r\n", bytes(response.body) if with_body else b""))
