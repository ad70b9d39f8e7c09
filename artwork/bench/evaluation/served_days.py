"""Days that are served, answered, reported and joined as they are in operation, in a world where the truth is known.

Each run is a generation with users of its own, drawn from many kinds of users. Its picks are drawn by ``precompute``, published
rows are looked up by the service's own code, events pass the service's own checks, and ``join`` makes impressions of them. Over
many runs, estimates from these impressions have to hit the truth on average, and their intervals have to hold it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from artwork.bench.evaluation.served_visits import Day, Habits, write_segments
from artwork.bench.evaluation.served_world import (
    N_ARMS,
    N_KINDS,
    N_TITLES,
    N_USERS,
    RETIRED,
    World,
    redrawn,
    silent,
    trained,
)
from bandit.arrays import F64, I64
from bandit.evaluation import Thresholds, estimate
from batch.events.arrivals import JoinSettings
from batch.events.join import Joined, join
from batch.executors import SerialExecutor
from batch.workspace.overlays import write_overlay
from batch.workspace.workspace import Workspace

TARGETS: Final = ("uniform", "best")
ESTIMATORS: Final = ("ips", "snips", "dr")

_LENIENT: Final = Thresholds(effective_sample_size=0, weight_share=1, calibration_errors=99, mean_weight_errors=99)


@dataclass(frozen=True)
class Runs:
    """Some runs, a task for a process: numbers ``first`` to before ``stop``; what is taken after ``until`` is not there yet."""

    first: int
    stop: int
    habits: Habits = Habits()
    open_rows: str = "learn"
    until: datetime | None = None


class ServedDays(NamedTuple):
    """What runs found: ``values``, ``covered`` (r, targets, estimators), the joined rows, and what the join counted."""

    values: F64
    covered: F64
    rows: pl.DataFrame
    joined: Joined


def run_days(task: Runs, folder: Path | None = None) -> ServedDays:
    """Serve, report, join and estimate."""
    with TemporaryDirectory() as own:
        workspace = Workspace((folder or Path(own)) / "workspace")
        world = World.drawn()
        model = trained(workspace, world)
        for overlay in RETIRED[1:]:
            write_overlay(workspace, overlay)
        kinds, requests = {}, []
        for number in range(task.first, task.stop):
            random = np.random.default_rng((7, number))
            of_users = random.integers(0, N_KINDS, N_USERS)
            generation = redrawn(workspace, model, world.contexts[of_users], number)
            kinds[generation] = of_users
            served = asyncio.run(Day(workspace, generation, world, of_users, task.habits, random).requests())
            requests += [request for request in served if task.until is None or request[0] <= task.until]
        write_segments(workspace, requests)
        joined = join(workspace, SerialExecutor(), silent, settings=JoinSettings(open_rows=task.open_rows))
        paths = sorted(workspace.impressions.glob("day=*/events.parquet"))
        rows = pl.concat([pl.read_parquet(path) for path in paths])
        results = [_judged(world, rows.filter(pl.col("generation") == generation)) for generation in sorted(kinds)]
        values, covered = (np.array(of_runs) for of_runs in zip(*results, strict=True))
        return ServedDays(values, covered, rows, joined)


def estimates_of(task: Runs) -> tuple[F64, F64, int]:
    """Values and coverage of runs, (r, targets, estimators) each, and their impressions; for another process."""
    served = run_days(task)
    return served.values, served.covered, served.rows.height


@dataclass(frozen=True)
class ServedRow:
    """One estimator of one target over all runs: mean error, its standard error, and how often its interval held the truth."""

    target: str
    estimator: str
    truth: float
    bias: float
    error: float
    covered: float


@dataclass(frozen=True)
class ServedCoverage:
    """What some runs came to."""

    runs: int
    impressions: int
    rows: list[ServedRow]


def coverage_of_days(parts: Sequence[tuple[F64, F64, int]]) -> ServedCoverage:
    """Put what ``estimates_of`` tasks gave together."""
    values, covered = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    world, runs, impressions = World.drawn(), len(values), sum(part[2] for part in parts)
    rows = []
    for place, target in enumerate(TARGETS):
        for nth, estimator in enumerate(ESTIMATORS):
            own, truth = values[:, place, nth], world.truth(target)
            error = float(own.std(ddof=1) / np.sqrt(runs))
            held = float(covered[:, place, nth].mean())
            rows.append(ServedRow(target, estimator, truth, float(own.mean()) - truth, error, held))
    return ServedCoverage(runs, impressions, rows)


def _judged(world: World, rows: pl.DataFrame) -> tuple[F64, F64]:
    """Value and coverage of every target and estimator, (targets, estimators) each, from the rows of a run."""
    title = rows["title_id"].str.slice(1).cast(pl.Int64).to_numpy()
    arms = title * N_ARMS + rows["arm"].cast(pl.Int64).to_numpy()
    users = rows["user_id"].str.slice(1).cast(pl.Int64).to_numpy()
    rewards, propensities = rows["reward"].to_numpy(), rows["propensity"].to_numpy()
    eligible = np.zeros((rows.height, N_TITLES * N_ARMS), dtype=np.bool_)
    listed = rows.select(pl.int_range(pl.len()).alias("row"), "eligible").explode("eligible")
    at = listed["row"].to_numpy()
    eligible[at, title[at] * N_ARMS + listed["eligible"].cast(pl.Int64).to_numpy()] = True
    shape = len(TARGETS), len(ESTIMATORS)
    values, covered = np.empty(shape), np.empty(shape)
    q = _take_rates(arms, rewards, users % 2)
    for place, target in enumerate(TARGETS):
        p = np.zeros(eligible.shape)
        for own in range(N_TITLES):
            p[title == own, own * N_ARMS : (own + 1) * N_ARMS] = world.target(target)[own]
        truth = world.truth(target)
        for nth, name in enumerate(ESTIMATORS):
            found = estimate(
                name,
                rewards,
                arms,
                propensities,
                p,
                q if name == "dr" else None,
                users * N_TITLES + title,
                users=users,
                eligible=eligible,
                thresholds=_LENIENT,
            )
            values[place, nth] = np.nan if found.value is None else found.value
            covered[place, nth] = found.lower is not None and found.lower <= truth <= (found.upper or 0.0)
    return values, covered


def _take_rates(arms: I64, rewards: F64, fold: I64) -> F64:
    """Rewards per impression of each arm among the users of the other half, (m, k)."""
    rates = np.full((2, N_TITLES * N_ARMS), 0.3)
    for half in (0, 1):
        other = fold != half
        shown = np.bincount(arms[other], minlength=rates.shape[1])
        taken = np.bincount(arms[other], weights=rewards[other], minlength=rates.shape[1])
        rates[half] = (taken + 0.3) / (shown + 1)
    return rates[fold]
