"""Artworks that are held back at first and join the catalogue while the demo runs."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from artwork.demo.answers import Answers
from artwork.demo.visits import Visits
from bandit.arrays import Bool
from bandit.errors import InputError
from bandit.files import replace_file
from bandit.simulation.world import World
from bandit.snapshot import keyed_hash
from batch.workspace.catalogue import Catalogue
from batch.workspace.files import read_parquet, write_parquet
from batch.workspace.tables import Tables, read_tables
from batch.workspace.workspace import Workspace

PURPOSE = "newcomer"
"""Of the keyed hash that says which artworks are held back."""

LARGEST_SHARE = 0.5


@dataclass(frozen=True)
class NewcomerResult:
    """A day's decisions for the titles that new artworks have joined.

    ``expected``, ``uniform`` and ``best`` are the world's expected take rates of what was shown, of uniform choice, and of the
    truly best artwork for each user. ``where_best`` is how often a new artwork was shown to users for whom a new one is
    best, ``elsewhere`` how often to all others; ``by_chance`` is the share of new artworks among those to choose from.
    """

    impressions: int
    expected: float
    uniform: float
    best: float
    where_best: float
    elsewhere: float
    by_chance: float

    @property
    def closed(self) -> float:
        """Share of the way from uniform to the true best."""
        return (self.expected - self.uniform) / (self.best - self.uniform)


def hold_back(workspace: Workspace, share: float, seed: int) -> None:
    """Take a share of the artworks, but no title's default, out of ``artworks.parquet`` until ``bring_back``.

    Raises:
        InputError: the share is out of range, or so small that no artwork is held back.
    """
    if not 0 < share <= LARGEST_SHARE:
        raise InputError(f"--new-artworks is {share}, expected a share from 0 to {LARGEST_SHARE}")
    artworks = read_tables(workspace).artworks
    keys = zip(artworks["title_id"], artworks["artwork_id"], strict=True)
    drawn = pl.Series([keyed_hash(PURPOSE, seed, 0, *key) < share * 2.0**64 for key in keys])
    late = drawn & ~artworks["is_default"]
    if not late.any():
        raise InputError(f"--new-artworks {share} of {artworks.height} artworks holds none back; take a larger share")
    with replace_file(_whole(workspace, workspace.artworks)) as temporary:
        shutil.copyfile(workspace.artworks, temporary)
    write_parquet(workspace.artworks, artworks.filter(~late))


def hold_title_back(workspace: Workspace) -> str:
    """Take the title that appeals most, with its artworks, out of the tables until ``bring_back``; its id.

    Raises:
        InputError: there is no other title.
    """
    tables = read_tables(workspace)
    if tables.titles.height < 2:
        raise InputError(f"{workspace.root} has one title; --launch-on needs at least 2")
    title_id = str(tables.titles["title_id"][int(World.load(workspace.truth).title_appeal.argmax())])
    _hold(workspace, tables, [title_id])
    return title_id


def hold_titles_back(workspace: Workspace, count: int) -> list[str]:
    """Take up to ``count`` titles out of the tables until ``bring_back``, at most a tenth of all; their ids.

    They are spread over the more appealing half of the titles, so that visitors come to them and the best known ones stay.
    """
    tables = read_tables(workspace)
    count = min(count, tables.titles.height // 10)
    if not count:
        return []
    order = np.argsort(-World.load(workspace.truth).title_appeal, kind="stable")
    rows = order[np.linspace(0, len(order) // 2, count + 1).astype(np.int64)[1:]]
    held = tables.titles["title_id"].gather(rows).to_list()
    _hold(workspace, tables, held)
    return held


def _hold(workspace: Workspace, tables: Tables, title_ids: list[str]) -> None:
    for table, frame in ((workspace.titles, tables.titles), (workspace.artworks, tables.artworks)):
        with replace_file(_whole(workspace, table)) as temporary:
            shutil.copyfile(table, temporary)
        write_parquet(table, frame.filter(~pl.col("title_id").is_in(title_ids)))


def bring_back(workspace: Workspace) -> None:
    """Put whole tables back where something was held back; a demo that was killed leaves that to the next."""
    for table in (workspace.titles, workspace.artworks):
        if _whole(workspace, table).exists():
            _whole(workspace, table).replace(table)


def whole_table(workspace: Workspace, table: Path) -> pl.DataFrame:
    """A table with what was held back of it."""
    return read_parquet(path if (path := _whole(workspace, table)).exists() else table)


def world_of(workspace: Workspace, catalogue: Catalogue) -> World:
    """The world with the titles and artworks of a catalogue, row by row.

    Raises:
        InputError: the world is not that of the workspace's artworks.
    """
    world = World.load(workspace.truth)
    everything = (
        whole_table(workspace, workspace.artworks).select("title_id", "artwork_id").sort("title_id", "artwork_id")
    )
    if everything.height != len(world.artwork_title):
        raise InputError(
            f"{workspace.truth} simulates {len(world.artwork_title)} artworks, the tables hold {everything.height};"
            " make tables and world together by `artwork data`"
        )
    rows = everything.with_row_index("row").join(
        catalogue.frame.select("title_id", "artwork_id"), on=["title_id", "artwork_id"], how="semi", maintain_order="left"
    )["row"].to_numpy()  # fmt: skip
    titles = np.unique(world.artwork_title[rows])
    return replace(
        world,
        title_appeal=world.title_appeal[titles],
        title_genres=world.title_genres[titles],
        artwork_title=np.searchsorted(titles, world.artwork_title[rows]).astype(np.int64),
        artwork_theme=world.artwork_theme[rows],
        artwork_quality=world.artwork_quality[rows],
        artwork_clickbait=world.artwork_clickbait[rows],
    )


def newcomers(catalogue: Catalogue, before: Catalogue) -> Bool:
    """Which artworks of a catalogue were not in the one before, (a,)."""
    keys = ["title_id", "artwork_id"]
    known = catalogue.frame.join(before.frame.select(*keys, known=True), on=keys, how="left", maintain_order="left")
    return known["known"].is_null().to_numpy()


def judge_newcomers(world: World, catalogue: Catalogue, new: Bool, visits: Visits, answers: Answers) -> NewcomerResult:
    """How a day treated new artworks (a,), of which there is at least one."""
    share = np.bincount(catalogue.titles, weights=new) / np.diff(catalogue.starts)  # (t,)
    at = np.flatnonzero(share[visits.flat_titles] > 0)
    users, titles = visits.flat_users[at], visits.flat_titles[at]
    shown = catalogue.starts[titles] + answers.arms[at]
    uniform, best = world.uniform_and_best(users, titles)
    is_best = new[catalogue.starts[titles] + world.best_arms(users, titles)]
    return NewcomerResult(
        impressions=len(at),
        expected=float(world.take_probability_of(users, shown).mean()),
        uniform=float(uniform.mean()),
        best=float(best.mean()),
        where_best=float(new[shown][is_best].mean()),
        elsewhere=float(new[shown][~is_best].mean()),
        by_chance=float(share[titles].mean()),
    )


def _whole(workspace: Workspace, table: Path) -> Path:
    return workspace.truth.with_name(table.name)
