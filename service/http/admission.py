"""What a call of the interface passes before FastAPI's routes: the bound on requests in progress, origin, key, length of query.

ASGI middleware checks it and not dependencies, because a request that is refused has to cost little. Look-ups on the fast
path pass the same checks in ``service.http.connection``.
"""

from typing import Final
from urllib.parse import unquote

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.http.calls import EVENTS, INTERFACE, route_of
from service.http.cross_origin import may_send_events, preflight, telling
from service.http.problems import key_refused, origin_refused, overloaded, query_too_long
from service.http.state import Service
from service.keys import EVENTS as EVENTS_SCOPE
from service.keys import LOOKUP
from service.keys import Scope as KeyScope

_PERCENT: Final = ord("%")
"""A number, because Python takes eight times as long to look for a byte that is given as bytes."""


class Admission:
    """Refuses a call that may not be made now, or not by this client; counts those in progress."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _PERCENT in scope["raw_path"]:
            scope["path"] = path_of(scope["raw_path"])
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # the server drops the body, as its own scope says HEAD
        if not scope["path"].startswith(INTERFACE):
            await self._app(scope, receive, send)
            return
        service: Service = scope["state"]["service"]
        refusal = None
        if service.origins:
            send = telling(scope, service.origins, send)
            refusal = preflight(scope, service.origins)
        is_events = scope["path"] == EVENTS
        if refusal is None:
            refusal = _events_refusal(service, scope) if is_events else _look_up_refusal(service, scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            service.metrics.refused(route_of(scope["raw_path"]), refusal.status_code)
            return
        if is_events:
            service.events_in_progress += 1
        else:
            service.in_progress += 1
        try:
            await self._app(scope, receive, send)
        finally:
            if is_events:
                service.events_in_progress -= 1
            else:
                service.in_progress -= 1


def path_of(raw_path: bytes) -> str:
    """The path without percent-encoding, except of slashes and line ends: one segment stays one segment, and names one id.

    Routes overlook a line end behind a path, so it would lead to a call past the checks that go by the path.
    """
    segments = raw_path.decode("ascii").split("/")
    return "/".join(unquote(segment).replace("/", "%2F").replace("\n", "%0A") for segment in segments)


def _look_up_refusal(service: Service, scope: Scope) -> Response | None:
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
