"""The circuit breaker of the row reads: while the store keeps failing, it is asked seldom."""

from typing import Final

FAILURES_TO_OPEN: Final = 10
"""Round trips in a row without a usable answer. More than can be in flight at once: when this process stalls, all of those
miss their deadline together, which says nothing about the store."""

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 1.0


class Breaker:
    """Closed, it lets all reads through. Open, it lets none through for a pause, then one as a trial.

    A trial that fails doubles the pause, one that succeeds closes the breaker. Callers pass the time, in seconds.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._pause_seconds = 0.0
        self._try_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether reads are kept from the store."""
        return self._pause_seconds > 0.0

    def allows(self, now: float) -> bool:
        """Whether a read may be sent; a trial starts the next pause, so that it is the only one."""
        if not self._pause_seconds:
            return True
        if now < self._try_at:
            return False
        self._try_at = now + self._pause_seconds
        return True

    def succeeded(self) -> None:
        """A round trip was answered in time."""
        self._failures = 0
        self._pause_seconds = 0.0

    def failed(self, now: float) -> None:
        """A round trip was not answered in time."""
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN:
            self._pause_seconds = min(2 * self._pause_seconds or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            self._try_at = now + self._pause_seconds
