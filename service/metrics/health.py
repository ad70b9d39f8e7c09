"""What is degraded at the moment, for ``/readyz``."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from bandit.snapshot import Current

SETTLED_SECONDS: Final = 5.0
"""How long a worker may be behind the store before it says that it is degraded: every flip takes it a poll and a load."""


@dataclass
class Health:
    """The troubles of one process.

    The poller reports on the store, requests report on row reads: a store that is merely slow answers the poller, which waits
    longer, while every request goes without its row.
    """

    store_down_since: datetime | None = None
    rows_failing_since: dict[str, datetime] = field(default_factory=dict)
    """By the node of a cluster; of a store that is none, its name is empty."""
    load_trouble: str | None = None
    overlay_trouble: str | None = None
    keep_trouble: str | None = None
    events_trouble: str | None = None
    named: Current | None = None
    """What the store named when it was last asked and answered."""
    behind_since: float | None = None
    """Since when another generation was named than the one that is served, on the system's monotonic clock."""
    _served: Current | None = None
    _events_failing_since: datetime | None = None

    def store_failed(self) -> None:
        """A poll got no answer."""
        self.store_down_since = self.store_down_since or datetime.now(UTC)

    def store_answered(self) -> None:
        """A poll got an answer; after an outage, row reads count as working until the next one fails."""
        if self.store_down_since is not None:
            self.store_down_since = None
            self.rows_failing_since.clear()

    def store_named(self, named: Current, served: Current | None) -> None:
        """The store named a generation while one was served; while none is served, nothing lags."""
        self.named, self._served = named, served
        if served is None or named == served:
            self.behind_since = None
        elif self.behind_since is None:
            self.behind_since = time.monotonic()

    def rows_failed(self, node: str = "") -> None:
        """A request got no row in time."""
        if node not in self.rows_failing_since:
            self.rows_failing_since[node] = datetime.now(UTC)

    def rows_answered(self, node: str = "") -> None:
        """A request got its row, or the answer that there is none."""
        self.rows_failing_since.pop(node, None)

    def events_failed(self, why: str) -> None:
        """Events were not taken, or would not be."""
        self._events_failing_since = self._events_failing_since or datetime.now(UTC)
        self.events_trouble = _since(f"events not accepted: {why[:1].lower()}{why[1:]}", self._events_failing_since)

    def events_taken(self) -> None:
        """Events were stored, or would be."""
        self.events_trouble = self._events_failing_since = None

    def degraded(self) -> list[str]:
        """One sentence per trouble; empty when there is none."""
        troubles = (
            _since("store unreachable", self.store_down_since),
            *(
                _since("row reads failing" + (node and f" at {node}"), since)
                for node, since in sorted(self.rows_failing_since.items())
            ),
            self._behind(),
            self.load_trouble,
            self.overlay_trouble,
            self.keep_trouble,
            self.events_trouble,
        )
        return [trouble for trouble in troubles if trouble]

    def _behind(self) -> str | None:
        seconds = 0.0 if self.behind_since is None else time.monotonic() - self.behind_since
        if seconds < SETTLED_SECONDS or self.named is None or self._served is None:
            return None
        return (
            f"generation {self._served.generation} (flip {self._served.flip}) is served, the store names generation"
            f" {self.named.generation} (flip {self.named.flip}) for {seconds:.0f} s"
        )


def _since(what: str, when: datetime | None) -> str | None:
    return f"{what} since {when.isoformat(timespec='seconds')}" if when else None
