"""Load shedding: an overloaded worker refuses look-ups at the price of a read and a write.

A worker that is asked for more than it can do has to spend next to nothing on refusals, or they take the time of its answers.
Parsing a request, making a task for it and refusing it in the application costs more than half a look-up.
"""

from functools import cache, lru_cache
from math import inf
from typing import Any, Final

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service.http.fast_path import EVENTS, PAGE, SINGLE
from service.http.head_limit import HeadLimit
from service.http.problems import overloaded
from service.http.refusing_connection import response_bytes
from service.http.state import Service
from service.metrics.metrics import UNMATCHED

_START: Final = b"GET /v1/users/"
_TITLES_WITHIN: Final = len(_START) + 64 + len(b"/titles/")
_VERSION: Final = b" HTTP/1.1\r\n"
_NEWLINE: Final = ord("\n")
"""A number, because Python takes eight times as long to look for a byte that is given as bytes."""
_END: Final = b"\r\n\r\n"
_NOT_PLAIN: Final = (b"close", b"\ncontent-length", b"\ntransfer-encoding", b"\nexpect:", b"\nupgrade:", b"\norigin:")
"""Text of a head with a body, of another protocol, of one that closes its connection, or of a page's that has to be told more."""

LASTING_SECONDS: Final = 0.05
"""Refusals that go on for longer are an overload and not a burst."""

QUIET_SECONDS: Final = 0.05
"""After so long without a refusal, burst or overload is over."""


class Pressure:
    """How many requests one worker may have in progress: ``max_waiting``, and while refusals go on, a quarter of that.

    The whole bound takes a burst without refusing. In a lasting overload it would keep the worker full: every answer would wait
    for many others, and requests that queued during a pause would never be worked off. Callers pass the time, in seconds.
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


class LoadShedding(HeadLimit):
    """A connection that, while as many requests as allowed are in progress, refuses plain look-ups unparsed.

    Requests in progress are those that have a task, begun or not: of the requests that one turn of the event loop reads from
    many connections, only as many as the bound become tasks. Those that are not plain are parsed, and refused by the application.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.service: Service = self.app_state["service"]
        self.max_query_bytes = self.service.settings.max_query_bytes
        # One per worker.
        self._pressure: Pressure = self.app_state.setdefault("pressure", Pressure(self.service.settings.max_waiting))
        self._may_shed = True
        self._asked_since = False

    def data_received(self, data: bytes) -> None:
        """Refuse the look-up, or read on."""
        waiting = len(self.tasks) - len(self.service.event_tasks)
        if (
            waiting >= self._pressure.low  # seldom so, which makes the rest free
            and waiting >= (bound := self._pressure.bound(self.loop.time()))
            and self._may_shed
            and self._is_between_requests()
            and is_plain(data)
        ):
            self._shed(data, bound)
        else:
            super().data_received(data)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Begin a request; those with events are told apart, because they have a bound of their own."""
        if cycle.scope["path"] != EVENTS:
            super()._start_asgi_task(cycle, app)
            return
        tasks, self.tasks = self.tasks, set()
        super()._start_asgi_task(cycle, app)
        started, self.tasks = self.tasks, tasks
        for task in started:
            for where in (tasks, self.service.event_tasks):
                where.add(task)
                task.add_done_callback(where.discard)

    def timeout_keep_alive_handler(self) -> None:
        """Close, unless a look-up was refused since the timer started, which a refusal neither stops nor restarts."""
        if self._asked_since:
            self._asked_since = False
            self._keep_alive()
        else:
            super().timeout_keep_alive_handler()

    def _is_between_requests(self) -> bool:
        """Whether the next byte begins a request and the client reads its answers.

        A request may be answered before all of its body is there, and that body may look like a request.
        """
        is_over = not (self.is_outstanding() or self.in_head or self.in_body or self.is_ending)
        return is_over and not self.flow.write_paused

    def count(self, status: int) -> None:
        """Count a refusal that does not pass the application."""
        self.service.metrics.refused(UNMATCHED, status)

    def _shed(self, data: bytes, bound: int) -> None:
        self.transport.write(refusal_bytes(bound))
        self.service.metrics.refused(SINGLE if data.find(b"/titles/", 0, _TITLES_WITHIN) > 0 else PAGE, 503)
        self._pressure.refused(self.loop.time())
        self._asked_since = True
        if self.timeout_keep_alive_task is None:  # its first request: after others, the timer of the last answer runs
            self._stop_timer()
            self._keep_alive()


@cache
def refusal_bytes(bound: int) -> bytes:
    """The whole refusal, made once for each of the two bounds."""
    return response_bytes(overloaded(bound))


def is_plain(data: bytes) -> bool:
    """Whether the bytes are exactly the head of one look-up without a body, on a connection that is to stay open."""
    line, _, fields = data.partition(_VERSION)
    return line.startswith(_START) and _NEWLINE not in line and _are_plain(fields)


@lru_cache(maxsize=64)  # clients repeat their fields, and the cache takes a tenth of the time
def _are_plain(fields: bytes) -> bool:
    lower = b"\n" + fields.lower()
    ends_once = lower.endswith(_END) and lower.count(_END) == 1
    return ends_once and not any(text in lower for text in _NOT_PLAIN)
