"""The streams that events are appended to, on connections of their own: a slow append delays no row read.

One request is one entry, so all of its events are stored or none. An entry counts as stored once the store has said so, and
not before: everything else is a ``NotAppendedError``, which tells whether the entry may be there all the same.
"""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol, cast

import orjson
import structlog
from hiredis import ReplyError

from bandit.snapshot import EVENTS_VERSION, event_stream_key, id64
from bandit.urls import hide_secrets, secrets_of
from service.events.node import EventNode, Take
from service.lookup.cluster import Slots
from service.lookup.row_reads import end
from service.lookup.store_link import Node, packed
from service.metrics.health import Health
from service.metrics.metrics import Metrics

logger = structlog.get_logger()

REFRESH_SECONDS: Final = 1.0
"""Between two looks at the lengths of the streams: after a refusal for length, entries are taken again so soon."""
READONLY_SECONDS: Final = 1.0
"""How long a store may refuse writes as a replica before its address is looked up again: another one may stand behind it."""
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
    "garbled": "The store of events answered with something else than the id of a new entry",
}
MAYBE_STORED: Final = ("lost", "timeout", "garbled")
_GARBLED: Final = object()
"""Stands for a reply that tells nothing of its entry."""

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
    """The streams of the store or cluster behind a URL.

    Args:
        url: of the store.
        partitions: how many streams there are.
        max_entries: that a stream may have.
        deadline_ms: how long an entry waits for the store's answer.
        metrics: that are counted in.
        health: that is told of troubles.
        slots: which node of a cluster has which stream; None where the store is no cluster.
    """

    def __init__(
        self,
        url: str,
        *,
        partitions: int,
        max_entries: int,
        deadline_ms: float,
        metrics: Metrics,
        health: Health,
        slots: Slots | None = None,
    ) -> None:
        self._url, self._slots = url, slots
        self._keys = [event_stream_key(partition) for partition in range(partitions)]
        self._max_entries = max_entries
        self._deadline_seconds = deadline_ms / 1000
        self._metrics = metrics
        self._health = health
        self._secrets = secrets_of(url)
        self._loop = asyncio.get_running_loop()
        self._logged_at = -QUIET_SECONDS
        self._lengths = [0] * partitions
        self._trouble = ""
        self._ready = asyncio.Event()
        self._nodes: dict[Node | None, EventNode] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._health.events_failed(DETAILS["connection"])
        self._task = self._loop.create_task(self._refresh(), name="lengths of streams")
        if slots is None:
            self._node(None)
        else:
            slots.watch(self._keep)

    async def wait_ready(self, seconds: float) -> None:
        """Wait until entries are taken, at most some seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ready.wait()

    async def close(self) -> None:
        """Give up the connections; entries in flight end without an answer."""
        await end(self._task)
        nodes, self._nodes = self._nodes, {}
        await asyncio.gather(*(node.close() for node in nodes.values()), *self._closing)

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
        fields = ("v", EVENTS_VERSION, "received", str(received), "events", orjson.dumps(events))
        entry = packed("XADD", self._keys[partition], "*", *fields)
        reply = await self._added(self._node_of(partition), partition, entry)
        if isinstance(reply, ReplyError) and self._slots is not None and (sent := self._slots.redirected(reply)):
            where, is_asking = sent  # the node that was asked has stored nothing
            reply = await self._added(self._node(where), partition, entry, is_asking=is_asking)
        if isinstance(reply, ReplyError):
            reason = REASONS.get(str(reply).partition(" ")[0], "reply")
            self._log(reason, str(reply))
            raise NotAppendedError(reason)
        if reply is _GARBLED:
            raise NotAppendedError("garbled")

    async def _added(self, node: EventNode | None, partition: int, entry: bytes, *, is_asking: bool = False) -> object:
        """The reply of a node to an entry, with which the length of its stream is asked for."""
        if node is None or not node.is_ready or node.connection is None:
            raise NotAppendedError("connection")
        if self._lengths[partition] + node.unanswered[partition] >= self._max_entries:
            raise NotAppendedError("full")
        answered: asyncio.Future[object] = self._loop.create_future()
        mark, is_marked = node.next_mark(), False

        def marked(reply: object) -> bool:
            nonlocal is_marked
            is_marked = reply == mark
            return _is_said(mark, reply)

        def added(reply: object) -> bool:
            node.unanswered[partition] -= 1
            fits = isinstance(reply, ReplyError) or (is_marked and node.is_new_entry(partition, reply))
            self._note_role(node, reply)
            if not answered.done():
                answered.set_result(reply if fits else _GARBLED)
            return fits

        node.unanswered[partition] += 1
        node.ask(packed("PING", mark), marked)  # ids of two streams do not tell whose reply comes again
        if is_asking:
            node.ask(packed("ASKING"), partial(_is_said, b"OK"))
        length = packed("XLEN", self._keys[partition])
        node.ask(entry + length, added, self._length_of(partition))
        sent_at, connection, lost = self._loop.time(), node.connection, node.lost
        await asyncio.wait((answered, lost), timeout=self._deadline_seconds, return_when=asyncio.FIRST_COMPLETED)
        if not answered.done():
            if lost.done():
                raise NotAppendedError("lost")
            if node.answered_at < sent_at:  # a peer that vanished sends no end
                connection.abort()
            raise NotAppendedError("timeout")
        return answered.result()

    def _note_role(self, node: EventNode, reply: object) -> None:
        """Give up the connection to a store that stays a replica: behind a fixed address a failover shows by that alone."""
        if not (isinstance(reply, ReplyError) and REASONS.get(str(reply).partition(" ")[0]) == "readonly"):
            node.refuses_since = None
        elif node.refuses_since is None:
            node.refuses_since = self._loop.time()
        elif self._loop.time() - node.refuses_since >= READONLY_SECONDS and node.connection is not None:
            node.refuses_since = None
            node.connection.abort()

    def _length_of(self, partition: int) -> Take:
        def known(reply: object) -> bool:
            if type(reply) is not int or reply < 0:
                return isinstance(reply, ReplyError)
            self._lengths[partition] = reply
            if self._trouble == "full" and max(self._lengths) < self._max_entries:
                self._trouble = ""
                self._health.events_taken()
            return True

        return known

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            for node in set(map(self._node_of, range(len(self._keys)))) - {None}:
                self._ask_lengths(cast("EventNode", node))

    def _ask_lengths(self, node: EventNode) -> None:
        """Ask a node for the lengths of its streams."""
        if node.waiting < MOST_WAITING:
            for partition, key in enumerate(self._keys):
                if self._node_of(partition) is node:
                    node.ask(packed("XLEN", key), self._length_of(partition))

    def _node_of(self, partition: int) -> EventNode | None:
        """Where a stream is; None if no node is known to have it."""
        if self._slots is None:
            return self._nodes[None]
        node = self._slots.node_of(self._keys[partition].encode())
        return None if node is None else self._node(node)

    def _node(self, name: Node | None) -> EventNode:
        if name not in self._nodes:
            if self._slots is not None and name is not None:
                self._slots.connecting(name)
            self._nodes[name] = EventNode(self._url, name, self._up, self._down)
        return self._nodes[name]

    def _keep(self, primaries: frozenset[Node]) -> None:
        """Connect to the nodes that have streams, so that no request finds a connection missing."""
        for partition in range(len(self._keys)):
            self._node_of(partition)
        for name in self._nodes.keys() - primaries:
            task = self._loop.create_task(self._nodes.pop(name).close(), name="end of a node's link")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _up(self, node: EventNode) -> None:
        self._ask_lengths(node)
        node.ask(packed("PING"), partial(self._begin, node))

    def _begin(self, node: EventNode, reply: object) -> bool:
        """The lengths are known: entries are taken from now on."""
        if reply == b"PONG":
            node.is_ready = True
            self._ready.set()
            self._health.events_taken()
            if self._slots is not None and node.name is not None:
                self._slots.connected(node.name)
        return _is_said(b"PONG", reply)

    def _down(self, node: EventNode) -> None:
        self._ready.clear()
        self._health.events_failed(DETAILS["connection"])
        if self._slots is not None and node.name is not None:
            self._slots.lost(node.name)

    def _log(self, reason: str, text: str) -> None:
        now = self._loop.time()
        if now - self._logged_at >= QUIET_SECONDS:
            self._logged_at = now
            logger.warning(
                "events_not_appended", reason=reason, error=hide_secrets(text, self._secrets)[:LONGEST_REASON]
            )


def _is_said(word: bytes, reply: object) -> bool:
    """Whether a reply is the word that its command is answered with, or an error."""
    return reply == word or isinstance(reply, ReplyError)
