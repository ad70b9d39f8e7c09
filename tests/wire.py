"""Bytes to and from a service on loopback: what is sent is no client's HTTP, what comes back has to be HTTP to the letter."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import uvicorn
import uvloop
from asgi import published
from fastapi import FastAPI

from service.app import create_app
from service.http.connection import Connection
from service.http.departure import Departure
from service.http.state import Service
from service.lookup.store import MemoryStore
from service.settings import Settings

HANG_SECONDS = 20.0
Result = TypeVar("Result")
LOOK_UP = "/v1/users/ann/titles/t0/artwork"
PAGE = "/v1/users/ann/artwork?title_id=t1"
_STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Za-z' -]+")
_FIELD = re.compile(rb"([a-z-]+): ([\x20-\x7e]*)")


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The document of a refusal."""
        assert self.fields["content-type"] == "application/problem+json"
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        return document

    @property
    def wrong(self) -> list[str]:
        """The fields that a refusal names."""
        return [error["field"] for error in self.problem["errors"]]

    @property
    def closes(self) -> bool:
        """Whether it announces that the connection ends."""
        return self.fields.get("connection") == "close"


def request(target: str = LOOK_UP, *fields: str, method: str = "GET", version: str = "1.1", host: str = "s") -> bytes:
    """The head of a request; without a Host field where ``host`` is empty."""
    lines = [f"{method} {target} HTTP/{version}", *([f"Host: {host}"] if host else []), *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


LAST = request("/livez", "Connection: close")
"""A request that ends its connection."""


def answers(received: bytes, without_body: bool = False) -> list[Answer]:
    """All the responses in what was received, to the last byte."""
    found = []
    while received:
        head, end, received = received.partition(b"\r\n\r\n")
        assert end, head
        first, *lines = head.split(b"\r\n")
        status = _STATUS_LINE.fullmatch(first)
        assert status, first
        pairs = [_FIELD.fullmatch(line) for line in lines]
        assert all(pairs), lines
        fields = {pair[1].decode(): pair[2].decode() for pair in pairs if pair}
        assert len(fields) == len(lines), lines
        length = 0 if without_body else int(fields["content-length"])
        assert len(received) >= length
        found.append(Answer(int(status[1]), fields, received[:length]))
        received = received[length:]
    return found


@dataclass(frozen=True)
class Running:
    """An application behind ``artwork serve``'s protocol, in this process."""

    port: int
    service: Service
    connections: set[Connection]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def send(self, *pieces: bytes, half_close: bool = False) -> bytes:
        """What comes back until the service closes."""
        reader, writer = await self.connect()
        with suppress(ConnectionError):  # it may close before it has read all
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                if len(pieces) > 1:
                    await asyncio.sleep(0.01)  # so that pieces are reads of their own; nothing depends on it
            if half_close:
                writer.write_eof()
        received = await reader.read()
        writer.close()
        return received

    async def ask(self, *pieces: bytes, half_close: bool = False) -> list[Answer]:
        """The answers until the service closes."""
        return answers(await self.send(*pieces, half_close=half_close))


class Here:
    """A loop in this process with an application on it."""

    def __init__(self, runner: asyncio.Runner, running: Running) -> None:
        self._runner = runner
        self.running = running

    def play(self, scenario: Callable[[Running], Awaitable[None]]) -> None:
        """A scenario to its end."""
        self._runner.run(_bounded(scenario(self.running)))

    def run(self, awaited: Awaitable[Result]) -> Result:
        """What it comes to on this loop."""
        return self._runner.run(_bounded(awaited))

    def asked(self, *pieces: bytes, half_close: bool = False) -> list[Answer]:
        """The answers to bytes on a connection of their own, until the service closes it."""
        return answers(self.received(*pieces, half_close=half_close))

    def received(self, *pieces: bytes, half_close: bool = False) -> bytes:
        """The same as it comes."""
        return self._runner.run(_bounded(self.running.send(*pieces, half_close=half_close)))


async def _bounded(awaited: Awaitable[Result]) -> Result:
    async with asyncio.timeout(HANG_SECONDS):
        return await awaited


@contextmanager
def service_here(
    protocol: type[Connection] = Connection, store: MemoryStore | None = None, **settings: Any
) -> Iterator[Here]:
    """An application on the kind of loop that ``artwork serve`` runs on, for as long as the block."""
    app = create_app(Settings(poll_seconds=3600, **settings), store or MemoryStore(published()))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        stack = AsyncExitStack()
        try:
            yield Here(runner, runner.run(_started(app, protocol, stack)))
        finally:
            runner.run(stack.aclose())


async def _started(app: FastAPI, protocol: type[Connection], stack: AsyncExitStack) -> Running:
    lifespan: Any = app.router.lifespan_context(app)
    state = dict(await stack.enter_async_context(lifespan))
    config = uvicorn.Config(app, http=protocol, ws="none", access_log=False, log_config=None)
    shared, loop = Departure(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(config, shared, state), "127.0.0.1", 0)
    connections = cast("set[Connection]", shared.connections)

    async def end() -> None:
        server.close()
        for connection in tuple(connections):
            connection.transport.abort()
        while connections:
            await asyncio.sleep(0)

    stack.push_async_callback(end)
    return Running(server.sockets[0].getsockname()[1], state["service"], connections)


def against(
    scenario: Callable[[Running], Awaitable[None]],
    protocol: type[Connection] = Connection,
    store: MemoryStore | None = None,
    **settings: Any,
) -> None:
    """Play a scenario against an application of its own."""
    with service_here(protocol, store, **settings) as here:
        here.play(scenario)
