"""``artwork impressions append``: a log of one's own, as Parquet or CSV, is added whole or not at all."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from make_impressions import FIRST_DAY, draw_impressions, log_days
from shell import call, listing

from batch.workspace.impressions import day_files, days, read_day
from batch.workspace.lock import only_job
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

COUNT = 40


def two_days(workspace: Workspace) -> pl.DataFrame:
    """Rows of two days, mixed."""
    return pl.concat(draw_impressions(workspace, FIRST_DAY + timedelta(days=day), COUNT) for day in range(2)).sample(
        fraction=1.0, shuffle=True, seed=1
    )


def as_csv(frame: pl.DataFrame) -> pl.DataFrame:
    """The same as text."""
    lists = [
        pl.Series(name, [json.dumps(list(values)) for values in frame[name].to_list()])
        for name in ("eligible", "context")
    ]
    return frame.with_columns(*lists, shown_at=pl.col("shown_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00"))


def write(frame: pl.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        as_csv(frame).write_csv(path)
    else:
        frame.write_parquet(path)
    return path


def files_of(workspace: Workspace) -> dict[str, int]:
    """Every file but the lock, with the time of its last change."""
    return {name: changed for name, changed in listing(workspace.root).items() if name != workspace.lock.name}


def append(workspace: Workspace, path: Path) -> Any:
    return call("impressions", "append", str(path), "-w", str(workspace.root), "--json")


@pytest.mark.parametrize("name", ["log.parquet", "log.csv"])
def test_a_file_is_added_by_the_days_of_its_rows(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    frame = two_days(workspace)
    done = append(workspace, write(frame, tmp_path_factory.mktemp("log") / name))
    assert (done.code, json.loads(done.out)["rows"]) == (0, {"2026-01-01": COUNT, "2026-01-02": COUNT})
    n_features = read_tables(workspace).n_features
    added = pl.concat(read_day(workspace, day, n_features) for day in days(workspace)).sort("event_id")
    expected = frame.sort("event_id")
    for column in ("event_id", "shown_at", "arm", "clicked", "watch_fraction", "propensity", "context", "segment"):
        assert added[column].to_list() == expected[column].to_list()


def test_a_file_is_added_beside_those_that_are_there(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log_days(workspace, 1, COUNT)
    late = draw_impressions(workspace, FIRST_DAY, 5).with_columns(event_id=pl.format("late-{}", "event_id"))
    assert append(workspace, write(late, tmp_path_factory.mktemp("log") / "late.parquet")).code == 0
    assert [path.name for path in day_files(workspace, FIRST_DAY)] == ["part-000000.parquet", "part-000001.parquet"]
    assert append(workspace, write(late, tmp_path_factory.mktemp("log") / "again.csv")).code == 2


@pytest.mark.parametrize("names", [("log.parquet", "log.parquet"), ("log.parquet", "log.csv"), ("log.csv", "log.csv")])
def test_a_file_that_was_added_before_is_refused_with_its_first_event(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory, names: tuple[str, str]
) -> None:
    frame, folder = two_days(workspace), tmp_path_factory.mktemp("log")
    assert append(workspace, write(frame, folder / names[0])).code == 0
    before = files_of(workspace)
    refused = append(workspace, write(frame, folder / names[1]))
    first = frame.filter(pl.col("shown_at").dt.date() == FIRST_DAY)["event_id"][0]
    assert refused.code == 2
    assert f"event_id '{first}'" in refused.err
    assert "does not hold yet; nothing was added: the file was appended before" in refused.err
    assert files_of(workspace) == before


def cell(column: str, value: object) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Another value in the third row."""
    return lambda frame: frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 2).then(pl.lit(value)).otherwise(column).alias(column)
    )


WRONG: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "a propensity above 1": (
        cell("propensity", 1.5),
        r"column propensity, row 3 .*found 1\.5, expected a number in \(0, 1\]",
    ),
    "no propensity": (cell("propensity", None), "column propensity, row 3"),
    "a reward below 0": (cell("reward", -0.5), "column reward, row 3"),
    "an arm that could not be drawn": (
        cell("arm", 60),
        r"column arm, row 3 .*found 60, expected one of the arms in eligible",
    ),
    "a source of another kind": (cell("source", "guess"), "column source, row 3 .*expected one of personalized"),
    "an id with a space": (cell("user_id", "u 1"), "column user_id, row 3"),
    "an event twice": (cell("event_id", "001-000001"), "column event_id, row .*expected every event_id once"),
    "a column less": (lambda frame: frame.drop("context"), "has no column context"),
    "no rows": (lambda frame: frame.clear(), "has no rows"),
}


@pytest.mark.parametrize("name", ["log.parquet", "log.csv"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_row_that_is_wrong_is_named_and_nothing_is_added(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory, wrong: str, name: str
) -> None:
    change, expected = WRONG[wrong]
    path = tmp_path_factory.mktemp("log") / name
    frame = change(draw_impressions(workspace, FIRST_DAY, COUNT))
    if name.endswith(".csv") and "context" not in frame.columns:
        frame.drop("eligible").write_csv(path)
        expected = "has no column"
    else:
        write(frame, path)
    before = files_of(workspace)
    refused = append(workspace, path)
    assert refused.code == 2
    assert pl.Series([" ".join(refused.err.split())]).str.contains(expected)[0], refused.err
    assert files_of(workspace) == before


@pytest.mark.parametrize(
    ("column", "text", "expected"),
    [
        ("shown_at", "2026-01-01T20:15:00", "a time with its offset"),
        ("shown_at", "yesterday", "a time with its offset"),
        ("arm", "1.5", "a whole number"),
        ("eligible", "0 1 2", "a list of arms"),
        ("eligible", '["0"]', "a list of arms"),
        ("context", "[1.0, null]", "a list of numbers"),
        ("context", "{}", "a list of numbers"),
        ("clicked", "yes", "true or false"),
        ("propensity", "often", "a number"),
        ("propensity", "nan", "a number in (0, 1]"),
    ],
)
def test_a_cell_of_text_that_cannot_be_read_is_named(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory, column: str, text: str, expected: str
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.csv"
    frame = as_csv(draw_impressions(workspace, FIRST_DAY, COUNT)).with_columns(pl.col(column).cast(pl.String))
    cell(column, text)(frame).write_csv(path)
    refused = append(workspace, path)
    assert refused.code == 2
    assert f"column {column}, row 3" in refused.err
    assert expected in refused.err
    assert days(workspace) == []


def test_contexts_of_another_length_are_refused(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    frame = draw_impressions(workspace, FIRST_DAY, COUNT).with_columns(pl.col("context").list.head(3))
    refused = append(workspace, write(frame, tmp_path_factory.mktemp("log") / "log.parquet"))
    assert (refused.code, days(workspace)) == (2, [])
    assert "expected 23 numbers as in users.parquet" in refused.err


@pytest.mark.parametrize("name", ["nothing.parquet", "folder", "text.txt.zip"])
def test_what_is_no_file_of_impressions_is_refused(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    folder = tmp_path_factory.mktemp("log")
    (folder / "folder").mkdir()
    (folder / "text.txt.zip").write_bytes(b"PK")
    refused = append(workspace, folder / name)
    assert (refused.code, days(workspace)) == (2, [])
    assert len(refused.err.strip().splitlines()) == 1


def test_nothing_is_added_while_a_job_is_at_work(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(draw_impressions(workspace, FIRST_DAY, COUNT), tmp_path_factory.mktemp("log") / "log.parquet")
    with only_job(workspace, "run"):
        refused = append(workspace, path)
    assert (refused.code, days(workspace)) == (3, [])
