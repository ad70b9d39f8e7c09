"""A proxy in front of a store that delays its answers and counts who connects."""

import asyncio
import random
import threading
from contextlib import suppress
from math import inf, nextafter
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_CHUNK_BYTES: Final = 65536


class DelayingProxy:
    """Listens on a free port of loopback, or at a path, and hands on to a unix socket; runs in a thread of its own.

    Answers are held back for ``delay_ms``, or only a share of them, drawn at random; both may be changed at any time. They keep
    their order and come as close to each other as before. Where the socket does not answer, the connection is closed at once.
    """

    def __init__(self, socket: Path, delay_ms: float = 0.0, path: Path | None = None) -> None:
        self.delay_ms = delay_ms
        self.late_share = 1.0
        self.accepted = 0
        """Connections so far."""
        self.most_open = 0
        """The largest number of connections at one time."""
        self.port = 0
        self._socket = socket
        self._path = path
        self._open = 0
        self._chance = random.Random(1)  # noqa: S311 - the same answers are late in every run
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The store's URL through the proxy."""
        return f"redis://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    async def _listen(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, str(self._path))
            return
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        assert self._server is not None  # noqa: S101 - made by _listen, which came first
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._between(reader, writer)
        finally:
            self._open -= 1
            writer.close()

    async def _between(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand on in both directions until one side closes."""
        from_store, to_store = await asyncio.open_unix_connection(str(self._socket))
        directions = (
            asyncio.create_task(_hand_on(reader, to_store)),
            asyncio.create_task(self._hand_on_late(from_store, writer)),
        )
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            to_store.close()

    async def _hand_on_late(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        due = 0.0
        while chunk := await reader.read(_CHUNK_BYTES):
            is_late = self._chance.random() < self.late_share
            # A moment after the one before at least: what is due at the same time comes in any order.
            due = max(nextafter(due, inf), self._loop.time() + is_late * self.delay_ms / 1000)
            self._loop.call_at(due, writer.write, chunk)


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        writer.write(chunk)
