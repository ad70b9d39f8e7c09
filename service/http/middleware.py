"""Counts and times every request, as plain ASGI: one wrapped ``send``, no task and no stream between."""

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.metrics.metrics import UNMATCHED, Metrics


class RequestMetrics:
    """Observes status and latency by route. Requests without a route share one label, so that nobody can grow them."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on and observe what comes of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status = 500

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        finally:
            route = getattr(scope.get("route"), "path_format", UNMATCHED)
            self._metrics.answered(route, status, perf_counter() - started)
