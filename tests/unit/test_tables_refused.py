"""Workspace tables that cannot be used are refused by name, row and remedy."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bandit.errors import InputError
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

ADDED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def good_frames() -> dict[str, pl.DataFrame]:
    return {
        "users": pl.DataFrame(
            {
                "user_id": ["u1", "u2", "u3"],
                "context": [[1.0, 0.5], [1.0, -0.5], [1.0, 0.0]],
                "country": ["US", None, "DE"],
                "device": ["tv", "tv", None],
                "campaign": pl.Series([None, None, None], dtype=pl.String),
                "sessions": [3, 0, 1],
            }
        ),
        "titles": pl.DataFrame(
            {"title_id": ["t1", "t2"], "name": ["One", "Two"], "year": [1999, None], "genres": [["Drama"], []]},
            schema_overrides={"genres": pl.List(pl.String)},
        ),
        "artworks": pl.DataFrame(
            {
                "title_id": ["t1", "t1", "t2"],
                "artwork_id": ["a1", "a2", "a1"],
                "features": [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]],
                "theme": ["Drama", "general", "general"],
                "look": ["lead", "duo", "lead"],
                "image_url": pl.Series([None, None, None], dtype=pl.String),
                "is_default": [False, True, False],
                "added_at": [ADDED_AT, ADDED_AT, ADDED_AT],
            }
        ),
        "candidates": pl.DataFrame({"user_id": ["u1", "u2"], "title_ids": [["t1", "t2"], ["t2"]]}),
    }


def write(root: Path, frames: dict[str, pl.DataFrame]) -> Workspace:
    for name, frame in frames.items():
        frame.write_parquet(root / f"{name}.parquet")
    return Workspace(root)


@dataclass(frozen=True)
class Broken:
    """One way to break a table, and what the message must name."""

    table: str
    change: dict[str, list[Any] | pl.Series]
    names: tuple[str, ...]


BROKEN = {
    "null_user_id": Broken("users", {"user_id": ["u1", None, "u3"]}, ("column user_id", "row 2")),
    "bad_user_id": Broken("users", {"user_id": ["u1", "u 2", "u3"]}, ("column user_id", "row 2", "'u 2'")),
    "user_id_with_line_end": Broken("users", {"user_id": ["u1", "u2", "u3\n"]}, ("column user_id", "row 3")),
    "repeated_user_id": Broken("users", {"user_id": ["u1", "u2", "u1"]}, ("column user_id", "row 3", "'u1'", "once")),
    "mistyped_user_id": Broken("users", {"user_id": [1, 2, 3]}, ("column user_id", "Int64", "expected text")),
    "nan_in_context": Broken("users", {"context": [[1.0], [1.0], [float("nan")]]}, ("column context", "row 3", "'u3'")),
    "infinity_in_context": Broken("users", {"context": [[1.0], [float("inf")], [1.0]]}, ("column context", "row 2")),
    "context_beyond_float32": Broken("users", {"context": [[1.0], [1e300], [1.0]]}, ("column context", "row 2")),
    "null_in_context": Broken("users", {"context": [[1.0], [None], [1.0]]}, ("column context", "row 2")),
    "null_context": Broken("users", {"context": [[1.0], None, [1.0]]}, ("column context", "row 2", "null")),
    "empty_context": Broken(
        "users", {"context": pl.Series([[], [], []], dtype=pl.List(pl.Float32))}, ("column context", "row 1")
    ),
    "longer_context": Broken(
        "users", {"context": [[1.0], [1.0, 2.0], [1.0]]}, ("column context", "row 2", "first row")
    ),
    "context_of_text": Broken("users", {"context": [["a"], ["b"], ["c"]]}, ("column context", "List(String)")),
    "scalar_context": Broken("users", {"context": [1.0, 2.0, 3.0]}, ("column context", "Float64", "list<float32>")),
    "negative_sessions": Broken("users", {"sessions": [1, -1, 0]}, ("column sessions", "row 2", "-1")),
    "fractional_sessions": Broken("users", {"sessions": [1.0, 2.0, 3.0]}, ("column sessions", "Float64", "integer")),
    "numeric_country": Broken("users", {"country": [1, 2, 3]}, ("column country", "expected text")),
    "unknown_survey_genre": Broken(
        "users",
        {"survey": [None, [], ["Drama", "Dramma"]]},
        ("column survey", "row 3", "'Dramma'", "titles.parquet (Drama)"),
    ),
    "null_in_survey": Broken(
        "users", {"survey": [["Drama"], [None], None]}, ("column survey", "row 2", "without null")
    ),
    "survey_of_text": Broken("users", {"survey": ["Drama", "Drama", None]}, ("column survey", "expected list of text")),
    "survey_of_numbers": Broken("users", {"survey": [[1], [2], None]}, ("column survey", "expected list of text")),
    "repeated_title_id": Broken("titles", {"title_id": ["t1", "t1"]}, ("column title_id", "row 2", "'t1'")),
    "null_name": Broken("titles", {"name": ["One", None]}, ("column name", "row 2", "'t2'")),
    "absurd_year": Broken("titles", {"year": [1999, 19990]}, ("column year", "row 2", "19990")),
    "null_genre": Broken("titles", {"genres": [["Drama"], [None]]}, ("column genres", "row 2")),
    "unknown_title": Broken("artworks", {"title_id": ["t1", "t9", "t2"]}, ("column title_id", "row 2", "'t9'")),
    "repeated_artwork": Broken("artworks", {"artwork_id": ["a1", "a1", "a1"]}, ("column artwork_id", "row 2", "once")),
    "bad_artwork_id": Broken("artworks", {"artwork_id": ["a1", "a/2", "a1"]}, ("column artwork_id", "row 2")),
    "nan_in_features": Broken(
        "artworks", {"features": [[1.0], [1.0], [float("nan")]]}, ("column features", "row 3", "'t2'", "'a1'")
    ),
    "two_defaults": Broken(
        "artworks", {"is_default": [True, True, False]}, ("column is_default", "row 2", "one default")
    ),
    "null_default": Broken("artworks", {"is_default": [True, None, False]}, ("column is_default", "row 2")),
    "added_at_as_text": Broken("artworks", {"added_at": ["now", "now", "now"]}, ("column added_at", "UTC datetime")),
    "candidate_user": Broken("candidates", {"user_id": ["u1", "u9"]}, ("column user_id", "row 2", "'u9'")),
    "candidate_title": Broken(
        "candidates", {"title_ids": [["t1"], ["t1", "t9"]]}, ("column title_ids", "row 2", "'t9'", "'u2'")
    ),
    "candidate_null": Broken("candidates", {"title_ids": [["t1"], [None]]}, ("column title_ids", "row 2")),
    "candidate_twice": Broken("candidates", {"title_ids": [["t1"], ["t1", "t1"]]}, ("column title_ids", "row 2")),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_column_is_refused_with_file_column_and_row(case: Broken, tmp_path: Path) -> None:
    frames = good_frames()
    columns = {name: pl.Series(values) for name, values in case.change.items()}
    frames[case.table] = frames[case.table].with_columns(**columns)
    with pytest.raises(InputError) as caught:
        read_tables(write(tmp_path, frames))
    for name in (f"{case.table}.parquet", *case.names):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("table", "column"),
    [(table, column) for table, frame in good_frames().items() for column in frame.columns],
)
def test_a_missing_column_is_refused_with_its_name(table: str, column: str, tmp_path: Path) -> None:
    frames = good_frames()
    frames[table] = frames[table].drop(column)
    with pytest.raises(InputError, match=rf"{table}\.parquet has no column {column}"):
        read_tables(write(tmp_path, frames))


@pytest.mark.parametrize("table", ["users", "titles", "artworks"])
def test_a_missing_file_is_refused_with_its_name(table: str, tmp_path: Path) -> None:
    frames = good_frames()
    del frames[table]
    with pytest.raises(InputError, match=rf"{table}\.parquet is missing"):
        read_tables(write(tmp_path, frames))


@pytest.mark.parametrize("table", ["users", "titles", "artworks", "candidates"])
def test_a_file_without_rows_is_refused_with_its_name(table: str, tmp_path: Path) -> None:
    frames = good_frames()
    frames[table] = frames[table].clear()
    with pytest.raises(InputError, match=rf"{table}\.parquet has no rows"):
        read_tables(write(tmp_path, frames))


def test_a_file_of_no_bytes_is_refused_as_empty(tmp_path: Path) -> None:
    workspace = write(tmp_path, good_frames())
    workspace.titles.write_bytes(b"")
    with pytest.raises(InputError, match=r"titles\.parquet is empty"):
        read_tables(workspace)


def test_a_file_that_is_not_parquet_is_refused_as_such(tmp_path: Path) -> None:
    workspace = write(tmp_path, good_frames())
    workspace.users.write_text("user_id,context\n")
    with pytest.raises(InputError, match=r"users\.parquet is not a Parquet file"):
        read_tables(workspace)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    workspace = write(tmp_path, good_frames())
    workspace.users.write_bytes(workspace.users.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"users\.parquet is not a Parquet file"):
        read_tables(workspace)


def test_a_folder_that_is_not_there_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere is not a folder"):
        read_tables(Workspace(tmp_path / "nowhere"))


def test_a_title_without_artworks_is_refused(tmp_path: Path) -> None:
    frames = good_frames()
    frames["artworks"] = frames["artworks"].filter(pl.col("title_id") == "t1")
    with pytest.raises(InputError, match=r"titles\.parquet, column title_id, row 2 \(title_id 't2'\)"):
        read_tables(write(tmp_path, frames))


def test_more_artworks_than_an_arm_can_name_are_refused(tmp_path: Path) -> None:
    frames = good_frames()
    one = frames["artworks"].filter(pl.col("title_id") == "t2")
    many = pl.concat([one.with_columns(artwork_id=pl.lit(f"b{number}")) for number in range(256)])
    frames["artworks"] = pl.concat([frames["artworks"], many])
    with pytest.raises(InputError, match=r"row 259 .*at most 256 artworks per title"):
        read_tables(write(tmp_path, frames))


def test_the_first_of_several_bad_rows_is_named_in_file_order(tmp_path: Path) -> None:
    frames = good_frames()
    frames["users"] = frames["users"].with_columns(user_id=pl.Series(["z", "b b", "a a"]))
    with pytest.raises(InputError, match=r"row 2 \(user_id 'b b'\)"):
        read_tables(write(tmp_path, frames))


@pytest.mark.parametrize("name", ["candidates.PARQUET", "candidates.csv", "Candidates.parquet", "candidates"])
def test_shortlists_under_another_name_are_refused_instead_of_showing_everybody_everything(
    tmp_path: Path, name: str
) -> None:
    workspace = write(tmp_path, {key: frame for key, frame in good_frames().items() if key != "candidates"})
    (tmp_path / name).write_text("x")
    with pytest.raises(InputError, match=f"{name} would not be read: shortlists are the file .*candidates.parquet"):
        read_tables(workspace)


def test_shortlists_that_are_a_link_to_nothing_are_missing(tmp_path: Path) -> None:
    workspace = write(tmp_path, {key: frame for key, frame in good_frames().items() if key != "candidates"})
    workspace.candidates.symlink_to("gone")
    with pytest.raises(InputError, match=r"candidates\.parquet is missing"):
        read_tables(workspace)
