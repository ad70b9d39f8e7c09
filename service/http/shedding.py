"""Refuses look-ups beyond a bound at the price of a read and a write.

A worker that is asked for more than it can do has to spend next to nothing on what it refuses, or the refusals eat what it could
have answered. Parsing a request, making a task for it and having it refused by the application costs more than half a look-up.
"""

from functools import cache, lru_cache
from math import inf
from typing import Any, Final

from service.http.head_limit import HeadLimit
from service.http.hot_path import PAGE, SINGLE
from service.http.problems import overloaded
from service.http.refusing import response_bytes
from service.metrics.metrics import UNMATCHED
from service.state import Service

_START: Final = b"GET /v1/users/"
_TITLES_WITHIN: Final = len(_START) + 64 + len(b"/titles/")
_VERSION: Final = b" HTTP/1.1\r\n"
_NEWLINE: Final = ord("\n")  # a number: Python looks for a byte that is given as bytes eight times as long
_END: Final = b"\r\n\r\n"
_TELLING: Final = (b"close", b"\ncontent-length", b"\ntransfer-encoding", b"\nexpect:", b"\nupgrade:")
"""What may make a request more than a head that asks for something and leaves the connection open."""


LASTING_SECONDS: Final = 0.05
"""Refusals that go on for so long are no burst any more."""

QUIET_SECONDS: Final = 0.05
"""Without a refusal for so long, it is over."""


class Pressure:
    """How many requests one worker may have in progress: all that are allowed, and while refusals go on, a quarter.

    The whole bound takes a burst in without refusing. Held for longer it fills the worker: answers wait in line behind others,
    and nothing is left to work off what gathered while the worker stood still. The caller brings the clock, in seconds.
    """

    def __init__(self, max_waiting: int) -> None:
        self.low = max(1, max_waiting // 4)
        self._high = max_waiting
        self._began = self._last = self._low_until = -inf

    def bound(self, now: float) -> int:
        """How many may be in progress."""
        return self.low if now < self._low_until else self._high

    def refused(self, now: float) -> None:
        """One more was refused."""
        if now - self._last > QUIET_SECONDS:
            self._began = now
        self._last = now
        if now - self._began >= LASTING_SECONDS:
            self._low_until = now + QUIET_SECONDS


class Shedding(HeadLimit):
    """A connection that, while as many requests as allowed are in progress, refuses the next plain look-up unparsed.

    Requests in progress are those that have a task, begun or not: of what one turn of the event loop reads from many
    connections, only as many as the bound become tasks. What is not plain is parsed, and refused by the application.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        service: Service = self.app_state["service"]
        self.max_query_bytes = service.max_query_bytes
        self._metrics = service.metrics
        self._max_waiting = service.max_waiting
        self._pressure: Pressure = self.app_state.setdefault("pressure", Pressure(service.max_waiting))  # of the worker
        self._may_shed = True
        self._asked_since = False

    def data_received(self, data: bytes) -> None:
        """Refuse, or go on."""
        waiting = len(self.tasks)
        if (
            waiting >= self._pressure.low  # hardly ever, so that the rest costs nothing
            and waiting >= self._pressure.bound(self.loop.time())
            and self._may_shed
            and self._is_between_requests()
            and is_plain(data)
        ):
            self._shed(data)
        else:
            super().data_received(data)

    def timeout_keep_alive_handler(self) -> None:
        """Close, unless something was refused since the timer started: that neither stops it nor starts it anew."""
        if self._asked_since:
            self._asked_since = False
            self._keep_alive()
        else:
            super().timeout_keep_alive_handler()

    def _is_between_requests(self) -> bool:
        """Whether the next byte begins a request, and its refusal would not pile up behind answers that nobody reads.

        A request may be answered before all of its body is there, and that body may look like a request.
        """
        is_over = not (self.is_outstanding() or self.in_head or self.in_body or self.is_ending)
        return is_over and not self.flow.write_paused

    def count(self, status: int) -> None:
        """Count a refusal that the application does not see."""
        self._metrics.refused(UNMATCHED, status)

    def _shed(self, data: bytes) -> None:
        self.transport.write(refusal_bytes(self._max_waiting))
        self._metrics.refused(SINGLE if data.find(b"/titles/", 0, _TITLES_WITHIN) > 0 else PAGE, 503)
        self._pressure.refused(self.loop.time())
        self._asked_since = True
        if self.timeout_keep_alive_task is None:  # its first request; later ones leave the timer of the last answer
            self._stop_timer()
            self._keep_alive()


@cache
def refusal_bytes(max_waiting: int) -> bytes:
    """A whole response, the same for everybody."""
    return response_bytes(overloaded(max_waiting))


def is_plain(data: bytes) -> bool:
    """Whether the bytes are exactly the head of one look-up without a body, on a connection that is to stay open."""
    line, _, fields = data.partition(_VERSION)
    return line.startswith(_START) and _NEWLINE not in line and _are_plain(fields)


@lru_cache(maxsize=64)  # clients repeat their fields: looking them up takes a tenth of reading them
def _are_plain(fields: bytes) -> bool:
    lower = b"\n" + fields.lower()
    ends_once = lower.endswith(_END) and lower.count(_END) == 1
    return ends_once and not any(telling in lower for telling in _TELLING)
