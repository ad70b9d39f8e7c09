"""Live figures: sampled in one place, however many pages are open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from artwork.web.stage import Stage

TICK_SECONDS: Final = 0.5
"""Between two samples: at most four events a second are promised, and more than two are no news."""
MAX_PAGES: Final = 32


class Live:
    """The newest figures, and the streams that tell of them."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._document = b""
        self._pages = 0
        self._ticked = asyncio.Condition()
        self._stopping = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sample until the application ends."""
        sampling = asyncio.create_task(self._sample())
        try:
            yield
        finally:
            sampling.cancel()
            with suppress(asyncio.CancelledError):
                await sampling

    def document(self, *, history: bool) -> bytes:
        """The newest figures as JSON."""
        del history
        return orjson.dumps(self._figures(), option=orjson.OPT_UTC_Z)

    async def stream(self) -> AsyncIterator[bytes]:
        """Server-sent events, one a sample."""
        while not self._stopping:
            yield b"event: live\ndata: " + self._document + b"\n\n"
            async with self._ticked:
                await self._ticked.wait()

    def stop(self) -> None:
        """End every stream."""
        self._stopping = True

    async def _sample(self) -> None:
        while True:
            self._document = self.document(history=False)
            async with self._ticked:
                self._ticked.notify_all()
            await asyncio.sleep(TICK_SECONDS)

    def _figures(self) -> dict[str, Any]:
        figures = asdict(self._stage.figures())
        return {"at": datetime.now(UTC), **figures, "store": {"state": figures["store"], "memory_bytes": None}}
