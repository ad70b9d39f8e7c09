"""The circuit breaker of the row reads."""

from typing import Final

FAILURES_TO_OPEN: Final = 10
"""Round trips in a row without a usable answer. More than can be in flight at once: a stall of this process lets
everything in flight miss its deadline together, and that alone says nothing of the store."""

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 1.0


class Breaker:
    """Closed, reads go to the store. Open, none does for a pause; then one is let through to try.

    What is tried and fails doubles the pause, what succeeds closes the breaker. The caller brings the clock, in seconds.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._pause_seconds = 0.0
        self._try_at = 0.0

    @property
    def is_open(self) -> bool:
        """The store is being spared."""
        return self._pause_seconds > 0.0

    def allows(self, now: float) -> bool:
        """Whether a read may be sent; letting one through while open starts the next pause, so that it is one only."""
        if not self._pause_seconds:
            return True
        if now < self._try_at:
            return False
        self._try_at = now + self._pause_seconds
        return True

    def succeeded(self) -> None:
        """A round trip brought its rows in time."""
        self._failures = 0
        self._pause_seconds = 0.0

    def failed(self, now: float) -> None:
        """A round trip did not."""
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN:
            self._pause_seconds = min(2 * self._pause_seconds or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            self._try_at = now + self._pause_seconds
