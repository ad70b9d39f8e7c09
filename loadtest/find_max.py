"""The highest rate that a service holds: open loop, 99th percentile within a limit, and nearly all of the rate achieved.

Halving between a rate that was kept and one that was not, in short steps, then a long step that has to confirm it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from loadtest.driver.ceiling import HELD_SHARE, Ceiling, ceiling
from loadtest.driver.open_loop import Drive, Load, drive
from loadtest.figures import histogram_of
from loadtest.fixed_rate import fine_counts
from loadtest.look_ups import LookUps
from loadtest.verdict import LAG_SHARE, enough_seconds, too_late

FIRST_RATE: Final = 200.0
"""Where the search begins; it goes up from here, or down to ``LOWEST_RATE``."""

LOWEST_RATE: Final = 10.0
"""A service that does not hold this many requests per second has no highest rate worth looking for."""

STEP_SECONDS: Final = 2.0
STEP_REQUESTS: Final = 40
"""A short step has about so many at least, and takes longer at a low rate; the long step that confirms has a thousand."""

CLOSE_ENOUGH: Final = 1.04
"""A rate that was missed, over one that was kept, at which halving ends: short steps do not tell them further apart."""

STEP_DOWN: Final = 0.9
CONFIRMATIONS: Final = 6
TRIES: Final = 3
GRACE_SECONDS: Final = 1.0
"""How long after a step an answer is waited for: a backlog of more has missed the limit anyway."""


@dataclass(frozen=True)
class Step:
    """One rate, and how it went: ``right`` if every answer was, ``kept`` if it was also in time and the rate achieved.

    Of a step that is ``blurred``, the client was too late itself to tell; it is neither kept nor missed.
    """

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
    blurred: bool


@dataclass(frozen=True)
class Search:
    """The search: the confirming step, or None where no rate was confirmed, and every step on the way.

    ``why_none`` says why there is no verdict, and what to do; ``histogram`` is of the confirming step: milliseconds, requests.
    """

    host: str
    scenario: str
    page_share: float
    slo_p99_ms: float
    highest: Step | None
    steps: tuple[Step, ...]
    ceiling: Ceiling | None
    why_none: str | None
    histogram: dict[str, int]

    @property
    def rate(self) -> float:
        """The highest rate, answers per second; 0 where none was confirmed."""
        return self.highest.rate if self.highest else 0.0


class _ClientTooLateError(Exception):
    """The client was too late itself, as often as it was tried."""


class _Steps:
    """Steps taken so far on one load."""

    def __init__(self, load: Load, slo_p99_ms: float, seconds: float, on_step: Callable[[Step], None]) -> None:
        self.load, self.slo_p99_ms, self.on_step = replace(load, timeout_seconds=GRACE_SECONDS), slo_p99_ms, on_step
        self.step_seconds = min(STEP_SECONDS, seconds)
        self.taken: list[Step] = []
        self.histogram: dict[str, int] = {}

    def step(self, rate: float, seconds: float) -> Step:
        """Drive one rate; again, if only the driver's own lateness kept it from being judged."""
        for _ in range(TRIES):
            driven = drive(replace(self.load, rate=rate, seconds=seconds))
            step = judged(driven, rate, self.slo_p99_ms)
            self.taken.append(step)
            self.on_step(step)
            if not step.blurred:
                self.histogram = histogram_of(fine_counts(driven.latencies_ms))
                return step
        raise _ClientTooLateError(
            f"at {rate:,.0f} requests per second {too_late(step.client_lag_p99_ms, self.slo_p99_ms)}"
        )

    def keeps(self, rate: float) -> bool:
        """Whether a short step keeps a rate, at the second try if need be: one hiccup of 20 ms is 1 % of two seconds.

        Wrong answers are no hiccup.
        """
        seconds = max(self.step_seconds, STEP_REQUESTS / rate)
        first = self.step(rate, seconds)
        return first.kept or (first.right and self.step(rate, seconds).kept)

    def halve(self) -> float:
        """The highest rate that short steps kept, 0 for none."""
        # A service's first answers are its slowest.
        drive(replace(self.load, rate=FIRST_RATE, seconds=self.step_seconds))
        if self.keeps(FIRST_RATE):
            answered = drive(replace(self.load, rate=None, seconds=self.step_seconds))
            kept, missed = FIRST_RATE, max(1.2 * answered.statuses.get(200, 0) / answered.seconds, 2 * FIRST_RATE)
        elif self.keeps(LOWEST_RATE):
            kept, missed = LOWEST_RATE, FIRST_RATE
        else:
            return 0.0
        while missed / kept > CLOSE_ENOUGH:
            middle = (kept * missed) ** 0.5
            if self.keeps(middle):
                kept = middle
            else:
                missed = middle
        return kept

    def confirm(self, rate: float, seconds: float) -> Step | None:
        """The first step that is kept from a rate downwards, of these seconds or as many as a verdict takes."""
        for number in range(CONFIRMATIONS):
            lower = max(rate * STEP_DOWN**number, LOWEST_RATE)
            step = self.step(lower, max(seconds, enough_seconds(lower)))
            if step.kept:
                return step
            if lower == LOWEST_RATE:
                break
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

    It is held for longer where ``seconds`` has too few requests for a verdict. There is none where the client is saturated:
    it was late itself, or would not hold 1.5 times the rate against a server that does nothing.

    Raises:
        RunError: nothing answers.
    """
    steps = _Steps(load, slo_p99_ms, seconds, on_step)
    highest, limit, why_none = None, None, None
    try:
        kept = steps.halve()
        highest = steps.confirm(kept, seconds) if kept else None
    except _ClientTooLateError as error:
        why_none = str(error)
    if highest:
        limit = ceiling(load, highest.asked_rate)
        if not limit.held:
            why_none = (
                f"against a server that does nothing the client reached {limit.rate:,.0f} of {limit.asked_rate:,.0f} requests per"
                f" second with a p99 of {limit.p99_ms:.2f} ms: give it a core or a machine of its own"
            )
    if why_none:
        highest = None
    return Search(
        host=host,
        scenario=look_ups.scenario,
        page_share=look_ups.page_share,
        slo_p99_ms=slo_p99_ms,
        highest=highest,
        steps=tuple(steps.taken),
        ceiling=limit,
        why_none=why_none,
        histogram=steps.histogram if highest else {},
    )


def judged(driven: Drive, rate: float, slo_p99_ms: float) -> Step:
    """One step, held against the limit.

    A 503 is a refusal and no wrong answer, but it is not an achieved one; being quick, it must not flatter the percentile.
    """
    right = set(driven.statuses) <= {0, 200, 503} and not driven.wrong
    answered = driven.statuses.get(200, 0)
    share = driven.rate_share * answered / max(driven.requests - driven.unanswered, 1)
    p99_ms = max(driven.latency.p99_ms, driven.accepted.p99_ms) if answered else driven.latency.p99_ms
    held = right and share >= HELD_SHARE
    # A late client blurs what its lateness explains: a step in time, or one that would be in time without it.
    late = driven.lag_p99_ms > LAG_SHARE * slo_p99_ms
    blurred = held and late and p99_ms <= slo_p99_ms + driven.lag_p99_ms
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
        kept=held and p99_ms <= slo_p99_ms and not blurred,
        blurred=blurred,
    )
