"""Impressions at the door: appended whole or not at all, read back as they were, refused by file, column and row."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from drawn import FIRST_DAY, draw_impressions, log_days
from shell import listing

from bandit.errors import InputError
from batch.impressions import append_impressions, day_digest, day_files, day_folder, days, read_day
from batch.tables import read_tables
from batch.workspace import Workspace

COUNT = 20
NEXT_DAY = FIRST_DAY + timedelta(days=1)


@pytest.fixture
def frame(workspace: Workspace) -> pl.DataFrame:
    return draw_impressions(workspace, FIRST_DAY, COUNT)


@pytest.fixture
def n_features(workspace: Workspace) -> int:
    return read_tables(workspace).n_features


def with_value(frame: pl.DataFrame, column: str, row: int, value: Any) -> pl.DataFrame:
    """The frame with one value replaced; rows are counted from 1."""
    values = frame[column].to_list()
    values[row - 1] = value
    return frame.with_columns(pl.Series(column, values))


def write_raw(workspace: Workspace, frame: pl.DataFrame, name: str = "part-000000.parquet") -> Path:
    """A file that did not pass the door."""
    path = day_folder(workspace, FIRST_DAY) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path)
    return path


def test_what_was_appended_is_read_back(workspace: Workspace, frame: pl.DataFrame, n_features: int) -> None:
    append_impressions(workspace, FIRST_DAY, frame)
    read = read_day(workspace, FIRST_DAY, n_features)
    assert read.columns == frame.columns
    assert read["event_id"].equals(frame["event_id"])
    assert read["reward"].equals(frame["reward"])
    assert read["context"].to_list() == frame["context"].to_list()
    assert read["shown_at"].equals(frame["shown_at"])


def test_a_second_file_is_added_beside_the_first(workspace: Workspace, frame: pl.DataFrame, n_features: int) -> None:
    first = append_impressions(workspace, FIRST_DAY, frame.head(5))
    before = first.read_bytes()
    second = append_impressions(workspace, FIRST_DAY, frame.tail(COUNT - 5))
    assert day_files(workspace, FIRST_DAY) == [first, second]
    assert first.read_bytes() == before
    assert read_day(workspace, FIRST_DAY, n_features)["event_id"].equals(frame["event_id"])


def test_a_file_is_not_written_over_when_an_earlier_one_was_removed(workspace: Workspace, frame: pl.DataFrame) -> None:
    first, second = (append_impressions(workspace, FIRST_DAY, frame[place : place + 5]) for place in (0, 5))
    before = second.read_bytes()
    first.unlink()
    third = append_impressions(workspace, FIRST_DAY, frame[10:])
    assert third not in {first, second}
    assert second.read_bytes() == before


def test_days_are_listed_in_order(workspace: Workspace) -> None:
    log_days(workspace, 3, COUNT)
    assert days(workspace) == [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)]


def test_a_workspace_without_impressions_has_no_days(workspace: Workspace) -> None:
    assert days(workspace) == []


def test_a_day_without_files_is_no_day(workspace: Workspace) -> None:
    log_days(workspace, 1, COUNT)
    day_folder(workspace, NEXT_DAY).mkdir()
    assert days(workspace) == [FIRST_DAY]


def test_a_folder_that_is_not_named_by_a_day_is_refused(workspace: Workspace) -> None:
    (workspace.impressions / "day=yesterday").mkdir(parents=True)
    with pytest.raises(InputError, match=r"day=yesterday is not named day=YYYY-MM-DD; rename or remove it"):
        days(workspace)


def test_the_digest_of_a_day_is_that_of_its_files(workspace: Workspace, frame: pl.DataFrame) -> None:
    append_impressions(workspace, FIRST_DAY, frame.head(5))
    first = day_digest(workspace, FIRST_DAY)
    assert day_digest(workspace, FIRST_DAY) == first
    append_impressions(workspace, FIRST_DAY, frame.tail(5))
    assert day_digest(workspace, FIRST_DAY) != first


BAD_VALUES: dict[str, tuple[str, Any, str]] = {
    "nan_reward": ("reward", float("nan"), "found nan, expected a number in [0, 1]"),
    "reward_above_one": ("reward", 1.5, "found 1.5, expected a number in [0, 1]"),
    "negative_reward": ("reward", -0.1, "found -0.1, expected a number in [0, 1]"),
    "null_reward": ("reward", None, "found None"),
    "propensity_zero": ("propensity", 0.0, "found 0.0, expected a number in (0, 1]"),
    "propensity_above_one": ("propensity", 1.01, "found 1.01"),
    "nan_propensity": ("propensity", float("nan"), "found nan"),
    "nan_watch_fraction": ("watch_fraction", float("nan"), "found nan"),
    "nan_in_context": ("context", [float("nan")], "expected finite numbers"),
    "null_in_context": ("context", [None], "expected finite numbers"),
    "null_context": ("context", None, "found None"),
    "bad_user_id": ("user_id", "a b", "found 'a b', expected an id"),
    "null_artwork_id": ("artwork_id", None, "found None"),
    "unknown_source": ("source", "magic", "expected one of personalized, segment, popularity, default"),
    "repeated_event": ("event_id", "001-000000", "expected every event_id once"),
}


@pytest.mark.parametrize("case", BAD_VALUES.values(), ids=BAD_VALUES.keys())
def test_a_bad_value_in_a_file_is_refused_with_file_column_and_row(
    case: tuple[str, Any, str], workspace: Workspace, frame: pl.DataFrame, n_features: int
) -> None:
    column, value, complaint = case
    path = write_raw(workspace, with_value(frame, column, 7, value))
    with pytest.raises(InputError) as caught:
        read_day(workspace, FIRST_DAY, n_features)
    assert f"{path}, column {column}, row 7 (event_id " in str(caught.value)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("case", BAD_VALUES.values(), ids=BAD_VALUES.keys())
def test_a_bad_value_is_refused_before_anything_is_written(
    case: tuple[str, Any, str], workspace: Workspace, frame: pl.DataFrame
) -> None:
    column, value, _ = case
    before = listing(workspace.root)
    with pytest.raises(InputError, match=rf"the impressions to append, column {column}, row 7 "):
        append_impressions(workspace, FIRST_DAY, with_value(frame, column, 7, value))
    assert listing(workspace.root) == before


def test_a_missing_column_is_refused_with_file_and_name(
    workspace: Workspace, frame: pl.DataFrame, n_features: int
) -> None:
    for column in frame.columns:
        path = write_raw(workspace, frame.drop(column))
        with pytest.raises(InputError, match=rf"{path.name} has no column {column}; expected .*; add the column"):
            read_day(workspace, FIRST_DAY, n_features)


def test_a_mistyped_column_is_refused_with_file_and_type(
    workspace: Workspace, frame: pl.DataFrame, n_features: int
) -> None:
    write_raw(workspace, frame.with_columns(pl.col("clicked").cast(pl.Int8)))
    with pytest.raises(
        InputError, match=r"part-000000\.parquet, column clicked, row 1: the type is Int8, expected bool"
    ):
        read_day(workspace, FIRST_DAY, n_features)


def test_a_context_of_another_length_is_refused_with_file_and_row(
    workspace: Workspace, frame: pl.DataFrame, n_features: int
) -> None:
    append_impressions(workspace, FIRST_DAY, frame.head(3))
    path = append_impressions(workspace, FIRST_DAY, with_value(frame.tail(10), "context", 4, [1.0, 2.0]))
    with pytest.raises(InputError) as caught:
        read_day(workspace, FIRST_DAY, n_features)
    assert f"{path}, column context, row 4 (event_id " in str(caught.value)
    assert f"expected {n_features} numbers as in users.parquet" in str(caught.value)


def test_an_event_in_two_files_of_a_day_is_refused_by_its_id(
    workspace: Workspace, frame: pl.DataFrame, n_features: int
) -> None:
    append_impressions(workspace, FIRST_DAY, frame.head(5))
    append_impressions(workspace, FIRST_DAY, frame[4:])
    with pytest.raises(InputError, match=r"day=2026-01-01: event_id 001-000004 is in two files; .* remove one of them"):
        read_day(workspace, FIRST_DAY, n_features)


def test_an_empty_file_is_refused_with_its_name(workspace: Workspace, frame: pl.DataFrame, n_features: int) -> None:
    write_raw(workspace, frame).write_bytes(b"")
    with pytest.raises(InputError, match=r"part-000000\.parquet is empty \(0 bytes\)"):
        read_day(workspace, FIRST_DAY, n_features)
