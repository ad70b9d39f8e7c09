"""How many look-ups a worker may have in progress while it is overloaded."""

from math import inf
from typing import Final

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
