"""The connection that events take to a store, or to one node of a cluster."""

import asyncio
import re
from collections import Counter, deque
from collections.abc import Callable
from itertools import count
from typing import Final

from service.lookup.row_reads import end
from service.lookup.store_link import Node, StoreConnection, StoreLink

Take = Callable[[object], bool]
"""Takes a reply; whether it can be one to the command that it is taken for."""

_entry_id: Final = re.compile(rb"(\d{1,20})-(\d{1,20})").fullmatch


class EventNode:
    """A connection that is kept, and the replies that are waited for on it.

    Replies come in the order of commands. Where one cannot be to its command, a reply was lost or came twice on the way: none
    that follows could be matched, so the connection is given up, and what waits ends without an answer.

    Args:
        url: of the store.
        node: of the cluster behind the URL; None where it is no cluster.
        on_up: called with this once it is connected.
        on_down: called with this once that connection is lost.
    """

    def __init__(
        self, url: str, node: Node | None, on_up: Callable[["EventNode"], None], on_down: Callable[["EventNode"], None]
    ) -> None:
        self.name = node
        self.is_ready = False
        self.answered_at = 0.0
        self.connection: StoreConnection | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.refuses_since: float | None = None
        """Since when every entry was refused because this is no primary."""
        self.unanswered: Counter[int] = Counter()
        """Entries without an answer, by partition."""
        self._on_up, self._on_down = on_up, on_down
        self._waiting: deque[Take] = deque()
        self._last_ids: dict[int, tuple[int, int]] = {}
        self._marks = count(1)
        link = StoreLink(url, self._up, self._down, node)
        self._task = asyncio.get_running_loop().create_task(link.keep(), name="events link")

    @property
    def waiting(self) -> int:
        """How many replies are waited for."""
        return len(self._waiting)

    def ask(self, commands: bytes, *takes: Take) -> None:
        """Send commands, whose replies are taken by as many callbacks; without a connection nothing is sent."""
        if self.connection is not None:
            self._waiting.extend(takes)
            self.connection.send(commands)

    def next_mark(self) -> bytes:
        """A word that was not sent yet: a store says it again before its reply to an entry, which is then that entry's own."""
        return b"%d" % next(self._marks)

    def is_new_entry(self, partition: int, reply: object) -> bool:
        """Whether a reply is the id of an entry that was appended just now: on one connection, a stream's ids only grow."""
        match = _entry_id(reply) if isinstance(reply, bytes) else None
        if match is None:
            return False
        entry = int(match[1]), int(match[2])
        is_new = entry > self._last_ids.get(partition, (-1, -1))
        self._last_ids[partition] = entry
        return is_new

    async def close(self) -> None:
        """Give up the connection; entries in flight end without an answer."""
        await end(self._task)
        self._down()

    def _up(self, connection: StoreConnection) -> None:
        connection.on_reply = self._received
        self.connection = connection
        self._last_ids.clear()
        self.lost = asyncio.get_running_loop().create_future()
        self._on_up(self)

    def _down(self) -> None:
        self.connection, self.is_ready = None, False
        self._waiting.clear()
        self.unanswered.clear()
        if not self.lost.done():
            self.lost.set_result(None)
        self._on_down(self)

    def _received(self, reply: object) -> None:
        self.answered_at = asyncio.get_running_loop().time()
        # A reply to no command, like one that does not fit its own, leaves later ones without a match.
        if not (self._waiting and self._waiting.popleft()(reply)) and self.connection is not None:
            self.connection.on_reply = lambda _reply: None  # those that have arrived with this one
            self.connection.abort()
