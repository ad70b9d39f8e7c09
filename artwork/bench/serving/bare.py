"""The least ASGI application over the service's own ``LookUp``: what is left of a look-up's time is its server's.

It answers right single look-ups and has no limits, refusals or metrics of HTTP. Every server starts ``app``; run as a module, it
is fastpysgi that does, whose own command gives no choice of a loop.
"""

import re
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from typing import Any, Final, cast

from bandit.snapshot import ID_PATTERN
from service.app import create_app
from service.http.state import Service
from service.settings import load_settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_single: Final = re.compile(f"/v1/users/({ID_PATTERN})/titles/({ID_PATTERN})/artwork").fullmatch


class Bare:
    """Settings and store are those of ``artwork serve``, read from the environment when the server says that it starts."""

    _service: Service

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One ASGI call: the server's life, or a request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        asked = _single(scope["path"])
        serving = self._service.serving()
        title = asked and serving.titles.get(asked[2].encode())
        if not asked or not title:
            await _answer(send, 404, b"{}")
            return
        user, look_up = asked[1].encode(), self._service.look_up
        await _answer(send, 200, look_up.single(serving, user, title, await look_up.read(serving, user)))

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            app = create_app(load_settings())
            lifespan: Any = app.router.lifespan_context(app)
            state = await stack.enter_async_context(lifespan)
            self._service = cast("Service", state["service"])
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


async def _answer(send: Send, status: int, body: bytes) -> None:
    fields = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


app = Bare()


def run_fastpysgi(host: str, port: int) -> None:
    """Serve until the process ends, with the settings that answered most."""
    import fastpysgi  # noqa: PLC0415 - an extra
    import uvloop  # noqa: PLC0415

    fastpysgi.server.loop = uvloop.new_event_loop()  # with asyncio's own loop it answers half as much
    fastpysgi.server.loop_timeout = 0  # by default it rests 3 ms where only the store could wake it
    fastpysgi.run(app, host, port)


if __name__ == "__main__":
    run_fastpysgi(sys.argv[1], int(sys.argv[2]))
