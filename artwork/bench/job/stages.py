"""The commands of the job, one after the other, as anybody would run them."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from artwork.bench.events.watching import Memory, run_job
from artwork.bench.job.data import make
from artwork.bench.job.results import Plan, Sized, Stage, Trained
from artwork.bench.targets import WrongAnswerError
from artwork.bench.testbed.breakable_store import BreakableStore
from batch.executors import Progress
from batch.workspace.workspace import Workspace

FEWER: Final = 10
"""By how much the impressions are fewer in a training that is measured beside."""
_COMMANDS: Final = ("train", "precompute", "publish")


def measure(workspace: Workspace, users: int, plan: Plan, progress: Progress) -> Sized:
    """Make a workspace, which is not timed, and run the job on it into an empty store.

    Raises:
        WrongAnswerError: the store has another number of rows than there are users.
        SurroundingsError: a command fails, or the disk is full.
    """
    make(workspace, users, progress, impressions=plan.impressions, n_titles=plan.titles, picks=plan.picks)
    with TemporaryDirectory() as folder, BreakableStore(Path(folder), forgets=True) as store:
        stages: list[Stage] = []
        for command in _COMMANDS:
            progress(f"{users:,} users: {command}", len(stages), len(_COMMANDS))
            stages.append(_stage(command, workspace, store))
        progress(f"{users:,} users: {_COMMANDS[-1]}", len(stages), len(_COMMANDS))
        with store.client() as client:
            held = sum(1 for _ in client.scan_iter(match="art:g:1:u:*", count=2000))
    if held != users:
        raise WrongAnswerError(f"the store has {held:,} rows after a job of {users:,} users")
    return Sized(users, users * plan.picks_per_user, stages)


def measure_training(plan: Plan, progress: Progress) -> Trained:
    """Train the smallest workspace on a tenth of the impressions.

    Raises:
        SurroundingsError: a command fails, or the disk is full.
    """
    fewer = max(1, plan.impressions // FEWER)
    with TemporaryDirectory() as folder, BreakableStore(Path(folder), forgets=True) as store:
        workspace = Workspace(Path(folder) / "workspace")
        make(workspace, plan.sizes[0], progress, impressions=fewer, n_titles=plan.titles, picks=plan.picks)
        return Trained(fewer * plan.days, _stage(_COMMANDS[0], workspace, store))


def _stage(command: str, workspace: Workspace, store: BreakableStore) -> Stage:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARTWORK_")}
    words = [command, "-w", str(workspace.root), "--json"]
    words += [] if command == "publish" else ["--executor", "processes"]
    before = _cpu(store)
    job, _ = run_job(words, environment | {"ARTWORK_REDIS_URL": store.url}, memory=Memory.PROPORTIONAL)
    in_store = _cpu(store) - before
    others = max(0.0, job.others_cpu - in_store / job.seconds)
    return Stage(command, job.seconds, job.cpu_seconds, job.peak_gigabytes, in_store, others)


def _cpu(store: BreakableStore) -> float:
    info = store.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])
