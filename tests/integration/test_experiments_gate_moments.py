"""Moments of a gated experiment at which a night is not one like the others."""

import shutil
from datetime import timedelta
from pathlib import Path

import polars as pl
from gated_workspace import at_night, make_generation, open_gate
from make_impressions import log_days
from seeded_experiment import EXPLORE_DAYS, LIKE, START, live_day

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
