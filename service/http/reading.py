"""What of a connection is read, and when: bytes that wait for their turn, and the pauses that keep them few."""

import asyncio
import re
from collections.abc import Sized
from typing import Final

from uvicorn.protocols.http.flow_control import FlowControl

HEAD_END: Final = b"\r\n\r\n"
_blank_lines: Final = re.compile(rb"[\r\n]+").match


class Kept:
    """Bytes that have arrived and are not looked at yet: of ``data``, those from ``at`` on, which are not copied.

    ``data`` is empty where nothing is kept.
    """

    __slots__ = ("at", "data")

    def __init__(self) -> None:
        self.data, self.at = b"", 0

    def keep(self, data: bytes, at: int) -> None:
        """Keep a read from a place on, in the place of what was kept."""
        self.data, self.at = (data, at) if at < len(data) else (b"", 0)

    def add(self, data: bytes) -> None:
        """Keep what has arrived behind it; that is a read or two, because reading pauses."""
        self.data, self.at = self.data[self.at :] + data, 0

    def take(self) -> tuple[bytes, int]:
        """Keep nothing any more; what was kept."""
        taken = self.data, self.at
        self.data, self.at = b"", 0
        return taken

    def has_head(self) -> bool:
        """Whether there is the end of a head in it."""
        return self.data.find(HEAD_END, self.at) >= 0

    def skip_blank_lines(self) -> None:
        """Empty lines between requests are none."""
        if blank := _blank_lines(self.data, self.at):
            self.keep(self.data, blank.end())


class Flow(FlowControl):
    """Reading goes on only where nothing that was read waits: uvicorn reads on after each answer, whatever is queued.

    So a client that sends without end has a read or two kept, and is not read from until those are answered.

    An answer is written whole, whether its client reads or not: if it waited, it would keep a place among those in progress
    for as long as the client likes. The next request begins when the client has read.

    Args:
        transport: of the connection.
        kept: its bytes that wait.
        queued: its requests that wait.
    """

    def __init__(self, transport: asyncio.Transport, kept: Kept, queued: Sized) -> None:
        super().__init__(transport)
        self._kept, self._queued = kept, queued

    def resume_reading(self) -> None:
        """Read on, unless requests are queued or bytes are kept."""
        if not (self._queued or self._kept.data):
            super().resume_reading()

    async def drain(self) -> None:
        """Wait for nothing."""
