"""A stage for tests of the controller: a workspace, a token that is known, and a note of what was pressed."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from httpx import URL, ASGITransport, AsyncClient, Cookies, Response

from artwork.web.app import build_app
from artwork.web.stage import BusyError, Figures, Mark
from bandit.errors import InputError
from bandit.simulation.world import World
from batch.workspace.workspace import Workspace

PORT = 8000
PAGE = f"http://127.0.0.1:{PORT}"
TOKEN = "a-token-of-this-run"  # noqa: S105 - of a stage in a test
COOKIE = {f"artwork_{PORT}": TOKEN}
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


@dataclass
class NotedStage:
    """Says what it was made with, and keeps what was pressed; ``pace`` is always refused, ``pause`` is never possible."""

    workspace: Workspace
    service: str = ""
    token: str = TOKEN
    seed: int = 7
    origin: str | None = None
    demo: bool = True
    world: World | None = None
    controls: Sequence[str] = ("play", "pause", "pace")
    shown: Figures = field(default_factory=lambda: Figures(now=NOW, phase="visits"))
    pressed: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def figures(self) -> Figures:
        return self.shown

    def press(self, action: str, arguments: dict[str, Any]) -> Mark:
        if action == "pause":
            raise BusyError("a night is at work; try again when it is over")
        if action == "pace":
            raise InputError("seconds_per_day is -1, expected a number from 0 to 600")
        self.pressed.append((action, arguments))
        return Mark("m1", NOW, NOW, 1, action, "the days go on")


def nowhere() -> NotedStage:
    """A stage whose workspace is not there, as before a demo has made one."""
    return NotedStage(Workspace(Path("/nonexistent/workspace")))


class Client:
    """Asks the controller in this process, between the start and the end of its lifespan, with the cookies of a browser."""

    def __init__(self, stage: NotedStage, *, image_hosts: Sequence[str] = ()) -> None:
        self.stage = stage
        self._app = build_app(stage, image_hosts)
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()

    def __enter__(self) -> Self:
        self._runner.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    @property
    def cookies(self) -> Cookies:
        """What the browser keeps."""
        return self._http.cookies

    def ask(self, method: str, target: str, content: bytes | None = None, **headers: str | Sequence[str]) -> Response:
        """Ask for a target as it is: no step through its path is taken, nothing is encoded. A field may have several values."""
        given = {
            name.replace("_", "-"): [value] if isinstance(value, str) else value for name, value in headers.items()
        }
        fields = [(name, value) for name, values in given.items() for value in values]
        url = URL(PAGE, raw_path=target.encode())
        return self._runner.run(self._http.request(method, url, content=content, headers=fields))

    def get(self, target: str, **headers: str | Sequence[str]) -> Response:
        return self.ask("GET", target, None, **headers)

    def press(self, action: str, content: bytes | None = None) -> Response:
        """As the page does."""
        return self.ask("POST", f"/api/control/{action}", content, Origin=PAGE)

    async def _start(self) -> None:
        await self._stack.enter_async_context(self._app.router.lifespan_context(self._app))
        http = AsyncClient(transport=ASGITransport(self._app, raise_app_exceptions=False), cookies=COOKIE)
        self._http = await self._stack.enter_async_context(http)
