"""Errors as problem documents (RFC 9457)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
NAMESPACE = "urn:artwork-bandit:problem:"
CLOSING = (413, 431)
"""Refused before all of the request was read: what follows on the connection is not a request."""
READING = "GET, HEAD"
"""The methods of every call that reads; each that answers GET answers HEAD."""
ALLOWED = f"{READING}, POST"
"""The methods of all calls."""
LIMITS = ("max_length", "min_length", "le", "ge", "pattern")
"""Keys of the validator's context that hold the limit that was passed."""


class ProblemError(Exception):
    """A refusal: its status, the kind of problem (the end of its type URI), the sentence for the client, the field if any."""

    def __init__(
        self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None, field: str = ""
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = headers
        self.errors = [{"field": field, "detail": detail}] if field else []


def problem(
    status: int,
    detail: str,
    kind: str | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document; without a kind its type is ``about:blank``, which means no more than the status."""
    document: dict[str, Any] = {
        "type": NAMESPACE + kind if kind else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        document["errors"] = errors
    return Response(orjson.dumps(document), status, headers, MEDIA_TYPE)


def over_limit(status: int, kind: str, field: str, limit: float, detail: str) -> Response:
    """A request of which one part is too large or slow; the connection closes where more of the request may come."""
    headers = {"Connection": "close"} if status in CLOSING else None
    return problem(status, detail, kind, [{"field": field, "detail": detail, "limit": limit}], headers)


def query_too_long(limit: int) -> Response:
    """414 for a query of more than ``limit`` bytes."""
    return over_limit(414, "query-too-long", "query", limit, f"The query may have {limit} bytes at most.")


def body_too_large(limit: int) -> Response:
    """413 for a body of more than ``limit`` bytes."""
    return over_limit(413, "body-too-large", "body", limit, f"The body may have {limit} bytes at most.")


def head_too_large(limit: int) -> Response:
    """431 for a request line and header fields of more than ``limit`` bytes."""
    detail = f"The request line and the header fields may have {limit} bytes together at most."
    return over_limit(431, "head-too-large", "headers", limit, detail)


def too_many_fields(limit: int) -> Response:
    """431 for more than ``limit`` header fields."""
    return over_limit(431, "head-too-large", "headers", limit, f"A request may have {limit} header fields at most.")


def target_too_long(limit: int) -> Response:
    """414 for a path and query of more than ``limit`` bytes."""
    return over_limit(
        414, "target-too-long", "target", limit, f"Path and query may have {limit} bytes together at most."
    )


def too_slow(part: str, seconds: float) -> Response:
    """408 for a head or body that did not arrive in its time."""
    detail = f"The {part} of a request has {seconds:g} s to arrive."
    return over_limit(408, f"{part}-too-slow", part, seconds, detail)


def bad_request(field: str, detail: str, limit: int | str | None = None) -> Response:
    """400 for a request that is malformed, naming the part that is wrong."""
    error = {"field": field, "detail": detail} | ({} if limit is None else {"limit": limit})
    return problem(400, detail, "malformed-request", [error])


def unreadable(field: str, reason: str) -> Response:
    """400 for bytes that the parser cannot read; its reason quotes none of them."""
    return bad_request(field, f"The {field} of the request cannot be read as HTTP/1.1{reason and f': {reason}'}.")


def cut_short(field: str) -> Response:
    """400 for a request whose client ended it within its head or body."""
    return bad_request(field, f"The request ends within its {field}.")


def method_not_allowed(allowed: str = ALLOWED) -> Response:
    """405 with the methods that are allowed."""
    detail = f"This can be asked with {allowed}."
    errors = [{"field": "method", "detail": detail, "limit": allowed}]
    return problem(405, detail, "method-not-allowed", errors, {"Allow": allowed})


def no_such_call() -> Response:
    """404 for a path that is no call."""
    detail = (
        "Nothing is called by this path; a slash too many or too few makes another one. See /docs for what there is."
    )
    return problem(404, detail, "no-such-call", [{"field": "path", "detail": detail}])


def too_many_connections(of: str, limit: int) -> Response:
    """503 for a connection beyond the ``limit`` of this worker, or of one client at this worker."""
    detail = f"This worker keeps {limit} connections{of} and has as many. Close some, or try again in a second."
    errors = [{"field": "connections", "detail": detail, "limit": limit}]
    return problem(503, detail, "too-many-connections", errors, {"Retry-After": "1"})


def origin_refused() -> Response:
    """403 for a request of a browser's page whose origin is not allowed."""
    detail = "Pages of this origin may not send events; ARTWORK_ALLOWED_ORIGINS of the service names those that may."
    return problem(403, detail, "origin-not-allowed", [{"field": "origin", "detail": detail}])


def key_refused(status: int, scope: str) -> Response:
    """401 or 403 as ``Keys.check`` says, with the challenge of RFC 6750."""
    if status == 403:
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        return problem(403, f"This key may not do {scope}.", "scope-missing", headers={"WWW-Authenticate": challenge})
    detail = f"A key with the scope {scope} is needed, as in Authorization: Bearer KEY."
    return problem(401, detail, "key-missing", headers={"WWW-Authenticate": f'Bearer scope="{scope}"'})


def overloaded(limit: int) -> Response:
    """503 for a request beyond the ``limit`` of those in progress, which is lower in a lasting overload."""
    detail = f"This worker now takes {limit} requests at a time and has no fewer in progress. Ask again in a second."
    return problem(503, detail, "overloaded", headers={"Retry-After": "1"})


def unexpected() -> Response:
    """500 without internals."""
    return problem(500, "The service met an unexpected error; its log has the details.")


def invalid_request(errors: Sequence[Mapping[str, Any]], left_out: int = 0) -> Response:
    """422 with an entry per wrong field: ``field``, ``detail`` and, where there is one, ``limit``."""
    fields = ", ".join(dict.fromkeys(str(item["field"]) for item in errors))
    more = f" and {left_out} more" if left_out else ""
    return problem(422, f"The request is wrong in: {fields}{more}.", "invalid-request", errors)


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""
    app.add_exception_handler(ProblemError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _refused(_request: Request, error: Exception) -> Response:
    refusal = cast("ProblemError", error)
    return problem(refusal.status, refusal.detail, refusal.kind, refusal.errors, refusal.headers)


async def _invalid(_request: Request, error: Exception) -> Response:
    return invalid_request([_field_error(item) for item in cast("RequestValidationError", error).errors()])


def _field_error(item: Mapping[str, Any]) -> dict[str, Any]:
    """Field, sentence and limit of one complaint; a list's item is named by its list."""
    names = [part for part in item["loc"][1:] if isinstance(part, str)]
    limit = next((value for name, value in item.get("ctx", {}).items() if name in LIMITS), None)
    error = {"field": ".".join(names) or str(item["loc"][0]), "detail": item["msg"]}
    return error if limit is None else error | {"limit": limit}


async def _http(_request: Request, error: Exception) -> Response:
    refusal = cast("HTTPException", error)
    if refusal.status_code == 404:
        return no_such_call()
    if refusal.status_code == 405:
        allowed = {method.strip() for method in (refusal.headers or {}).get("Allow", "").split(",")}
        return method_not_allowed(", ".join(sorted(allowed | ({"HEAD"} if "GET" in allowed else set()))))
    return problem(refusal.status_code, f"{refusal.detail}. See /docs for what can be asked.", headers=refusal.headers)


async def _unexpected(_request: Request, _error: Exception) -> Response:
    return unexpected()
