"""The streams that events are appended to, on a connection of their own: a slow append delays no row read.

One request is one entry, so all of its events are stored or none. An entry counts as stored once the store has said so, and
not before: everything else is a ``NotAppendedError``, which tells whether the entry may be there all the same.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

import orjson
import structlog
from hiredis import ReplyError

from bandit.snapshot import EVENTS_VERSION, event_stream_key, id64
from bandit.urls import hide_secrets, secrets_of
from service.lookup.row_reads import end
from service.lookup.store_link import StoreConnection, StoreLink, packed
from service.metrics.health import Health
from service.metrics.metrics import Metrics

logger = structlog.get_logger()

REFRESH_SECONDS: Final = 1.0
"""Between two looks at the lengths of the streams: after a refusal for length, entries are taken again so soon."""
MOST_WAITING: Final = 1000
"""Replies that are waited for, beyond which lengths are not asked for in addition."""
QUIET_SECONDS: Final = 10.0
"""Between two lines about appends that failed; metrics count each of them."""
LONGEST_REASON: Final = 200
REASONS: Final = {"OOM": "memory", "READONLY": "readonly", "LOADING": "loading", "MASTERDOWN": "readonly"}
"""What the first word of an error reply means; any other is a ``reply``."""
DETAILS: Final = {
    "connection": "The store of events cannot be reached",
    "lost": "The connection to the store of events broke before it answered",
    "timeout": "The store of events did not answer in time",
    "full": "The stream of events is as long as it may be; `artwork ingest` shortens it",
    "memory": "The store of events is out of memory",
    "readonly": "The store of events takes no writes",
    "loading": "The store of events is loading its data",
    "reply": "The store of events answered with an error",
}
MAYBE_STORED: Final = ("lost", "timeout")

Entry = list[dict[str, Any]]


class NotAppendedError(Exception):
    """An entry was not appended, as far as is known; ``reason`` is a key of ``DETAILS``."""

    def __init__(self, reason: str) -> None:
        super().__init__(DETAILS[reason])
        self.reason = reason
        self.may_be_stored = reason in MAYBE_STORED


class EventLog(Protocol):
    """Where events go."""

    async def append(self, received: int, events: Entry) -> None:
        """Store the events of one request, received at a time in microseconds since 1970.

        Raises:
            NotAppendedError: they are not known to be stored.
        """

    async def close(self) -> None:
        """Give up; never raises."""


class MemoryEventLog:
    """Entries in a list. ``trouble`` makes it fail like a store with that trouble."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, Entry]] = []
        self.trouble: str | None = None

    async def append(self, received: int, events: Entry) -> None:
        """See ``EventLog``."""
        if self.trouble is not None:
            raise NotAppendedError(self.trouble)
        self.entries.append((received, events))

    async def close(self) -> None:
        """There is nothing to close."""


