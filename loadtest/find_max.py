"""The highest rate that a service holds: open loop, 99th percentile within a limit, and nearly all of the rate achieved.

Halving between a rate that was kept and one that was not, in short steps, then a long step that has to confirm it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from loadtest.boundary import RunError
from loadtest.driver.ceiling import HELD_SHARE, Ceiling, ceiling
from loadtest.driver.open_loop import Drive, Load, drive
from loadtest.look_ups import LookUps

FIRST_RATE: Final = 200.0
"""A service that does not hold this many requests per second has no highest rate worth looking for."""

STEP_SECONDS: Final = 2.0
CLOSE_ENOUGH: Final = 1.04
"""A rate that was missed, over one that was kept, at which halving ends: short steps do not tell them further apart."""

STEP_DOWN: Final = 0.9
CONFIRMATIONS: Final = 6
TRIES: Final = 3
GRACE_SECONDS: Final = 1.0
"""How long after a step an answer is waited for: a backlog of more has missed the limit anyway."""


@dataclass(frozen=True)
class Step:
    """One rate, and how it went: ``right`` if every answer was, ``kept`` if it was also in time and the rate achieved."""

    asked_rate: float
    seconds: float
    rate: float
    rate_share: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    statuses: dict[int, int]
    wrong: int
    client_lag_p99_ms: float
    right: bool
    kept: bool


@dataclass(frozen=True)
class Search:
    """The search: the confirming step, or None where no rate was confirmed, and every step on the way."""

    host: str
    scenario: str
    page_share: float
    slo_p99_ms: float
    highest: Step | None
    steps: tuple[Step, ...]
    ceiling: Ceiling | None

    @property
    def rate(self) -> float:
        """The highest rate, answers per second; 0 where none was confirmed."""
        return self.highest.rate if self.highest else 0.0


class _Steps:
    """Steps taken so far on one load."""

    def __init__(self, load: Load, slo_p99_ms: float, seconds: float, on_step: Callable[[Step], None]) -> None:
        self.load, self.slo_p99_ms, self.on_step = replace(load, timeout_seconds=GRACE_SECONDS), slo_p99_ms, on_step
        self.step_seconds = min(STEP_SECONDS, seconds)
        self.taken: list[Step] = []

    def step(self, rate: float, seconds: float) -> Step:
        """Drive one rate; again, if only the driver's own lateness kept it from being kept."""
        for _ in range(TRIES):
            step = _judged(drive(replace(self.load, rate=rate, seconds=seconds)), rate, self.slo_p99_ms)
            if not self._driver_was_late(step):
                self.taken.append(step)
                self.on_step(step)
                return step
        raise RunError(
            f"client saturated: at {rate:,.0f} requests per second it sent {step.client_lag_p99_ms:.2f} ms late by itself (p99);"
            " run it on another machine, or leave it a core of its own"
        )

    def _driver_was_late(self, step: Step) -> bool:
        """Whether answers were right and the rate achieved, and the 99th percentile would be within its limit but for the lag."""
        limit, held = self.slo_p99_ms, step.rate_share >= HELD_SHARE
        return step.right and held and limit < step.p99_ms <= limit + step.client_lag_p99_ms

    def keeps(self, rate: float) -> bool:
        """Whether a short step keeps a rate, at the second try if need be: one hiccup of 20 ms is 1 % of two seconds."""
        return any(self.step(rate, self.step_seconds).kept for _ in range(2))

    def halve(self) -> float:
        """The highest rate that short steps kept, 0 for none."""
        # A service's first answers are its slowest.
        drive(replace(self.load, rate=FIRST_RATE, seconds=self.step_seconds))
        if not self.keeps(FIRST_RATE):
            return 0.0
        answered = drive(replace(self.load, rate=None, seconds=self.step_seconds))
        kept, missed = FIRST_RATE, max(1.2 * answered.statuses.get(200, 0) / answered.seconds, 2 * FIRST_RATE)
        while missed / kept > CLOSE_ENOUGH:
            middle = (kept + missed) / 2
            if self.keeps(middle):
                kept = middle
            else:
                missed = middle
        return kept

    def confirm(self, rate: float, seconds: float) -> Step | None:
        """The first long step that is kept, from a rate downwards."""
        for number in range(CONFIRMATIONS):
            step = self.step(rate * STEP_DOWN**number, seconds)
            if step.kept:
                return step
        return None


def find_max(
    host: str,
    load: Load,
    slo_p99_ms: float,
    seconds: float,
    look_ups: LookUps,
    on_step: Callable[[Step], None] = lambda _: None,
) -> Search:
    """Look for the highest rate of a load and hold it for ``seconds``; ``on_step`` is called after each step.

    Raises:
        RunError: nothing answers, or the client is saturated: the driver would not hold 1.5 times the rate against a server that
            does nothing.
    """
    steps = _Steps(load, slo_p99_ms, seconds, on_step)
    kept = steps.halve()
    highest = steps.confirm(kept, seconds) if kept else None
    limit = ceiling(load, highest.asked_rate) if highest else None
    if limit and not limit.held:
        raise RunError(
            f"client saturated: against a server that does nothing it reached {limit.rate:,.0f} of {limit.asked_rate:,.0f}"
            f" requests per second with a p99 of {limit.p99_ms:.2f} ms; run it on another machine, or leave it a core of its own"
        )
    return Search(host, look_ups.scenario, look_ups.page_share, slo_p99_ms, highest, tuple(steps.taken), limit)


def _judged(driven: Drive, rate: float, slo_p99_ms: float) -> Step:
    """A 503 is a refusal and no wrong answer, but it is not an achieved one; being quick, it must not flatter the percentile."""
    right = set(driven.statuses) <= {0, 200, 503} and not driven.wrong
    answered = driven.statuses.get(200, 0)
    share = driven.rate_share * answered / max(driven.requests - driven.unanswered, 1)
    p99_ms = max(driven.latency.p99_ms, driven.accepted.p99_ms) if answered else driven.latency.p99_ms
    return Step(
        asked_rate=rate,
        seconds=driven.seconds,
        rate=answered / driven.seconds,
        rate_share=share,
        p50_ms=driven.latency.p50_ms,
        p99_ms=p99_ms,
        p999_ms=driven.latency.p999_ms,
        statuses=driven.statuses,
        wrong=driven.wrong,
        client_lag_p99_ms=driven.lag_p99_ms,
        right=right,
        kept=right and share >= HELD_SHARE and p99_ms <= slo_p99_ms,
    )
