"""How fast days pass: the one who plays asks here whether to go on, the watcher says so from another thread."""

import time
from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Final

USUAL_DAY_SECONDS: Final = 24.0
SLOWEST_DAY_SECONDS: Final = 3600.0

_LONGEST_WAIT_SECONDS: Final = 0.2
# In a demo that was watched, a wait for a lock in the main thread was seen to outlast Ctrl-C; so no wait is long.

Task = Callable[[], None]


class EndedError(Exception):
    """The demo is to end; raised where its player would go on."""


class Pace:
    """Between two parts of a day the player stops at ``pass_part``, between two days at ``pass_night``.

    It returns when the part has taken its time and nobody holds the days. Tasks that were handed over are done meanwhile, in
    the player's thread. ``seconds_per_day`` is 0 for as fast as possible.
    """

    def __init__(self, seconds_per_day: float) -> None:
        self._changed = Condition()
        self._seconds_per_day = seconds_per_day
        self._is_paused = self._hurries = self._is_ended = False
        self._tasks: deque[Task] = deque()

    @property
    def seconds_per_day(self) -> float:
        """How long a day takes."""
        return self._seconds_per_day

    @seconds_per_day.setter
    def seconds_per_day(self, seconds: float) -> None:
        with self._changed:
            self._seconds_per_day = seconds
            self._changed.notify_all()

    @property
    def is_paused(self) -> bool:
        """Whether the watcher holds the days."""
        return self._is_paused

    @property
    def holds(self) -> bool:
        """Whether the player would be held now."""
        return self._is_paused and not self._hurries

    def pause(self) -> None:
        """Hold at the next stop."""
        with self._changed:
            self._is_paused, self._hurries = True, False

    def resume(self) -> None:
        """Go on."""
        with self._changed:
            self._is_paused = False
            self._changed.notify_all()

    def hurry(self) -> None:
        """Play the day to its end at once, or between two days the next one; held days are held again after it."""
        with self._changed:
            self._hurries = True
            self._changed.notify_all()

    def end(self) -> None:
        """Let the player's next stop raise ``EndedError``."""
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()

    def hand_over(self, task: Task) -> None:
        """Let the player do something at its next stop, which may be now."""
        with self._changed:
            self._tasks.append(task)
            self._changed.notify_all()

    def check(self) -> None:
        """Raise if the demo is to end.

        Raises:
            EndedError: it is.
        """
        if self._is_ended:
            raise EndedError

    def pass_part(self, began: float, share: float) -> None:
        """Stop after a part of a day that began at a time of the monotonic clock and is this share of the day.

        Raises:
            EndedError: the demo is to end.
        """
        self._stop(lambda: 0.0 if self._hurries else began + share * self._seconds_per_day - time.monotonic())

    def pass_night(self) -> None:
        """Stop between two days.

        Raises:
            EndedError: the demo is to end.
        """
        self._stop(lambda: 0.0)

    def day_ends(self) -> None:
        """A day that was hurried is over; the next one takes its time again, or is held."""
        with self._changed:
            self._hurries = False

    def rest(self, seconds: float) -> None:
        """Wait for something else than the days, which may be held meanwhile.

        Raises:
            EndedError: the demo is to end.
        """
        until = time.monotonic() + seconds
        self._stop(lambda: until - time.monotonic())

    def _stop(self, seconds_left: Callable[[], float]) -> None:
        while True:
            with self._changed:
                self.check()
                task = self._tasks.popleft() if self._tasks else None
                if task is None:
                    left = seconds_left()
                    if not self.holds and left <= 0:
                        return
                    self._changed.wait(_LONGEST_WAIT_SECONDS if self.holds else min(left, _LONGEST_WAIT_SECONDS))
                    continue
            task()