class EventStreams:
    """The streams of the store behind a URL.

    Args:
        url: of the store.
        partitions: how many streams there are.
        max_entries: that a stream may have.
        deadline_ms: how long an entry waits for the store's answer.
        metrics: that are counted in.
        health: that is told of troubles.
    """

    def __init__(
        self, url: str, *, partitions: int, max_entries: int, deadline_ms: float, metrics: Metrics, health: Health
    ) -> None:
        self._keys = [event_stream_key(partition) for partition in range(partitions)]
        self._max_entries = max_entries
        self._deadline_seconds = deadline_ms / 1000
        self._metrics = metrics
        self._health = health
        self._secrets = secrets_of(url)
        self._loop = asyncio.get_running_loop()
        self._logged_at = -QUIET_SECONDS
        self._lengths = [0] * partitions
        self._sent = [0] * partitions  # entries without an answer
        self._waiting: deque[Callable[[object], None]] = deque()
        self._answered_at = 0.0
        self._trouble = ""
        self._connection: StoreConnection | None = None
        self._lost = self._loop.create_future()
        self._ready = asyncio.Event()
        self._link = StoreLink(url, self._up, self._down)
        self._health.events_failed(DETAILS["connection"])
        self._tasks = [
            self._loop.create_task(self._link.keep(), name="events link"),
            self._loop.create_task(self._refresh(), name="lengths of streams"),
        ]

    async def wait_ready(self, seconds: float) -> None:
        """Wait until entries are taken, at most some seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ready.wait()

    async def close(self) -> None:
        """Give up the connection; entries in flight end without an answer."""
        for task in self._tasks:
            await end(task)
        self._down()

    async def append(self, received: int, events: Entry) -> None:
        """See ``EventLog``."""
        started = self._loop.time()
        try:
            await self._append(received, events)
        except NotAppendedError as error:
            self._trouble = error.reason
            self._health.events_failed(str(error))
            self._log(error.reason, str(error))
            raise
        self._health.events_taken()
        self._metrics.appended(self._loop.time() - started)

    async def _append(self, received: int, events: Entry) -> None:
        partition = id64(events[0]["user_id"]) % len(self._keys)
        connection = self._connection
        if connection is None or not self._ready.is_set():
            raise NotAppendedError("connection")
        if self._lengths[partition] + self._sent[partition] >= self._max_entries:
            raise NotAppendedError("full")
        key = self._keys[partition]
        fields = ("v", EVENTS_VERSION, "received", str(received), "events", orjson.dumps(events))
        answered: asyncio.Future[object] = self._loop.create_future()

        def added(reply: object) -> None:
            self._sent[partition] -= 1
            if not answered.done():
                answered.set_result(reply)

        self._sent[partition] += 1
        self._waiting.extend((added, self._length_of(partition)))
        connection.send(packed("XADD", key, "*", *fields) + packed("XLEN", key))
        await self._answer(answered, connection)

    async def _answer(self, answered: "asyncio.Future[object]", connection: StoreConnection) -> None:
        sent_at = self._loop.time()
        await asyncio.wait((answered, self._lost), timeout=self._deadline_seconds, return_when=asyncio.FIRST_COMPLETED)
        if not answered.done():
            if self._lost.done() or connection is not self._connection:
                raise NotAppendedError("lost")
            if self._answered_at < sent_at:  # a peer that vanished sends no end
                connection.abort()
            raise NotAppendedError("timeout")
        reply = answered.result()
        if isinstance(reply, ReplyError):
            reason = REASONS.get(str(reply).partition(" ")[0], "reply")
            self._log(reason, str(reply))
            raise NotAppendedError(reason)
        if not isinstance(reply, bytes):
            raise NotAppendedError("reply")

    def _length_of(self, partition: int) -> Callable[[object], None]:
        def known(reply: object) -> None:
            if isinstance(reply, int):
                self._lengths[partition] = reply
                if self._trouble == "full" and max(self._lengths) < self._max_entries:
                    self._trouble = ""
                    self._health.events_taken()

        return known

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            self._ask_lengths()

    def _ask_lengths(self) -> None:
        if self._connection is not None and len(self._waiting) < MOST_WAITING:
            self._waiting.extend(self._length_of(partition) for partition in range(len(self._keys)))
            self._connection.send(b"".join(packed("XLEN", key) for key in self._keys))

    def _received(self, reply: object) -> None:
        if not self._waiting:  # a reply to no command: later replies could not be matched
            if self._connection is not None:
                self._connection.abort()
            return
        self._answered_at = self._loop.time()
        self._waiting.popleft()(reply)

    def _up(self, connection: StoreConnection) -> None:
        connection.on_reply = self._received
        self._connection = connection
        self._lost = self._loop.create_future()
        self._ask_lengths()
        self._waiting.append(self._begin)
        connection.send(packed("PING"))

    def _begin(self, reply: object) -> None:
        """The lengths are known: entries are taken from now on."""
        if not isinstance(reply, ReplyError):
            self._ready.set()
            self._health.events_taken()

    def _down(self) -> None:
        self._connection = None
        self._ready.clear()
        self._waiting.clear()
        self._sent = [0] * len(self._keys)
        if not self._lost.done():
            self._lost.set_result(None)
        self._health.events_failed(DETAILS["connection"])

    def _log(self, reason: str, text: str) -> None:
        now = self._loop.time()
        if now - self._logged_at >= QUIET_SECONDS:
            self._logged_at = now
            logger.warning(
                "events_not_appended", reason=reason, error=hide_secrets(text, self._secrets)[:LONGEST_REASON]
            )
