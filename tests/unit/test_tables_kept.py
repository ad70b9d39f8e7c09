"""Tables that are good: their order, their types, and how they are written."""

import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from bandit.errors import InputError, SurroundingsError
from bandit.files import replace_file
from batch.datasets import example
from batch.workspace.files import write_json, write_parquet
from batch.workspace.table_schemas import FLOATS, INSTANT
from batch.workspace.tables import Tables, check, check_tables, read_tables, write_tables
from batch.workspace.workspace import Workspace


@pytest.fixture
def tables() -> Tables:
    return example.build().tables


def same(one: Tables, other: Tables) -> bool:
    candidates = (one.candidates, other.candidates)
    if candidates[0] is not None and candidates[1] is not None and not candidates[0].equals(candidates[1]):
        return False
    return all(
        getattr(one, name).equals(getattr(other, name), null_equal=True) for name in ("users", "titles", "artworks")
    )


def some_candidates(tables: Tables) -> pl.DataFrame:
    return pl.DataFrame(
        {"user_id": tables.users["user_id"][:2], "title_ids": [tables.titles["title_id"][:2].to_list()] * 2}
    )


def test_what_is_written_is_what_is_read(tables: Tables, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "new")
    whole = replace(tables, candidates=some_candidates(tables))
    write_tables(workspace, whole)
    assert same(read_tables(workspace), whole)


def test_rows_are_read_in_the_order_of_the_bytes_of_their_ids(tables: Tables) -> None:
    ids = pl.Series(["a", "Z", "~", "10", "9", *(f"k{place:02d}" for place in range(15))])
    shuffled = replace(tables, users=tables.users.with_columns(user_id=ids), artworks=tables.artworks.reverse())
    read = check_tables(shuffled)
    assert read.users["user_id"].to_list() == sorted(ids.to_list(), key=str.encode)
    assert read.artworks.equals(tables.artworks, null_equal=True)


def test_wider_types_are_read_as_the_narrow_ones(tables: Tables) -> None:
    wide = replace(
        tables,
        users=tables.users.with_columns(
            pl.col("context").cast(pl.List(pl.Float64)).list.to_array(tables.n_features),
            pl.col("sessions").cast(pl.Int64),
            campaign=pl.lit(None),
        ),
        artworks=tables.artworks.with_columns(added_at=pl.lit(date(2020, 1, 1))),
    )
    read = check_tables(wide)
    assert read.users["context"].equals(tables.users["context"])
    assert read.artworks.equals(tables.artworks, null_equal=True)
    assert (read.users.schema["context"], read.users.schema["sessions"]) == (FLOATS, pl.UInt32())
    assert read.artworks.schema["added_at"] == INSTANT


def test_columns_that_are_not_ours_are_left_behind(tables: Tables) -> None:
    more = replace(tables, titles=tables.titles.with_columns(studio=pl.lit("x")))
    assert "studio" not in check_tables(more).titles.columns


def test_a_title_without_a_default_takes_its_first_artwork(tables: Tables) -> None:
    none = replace(tables, artworks=tables.artworks.with_columns(is_default=pl.lit(value=False)))
    defaults = check_tables(none).artworks.filter("is_default")
    assert defaults["artwork_id"].to_list() == ["a01"] * tables.titles.height
    assert defaults["title_id"].equals(tables.titles["title_id"])


def test_lengths_of_contexts_and_features_are_known(tables: Tables) -> None:
    assert (tables.n_features, tables.n_artwork_features) == (23, 28)


def test_existing_tables_are_not_overwritten_unasked(tables: Tables, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.artworks.write_bytes(b"mine")
    with pytest.raises(InputError, match=r"artworks\.parquet exists already.*--overwrite"):
        write_tables(workspace, tables)
    assert [path.name for path in tmp_path.iterdir()] == ["artworks.parquet"]
    assert workspace.artworks.read_bytes() == b"mine"


def test_overwriting_takes_stale_candidates_away(tables: Tables, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_tables(workspace, replace(tables, candidates=some_candidates(tables)))
    write_tables(workspace, tables, overwrite=True)
    assert read_tables(workspace).candidates is None


def test_nothing_is_written_when_a_table_is_wrong(tables: Tables, tmp_path: Path) -> None:
    wrong = replace(tables, users=tables.users.with_columns(user_id=pl.lit("same")))
    with pytest.raises(InputError, match=r"users\.parquet, column user_id, row 2"):
        write_tables(Workspace(tmp_path / "new"), wrong)
    assert not (tmp_path / "new").exists()


def test_no_file_takes_its_name_when_one_cannot_be_written(tables: Tables, tmp_path: Path) -> None:
    def full(_: Path) -> None:
        raise OSError(28, os.strerror(28))

    with pytest.raises(SurroundingsError, match="No space left"):
        write_tables(Workspace(tmp_path), tables, beside={tmp_path / "world.npz": full})
    assert list(tmp_path.iterdir()) == []


def test_the_report_counts_what_the_workspace_holds(tables: Tables, tmp_path: Path) -> None:
    write_tables(Workspace(tmp_path), tables)
    report = check(Workspace(tmp_path))
    assert (report.users, report.titles, report.artworks) == (20, 6, tables.artworks.height)
    assert report.users_with_history == (tables.users["sessions"] > 0).sum()
    assert report.artworks_a_title_min <= report.artworks_a_title_median <= report.artworks_a_title_max
    assert report.candidates is None


def break_off(path: Path) -> None:
    with replace_file(path) as temporary:
        temporary.write_text("half")
        raise ValueError("broken off")


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="broken off"):
        break_off(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_file_can_be_written_where_there_is_no_folder_yet(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1]})
    write_parquet(tmp_path / "b" / "c.parquet", frame)
    assert pl.read_parquet(tmp_path / "b" / "c.parquet").equals(frame)


def test_a_folder_that_is_a_file_is_the_surroundings_fault(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("a file")
    with pytest.raises(SurroundingsError, match=r"cannot write .*c\.json"):
        write_json(tmp_path / "b" / "c.json", {})


def test_a_file_is_not_put_in_the_place_of_what_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SurroundingsError, match="pipe: it is no file"):
        write_json(tmp_path / "pipe", {})
    assert (tmp_path / "pipe").is_fifo()
