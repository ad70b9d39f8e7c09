"""Moments of a gated experiment at which a night is not one like the others."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from gated_workspace import BETTER, NAME, at_night, live_gated, make_generation, open_gate
from make_impressions import log_days
from seeded_experiment import EXPLORE_DAYS, LIKE, START, live_day

from bandit.errors import InputError
from batch.experiments.gated.standing import standing_of
from batch.experiments.register import read_register, registered, write_register
from batch.workspace.impressions import append_impressions
from batch.workspace.workspace import Workspace


def test_a_day_that_is_not_over_is_no_night_of_a_step(written_tables: Path, tmp_path: Path) -> None:
    shutil.copytree(written_tables, tmp_path / "w")
    workspace = Workspace(tmp_path / "w")
    log_days(workspace, EXPLORE_DAYS, 500)
    open_gate(workspace)
    shares = []
    for hour in range(2):
        generation = make_generation(workspace, at_night(workspace, today=START))
        rows = live_day(workspace, START, generation, {"control": LIKE, "treatment": LIKE}, 3000)
        later = rows.with_columns(
            pl.col("shown_at") + timedelta(microseconds=hour), event_id=pl.col("event_id") + f"-{hour}"
        )
        append_impressions(workspace, START, later)
        shares.append(at_night(workspace, today=START).standing.share)
    assert shares == [0.1, 0.1]
    assert at_night(workspace, today=START + timedelta(days=1)).standing.share == 0.4


def test_what_was_stopped_by_hand_between_its_record_and_its_end_is_not_taken_for_shipped(
    written_tables: Path, tmp_path: Path
) -> None:
    shutil.copytree(written_tables, tmp_path / "w")
    workspace = Workspace(tmp_path / "w")
    log_days(workspace, EXPLORE_DAYS, 500)
    open_gate(workspace)
    assert live_gated(workspace, BETTER)[-1].action == "SHIP"
    register = read_register(workspace, NAME)
    write_register(workspace, NAME, replace(register, stopped_for="by hand"))
    workspace.policy.unlink()
    with pytest.raises(InputError, match=f"{NAME} was stopped"):
        at_night(workspace)


def test_a_record_of_another_experiment_is_refused(written_tables: Path, tmp_path: Path) -> None:
    shutil.copytree(written_tables, tmp_path / "w")
    workspace = Workspace(tmp_path / "w")
    log_days(workspace, EXPLORE_DAYS, 500)
    open_gate(workspace)
    live_gated(workspace, BETTER, days=1)
    there = workspace.experiments / NAME
    shutil.copytree(there, workspace.experiments / "other")
    plan = registered(workspace, NAME).plan
    with pytest.raises(InputError, match=f"is a record of experiment {NAME}, expected other"):
        standing_of(workspace, replace(plan, name="other"))
