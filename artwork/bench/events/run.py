"""All parts, one after the other, and their figures beside what is required."""

import os

from artwork.bench.events.joining import measure_joins
from artwork.bench.events.results import JUDGED_IMPRESSIONS, EventsReport, Joins, Plan, Taken, spread
from artwork.bench.events.taking import measure_taking
from artwork.bench.machine import this_machine
from artwork.bench.targets import MISSED, SATURATED, UNCONFIRMED, Judged, Limit, Target
from artwork.bench.testbed.cores import find_cores
from bandit.errors import InputError
from batch.executors import Progress

LIBRARIES = ["fastapi", "pydantic", "uvicorn", "uvloop", "redis", "hiredis", "orjson", "polars", "numba"]
PARTS = ("post", "join")

EVENTS_A_SECOND = Target(20_000, 20_000)
LOOK_UP_P99_MS = Limit(5, 2)
FROM_ROWS = Target(0.99, 0.999)
JOIN_SECONDS = Limit(60, 40)
JOIN_GIGABYTES = Limit(2, 1)

MOST_LAG_MS = 1.0
"""A client or driver that sends later than this, in one of a hundred, measures itself."""
MOST_OTHERS = 0.1
"""Cores that other processes may use while something is measured; beyond, a figure that misses says nothing."""


def run(plan: Plan, parts: tuple[str, ...], progress: Progress) -> EventsReport:
    """Measure the parts that are named.

    Raises:
        WrongAnswerError: something is lost, counted twice, or joined otherwise than it was drawn.
        SurroundingsError: a process, the store or the disk fails.
    """
    load = [os.getloadavg()[0]]
    taken = measure_taking(plan, find_cores(), progress) if "post" in parts else None
    joins = measure_joins(plan, progress) if "join" in parts else None
    load.append(os.getloadavg()[0])
    judged = [*(judge_taken(taken) if taken else ()), *(judge_joins(joins) if joins else ())]
    return EventsReport(
        this_machine(LIBRARIES), plan, load, taken, joins, judged, all(target.is_reached for target in judged)
    )


def chosen_parts(names: list[str] | None) -> tuple[str, ...]:
    """The parts of some names; None is all.

    Raises:
        InputError: there is no such part.
    """
    for name in names or ():
        if name not in PARTS:
            raise InputError(f"there is no part {name!r}; choose one of {', '.join(PARTS)}")
    return tuple(names or PARTS)


def judge_taken(taken: Taken) -> list[Judged]:
    """Events per second that were accepted, and look-ups beside them; medians of the rounds."""
    rounds = taken.rounds
    is_late = spread([max(beside.post_lag_p99_ms, beside.look_up_lag_p99_ms) for beside in rounds]).median > MOST_LAG_MS
    hindrance = _busy([beside.others_cpu for beside in rounds]) or (SATURATED if is_late else "")
    what = f"beside {spread([beside.look_ups for beside in rounds]).median:,.0f} look-ups/s"
    return [
        _judged(f"events accepted, {what}", [beside.accepted for beside in rounds], "/s", EVENTS_A_SECOND, hindrance),
        _judged(
            "p99 of look-ups meanwhile", [beside.look_up_p99_ms for beside in rounds], "ms", LOOK_UP_P99_MS, hindrance
        ),
        _judged("look-ups answered from rows", [beside.from_rows for beside in rounds], "", FROM_ROWS, hindrance),
    ]


def judge_joins(joins: Joins) -> list[Judged]:
    """Seconds and memory of a join; one of fewer impressions than it is about is not judged."""
    if joins.size.impressions < JUDGED_IMPRESSIONS:
        return []
    what = f"join of {joins.size.impressions:,} impressions"
    hindrance = _busy([job.others_cpu for job in joins.jobs])
    return [
        _judged(what, [job.seconds for job in joins.jobs], "s", JOIN_SECONDS, hindrance),
        _judged(f"{what}, memory", [job.peak_gigabytes for job in joins.jobs], "GiB", JOIN_GIGABYTES, ""),
    ]


def _judged(what: str, values: list[float], unit: str, target: Target | Limit, hindrance: str) -> Judged:
    """A value that is reached in spite of a hindrance is reached."""
    found = spread(values).median
    return Judged.of(what, found, unit, target, hindrance if target.verdict(found) == MISSED else "")


def _busy(others: list[float]) -> str:
    return UNCONFIRMED if spread(others).median > MOST_OTHERS else ""
