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
LIMITS = ("max_length", "min_length", "le", "ge", "pattern")
"""Where the validator's context names the limit that was passed."""


class ProblemError(Exception):
    """A refusal with its status, the kind of problem (the end of its type URI) and what to say."""

    def __init__(self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = headers


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


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    app.add_exception_handler(ProblemError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _refused(_request: Request, error: Exception) -> Response:
    refusal = cast("ProblemError", error)
    return problem(refusal.status, refusal.detail, refusal.kind, headers=refusal.headers)


async def _invalid(_request: Request, error: Exception) -> Response:
    errors = [_field_error(item) for item in cast("RequestValidationError", error).errors()]
    fields = ", ".join(dict.fromkeys(item["field"] for item in errors))
    return problem(422, f"The request is wrong in: {fields}.", "invalid-request", errors)


def _field_error(item: Mapping[str, Any]) -> dict[str, Any]:
    """Field, sentence and limit of one complaint; a list's item is named by its list."""
    names = [part for part in item["loc"][1:] if isinstance(part, str)]
    limit = next((value for name, value in item.get("ctx", {}).items() if name in LIMITS), None)
    found = {"field": ".".join(names) or str(item["loc"][0]), "detail": item["msg"]}
    return found if limit is None else found | {"limit": limit}


async def _http(_request: Request, error: Exception) -> Response:
    refusal = cast("HTTPException", error)
    return problem(refusal.status_code, f"{refusal.detail}. See /docs for what can be asked.", headers=refusal.headers)


async def _unexpected(_request: Request, _error: Exception) -> Response:
    return problem(500, "The service met an unexpected error; its log has the details.")
