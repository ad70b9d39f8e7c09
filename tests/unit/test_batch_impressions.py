"""Impressions at the door: appended whole or not at all, read back as they were, refused by file, column and row."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from make_impressions import FIRST_DAY, draw_impressions, log_days, silent
from shell import listing

from bandit.errors import InputError
from bandit.evaluation import Settings
from batch.config import Config
from batch.executors import SerialExecutor
from batch.learning.train import train
from batch.logs.workspace_log import read_workspace
from batch.offline.live_pairs import online_pairs
from batch.workspace.impressions import append_impressions, day_digest, day_files, day_folder, days, read_day
from batch.workspace.tables import check, read_tables
from batch.workspace.workspace import Workspace

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
    assert read.columns == [*frame.columns, "previous"]  # which a log may have: here nothing was kept
    assert read["previous"].null_count() == COUNT
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


def move(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return source.rename(target)


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())


def link_to_nothing(folder: Path) -> None:
    folder.rename(folder.with_name("old"))
    folder.symlink_to("gone")


PART, DAY, NEXT = "part-000000.parquet", f"day={FIRST_DAY}", f"day={NEXT_DAY}"
ASTRAY: dict[str, tuple[Callable[[Path], object], str]] = {
    "other spelling": (
        lambda at: move(at / DAY, at / "day=20260101"),
        "day=20260101 is not named day=YYYY-MM-DD; rename it day=2026-01-01",
    ),
    "other spelling beside": (
        lambda at: copy(at / DAY / PART, at / "day=20260101" / "x.parquet"),
        "day=20260101 is not named day=YYYY-MM-DD; move",
    ),
    "a week": (lambda at: move(at / DAY, at / "day=2026-W01-4"), "day=2026-W01-4 is not named"),
    "no zeros": (
        lambda at: move(at / DAY, at / "day=2026-1-1"),
        "day=2026-1-1 is not named day=YYYY-MM-DD; rename it day=2026-01-01",
    ),
    "no such day": (lambda at: move(at / DAY, at / "day=2026-13-01"), "day=2026-13-01 is not named"),
    "date": (
        lambda at: move(at / DAY, at / "date=2026-01-01"),
        "date=2026-01-01 is not named day=YYYY-MM-DD; rename it day=2026-01-01",
    ),
    "upper case": (lambda at: move(at / DAY, at / "DAY=2026-01-01"), "DAY=2026-01-01 is not named"),
    "a space": (lambda at: move(at / DAY, at / "day=2026-01-01 "), "day=2026-01-01  is not named"),
    "years and months": (
        lambda at: move(at / DAY / PART, at / "year=2026" / "month=01" / PART),
        "year=2026 is not named",
    ),
    "hours": (
        lambda at: move(at / DAY / PART, at / DAY / "hour=10" / PART),
        "hour=10 would not be read: .*; move its Parquet files up into day",
    ),
    "hours beside": (lambda at: copy(at / DAY / PART, at / DAY / "hour=10" / "x.parquet"), "hour=10 would not be read"),
    "a folder named as a file": (
        lambda at: copy(at / DAY / PART, at / DAY / "x.parquet" / "x"),
        "x.parquet would not be read",
    ),
    "upper-case suffix": (
        lambda at: move(at / DAY / PART, at / DAY / "a.PARQUET"),
        "a.PARQUET would not be read: .*; rename it a.parquet",
    ),
    "csv": (lambda at: (at / DAY / "a.csv").write_text("a\n"), "a.csv would not be read: .*; write it as Parquet"),
    "packed": (lambda at: move(at / DAY / PART, at / DAY / f"{PART}.gz"), "part-000000.parquet.gz would not be read"),
    "a file beside days": (
        lambda at: copy(at / DAY / PART, at / "x.parquet"),
        "x.parquet is not named day=YYYY-MM-DD; move it into the folder",
    ),
    "a file named as a day": (lambda at: (at / "day=2026-01-09").write_text("x"), "day=2026-01-09 is not named"),
    "a link to a day": (
        lambda at: (at / "day=2026-01-09").symlink_to(at / DAY),
        "once more, as a link or a copy: its impressions would count twice",
    ),
    "a link to a file": (
        lambda at: (at / NEXT / "x.parquet").symlink_to(at / DAY / PART),
        "once more, as a link or a copy: its impressions would count twice",
    ),
    "a hard link": (
        lambda at: (at / NEXT / "x.parquet").hardlink_to(at / DAY / PART),
        "once more, as a link or a copy: its impressions would count twice",
    ),
    "a link to nothing": (
        lambda at: (at / DAY / "x.parquet").symlink_to("gone"),
        "x.parquet would not be read: .*; it is a link to what is not",
    ),
    "a day that is a link to nothing": (
        lambda at: (at / "day=2026-01-09").symlink_to("gone"),
        "it is a link to what is not there",
    ),
    "a copy": (
        lambda at: copy(at / DAY / PART, at / "day=2026-01-09" / PART),
        "once more, as a link or a copy: its impressions would count twice",
    ),
    "beside the folder": (
        lambda at: copy(at / DAY / PART, at.with_suffix(".parquet")),
        "impressions.parquet would not be read",
    ),
    "another case": (lambda at: move(at, at.with_name("Impressions")), "Impressions would not be read"),
    "no folder": (
        lambda at: (move(at, at.with_name("old")), at.write_text("x")),
        "impressions is (no folder|a file, expected a folder)",
    ),
    "a folder that is a link to nothing": (
        link_to_nothing,
        "impressions is no folder",
    ),
}


@pytest.mark.parametrize("case", ASTRAY.values(), ids=ASTRAY)
def test_impressions_that_lie_elsewhere_are_refused_by_every_reader(
    case: tuple[Callable[[Path], object], str], workspace: Workspace
) -> None:
    change, said = case
    log_days(workspace, 2, COUNT)
    change(workspace.impressions)
    readers = (
        days,
        check,
        read_workspace,
        lambda there: train(there, Config.of(posterior="beta"), SerialExecutor(), silent, shard_size=1),
        lambda there: online_pairs(there, "take", Settings()),
    )
    for reader in readers:
        with pytest.raises(InputError, match=said):
            reader(workspace)


def test_what_holds_no_data_is_left_alone(workspace: Workspace) -> None:
    log_days(workspace, 2, COUNT)
    at = workspace.impressions
    for folder in (at / "day=20260101", at / "other", at / DAY / "hour=10", at / "day=2026-01-09", at / ".cache"):
        folder.mkdir()
    for name in (".DS_Store", "_SUCCESS", ".part-000001.parquet.abc.tmp", "part-000001.parquet.tmp", "_metadata"):
        (at / name).write_text("x")
        (at / DAY / name).write_text("x")
    (at / ".cache" / "x.parquet").write_text("x")
    (at / DAY / "empty.csv").write_text("")
    assert days(workspace) == [FIRST_DAY, NEXT_DAY]
    assert [path.name for path in day_files(workspace, FIRST_DAY)] == [PART]
    assert check(workspace).impressions == 2 * COUNT


def test_a_link_to_a_folder_of_impressions_elsewhere_is_followed(workspace: Workspace) -> None:
    log_days(workspace, 2, COUNT)
    move(workspace.impressions, workspace.root / "elsewhere")
    workspace.impressions.symlink_to("elsewhere")
    assert days(workspace) == [FIRST_DAY, NEXT_DAY]


def test_an_event_that_two_days_have_is_refused_where_all_are_read(workspace: Workspace, frame: pl.DataFrame) -> None:
    log_days(workspace, 1, COUNT)
    append_impressions(workspace, NEXT_DAY, frame.tail(5))
    for reader in (check, read_workspace):
        with pytest.raises(InputError, match=r"event_id 001-0000.. is in two days; expected every event once"):
            reader(workspace)


def test_ids_of_events_count_within_a_day(workspace: Workspace, frame: pl.DataFrame) -> None:
    append_impressions(workspace, FIRST_DAY, frame)
    append_impressions(workspace, NEXT_DAY, frame.with_columns(pl.col("shown_at") + timedelta(days=1)))
    assert check(workspace).impressions == 2 * COUNT


def test_a_day_that_is_not_there_is_told(workspace: Workspace, n_features: int) -> None:
    with pytest.raises(InputError, match="day=2026-01-01 holds no impressions"):
        read_day(workspace, FIRST_DAY, n_features)


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
    "arm_beyond": ("arm", 256, "found 256, expected an integer from 0 to 255"),
    "negative_arm": ("arm", -1, "found -1, expected an integer from 0 to 255"),
    "large_generation": ("generation", 2**40, "expected an integer from 0 to 4294967295"),
    "negative_revision": ("revision", -1, "found -1, expected an integer from 0 to 4294967295"),
    "eligible_beyond": ("eligible", [0, 300], "found [0, 300], expected arms from 0 to 255"),
    "null_eligible": ("eligible", [0, None], "found [0, None], expected arms from 0 to 255"),
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


def test_numbers_of_any_type_are_read(workspace: Workspace, frame: pl.DataFrame, n_features: int) -> None:
    write_raw(
        workspace,
        frame.with_columns(
            pl.lit(Decimal("0.25")).alias("reward"),
            pl.lit(1, pl.Int8).alias("watch_fraction"),
            pl.col("arm").cast(pl.UInt64),
            pl.Series("eligible", [[0, 1]] * COUNT, dtype=pl.Array(pl.Int64, 2)),
        ),
    )
    read = read_day(workspace, FIRST_DAY, n_features)
    assert read["reward"].to_list() == [0.25] * COUNT
    assert read["eligible"].to_list() == [[0, 1]] * COUNT
