"""Contenders measured in turns: what slows the machine for a while slows all of them."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Final, TypeVar

import numpy as np

from artwork.bench.serving import wrk
from artwork.bench.serving.contenders import Contender
from artwork.bench.serving.driving import ClosedRun, asked_by_driver, closed_by_driver, from_rows, is_saturated, load_of
from artwork.bench.serving.highest import Highest, confirm, search
from artwork.bench.serving.plan import Plan
from artwork.bench.serving.results import Case, Closed, Steady
from artwork.bench.targets import WrongAnswerError
from artwork.bench.timing import Spread
from batch.executors import Progress
from loadtest.driver.latency import Latency, histogram
from loadtest.driver.open_loop import Drive

STEADY_SHARE: Final = 0.6
"""Of the highest rate: where latencies are taken."""

CURVE: Final = tuple(100 * (1 - 10 ** (-step / 8)) for step in range(33))
"""Percentiles, evenly spaced in nines, from 0 to 99.99."""

T = TypeVar("T")


def measure(
    contenders: Sequence[Contender], row_picks: int, plan: Plan, core: int | None, progress: Progress
) -> list[Case]:
    """Closed loop, highest rate and latencies below it of every contender; ``core`` is the server's.

    Raises:
        WrongAnswerError: a contender gives a wrong answer under load.
        SurroundingsError: a driver fails.
    """
    turns = _Turns(contenders, plan, progress, f"rows of {row_picks:,} picks")
    closed = turns.closed()
    highest = turns.highest(closed, core)
    steady = turns.steady(highest)
    return [
        Case(contender.name, row_picks, contender.picks, closed[i], highest[i], steady[i])
        for i, contender in enumerate(contenders)
    ]


class _Turns:
    """A B A B: each round asks every contender once."""

    def __init__(self, contenders: Sequence[Contender], plan: Plan, progress: Progress, what: str) -> None:
        self._contenders = contenders
        self._plan = plan
        self._progress = progress
        self._what = what

    def closed(self) -> list[Closed]:
        shares = [
            closed_by_driver(contender, self._plan.closed_seconds)[1] for contender in self._contenders
        ]  # warms up, too
        runs = self._taken(
            "closed loop",
            lambda i, _: _closed_run(self._contenders[i], self._plan.closed_seconds),
            self._plan.closed_rounds,
        )
        return [_closed(own, share) for own, share in zip(runs, shares, strict=True)]

    def highest(self, closed: Sequence[Closed], core: int | None) -> list[Highest]:
        rates = self._taken(
            "highest rate",
            lambda i, _: search(self._contenders[i], closed[i].rate.median, self._plan),
            self._plan.rounds,
        )
        highest = []
        for i, contender in enumerate(self._contenders):
            self._progress(f"{self._what}, highest rate held", i, len(self._contenders))
            held = confirm(contender, median(rates[i]), self._plan)
            saturated = is_saturated(contender, held.rate, self._plan.search_seconds, core)
            highest.append(Highest(held.rate, held.seconds, held.confirmed, saturated))
        self._progress(f"{self._what}, highest rate held", len(self._contenders), len(self._contenders))
        return highest

    def steady(self, highest: Sequence[Highest]) -> list[Steady]:
        seconds = self._plan.seconds / self._plan.rounds
        drives = self._taken(
            "latencies",
            lambda i, turn: asked_by_driver(
                load_of(self._contenders[i], STEADY_SHARE * highest[i].rate, seconds, seed=turn),
                self._contenders[i].name,
            ),
            self._plan.rounds,
        )
        return [
            _steady(contender, STEADY_SHARE * highest[i].rate, drives[i])
            for i, contender in enumerate(self._contenders)
        ]

    def _taken(self, what: str, take: Callable[[int, int], T], rounds: int) -> list[list[T]]:
        """All runs of each contender, taken in turns."""
        runs: list[list[T]] = [[] for _ in self._contenders]
        total = rounds * len(self._contenders)
        for turn in range(total):
            self._progress(f"{self._what}, {what}", turn, total)
            at = turn % len(self._contenders)
            runs[at].append(take(at, turn))
        self._progress(f"{self._what}, {what}", total, total)
        return runs


def _closed_run(contender: Contender, seconds: float) -> ClosedRun:
    run = (
        wrk.run(contender.server.port, contender.asked, seconds)
        if wrk.is_installed()
        else closed_by_driver(contender, seconds)[0]
    )
    if run.failed:
        raise WrongAnswerError(f"{contender.name}: {run.failed} requests of a closed loop failed, expected none")
    return run


def _closed(runs: Sequence[ClosedRun], share: float) -> Closed:
    rates = [run.rate for run in runs]
    return Closed(Spread.of(rates), *_spreads([run.latency for run in runs]), from_rows=share, rates=rates)


def _steady(contender: Contender, rate: float, drives: Sequence[Drive]) -> Steady:
    together = histogram(np.concatenate([driven.latencies_ms for driven in drives]))
    return Steady(
        rate,
        *_spreads([driven.latency for driven in drives]),
        from_rows=min(from_rows(contender, driven) for driven in drives),
        curve=[(percent, together.get_value_at_percentile(percent) / 1000) for percent in CURVE],
    )


def _spreads(latencies: Sequence[Latency]) -> tuple[Spread, Spread, Spread, Spread, Spread]:
    """Of each percentile that is shown, and of the longest."""
    return (
        Spread.of([latency.p50_ms for latency in latencies]),
        Spread.of([latency.p90_ms for latency in latencies]),
        Spread.of([latency.p99_ms for latency in latencies]),
        Spread.of([latency.p999_ms for latency in latencies]),
        Spread.of([latency.max_ms for latency in latencies]),
    )
