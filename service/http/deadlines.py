"""What a client has to do in time: to send a head, the rest of a request or the next one, and to read its answers."""

import asyncio
from collections.abc import Callable
from math import inf


class Deadlines:
    """The deadlines of one connection, on one timer, which is set anew only where it would ring too late.

    Args:
        transport: cut off where the client has not read in time.
        on_late: called where the client has not sent in time.
    """

    def __init__(self, transport: asyncio.Transport, on_late: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport, self._on_late = transport, on_late
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = inf
        self._due = self._write_due = inf

    def wait(self, seconds: float) -> None:
        """From now on, the client has so long to send what it has to send."""
        self._due = self._loop.time() + seconds
        if self._due < self._wakes_at:
            self._wake_at(self._due)

    def wait_no_more(self) -> None:
        """The client has to send nothing."""
        self._due = inf

    def wait_for_reading(self, seconds: float) -> None:
        """From now on, the client has so long to read."""
        self._write_due = self._loop.time() + seconds
        if self._write_due < self._wakes_at:
            self._wake_at(self._write_due)

    def has_read(self) -> None:
        """The client has read."""
        self._write_due = inf

    def end(self) -> None:
        """The connection is gone: no timer is set again."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._wakes_at = None, -inf

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._wakes_at = when
        self._timer = self._loop.call_at(when, self._on_time)

    def _on_time(self) -> None:
        now = self._loop.time()
        self._timer, self._wakes_at = None, inf
        if now >= self._write_due:
            self._transport.abort()
            return
        if now >= self._due:
            self._due = inf
            self._on_late()
        if not self._transport.is_closing() and (due := min(self._due, self._write_due)) < inf:
            self._wake_at(due)
