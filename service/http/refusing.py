"""How a connection ends that was sent something which is no request: what came before it is answered first, in its order."""

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

from service.http.one_write import OneWrite
from service.http.problems import cut_short, unreadable

logger = structlog.get_logger()

FIELDS: Final = {HttpParserInvalidMethodError: "method", HttpParserInvalidURLError: "target"}
NAMED: Final = ("content-length", "transfer-encoding")
"""Header fields that the parser's complaints name."""


class Refusing(OneWrite):
    """A connection that answers all it was asked, then refuses what cannot be answered, and closes.

    A request that is not whole has no answer but the refusal. A client who has shut down its side (``nc -N``) has asked its
    last; it still reads.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # uvicorn's
        self.in_head = self.in_body = False
        self.before: RequestResponseCycle | None = None
        """The request before the last one. Whoever hears what the parser finds keeps these three up to date."""
        self.is_ending = False
        """Nothing more is taken in."""
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
            self._end()  # the request is answered as one of HTTP/1.1; what follows it may be of another protocol
        except HttpParserError as error:
            self.refuse(self._told(error))

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio asks for an answer
        """The client sends nothing more; whether the connection stays open for what it is still to read."""
        self._has_eof = True
        if not self.is_ending:
            if self.in_head or self.in_body:
                self.refuse(cut_short("head" if self.in_head else "body"))
            elif self.is_outstanding():
                self._end()
        return self.is_outstanding()

    def is_outstanding(self) -> bool:
        """Whether an answer is, to the last request that was taken or, as they go in their order, to any."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete  # type: ignore[redundant-expr]  # None before the first

    def refuse(self, refusal: Response, method: bytes = b"") -> None:
        """Take nothing more; once what was asked is answered, send this and close. ``method`` where it is known."""
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
            self.cycle.on_response = self._after_the_last
        else:
            self._say_the_last()

    def count(self, status: int) -> None:
        """A refusal is sent without the application; whoever has metrics counts it."""

    def is_still_sent_to(self) -> bool:
        """Whether the client may be in the midst of sending something."""
        return not self._has_eof and (self.in_head or self.in_body or self._refusal is not None)

    def _end(self) -> None:
        """Let the answer to the last request be the last one."""
        self.is_ending = True
        self.cycle.keep_alive = False  # its answer says so, and if that has begun, closes all the same

    def _take_back(self) -> bool:
        """Forget the request whose body broke off, if it has no answer yet; whether that was so."""
        cycle = self.cycle
        if cycle.response_started:
            if not cycle.response_complete:
                self.transport.abort()  # half an answer, to half a request
            return False
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()
        cycle.disconnected = True  # the application, if it waits for the rest, hears so, and its answer is dropped
        cycle.message_event.set()
        self.cycle = cast("RequestResponseCycle", self.before)
        return True

    def _after_the_last(self) -> None:
        self.on_response_complete()
        self._say_the_last()

    def _say_the_last(self) -> None:
        if self._refusal is not None:
            self.transport.write(response_bytes(self._refusal, with_body=not self._asked_head_alone))
        self.transport.close()

    def _told(self, error: HttpParserError) -> Response:
        if isinstance(error, HttpParserCallbackError):
            return unreadable("head", "")
        reason = str(error)
        named = (name for name in NAMED if name in reason.lower())
        return unreadable(FIELDS.get(type(error)) or next(named, "body" if self.in_body else "head"), reason)


def response_bytes(response: Response, *, with_body: bool = True) -> bytes:
    """A response as it goes over the wire, for what is refused below ASGI; an answer to HEAD has no body."""
    fields = [b"%b: %b\r\n" % field for field in response.raw_headers]
    return b"".join((STATUS_LINE[response.status_code], *fields, b"\r\n", bytes(response.body) if with_body else b""))
