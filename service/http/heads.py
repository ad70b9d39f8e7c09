"""The form of a head: versions, Host and targets as RFC 9112 has them, so that two readers of a message read the same."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserInvalidURLError,
    HttpRequestParser,
)
from starlette.responses import Response

from service.http.problems import bad_request, method_not_allowed, unreadable

VERSIONS: Final = ("1.1", "1.0")
FIELDS: Final = {HttpParserInvalidMethodError: "method", HttpParserInvalidURLError: "target"}
NAMED: Final = ("content-length", "transfer-encoding")
"""Header fields that the parser's complaints name."""
_ABSOLUTE = re.compile(rb"(?i:https?)://[^/?#]+(?P<origin>[^#]*)").fullmatch
_is_host = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[A-Za-z0-9:._~%-]+\])(?::[0-9]*)?[ \t]*").fullmatch


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


def parser_refusal(error: HttpParserError, part: str) -> Response:
    """The refusal of bytes in a head or body that the parser cannot read."""
    if isinstance(error, HttpParserCallbackError):
        return unreadable("head", "")
    reason = str(error)
    named = (name for name in NAMED if name in reason.lower())
    return unreadable(FIELDS.get(type(error)) or next(named, part), reason)


def form_refusal(parser: HttpRequestParser, headers: Iterable[tuple[bytes, bytes]]) -> Response | None:
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
