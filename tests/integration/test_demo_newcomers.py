"""Artworks that the demo holds back: which they are, how the world follows, and that the tables come back whole."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from on_disk import explore, read_picks

from artwork.demo.answers import Answers
from artwork.demo.loop import Loop
from artwork.demo.newcomers import bring_back, hold_back, judge_newcomers, world_of
from artwork.demo.visits import Visits
from artwork.demo.workspace import prepare_workspace
from bandit.errors import InputError
from bandit.simulation.world import World
from batch.config import Config
from batch.workspace.catalogue import Catalogue
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

SHARE = 0.2
KEYS = ["title_id", "artwork_id"]


@pytest.fixture
def loop(workspace: Workspace) -> Loop:
    """A loop on tables from which artworks were held back."""
    hold_back(workspace, SHARE, seed=3)
    return Loop.of(workspace, Config(seed=3))


def test_about_the_share_is_held_back_and_no_default(workspace: Workspace) -> None:
    before = read_tables(workspace).artworks
    counts = []
    for seed in range(20):
        hold_back(workspace, SHARE, seed)
        late = before.join(read_tables(workspace).artworks, on=KEYS, how="anti")
        assert not late["is_default"].any()
        counts.append(late.height)
        bring_back(workspace)
    assert 0.15 < sum(counts) / (20 * before.filter(~pl.col("is_default")).height) < 0.25


def test_the_tables_come_back_as_they_were_byte_for_byte(workspace: Workspace) -> None:
    before = workspace.artworks.read_bytes()
    hold_back(workspace, SHARE, seed=3)
    assert workspace.artworks.read_bytes() != before
    bring_back(workspace)
    bring_back(workspace)  # nothing is held back any more
    assert workspace.artworks.read_bytes() == before


def test_another_seed_holds_other_artworks_back(workspace: Workspace) -> None:
    kept = []
    for seed in (1, 2):
        hold_back(workspace, SHARE, seed)
        kept.append(set(read_tables(workspace).artworks.select(KEYS).rows()))
        bring_back(workspace)
    assert kept[0] != kept[1]


@pytest.mark.parametrize("share", [0.51, 1e-9, -0.1, float("nan")])
def test_a_share_that_holds_none_or_too_many_back_is_refused_and_changes_nothing(
    workspace: Workspace, share: float
) -> None:
    before = workspace.artworks.read_bytes()
    with pytest.raises(InputError, match="--new-artworks"):
        hold_back(workspace, share, seed=3)
    assert workspace.artworks.read_bytes() == before
    catalogue = Catalogue.of(read_tables(workspace))
    assert len(world_of(workspace, catalogue).artwork_title) == catalogue.n_artworks


def test_the_world_has_the_artworks_of_the_catalogue_row_by_row(loop: Loop) -> None:
    whole = World.load(loop.workspace.truth)
    everything = loop.with_newcomers().catalogue
    rows = {key: row for row, key in enumerate(everything.frame.select(KEYS).rows())}
    at = np.array([rows[key] for key in loop.catalogue.frame.select(KEYS).rows()])
    assert len(at) < len(rows)
    assert loop.world.artwork_quality.tolist() == whole.artwork_quality[at].tolist()
    users = np.zeros(len(at), dtype=np.int64)
    here, there = np.arange(len(at)), at
    assert loop.world.take_probability_of(users, here).tolist() == whole.take_probability_of(users, there).tolist()


def test_the_loop_goes_on_with_the_artworks_that_joined(loop: Loop) -> None:
    whole = loop.with_newcomers()
    known = set(loop.catalogue.frame.select(KEYS).rows())
    joined = [key not in known for key in whole.catalogue.frame.select(KEYS).rows()]
    assert whole.new.tolist() == joined
    assert len(whole.world.artwork_title) == whole.catalogue.n_artworks == len(known) + sum(joined)
    explore(loop, 0)
    assert explore(whole, 1).newcomers is not None


def test_impressions_of_before_are_learned_from_after_artworks_have_joined(loop: Loop) -> None:
    before = explore(loop, 0)
    whole = loop.with_newcomers()
    explore(whole, 1)
    catalogue = pl.read_parquet(loop.workspace.generations / "000002" / "catalogue.parquet")
    assert catalogue["impressions"].sum() == before.impressions
    assert catalogue.filter(pl.Series(whole.new))["impressions"].sum() == 0


def all_visits(loop: Loop) -> Visits:
    titles = np.tile(np.arange(loop.tables.titles.height), (loop.tables.users.height, 1))
    return Visits(np.arange(len(titles)), titles)


def shown(loop: Loop, arms: np.ndarray) -> Answers:
    """Answers of the given arms, (m,); all else is that of some generation."""
    made = explore(loop, 0).generation
    return replace(read_picks(loop.workspace, made, all_visits(loop)), arms=arms)


def test_showing_the_best_closes_the_gap_and_shows_new_artworks_exactly_where_they_are_best(loop: Loop) -> None:
    whole = loop.with_newcomers()
    visits = all_visits(whole)
    best = whole.world.best_arms(visits.flat_users, visits.flat_titles)
    result = judge_newcomers(whole.world, whole.catalogue, whole.new, visits, shown(whole, best))
    assert (result.where_best, result.elsewhere) == (1.0, 0.0)
    assert result.closed == pytest.approx(1.0)


def test_showing_the_first_artwork_always_shows_few_new_ones(loop: Loop) -> None:
    whole = loop.with_newcomers()
    visits = all_visits(whole)
    first = np.zeros(len(visits.flat_users), dtype=np.int64)
    result = judge_newcomers(whole.world, whole.catalogue, whole.new, visits, shown(whole, first))
    titles = np.unique(whole.catalogue.titles[whole.new])
    starts = whole.catalogue.starts
    assert result.impressions == len(titles) * whole.tables.users.height
    shares = [whole.new[starts[title] : starts[title + 1]].mean() for title in titles]
    assert result.by_chance == pytest.approx(np.mean(shares))
    assert result.expected < result.best


def test_a_demo_that_was_killed_leaves_the_next_one_whole_tables(workspace: Workspace, tmp_path: Path) -> None:

    before = workspace.artworks.read_bytes()
    hold_back(workspace, SHARE, seed=3)
    ground = prepare_workspace(tmp_path, None, None, seed=3)
    assert ground.workspace.artworks.read_bytes() == before
