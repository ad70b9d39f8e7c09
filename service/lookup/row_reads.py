"""Row reads of one worker: joined into few round trips on one connection, each within a deadline.

All reads of one turn of the event loop go into one MGET; a node of a cluster, which takes no MGET of several slots, gets as many
GET at once. Several round trips may be in flight; the store answers them in order, so a reply always belongs to the oldest, and
a late reply is read and dropped. A reply that cannot be the oldest's means that one was lost or came twice on the way: none that
follows could be matched, so the connection is given up.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from itertools import count
from typing import Any, Final, Protocol, cast

import structlog
from hiredis import ReplyError

from bandit.urls import hide_secrets, secrets_of
from service.lookup.breaker import Breaker
from service.lookup.store_link import Node, StoreConnection, StoreLink, packed
from service.metrics.health import Health
from service.metrics.metrics import Metrics

logger = structlog.get_logger()

MAX_IN_FLIGHT: Final = 8
"""Round trips that are sent and not answered, late ones included; at this many, the oldest of them late, reads fail at once."""

SILENCE_SECONDS: Final = 1.0
"""After so long without the answer to a round trip the connection is given up: a peer that vanished sends no end."""

_CANCEL_AGAIN_SECONDS: Final = 0.1

QUIET_SECONDS: Final = 10.0
"""Between two lines about replies that are errors; metrics count each of them."""

LONGEST_REASON: Final = 200

_ASKING: Final = packed("ASKING")
_SLOTS: Final = 1 << 14
_LAST_PORT: Final = 65_535
MORE: Final = object()
"""Stands for the rows of a round trip that is not whole."""


class Unread(Enum):
    """The result of a read that the store did not answer in time; of a row that does not exist it is None."""

    UNREAD = 0


UNREAD: Final = Unread.UNREAD

Take = Callable[[bytes | Unread | None], None]
"""Takes the row under a key: None if there is none, ``UNREAD`` if the store did not answer in time. It must not raise."""


class Rows(Protocol):
    """What look-ups need of the store."""

    def read_into(self, key: bytes, take: Take) -> None:
        """Have the row under a key taken, now or later, exactly once; never raises."""

    def doubt(self) -> None:
        """A row was not that of its user: make sure that replies are still matched with their reads."""


async def read_row(rows: Rows, key: bytes) -> bytes | Unread | None:
    """The row under a key, for whoever can wait."""
    read: asyncio.Future[bytes | Unread | None] = asyncio.get_running_loop().create_future()
    rows.read_into(key, partial(_settle, read))
    return await read


def _settle(read: "asyncio.Future[bytes | Unread | None]", row: bytes | Unread | None) -> None:
    if not read.done():  # its caller may have been cancelled
        read.set_result(row)


def redirection(error: ReplyError) -> tuple[str, int, Node] | None:
    """What a node says that does not have a slot (MOVED), or a key any more (ASK): the word, the slot, and who has it."""
    words = str(error).split(" ")
    if words[0] not in ("MOVED", "ASK") or len(words) != 3:
        return None
    host, _, port_text = words[2].rpartition(":")
    slot, port = _number(words[1]), _number(port_text)
    # Without a host, it is of a node that does not know the other's address.
    if not host or slot is None or port is None or slot >= _SLOTS or not 0 < port <= _LAST_PORT:
        return None
    return words[0], slot, (host, port)


def _number(text: str) -> int | None:
    """A number of at most five digits: of longer ones, which a sane node does not send, int() may fail."""
    return int(text) if text.isdecimal() and len(text) <= 5 else None


def _is_refusal(row: object) -> bool:
    """Whether a node refused a row, but for that it sends to another node."""
    return isinstance(row, ReplyError) and redirection(row) is None


class _RoundTrip:
    """Reads that go to the store together. ``late``: its deadline has passed. ``word`` comes back to one that reads nothing."""

    __slots__ = ("asking", "deadline", "keys", "late", "opened_at", "replies", "rows", "takes", "word")

    def __init__(self, opened_at: float, word: bytes = b"") -> None:
        self.keys: list[bytes] = []
        self.takes: list[Take] = []
        self.rows = 0  # that were asked for
        self.asking: set[int] = set()  # places of the keys whose node has to be told that it is meant
        self.replies: list[Any] = []  # of a node: one a row, and one to each ASKING
        self.word = word
        self.late = bool(word)
        self.opened_at = opened_at
        self.deadline: asyncio.TimerHandle

    def fits(self, reply: object) -> bool:
        """Whether the reply can be to this round trip."""
        return reply == self.word if self.word else isinstance(reply, list) and len(reply) == self.rows

    def one_by_one(self) -> bytes:
        """A GET for each key."""
        if not self.asking:
            return b"".join([packed("GET", key) for key in self.keys])
        return b"".join(
            (_ASKING if place in self.asking else b"") + packed("GET", key) for place, key in enumerate(self.keys)
        )

    def with_reply(self, reply: object) -> object:
        """All rows once the last reply to ``one_by_one`` is there, ``MORE`` before that."""
        self.replies.append(reply)
        if len(self.replies) < self.rows + len(self.asking):
            return MORE
        replies, rows = iter(self.replies), []
        for place in range(self.rows):
            if place in self.asking:
                next(replies)
            rows.append(next(replies))
        is_row = all(row is None or isinstance(row, (bytes, ReplyError)) for row in rows)
        return rows if is_row else None

    def resolve(self, rows: list[Any]) -> None:
        """Have the rows taken."""
        self._end(rows)

    def give_up(self) -> int:
        """End all reads without a row; the number of them."""
        self.late = True
        return self._end([UNREAD] * len(self.takes))

    def _end(self, rows: Sequence[Any]) -> int:
        self.deadline.cancel()
        takes, self.keys, self.takes = self.takes, [], []
        for take, row in zip(takes, rows, strict=True):
            try:
                take(row)
            except Exception:  # one read's fault is no reason that the others go without
                logger.exception("row_not_taken")
        return len(takes)


class JoinedRows:
    """Rows of the store behind a URL, read within ``deadline_ms`` (the event loop's timers know whole milliseconds).

    Those of a ``node`` of a cluster are taken as they are answered, refusals (``ReplyError``) among them: whoever knows the
    other nodes follows them, and is told by ``on_up`` and ``on_down`` whether the node answers.
    """

    def __init__(
        self,
        url: str,
        *,
        deadline_ms: float,
        metrics: Metrics,
        health: Health,
        node: Node | None = None,
        on_up: Callable[[], None] = lambda: None,
        on_down: Callable[[], None] = lambda: None,
    ) -> None:
        self._deadline_seconds = deadline_ms / 1000
        self._metrics = metrics
        self._health = health
        self._node = node
        self._place = "" if node is None else f"{node[0]}:{node[1]}"
        self._on_up, self._on_down = on_up, on_down
        self._loop = asyncio.get_running_loop()
        self._breaker = Breaker()
        self._secrets = secrets_of(url)
        self._logged_at = -math.inf
        self._connection: StoreConnection | None = None
        self._gathering: _RoundTrip | None = None
        self._in_flight: deque[_RoundTrip] = deque()
        self._words = count(1)
        self._link = StoreLink(url, self._up, self._down, node)
        self._ready = asyncio.Event()
        self._keeper = self._loop.create_task(self._link.keep(), name="store link")

    async def wait_ready(self, seconds: float) -> None:
        """Wait for a connection, at most some seconds, so that a start does not begin with popularity answers."""
        try:
            async with asyncio.timeout(seconds):
                await self._ready.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """Give up the connection and the reads in flight."""
        await end(self._keeper)
        self._down()
        if self._node is not None:  # of which nothing is read any more
            self._health.rows_answered(self._place)
            if self._breaker.is_open:
                self._metrics.breaker(-1)

    def read_into(self, key: bytes, take: Take, *, is_asking: bool = False) -> None:
        """Have the row under a key taken; see ``Rows``. ``is_asking``: the node has it though not its slot."""
        trip = self._gathering or self._gather()
        if trip is None:
            take(UNREAD)
            return
        trip.keys.append(key)
        trip.takes.append(take)
        if is_asking:
            trip.asking.add(len(trip.keys) - 1)

    def doubt(self) -> None:
        """Have the store say a word back, which has to come in its turn; see ``Rows``."""
        if (
            self._connection is None
            or len(self._in_flight) >= MAX_IN_FLIGHT
            or any(trip.word for trip in self._in_flight)
        ):
            return
        trip = _RoundTrip(self._loop.time(), b"%d" % next(self._words))
        self._in_flight.append(trip)
        self._connection.send(packed("PING", trip.word))

    def _gather(self) -> _RoundTrip | None:
        """A new round trip, or None if it would certainly fail."""
        now = self._loop.time()
        if self._connection is None:
            self._failed("connection", 1)
            return None
        if self._is_stuck(now) or not self._breaker.allows(now):
            self._failed("breaker", 1)
            return None
        trip = self._gathering = _RoundTrip(now)
        trip.deadline = self._loop.call_later(self._deadline_seconds, self._expire, trip)
        self._loop.call_soon(self._send)
        return trip

    def _is_stuck(self, now: float) -> bool:
        if not self._in_flight or not self._in_flight[0].late:
            return False
        if now - self._in_flight[0].opened_at > SILENCE_SECONDS:
            self._hang_up()
            return True
        return len(self._in_flight) >= MAX_IN_FLIGHT

    def _send(self) -> None:
        trip = self._gathering
        if trip is None or self._connection is None or len(self._in_flight) >= MAX_IN_FLIGHT:
            return  # lost, or too many are in flight: the next reply sends it
        self._gathering = None
        self._in_flight.append(trip)
        trip.rows = len(trip.keys)
        self._metrics.round_trip(len(trip.keys))
        self._connection.send(packed("MGET", *trip.keys) if self._node is None else trip.one_by_one())

    def _received(self, reply: object) -> None:
        if not self._in_flight:  # a reply to no command: later replies could not be matched
            self._hang_up()
            return
        trip = self._in_flight[0]
        if self._node is not None and not trip.word and (reply := trip.with_reply(reply)) is MORE:
            return
        self._in_flight.popleft()
        fits = trip.fits(reply)
        if not trip.late:
            if fits:
                self._resolve(trip, cast("list[Any]", reply))
            else:
                self._log_refusal(reply)
                self._failed("reply", trip.give_up())
                self._trip_failed()
        if not (fits or isinstance(reply, ReplyError)):
            self._hang_up()
        elif self._gathering is not None:
            self._send()

    def _resolve(self, trip: _RoundTrip, rows: list[Any]) -> None:
        trip.resolve(rows)
        refusals = [] if self._node is None else [row for row in rows if _is_refusal(row)]
        if not refusals:
            self._answered()
            return
        self._log_refusal(refusals[0])
        self._failed("reply", len(refusals))
        if len(refusals) == len(rows):
            self._trip_failed()

    def _log_refusal(self, reply: object) -> None:
        now = self._loop.time()
        if now - self._logged_at < QUIET_SECONDS:
            return
        self._logged_at = now
        text = (
            str(reply)
            if isinstance(reply, ReplyError)
            else f"expected as many rows as keys, got {type(reply).__name__}"
        )
        reason = hide_secrets(text, self._secrets)[:LONGEST_REASON] or "an error without a word"
        logger.warning("store_refused_rows", error=reason)

    def _expire(self, trip: _RoundTrip) -> None:
        if trip is self._gathering:
            self._gathering = None
        self._failed("timeout", trip.give_up())
        self._trip_failed()

    def _up(self, connection: StoreConnection) -> None:
        self._metrics.connected()
        self._on_up()
        connection.on_reply = self._received
        self._connection = connection
        self._ready.set()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.on_reply = lambda _reply: None  # those that have arrived with the last one
            self._connection.abort()

    def _down(self) -> None:
        """End the reads in flight: none of them will be answered."""
        self._on_down()
        self._connection = None
        trips = [trip for trip in (*self._in_flight, self._gathering) if trip is not None and not trip.late]
        self._in_flight.clear()
        self._gathering = None
        for trip in trips:
            self._failed("connection", trip.give_up())

    def _answered(self) -> None:
        self._health.rows_answered(self._place)
        if self._breaker.is_open:
            self._metrics.breaker(-1)
            self._on_up()
        self._breaker.succeeded()

    def _trip_failed(self) -> None:
        was_open = self._breaker.is_open
        self._breaker.failed(self._loop.time())
        if self._breaker.is_open and not was_open:
            self._metrics.breaker(+1)
            self._on_down()

    def _failed(self, reason: str, rows: int) -> None:
        self._health.rows_failed(self._place)
        self._metrics.store_failed(reason, rows)


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended; its exception is not raised.

    Once is not always enough: a library that cleans up after a reply or a timeout can lose a cancellation, and a task that
    loops would then never end.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=_CANCEL_AGAIN_SECONDS)
