"""The connection that events take to a store, or to one node of a cluster."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable

from service.lookup.row_reads import end
from service.lookup.store_link import Node, StoreConnection, StoreLink


class EventNode:
    """A connection that is kept, and the replies that are waited for on it.

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
        self.unanswered: Counter[int] = Counter()
        """Entries without an answer, by partition."""
        self._on_up, self._on_down = on_up, on_down
        self._waiting: deque[Callable[[object], None]] = deque()
        link = StoreLink(url, self._up, self._down, node)
        self._task = asyncio.get_running_loop().create_task(link.keep(), name="events link")

    @property
    def waiting(self) -> int:
        """How many replies are waited for."""
        return len(self._waiting)

    def ask(self, commands: bytes, *takes: Callable[[object], None]) -> None:
        """Send commands, whose replies are taken by as many callbacks; without a connection nothing is sent."""
        if self.connection is not None:
            self._waiting.extend(takes)
            self.connection.send(commands)

    async def close(self) -> None:
        """Give up the connection; entries in flight end without an answer."""
        await end(self._task)
        self._down()

    def _up(self, connection: StoreConnection) -> None:
        connection.on_reply = self._received
        self.connection = connection
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
        if not self._waiting:  # a reply to no command: later replies could not be matched
            if self.connection is not None:
                self.connection.abort()
            return
        self.answered_at = asyncio.get_running_loop().time()
        self._waiting.popleft()(reply)
