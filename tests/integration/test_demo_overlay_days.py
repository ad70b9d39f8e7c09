"""What the demo does to the catalogue between two nights, and what the next night makes of it."""

import pytest
import redis
from make_impressions import silent

from artwork.demo.loop import Loop
from artwork.demo.newcomers import bring_back, hold_title_back
from artwork.demo.overlay_days import launch, retire_best_known
from artwork.demo.tastes import order_of_genres
from bandit.simulation.world import World
from batch.config import Config
from batch.publishing.overlays import stored_overlay
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import CATALOGUE, folder_of
from batch.workspace.overlays import newest_overlay
from batch.workspace.workspace import Workspace


@pytest.fixture
def loop(workspace: Workspace, store: str) -> Loop:
    """A loop that has been published."""
    made = Loop.of(workspace, Config(seed=3))
    made.learn(store, silent)
    return made


def catalogue_of(workspace: Workspace, generation: int) -> Catalogue:
    return Catalogue.read(folder_of(workspace, generation) / CATALOGUE)


def test_the_title_that_appeals_most_is_held_back_and_the_world_follows(workspace: Workspace) -> None:
    before = {path: path.read_bytes() for path in (workspace.titles, workspace.artworks)}
    whole = World.load(workspace.truth)
    title_id = hold_title_back(workspace)
    loop = Loop.of(workspace, Config(seed=3))
    assert title_id not in loop.catalogue.title_ids
    assert len(loop.world.title_appeal) == len(whole.title_appeal) - 1
    assert loop.world.title_appeal.max() < whole.title_appeal.max()
    assert loop.world.artwork_title.max() == len(loop.catalogue.title_ids) - 1
    bring_back(workspace)
    assert {path: path.read_bytes() for path in before} == before


def test_a_title_that_is_launched_shows_its_default_at_once_and_is_learned_of_the_next_night(
    workspace: Workspace, store: str, client: redis.Redis
) -> None:
    title_id = hold_title_back(workspace)
    Loop.of(workspace, Config(seed=3)).learn(store, silent)
    assert title_id not in catalogue_of(workspace, 1).title_ids
    said = launch(workspace, store, title_id)
    default = newest_overlay(workspace).added[title_id]
    assert said.strip().startswith(title_id)
    assert default in said
    assert stored_overlay(client) == newest_overlay(workspace)
    after = Loop.of(workspace, Config(seed=3))
    assert len(after.world.title_appeal) == len(World.load(workspace.truth).title_appeal)
    after.learn(store, silent)
    assert title_id in catalogue_of(workspace, 2).title_ids


def test_the_best_known_artwork_is_retired_and_the_next_night_leaves_it_out(
    loop: Loop, store: str, client: redis.Redis
) -> None:
    said = retire_best_known(loop.workspace, store, 1)
    [(title_id, (artwork_id,))] = newest_overlay(loop.workspace).retired.items()
    assert said.strip().startswith(f"{artwork_id} of {title_id} is retired")
    assert stored_overlay(client) == newest_overlay(loop.workspace)
    after = Loop.of(loop.workspace, loop.config)
    assert after.catalogue.n_artworks == loop.catalogue.n_artworks - 1
    assert len(after.world.artwork_title) == after.catalogue.n_artworks
    after.learn(store, silent)
    kept = catalogue_of(loop.workspace, 2).frame.filter(title_id=title_id)["artwork_id"]
    assert artwork_id not in kept
    assert len(kept) > 0


def test_tastes_that_moved_stay_so_whatever_joins_the_catalogue(workspace: Workspace) -> None:
    title_id, first = hold_title_back(workspace), World.load(workspace.truth).tastes
    loop, count = Loop.of(workspace, Config(seed=3)), first.shape[1]
    orders = [order_of_genres(count, 3, number) for number in range(2)]
    moved = loop.shifted(orders[0]).shifted(orders[1])
    expected = first[:, orders[0]][:, orders[1]]
    assert (loop.world.tastes == first).all()
    for after in (moved, moved.with_tables(), moved.with_newcomers()):
        assert (after.world.tastes == expected).all()
    assert title_id in moved.with_tables().catalogue.title_ids
    assert (World.load(workspace.truth).tastes == first).all()
