"""Pages of other origins: which may look up and send events, and what their browsers are told (the Fetch standard's CORS).

A browser lets a page read an answer that names its origin, and asks beforehand (a preflight) whether a request with a key or of
type JSON may be sent. A beacon of ``text/plain`` is sent without asking, so events of an origin that is not allowed are refused.
"""

from collections.abc import Collection, Sequence
from typing import Final

from starlette.responses import Response
from starlette.types import Message, Scope, Send

from service.http.calls import EVENTS
from service.http.problems import READING, origin_refused
from service.settings import ANY_ORIGIN

PREFLIGHT_SECONDS: Final = 600
"""How long a browser need not ask again."""
_ANY: Final = ANY_ORIGIN.encode()
_VARY: Final = (b"vary", b"Origin")
_EXPOSED: Final = (b"access-control-expose-headers", b"Retry-After, WWW-Authenticate")
_ALLOW: Final = b"access-control-allow-origin"


def field_of(scope: Scope, name: bytes) -> bytes:
    """A header field's value; empty where there is none, or more than one."""
    values = [value for given, value in scope["headers"] if given == name]
    return values[0] if len(values) == 1 else b""


def may_send_events(scope: Scope, origins: Collection[bytes]) -> bool:
    """Whether a request with events comes from no page, from a page of this very host, or from one of an allowed origin."""
    given = [value for name, value in scope["headers"] if name == b"origin"]
    if not given or _ANY in origins:
        return True
    [origin, *more] = given
    return not more and (origin in origins or origin.partition(b"://")[2] == field_of(scope, b"host"))


def preflight(scope: Scope, origins: Collection[bytes]) -> Response | None:
    """The answer to a browser that asks whether a page may; None for every other request."""
    if scope["method"] != "OPTIONS" or not field_of(scope, b"access-control-request-method"):
        return None
    if not _is_allowed(field_of(scope, b"origin"), origins):
        return origin_refused()
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": "POST" if scope["path"] == EVENTS else READING,
            "Access-Control-Allow-Headers": "Authorization, Content-Type",
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        },
    )


def told(given: Sequence[bytes], origins: Collection[bytes]) -> list[tuple[bytes, bytes]]:
    """The fields of an answer that tell a browser whether the page may read it.

    Args:
        given: the values of the request's Origin fields.
        origins: of the pages that may.
    """
    if len(given) != 1 or not _is_allowed(given[0], origins):
        return [_VARY]
    return [_VARY, (_ALLOW, _ANY if _ANY in origins else given[0]), _EXPOSED]


def telling(scope: Scope, origins: Collection[bytes], send: Send) -> Send:
    """``send`` that adds these fields to the answer."""
    fields = told([value for name, value in scope["headers"] if name == b"origin"], origins)

    async def send_told(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *fields]}
        await send(message)

    return send_told


def _is_allowed(origin: bytes, origins: Collection[bytes]) -> bool:
    return bool(origin) and (origin in origins or _ANY in origins)
