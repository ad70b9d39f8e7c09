"""A client that posts events: bodies made beforehand, sent at even times or as fast as they are answered.

Few connections that are kept open, one request at a time on each, without a client library: what it takes itself is to be little
beside what the service takes.
"""

import contextlib
import random
import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import orjson

from artwork.bench.targets import WrongAnswerError
from artwork.bench.testbed.service_process import HOST
from artwork.bench.testbed.store_fixture import StoreFixture
from bandit.arrays import F64
from bandit.errors import SurroundingsError

EVENTS_A_REQUEST: Final = 100
CONNECTIONS: Final = 8
_PLAYS: Final = 0.1
_GIVE_UP_SECONDS: Final = 10.0
_ACCEPTED_STATUS, _REFUSED_STATUS = 202, 503
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]{1,9})", re.IGNORECASE)
_ACCEPTED: Final = b'{"accepted":%d}' % EVENTS_A_REQUEST


@dataclass(frozen=True)
class Request:
    """A request, and the ids of the events in it."""

    wire: bytes
    ids: list[str]


@dataclass(frozen=True)
class Posted:
    """What came of some requests: places of those that were accepted, and of those that the service refused with 503.

    Of a refused request nothing is stored, or all of it where the store was too slow to say so. ``latencies_ms`` are from the
    intended time, ``lags_ms`` is how late a request was sent although a connection was free.
    """

    began: float
    ended: float
    accepted: list[int]
    refused: list[int]
    latencies_ms: F64
    lags_ms: F64

    @property
    def events(self) -> int:
        """How many were accepted."""
        return len(self.accepted) * EVENTS_A_REQUEST

    @property
    def rate(self) -> float:
        """Events per second that were accepted."""
        return self.events / (self.ended - self.began)


def make_requests(fixture: StoreFixture, generation: int, port: int, first: int, count: int) -> list[Request]:
    """Requests with 100 events each, of users of a fixture; ids go on from a number."""
    drawn = random.Random(first)  # noqa: S311 - the same events in every run
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    requests = []
    for number in range(first, first + count):
        user = fixture.user_id(drawn.randrange(fixture.users))
        events = []
        for place in range(EVENTS_A_REQUEST):
            title = fixture.title_id(drawn.randrange(fixture.titles))
            event = {
                "event_id": f"{number:08x}-{place:02d}",
                "type": "impression",
                "user_id": user,
                "title_id": title,
                "artwork_id": fixture.artwork_ids(generation, title)[place % fixture.artworks],
                "generation": generation,
                "revision": 0,
                "source": "personalized",
                "segment": None,
                "policy": "thompson",
                "propensity": 0.25,
                "occurred_at": now,
            }
            if drawn.random() < _PLAYS:
                event |= {"type": "play", "watch_fraction": 0.8}
            events.append(event)
        body = orjson.dumps(events)
        head = f"POST /v1/events HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        requests.append(Request(head.encode() + b"\r\n\r\n" + body, [str(event["event_id"]) for event in events]))
    return requests


def post(port: int, requests: Sequence[Request], rate: float | None) -> Posted:
    """Post requests, so many events per second; None as fast as they are answered.

    Raises:
        WrongAnswerError: one is answered neither with 202 and the number of its events, nor with 503.
        SurroundingsError: the service does not answer.
    """
    pause = 0.0 if rate is None else EVENTS_A_REQUEST / rate
    with selectors.DefaultSelector() as waiting:
        connections = [_Connection(port) for _ in range(CONNECTIONS)]
        try:
            return _post(waiting, connections, [request.wire for request in requests], pause)
        except OSError as error:
            raise SurroundingsError(f"events cannot be posted: {error}") from error
        finally:
            for connection in connections:
                connection.socket.close()


class _Connection:
    """One connection: what of its request is not sent yet, what came of its answer, and when the request was due."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=_GIVE_UP_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.unsent = memoryview(b"")
        self.answer = b""
        self.due = 0.0
        self.place = 0

    def send(self) -> bool:
        """Send what the kernel takes; whether all is sent."""
        with contextlib.suppress(BlockingIOError):
            self.unsent = self.unsent[self.socket.send(self.unsent) :]
        return not self.unsent


def _post(
    waiting: selectors.BaseSelector, connections: Sequence[_Connection], wires: Sequence[bytes], pause: float
) -> Posted:
    free, owed = deque(connections), deque(enumerate(wires))
    accepted: list[int] = []
    refused: list[int] = []
    for connection in connections:
        waiting.register(connection.socket, selectors.EVENT_READ, connection)
    latencies: list[float] = []
    lags: list[float] = []
    began = freed = time.monotonic()
    while len(latencies) < len(wires):
        now = time.monotonic()
        while owed and free and (due := began + (len(wires) - len(owed)) * pause if pause else now) <= now:
            connection = free.popleft()
            connection.place, wire = owed.popleft()
            connection.due, connection.answer, connection.unsent = due, b"", memoryview(wire)
            lags.append(now - max(due, freed))
            if not connection.send():
                waiting.modify(connection.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, connection)
            now = time.monotonic()
        soon = due - now if owed and free else _GIVE_UP_SECONDS
        ready = waiting.select(max(0.0, soon))
        if not ready and soon == _GIVE_UP_SECONDS:
            raise SurroundingsError(f"the service did not answer a request with events within {soon:g} s")
        for key, events in ready:
            connection = key.data
            if events & selectors.EVENT_WRITE and connection.send():
                waiting.modify(connection.socket, selectors.EVENT_READ, connection)
            if events & selectors.EVENT_READ and (status := _status(connection)):
                (accepted if status == _ACCEPTED_STATUS else refused).append(connection.place)
                if not free:
                    freed = time.monotonic()
                latencies.append(time.monotonic() - connection.due)
                free.append(connection)
    # The last one is due a pause before the end, and may be answered before it.
    ended = max(time.monotonic(), began + len(wires) * pause)
    return Posted(began, ended, accepted, refused, np.array(latencies) * 1e3, np.array(lags) * 1e3)


def _status(connection: _Connection) -> int:
    """Read what is there; the status of a complete answer, 0 of one that is not."""
    read = connection.socket.recv(65536)
    connection.answer += read
    head, end, body = connection.answer.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if not read or (end and not length):
        raise _wrong(connection)
    if not end or length is None or len(body) < int(length[1]):
        return 0
    status = int(head[9:12])
    if len(body) > int(length[1]) or ((status, body) != (_ACCEPTED_STATUS, _ACCEPTED) and status != _REFUSED_STATUS):
        raise _wrong(connection)
    return status


def _wrong(connection: _Connection) -> WrongAnswerError:
    return WrongAnswerError(f"events were not accepted: {connection.answer[:500].decode(errors='replace')!r}")
