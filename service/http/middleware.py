"""ASGI middleware around FastAPI's routes: a bound on the body, and the metrics of every request.

Plain ASGI, so that no task and no stream stands between server and route.
"""

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.problems import body_too_large
from service.metrics.metrics import UNMATCHED, Metrics


class BodyLimit:
    """Answers 413 in the application's place once a body is larger than ``max_bytes``, however it is framed.

    A stated Content-Length beyond the limit is refused before the application is asked and before a byte is read. A body
    that turns out too large (it came in chunks) is refused when its first byte too many arrives; for the application it then
    looks as if the client had gone, which it can handle, and its answer is dropped. Raising from ``receive``
    instead would be taken for a body that cannot be parsed, and answered 400.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._refusal = body_too_large(max_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _stated_bytes(scope) > self._max_bytes:
            await self._refusal(scope, receive, send)
        else:
            await self._app(scope, *self._counted(scope, receive, send))

    def _counted(self, scope: Scope, receive: Receive, send: Send) -> tuple[Receive, Send]:
        read_bytes = 0
        started = refused = False

        async def counted_receive() -> Message:
            nonlocal read_bytes, refused
            if refused:
                return {"type": "http.disconnect"}
            message = await receive()
            read_bytes += len(message.get("body", b""))
            if read_bytes <= self._max_bytes:
                return message
            refused = True
            if not started:
                await self._refusal(scope, receive, send)
            return {"type": "http.disconnect"}

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if refused and not started:
                return
            started = True
            await send(message)

        return counted_receive, guarded_send


def _stated_bytes(scope: Scope) -> int:
    """The Content-Length, 0 where there is none; the server has refused those that are not a number."""
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)


class RequestMetrics:
    """Counts and times answers by route. Those without a route share one label: clients cannot make labels.

    Where the server says that the client is gone, or that it has refused the request, what the application answers reaches
    nobody and is not counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, then count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status, is_begun, is_gone = 500, False, False

        async def observed_receive() -> Message:
            nonlocal is_gone
            message = await receive()
            is_gone = is_gone or (message["type"] == "http.disconnect" and not is_begun)
            return message

        async def observed_send(message: Message) -> None:
            nonlocal status, is_begun
            if message["type"] == "http.response.start":
                status, is_begun = message["status"], True
            await send(message)

        try:
            await self._app(scope, observed_receive, observed_send)
        finally:
            if not is_gone:
                route = getattr(scope.get("route"), "path_format", UNMATCHED)
                self._metrics.answered(route, status, perf_counter() - started)
