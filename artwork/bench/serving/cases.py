"""Contenders measured in turns: what slows the machine for a while slows all of them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np

from artwork.bench.events.watching import cpu_seconds_of_all
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


@dataclass(frozen=True)
class Opened:
    """Which contenders are also asked at a rate, by name, and the core of the servers, on which the driver's limit is tried."""

    names: Collection[str]
    core: int | None


OPENED_BY_NONE: Final = Opened((), None)


def measure(
    contenders: Sequence[Contender], row_picks: int, plan: Plan, progress: Progress, opened: Opened = OPENED_BY_NONE
) -> list[Case]:
    """Closed loop of every contender; of those that ``opened`` names also highest rate and latencies below it.

    Raises:
        WrongAnswerError: a contender gives a wrong answer under load.
        SurroundingsError: a driver fails.
    """

    def tell(what: str, done: int, total: int) -> None:
        progress(f"rows of {row_picks:,} picks, {what}", done, total)

    def run_closed(place: int, _turn: int) -> tuple[ClosedRun, float]:
        return closed_run(contenders[place], plan.closed_seconds)

    shares = [_warmed(contender, plan.warm_seconds) for contender in contenders]
    runs = _in_turns("closed loop", run_closed, len(contenders), plan.closed_rounds, tell)
    closed = {each.name: _closed(own, share) for each, own, share in zip(contenders, runs, shares, strict=True)}
    rates = {each.name: closed[each.name].rate.median for each in contenders if each.name in opened.names}
    asked_at_rates = [each for each in contenders if each.name in rates]
    steady = _open_loop(asked_at_rates, rates, plan, opened.core, tell) if asked_at_rates else {}
    return [
        Case(each.name, row_picks, each.picks, closed[each.name], *steady.get(each.name, (None, None)))
        for each in contenders
    ]


def _open_loop(
    contenders: Sequence[Contender], closed_rates: Mapping[str, float], plan: Plan, core: int | None, tell: Progress
) -> dict[str, tuple[Highest, Steady]]:
    """Highest rate of each, looked for around that of its closed loop, and latencies below it; by name."""
    highest: list[Highest] = []
    for place, contender in enumerate(contenders):
        tell("highest rate", place, len(contenders))
        held = confirm(contender, search(contender, closed_rates[contender.name], plan), plan)
        saturated = is_saturated(contender, held.rate, plan.search_seconds, core)
        highest.append(replace(held, saturated=saturated))
    tell("highest rate", len(contenders), len(contenders))

    def run_steady(place: int, turn: int) -> Drive:
        rate, seconds = STEADY_SHARE * highest[place].rate, plan.seconds / plan.rounds
        return asked_by_driver(load_of(contenders[place], rate, seconds, seed=turn), contenders[place].name)

    drives = _in_turns("latencies", run_steady, len(contenders), plan.rounds, tell)
    return {
        contender.name: (own, _steady(contender, own, driven))
        for contender, own, driven in zip(contenders, highest, drives, strict=True)
    }


def _in_turns(what: str, take: Callable[[int, int], T], count: int, rounds: int, progress: Progress) -> list[list[T]]:
    """All runs of each contender, A B A B: each round asks every one once, by its place and the turn."""
    runs: list[list[T]] = [[] for _ in range(count)]
    for turn in range(rounds * count):
        progress(what, turn, rounds * count)
        runs[turn % count].append(take(turn % count, turn))
    progress(what, rounds * count, rounds * count)
    return runs


def closed_run(contender: Contender, seconds: float) -> tuple[ClosedRun, float]:
    """One run, and the microseconds of processor time that the server spent per answer."""
    before = cpu_seconds_of_all(contender.server.pid)
    with contender.server.asked():
        run = (
            wrk.run(contender.server.port, contender.asked, seconds)
            if wrk.is_installed()
            else closed_by_driver(contender, seconds)[0]
        )
        used = cpu_seconds_of_all(contender.server.pid) - before
    if run.failed:
        raise WrongAnswerError(f"{contender.name}: {run.failed} requests of a closed loop failed, expected none")
    return run, used / max(1, run.latency.count) * 1e6


def _warmed(contender: Contender, seconds: float) -> float:
    """The share of answers from rows in a closed loop that warms a server up."""
    with contender.server.asked():
        return closed_by_driver(contender, seconds)[1]


def _closed(runs: Sequence[tuple[ClosedRun, float]], share: float) -> Closed:
    rates = [run.rate for run, _ in runs]
    return Closed(
        Spread.of(rates),
        *_spreads([run.latency for run, _ in runs]),
        from_rows=share,
        rates=rates,
        cpu_us=Spread.of([microseconds for _, microseconds in runs]),
    )


def _steady(contender: Contender, highest: Highest, drives: Sequence[Drive]) -> Steady:
    together = histogram(np.concatenate([driven.latencies_ms for driven in drives]))
    return Steady(
        STEADY_SHARE * highest.rate,
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
