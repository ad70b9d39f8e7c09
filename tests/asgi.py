"""The application in this process, with a store in memory."""

import asyncio
import struct
from contextlib import AsyncExitStack
from typing import Any, Self, cast

from httpx import URL, ASGITransport, AsyncClient, Response
from starlette.types import Receive, Scope, Send

from bandit.snapshot import (
    CURRENT_KEY,
    Catalogue,
    CatalogueTitle,
    Current,
    Meta,
    Segment,
    Signals,
    encode_catalogue,
    encode_json,
    encode_row,
    meta_key,
    pack_weights,
    part_key,
    row_key,
)
from service.app import create_app
from service.events.appending import MemoryEventLog
from service.http.state import Service
from service.lookup.row_reads import Take
from service.lookup.store import MemoryStore
from service.settings import Settings

SETTINGS = Settings(poll_seconds=3600)
IDENTITY = "5" * 32
SEGMENTS = (
    Segment("NL-tv", Signals("NL", "tv")),
    Segment("NL", Signals("NL")),
    Segment("night", Signals(hours="night")),
)
PACKED = pack_weights(((1, 65534), (5535, 60000), (30000, 35535)))
TITLES = tuple(CatalogueTitle(f"t{n}", (f"t{n}-a", f"t{n}-b"), 0, (60000, 5535), PACKED) for n in range(3))


def published() -> dict[str, bytes]:
    digest, parts = encode_catalogue(Catalogue(TITLES, "beta", SEGMENTS))
    meta = Meta(
        5,
        IDENTITY,
        7,
        "manifest",
        digest,
        len(parts),
        1,
        len(TITLES),
        2 * len(TITLES),
        ("thompson",),
        "2026-01-01T00:00:00Z",
        len(SEGMENTS),
    )
    return {
        CURRENT_KEY: encode_json(Current(5, IDENTITY, 9)),
        meta_key(5): encode_json(meta),
        row_key(5, "ann"): encode_row("ann", 5, IDENTITY, 0, struct.pack("<BH", 1, 13107) * len(TITLES)),
        **{part_key(digest, number): part for number, part in enumerate(parts)},
    }


class SlowStore(MemoryStore):
    """The store of ``published``, whose rows come when they are let."""

    def __init__(self) -> None:
        super().__init__(published())
        self.let = asyncio.Event()
        self._waiting: set[asyncio.Task[None]] = set()

    def read_into(self, key: bytes, take: Take) -> None:
        self._waiting.add(asyncio.get_running_loop().create_task(self._late(key, take)))

    async def _late(self, key: bytes, take: Take) -> None:
        await self.let.wait()
        super().read_into(key, take)


class Client:
    """Asks an application in this process, between the start and the end of its lifespan."""

    def __init__(self, store: MemoryStore, settings: Settings = SETTINGS, events: MemoryEventLog | None = None) -> None:
        self._app = create_app(settings, store, events=events)
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._state: Any = None

    def __enter__(self) -> Self:
        self._runner.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def get(self, url: str, params: dict[str, Any] | None = None) -> Response:
        return self._runner.run(self._http.get(url, params=params))

    def get_raw(self, target: str) -> Response:
        """The same without what a client does to a path: no step through it is taken, nothing is encoded."""
        return self._runner.run(self._http.get(URL("http://service", raw_path=target.encode())))

    @property
    def service(self) -> Service:
        """The parts of the running application."""
        return cast("Service", self._state["service"])

    def post(self, url: str, content: bytes | None = None, **headers: str) -> Response:
        return self.ask("POST", url, content, **headers)

    def ask(self, method: str, url: str, content: bytes | None = None, **headers: str) -> Response:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._runner.run(self._http.request(method, url, content=content, headers=fields))

    async def _start(self) -> None:
        self._state = await self._stack.enter_async_context(self._app.router.lifespan_context(self._app))
        transport = ASGITransport(self._with_state, raise_app_exceptions=False)
        self._http = await self._stack.enter_async_context(AsyncClient(transport=transport, base_url="http://service"))

    async def _with_state(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "state": dict(self._state)}, receive, send)


def problem_of(response: Response, status: int) -> dict[str, Any]:
    """The document of a refusal, checked for what every problem document has."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert {"type", "title", "detail"} <= document.keys()
    return document
