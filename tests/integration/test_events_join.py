"""Events become rows: against the slow twin, whatever the executor, the order, the cuts, and how often it ran."""

import json
import shutil
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import naive_join
import polars as pl
import pytest
from event_logs import draw_events, in_streams, make_world, rows_of, write_segments
from make_impressions import silent

from batch.events.arrivals import JoinSettings
from batch.events.join import join
from batch.executors import SerialExecutor
from batch.workspace.workspace import Workspace

HORIZON = 2
SETTINGS = JoinSettings(horizon_days=HORIZON)


@pytest.fixture(scope="module")
def world(written_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with generations and overlays, which tests copy."""
    root = tmp_path_factory.mktemp("world")
    shutil.copytree(written_tables, root, dirs_exist_ok=True)
    make_world(Workspace(root))
    return root


@pytest.fixture
def served(world: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(world, tmp_path / "served")
    return Workspace(tmp_path / "served")


def joined_files(workspace: Workspace) -> dict[str, bytes]:
    paths = [*workspace.impressions.glob("day=*/events.parquet"), workspace.events / "join.json"]
    return {str(path.relative_to(workspace.root)): path.read_bytes() for path in paths}


def joined_rows(workspace: Workspace) -> dict[tuple[str, datetime], dict[str, Any]]:
    paths = sorted(workspace.impressions.glob("day=*/events.parquet"))
    rows = [row for path in paths for row in pl.read_parquet(path).iter_rows(named=True)]
    by_event = {(row["event_id"], row["shown_at"]): row for row in rows}
    assert len(by_event) == len(rows)
    return by_event


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("open_rows", ["learn", "wait"])
def test_rows_and_counts_are_those_of_the_slow_twin(served: Workspace, seed: int, open_rows: str) -> None:
    entries = in_streams(draw_events(served, 700, seed), seed)
    write_segments(served, entries)
    settings = JoinSettings(horizon_days=HORIZON, open_rows=open_rows)
    made = join(served, SerialExecutor(), silent, settings=settings)
    hours = timedelta(hours=1)
    expected = naive_join.join(
        served.root, rows_of(entries), window=6 * hours, grace=hours, horizon=HORIZON, wait=open_rows == "wait"
    )
    rows = joined_rows(served)
    assert rows.keys() == expected.rows.keys()
    for event, row in rows.items():
        twin = expected.rows[event]
        assert row.pop("propensity") == pytest.approx(twin.pop("propensity"), abs=4 / 65535), event
        assert row == twin
    assert counts_of(served) == expected.counts
    total: Counter[str] = Counter()
    for (_, outcome), count in expected.counts.items():
        total[outcome] += count
    assert made.rows == total["rows"] == len(rows)
    assert made.set_aside == {
        name.removeprefix("set aside: "): count for name, count in total.items() if name.startswith("set aside: ")
    }
    outcomes = {"duplicates", "late impressions", "late plays", "orphan plays", "open rows", "joined plays"}
    assert outcomes <= total.keys()  # the log has all of it


def counts_of(workspace: Workspace) -> Counter[tuple[str, str]]:
    by_day = json.loads((workspace.events / "join.json").read_text())["by_day"]
    return Counter({(day, name): count for day, counts in by_day.items() for name, count in counts.items()})
