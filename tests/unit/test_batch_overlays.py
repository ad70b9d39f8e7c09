"""The overlay's revisions on disk, and what remains of tables."""

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from bandit.errors import InputError, SurroundingsError
from bandit.snapshot import NO_OVERLAY, Overlay, encode_overlay
from batch.workspace.overlays import (
    known_revisions,
    newest_overlay,
    read_overlay,
    remaining_tables,
    write_overlay,
)
from batch.workspace.tables import Tables, read_tables
from batch.workspace.workspace import Workspace

FIRST = Overlay(1, {"t1": ("a1",)}, {})
SECOND = Overlay(2, {"t1": ("a1", "a2")}, {"t9": "z"})


@pytest.fixture
def empty(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_a_workspace_without_revisions_has_no_overlay(empty: Workspace) -> None:
    assert (newest_overlay(empty), read_overlay(empty, 0), known_revisions(empty)) == (NO_OVERLAY, NO_OVERLAY, [])


def test_every_revision_is_kept_and_the_newest_is_the_overlay(empty: Workspace) -> None:
    paths = [write_overlay(empty, overlay) for overlay in (FIRST, SECOND)]
    assert [path.name for path in paths] == ["000001.json", "000002.json"]
    assert [read_overlay(empty, revision) for revision in known_revisions(empty)] == [FIRST, SECOND]
    assert newest_overlay(empty) == SECOND


def test_a_file_holds_the_bytes_of_the_stores_key(empty: Workspace) -> None:
    assert write_overlay(empty, SECOND).read_bytes() == encode_overlay(SECOND)


def test_the_same_revision_may_be_written_twice(empty: Workspace) -> None:
    written = write_overlay(empty, FIRST).stat().st_ino
    assert write_overlay(empty, FIRST).stat().st_ino == written


@pytest.mark.parametrize("overlay", [Overlay(2), Overlay(1), FIRST])
def test_a_revision_is_never_written_over_nor_below_the_newest(empty: Workspace, overlay: Overlay) -> None:
    write_overlay(empty, SECOND)
    with pytest.raises(InputError, match="is not above 2"):
        write_overlay(empty, overlay)
    assert newest_overlay(empty) == SECOND


@pytest.mark.parametrize("revision", [1, 3, 999])
def test_a_revision_that_is_not_there_is_refused_by_its_number(empty: Workspace, revision: int) -> None:
    write_overlay(empty, SECOND)
    with pytest.raises(InputError, match=f"revision {revision} of the catalogue is not in"):
        read_overlay(empty, revision)


def in_its_place(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def replaced(path: Path) -> None:
        path.unlink()
        make(path)

    return replaced


DAMAGED: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "no JSON": lambda path: path.write_bytes(b"\xff"),
    "of another revision": lambda path: path.write_bytes(encode_overlay(FIRST)),
    "too long": lambda path: path.write_bytes(path.read_bytes() + b" " * 2**20),
    "a folder": in_its_place(Path.mkdir),
    "a link to nowhere": in_its_place(lambda path: path.symlink_to("nowhere")),
    "a pipe": in_its_place(os.mkfifo),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_newest_revision_is_refused_rather_than_passed_over(empty: Workspace, how: str) -> None:
    write_overlay(empty, FIRST)
    DAMAGED[how](write_overlay(empty, SECOND))
    with pytest.raises(InputError, match=r"000002\.json|revision 2"):
        newest_overlay(empty)


@pytest.mark.parametrize(
    "name", ["x.json", "000000.json", "-1.json", "\u0661.json", "9" * 30 + ".json", "000007.txt", ".000009.json.tmp"]
)
def test_other_files_are_no_revisions(empty: Workspace, name: str) -> None:
    write_overlay(empty, FIRST)
    (empty.overlays / name).write_bytes(b"")
    assert known_revisions(empty) == [1]


def test_a_file_in_the_place_of_the_folder_is_told(empty: Workspace) -> None:
    empty.overlays.write_bytes(b"")
    with pytest.raises(SurroundingsError, match="overlays"):
        write_overlay(empty, FIRST)


@pytest.fixture
def tables(workspace: Workspace) -> Tables:
    return read_tables(workspace)


def of_first_title(tables: Tables) -> tuple[str, list[str], str]:
    """The first title, its artworks, and its default."""
    title_id = tables.titles["title_id"][0]
    own = tables.artworks.filter(pl.col("title_id") == title_id)
    return title_id, own["artwork_id"].to_list(), own.filter("is_default")["artwork_id"][0]


def test_retired_artworks_are_left_out_of_the_tables(tables: Tables) -> None:
    title_id, artworks, default = of_first_title(tables)
    gone = next(artwork for artwork in artworks if artwork != default)
    remaining = remaining_tables(tables, Overlay(1, {title_id: (gone,), "nobody": ("x",)}, {}))
    assert of_first_title(remaining) == (title_id, [own for own in artworks if own != gone], default)
    assert remaining.artworks.height == tables.artworks.height - 1
    assert remaining.titles is tables.titles


def test_a_retired_default_passes_to_the_first_artwork_that_remains(tables: Tables) -> None:
    title_id, artworks, default = of_first_title(tables)
    remaining = remaining_tables(tables, Overlay(1, {title_id: tuple(sorted({default, artworks[0]}))}, {}))
    left = [own for own in artworks if own not in {default, artworks[0]}]
    assert of_first_title(remaining) == (title_id, left, left[0])
    counts = remaining.artworks.group_by("title_id").agg(pl.col("is_default").sum())["is_default"]
    assert set(counts) == {1}


def test_a_title_without_artworks_is_refused_by_name(tables: Tables) -> None:
    title_id, artworks, _ = of_first_title(tables)
    with pytest.raises(InputError, match=f"all artworks of title {title_id} are retired"):
        remaining_tables(tables, Overlay(1, {title_id: tuple(artworks)}, {}))


def test_without_retired_artworks_the_tables_are_the_same(tables: Tables) -> None:
    assert remaining_tables(tables, Overlay(4, {}, {"t9": "z"})) is tables
