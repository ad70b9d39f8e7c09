"""``artwork join`` over a drawn log of true answers, where it is known what has to come of it."""

import json
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from artwork.bench.events.drawing import draw_log
from artwork.bench.events.results import Job, Joins, JoinSize, Plan
from artwork.bench.events.watching import run_job
from artwork.bench.targets import WrongAnswerError
from batch.executors import Progress
from batch.workspace.workspace import Workspace


def measure_joins(plan: Plan, progress: Progress) -> Joins:
    """Join the same log some times, in processes on all cores.

    Raises:
        WrongAnswerError: rows, plays or duplicates are others than were drawn.
        SurroundingsError: the join fails, or the disk is full.
    """
    with TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        size = draw_log(workspace, plan.users, plan.titles, plan.impressions, progress)
        jobs = []
        for number in range(plan.rounds):
            progress("joins", number, plan.rounds)
            jobs.append(_join(workspace, size))
        progress("joins", plan.rounds, plan.rounds)
    return Joins(size, jobs)


def _join(workspace: Workspace, size: JoinSize) -> Job:
    shutil.rmtree(workspace.impressions, ignore_errors=True)
    for path in workspace.events.glob("join*.json"):
        path.unlink()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARTWORK_")}
    words = ("join", "-w", str(workspace.root), "--executor", "processes", "--open-rows", "learn", "--json")
    job, said = run_job(words, environment)
    made = json.loads(said)
    found = {name: made[name] for name in ("rows", "joined_plays", "duplicates", "orphan_plays", "set_aside")}
    drawn = {
        "rows": size.impressions,
        "joined_plays": size.plays,
        "duplicates": size.duplicates,
        "orphan_plays": 0,
        "set_aside": {},
    }
    if found != drawn:
        raise WrongAnswerError(f"`artwork join` found {found}, drawn were {drawn}")
    return job
