"""A job on a schedule: what a cycle that fails costs, and what the heartbeat says of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bandit.errors import InputError, SurroundingsError
from batch.job import parse_duration, run_every
from batch.workspace.workspace import Workspace


class StoppedError(Exception):
    """Raised by ``Schedule`` in place of a pause, to end the job."""


class Schedule:
    """Cycles that run or fail as told, pauses that take no time, and what the heartbeat said at each pause."""

    def __init__(self, workspace: Workspace, *outcomes: Exception | None) -> None:
        self.workspace = workspace
        self.outcomes = list(outcomes)
        self.complaints: list[str] = []
        self.beats: list[str] = []
        self.pauses: list[float] = []

    def cycle(self) -> None:
        self.beats.append(self.status())
        outcome = self.outcomes.pop(0)
        if outcome is not None:
            raise outcome

    def pause(self, seconds: float) -> None:
        self.beats.append(self.status())
        self.pauses.append(seconds)
        if not self.outcomes:
            raise StoppedError

    def status(self) -> str:
        return str(json.loads(self.workspace.heartbeat.read_bytes())["status"])

    def run(self, cycle: Callable[[], object] | None = None) -> None:
        run_every(60, self.workspace, cycle or self.cycle, self.complaints.append, self.pause)


def test_the_heartbeat_says_running_then_done(tmp_path: Path) -> None:
    schedule = Schedule(Workspace(tmp_path), None)
    with pytest.raises(StoppedError):
        schedule.run()
    assert schedule.beats == ["running", "done"]


def test_a_cycle_that_the_surroundings_fail_is_told_and_the_next_one_runs(tmp_path: Path) -> None:
    schedule = Schedule(Workspace(tmp_path), SurroundingsError("the store is gone"), None)
    with pytest.raises(StoppedError):
        schedule.run()
    assert schedule.complaints == ["the store is gone"]
    assert schedule.beats == ["running", "failed", "running", "done"]


def test_wrong_input_ends_the_job_with_the_heartbeat_failed(tmp_path: Path) -> None:
    schedule = Schedule(Workspace(tmp_path), InputError("no such column"), None)
    with pytest.raises(InputError, match="no such column"):
        schedule.run()
    assert schedule.status() == "failed"
    assert schedule.pauses == []


def test_cycles_are_spaced_from_start_to_start(tmp_path: Path) -> None:
    schedule = Schedule(Workspace(tmp_path), None, None)
    with pytest.raises(StoppedError):
        schedule.run()
    assert len(schedule.pauses) == 2
    assert all(0 < pause < 60 for pause in schedule.pauses)


def test_a_heartbeat_that_cannot_be_written_costs_a_cycle_and_not_the_job(tmp_path: Path) -> None:
    def pause(seconds: float) -> None:
        if len(complaints) == 2:
            raise StoppedError

    complaints: list[str] = []
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoppedError):
        run_every(60, Workspace(tmp_path / "file"), lambda: None, complaints.append, pause)
    assert [complaint.startswith("cannot write") for complaint in complaints] == [True, True]


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("15m", 900), ("1h", 3600), ("1d", 86400), ("1.5h", 5400)])
def test_a_duration_is_read_in_its_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1", "often", "0s", "-1h", "0.5s", "nans", "infd", "1w", "1 hour"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a duration of at least a second; write 30s, 15m, 1h or 1d"):
        parse_duration(text)
