"""What the service counts, and the one class through which it counts.

Adding takes some 0.1 us per number: the calls of one look-up (``answered``, ``picked``, ``round_trip``) take 0.85 us together
in shared memory. Sums over the blocks of all workers (see ``service.metrics.counters``) are made when the metrics are asked for,
which takes 0.8 ms of the worker that is asked.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from service.metrics.counters import OTHER, Histogram, NamedCounts, Values

LATENCY_BOUNDS: Final = (
    *(0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.0025, 0.003, 0.0035, 0.004, 0.0045, 0.005, 0.0055, 0.006, 0.007),
    *(0.008, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0),
)
"""Seconds; dense around the promise of 5 ms at the 99th percentile."""
APPEND_BOUNDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds until the store has answered for a request's events."""
BATCH_BOUNDS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256)
"""Rows joined into one round trip."""
UNMATCHED: Final = "unmatched"
ROUTES: Final = (
    "/v1/users/{user_id}/titles/{title_id}/artwork",
    "/v1/users/{user_id}/artwork",
    "/v1/events",
    "/livez",
    "/readyz",
    "/metrics",
    UNMATCHED,
)
"""Requests of any other route share the last one: clients cannot make labels."""
STATUSES: Final = (
    *("200", "202", "400", "401", "403", "404", "405", "408", "413", "414", "422", "429", "431", "500", "503"),
    OTHER,
)
"""Any other status shares the last one."""
BLOCK_SLOTS: Final = 2048
"""Doubles per worker: whole pages, so that two workers never write to the same cache line."""


class Block:
    """The places of one worker's counts; the layout is the same in every block."""

    def __init__(self, values: Values, worker: int) -> None:
        self.values = values
        self._free = worker * BLOCK_SLOTS
        self.breaker_open, self.store_up, self.generation, self.flip = (self._take(1) for _ in range(4))
        self.revision, self.behind_since, self.made_at = (self._take(1) for _ in range(3))
        self.starts, self.polls, self.connections = (self._take(1) for _ in range(3))
        self.open_connections = self._take(1)
        self.statuses = {route: self._take(len(STATUSES)) for route in ROUTES}
        self.latencies = {route: self._histogram(LATENCY_BOUNDS) for route in ROUTES}
        self.batches = self._histogram(BATCH_BOUNDS)
        self.picks = self._named(32, labels=2)
        self.row_errors, self.store_errors, self.load_errors = (self._named(16, labels=1) for _ in range(3))
        self.refused_connections = self._named(3, labels=1)
        self.accepted_events = self._take(1)
        self.refused_events = self._named(16, labels=1)
        self.appends = self._histogram(APPEND_BOUNDS)
        if self._free > (worker + 1) * BLOCK_SLOTS:
            raise ValueError(f"a block takes {self._free - worker * BLOCK_SLOTS} doubles; raise BLOCK_SLOTS")

    def behind_seconds(self) -> float:
        """For how long the worker has served another generation than the store names."""
        since = self.values[self.behind_since]
        return max(0.0, time.monotonic() - since) if since else 0.0

    def _take(self, slots: int) -> int:
        first, self._free = self._free, self._free + slots
        return first

    def _histogram(self, bounds: Sequence[float]) -> Histogram:
        return Histogram(self.values, self._take(Histogram.slots(bounds)), bounds)

    def _named(self, capacity: int, labels: int) -> NamedCounts:
        return NamedCounts(self.values, self._take(NamedCounts.slots(capacity)), capacity, labels)


