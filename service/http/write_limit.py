"""Gives up clients who ask and do not read: their answers wait in the service, and keep places that others need."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.http.limits import WRITE_SECONDS


class WriteLimit(HttpToolsProtocol):
    """A connection that is cut once its client has taken nothing off the answers that wait for it for ``write_seconds``.

    An answer waits where socket and buffer are full: a client who reads at all, or who waits for one answer before it asks
    again, does not get there.
    """

    write_seconds = WRITE_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._write_timer: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """The buffer is full: the time to empty it runs."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads."""
        self._stop_write_timer()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_write_timer()
        super().connection_lost(exc)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
