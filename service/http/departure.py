"""What the connections of a server share."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from uvicorn.server import ServerState

TURN_TASKS: Final = 64
"""So many requests of all connections are begun on the slow path in one turn of the event loop: some 10 ms of FastAPI."""


class Departure(ServerState):
    """uvicorn's state, how answers begin, and the turns of the slow path; ``leaving`` once the server is stopping."""

    leaving = False
    _fields: list[tuple[bytes, bytes]] | None = None
    _success = b""

    def __init__(self) -> None:
        super().__init__()
        self._begun = 0
        self._waiting: deque[Callable[[], None]] = deque()

    def success(self) -> bytes:
        """Status line of an answer and the fields that uvicorn gives to all, of which it makes a new list each second."""
        fields = self.default_headers
        if fields is not self._fields:
            self._fields = fields
            self._success = b"HTTP/1.1 200 OK\r\n" + b"".join(b"%b: %b\r\n" % field for field in fields)
        return self._success

    def begin(self, start: Callable[[], None]) -> None:
        """Begin a request, now or in a later turn: a thousand at once would hold up whoever comes next until all are done."""
        if not self._begun:
            asyncio.get_running_loop().call_soon(self._next_turn)
        if self._begun == TURN_TASKS:
            self._waiting.append(start)
        else:
            self._begun += 1
            start()

    def _next_turn(self) -> None:
        self._begun = 0
        for _ in range(min(TURN_TASKS, len(self._waiting))):
            self.begin(self._waiting.popleft())
