"""What the watcher is shown of a demo: written by its player and by presses, read by the page at any time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Final

from artwork.demo.days import FIRST_DAY, DayResult
from artwork.web.stage import Day, Figures, Mark, Night, Phase, Step, StoreState

ToldByDay = Callable[[DayResult, DayResult | None], str | None]
"""What came of a press, by a day and the one before it; None where that day does not say."""


MOST_MARKS: Final = 200
"""Newest presses that are shown."""


class Board:
    """Figures that may be read while they change."""

    def __init__(self) -> None:
        self._lock = RLock()
        start = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
        self._figures = Figures(now=start, phase="starting")
        self._start = start
        self._waits = False
        self._pressed = 0
        self._results: list[DayResult] = []
        self._due: list[tuple[Mark, int, ToldByDay]] = []

    def figures(self, store: StoreState, *, is_held: bool) -> Figures:
        """The newest, with what was done to the store and whether the days are held."""
        figures = self._figures
        if self._waits:
            return replace(figures, store=store, phase="waiting")
        if is_held and figures.phase in {"explore", "visits"}:
            return replace(figures, store=store, phase="paused")
        return replace(figures, store=store)

    @property
    def day(self) -> int | None:
        """The day that is played, or was last."""
        return self._figures.day

    @property
    def phase(self) -> Phase:
        """What is played, whether or not it is held or waits."""
        return self._figures.phase

    @property
    def marks(self) -> Sequence[Mark]:
        """All so far."""
        return self._figures.marks

    @property
    def waits(self) -> bool:
        """Whether visitors wait for a service or a store that is away."""
        return self._waits

    @waits.setter
    def waits(self, waits: bool) -> None:
        self._waits = waits

    def at(self, phase: Phase, step: Step | None = None) -> None:
        """Tell what goes on."""
        with self._lock:
            self._figures = replace(self._figures, phase=phase, step=step)

    def at_time(self, phase: Phase, day: int, done: int, parts: int) -> None:
        """Tell how much of a simulated day has passed."""
        with self._lock:
            now = self._start + timedelta(days=day + done / parts)
            self._figures = replace(self._figures, phase=phase, day=day, now=now, step=Step("visits", done, parts))

    def add_day(self, result: DayResult, policy: str) -> None:
        """Show what a day came to, and what that says of earlier presses."""
        with self._lock:
            self._figures = replace(self._figures, days=(*self._figures.days, _shown(result, policy)))
            before = self._results[-1] if self._results else None
            self._results.append(result)
            due, self._due = self._due, []
            for mark, first, tell in due:
                effect = tell(result, before) if result.day >= first else None
                if effect is None:
                    self._due.append((mark, first, tell))
                else:
                    self.tell(mark.id, effect)

    def add_night(self, generation: int, seconds: float, steps: Mapping[str, float]) -> None:
        """Show a night that published a generation."""
        with self._lock:
            self._figures = replace(self._figures, nights=(*self._figures.nights, Night(generation, seconds, steps)))

    def mark(self, kind: str, words: str, undo: str | None = None) -> Mark:
        """A new mark on the time line."""
        with self._lock:
            marks, figures = self._figures.marks, self._figures
            self._pressed += 1
            made = Mark(str(self._pressed), datetime.now(UTC), figures.now, figures.day, kind, words, undo)
            self._figures = replace(figures, marks=(*marks, made)[-MOST_MARKS:])
            return made

    def tell(self, mark: str, effect: str) -> None:
        """Say what came of a press."""
        with self._lock:
            marks = tuple(replace(own, effect=effect) if own.id == mark else own for own in self._figures.marks)
            self._figures = replace(self._figures, marks=marks)

    def tell_by_day(self, mark: Mark, tell: ToldByDay, *, this_day: bool = False) -> None:
        """Say what came of a press when the first whole day after it is over, or with ``this_day`` the one it fell into."""
        with self._lock:
            first = 0 if this_day or mark.day is None else mark.day + 1
            self._due.append((mark, first, tell))


def _shown(result: DayResult, policy: str) -> Day:
    return Day(
        day=result.day,
        generation=result.generation,
        policy=policy,
        impressions=result.impressions,
        take_rate=result.take_rate,
        click_through_rate=result.click_through_rate,
        uniform=result.uniform,
        best=result.best,
        closed=result.closed,
        p50_ms=result.p50_ms,
        p99_ms=result.p99_ms,
        sources=dict(result.sources),
        rates=result.rates,
    )
