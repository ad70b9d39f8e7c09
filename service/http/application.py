"""The application: every call of the interface passes its checks before FastAPI sees it.

They are, in this order, the bound on requests in progress (events have one of their own), the origin of events, the key and the
length of the query. Then a plain look-up takes the
fast path (``service.http.fast_path``), which skips FastAPI's stack; that alone costs more than a look-up. Everything else takes
the slow path, FastAPI's routes.
"""

from time import perf_counter
from typing import Final
from urllib.parse import unquote

import structlog
from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.http.cross_origin import may_send_events, preflight, told
from service.http.fast_path import EVENTS, fast_answer, route_of
from service.http.problems import key_refused, origin_refused, overloaded, query_too_long, unexpected
from service.http.state import Service
from service.keys import EVENTS as EVENTS_SCOPE
from service.keys import LOOKUP
from service.keys import Scope as KeyScope
from service.metrics.metrics import UNMATCHED

logger = structlog.get_logger()

INTERFACE: Final = "/v1/"
_PERCENT: Final = ord("%")
"""A number, because Python takes eight times as long to look for a byte that is given as bytes."""
_JSON: Final = (b"content-type", b"application/json")


class Application(FastAPI):
    """FastAPI behind these checks."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        if _PERCENT in scope["raw_path"]:
            scope["path"] = path_of(scope["raw_path"])
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # the server drops the body, as its own scope says HEAD
        if not scope["path"].startswith(INTERFACE):
            await super().__call__(scope, receive, send)
            return
        service: Service = scope["state"]["service"]
        is_events = scope["path"] == EVENTS
        early = None
        if service.origins:
            send = told(scope, service.origins, send)
            early = preflight(scope, service.origins)
        if early is None:
            early = _events_refusal(service, scope) if is_events else _refusal(service, scope)
        if early is not None:
            await early(scope, receive, send)
            service.metrics.refused(route_of(scope["raw_path"]), early.status_code)
            return
        if is_events:
            await self._take_events(service, scope, receive, send)
            return
        service.in_progress += 1
        try:
            if not await _answered_fast(service, scope, receive, send):
                await super().__call__(scope, receive, send)
        finally:
            service.in_progress -= 1

    async def _take_events(self, service: Service, scope: Scope, receive: Receive, send: Send) -> None:
        service.events_in_progress += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            service.events_in_progress -= 1


def path_of(raw_path: bytes) -> str:
    """The path without percent-encoding, except of slashes: one segment stays one segment, and names one id."""
    return "/".join(unquote(segment).replace("/", "%2F") for segment in raw_path.decode("ascii").split("/"))


def _refusal(service: Service, scope: Scope) -> Response | None:
    if service.in_progress >= service.settings.max_waiting:
        return overloaded(service.settings.max_waiting)
    return _key_or_query_refusal(service, scope, LOOKUP)


def _events_refusal(service: Service, scope: Scope) -> Response | None:
    if service.events_in_progress >= service.settings.max_event_requests:
        service.metrics.events_refused("busy")
        return overloaded(service.settings.max_event_requests)
    if not may_send_events(scope, service.origins):
        service.metrics.events_refused("origin")
        return origin_refused()
    return _key_or_query_refusal(service, scope, EVENTS_SCOPE)


def _key_or_query_refusal(service: Service, scope: Scope, of: KeyScope) -> Response | None:
    if service.keys is not None and (status := service.keys.check(scope["headers"], of)):
        return key_refused(status, of)
    if len(scope["query_string"]) > service.settings.max_query_bytes:
        return query_too_long(service.settings.max_query_bytes)
    return None


def _states_body(scope: Scope) -> bool:
    """Whether the request has a body by its head; only the slow path bounds bodies."""
    for name, _ in scope["headers"]:  # noqa: SIM110 - any() takes three times as long, for every look-up
        if name == b"content-length":
            return True
    return False


async def _answered_fast(service: Service, scope: Scope, receive: Receive, send: Send) -> bool:
    """Answer on the fast path where the request allows it; the slow path has its own metrics."""
    serving = service.poller.serving
    if serving is None or scope["method"] != "GET" or _states_body(scope):
        return False
    started = perf_counter()
    try:
        answer = await fast_answer(service.look_up, serving, scope, service.settings.max_titles)
    except Exception:
        logger.exception("look_up_failed")
        await unexpected()(scope, receive, send)
        service.metrics.answered(UNMATCHED, 500, perf_counter() - started)
        return True
    if answer is None:
        return False
    route, body = answer
    await send(
        {"type": "http.response.start", "status": 200, "headers": [_JSON, (b"content-length", b"%d" % len(body))]}
    )
    await send({"type": "http.response.body", "body": body})
    service.metrics.answered(route, 200, perf_counter() - started)
    return True