class Metrics:
    """Counts of one worker, shown together with those of the others.

    Args:
        values: ``BLOCK_SLOTS`` doubles for each worker, zeroes at first; None for one worker with memory of its own.
        worker: the number of this one. It goes on from its predecessor's counts, and resets its gauges.
    """

    def __init__(self, values: Values | None = None, worker: int = 0) -> None:
        self._values: Values = [0.0] * BLOCK_SLOTS if values is None else values
        self.blocks = [Block(self._values, number) for number in range(len(self._values) // BLOCK_SLOTS)]
        self._own = self.blocks[worker]
        self._routes = {
            route: (
                {int(status): first + place for place, status in enumerate(STATUSES[:-1])},
                first + len(STATUSES) - 1,
                self._own.latencies[route],
            )
            for route, first in self._own.statuses.items()
        }
        for gauge in range(self._own.breaker_open, self._own.made_at + 1):
            self._values[gauge] = 0.0
        self._values[self._own.open_connections] = 0.0
        self._values[self._own.starts] += 1

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        slots, other, latencies = self._routes.get(route) or self._routes[UNMATCHED]
        self._values[slots.get(status, other)] += 1
        latencies.observe(seconds)

    def refused(self, route: str, status: int) -> None:
        """A request was refused before the application: counted but not timed, so that refusals do not pass for quick answers."""
        slots, other, _ = self._routes[route]
        self._values[slots.get(status, other)] += 1

    def connections(self, count: int) -> None:
        """The number of open connections to clients."""
        self._values[self._own.open_connections] = float(count)

    def connection_refused(self, reason: str) -> None:
        """A connection was refused because the worker or the client has as many as allowed."""
        self._own.refused_connections.add((reason,))

    def picked(self, source: str, policy: str, count: int = 1) -> None:
        """Picks were answered from a source, drawn by a policy."""
        self._own.picks.add((source, policy), count)

    def events_accepted(self, count: int) -> None:
        """Events of a request were stored."""
        self._values[self._own.accepted_events] += count

    def events_refused(self, reason: str) -> None:
        """A request with events was refused: it was wrong, or its events were not stored."""
        self._own.refused_events.add((reason,))

    def appended(self, seconds: float) -> None:
        """The store has answered that it holds a request's events."""
        self._own.appends.observe(seconds)

    def row_refused(self, reason: str) -> None:
        """A row could not be used."""
        self._own.row_errors.add((reason,))

    def store_failed(self, reason: str, rows: int = 1) -> None:
        """Reads got no answer (timeout, connection, reply), or were not sent (breaker)."""
        self._own.store_errors.add((reason,), rows)

    def round_trip(self, rows: int) -> None:
        """The store was asked for rows in one command."""
        self._own.batches.observe(rows)

    def connected(self) -> None:
        """A connection to the store was made."""
        self._values[self._own.connections] += 1

    def breaker(self, change: int) -> None:
        """The store, or one more node of it, is not asked for rows (+1), or is again (-1)."""
        self._values[self._own.breaker_open] += change

    def store_up(self, up: bool) -> None:  # noqa: FBT001
        """The last poll got an answer, or did not."""
        self._values[self._own.store_up] = float(up)

    def load_refused(self, reason: str) -> None:
        """A generation was not taken."""
        self._own.load_errors.add((reason,))

    def polled(self) -> None:
        """The store was asked for the current generation."""
        self._values[self._own.polls] += 1

    def obeys(self, revision: int) -> None:
        """Answers are given under this revision of the catalogue's overlay."""
        self._values[self._own.revision] = float(revision)

    def behind(self, since: float | None) -> None:
        """Since when another generation is named than is served, on the system's monotonic clock; None if it is the same."""
        self._values[self._own.behind_since] = 0.0 if since is None else since

    def longest_behind(self) -> float:
        """For how many seconds the worker that is behind for longest has been; 0 where none is."""
        return max(block.behind_seconds() for block in self.blocks)

    def overlay_refused(self) -> None:
        """An overlay was not taken."""
        self._own.load_errors.add(("overlay",))

    def took(self, generation: int, flip: int, created_at: str) -> None:
        """A new generation is served."""
        self._values[self._own.generation] = float(generation)
        self._values[self._own.flip] = float(flip)
        self._values[self._own.made_at] = _made_at(created_at)


def _made_at(created_at: str) -> float:
    """Seconds since the epoch, or 0 for a time that is not ISO 8601: an unknown age is no reason to refuse picks."""
    try:
        return datetime.fromisoformat(created_at).timestamp()
    except (ValueError, OverflowError, OSError):  # the latter two of the years 1 and 9999
        return 0.0
