"""A day as it is learned from: rows of the catalogue, with the reward that was asked for."""

import numpy as np
import polars as pl
import pytest
from make_impressions import FIRST_DAY, draw_impressions

from bandit.rewards import parse_reward
from batch.config import LOGGED
from batch.learning.day_rows import DayRows, DaySource, as_log, day_rows
from batch.workspace.catalogue import Catalogue
from batch.workspace.impressions import append_impressions
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

COUNT = 200


def rows_of(workspace: Workspace, frame: pl.DataFrame, reward: str = "take") -> DayRows:
    append_impressions(workspace, FIRST_DAY, frame)
    tables = read_tables(workspace)
    return day_rows(DaySource(workspace, FIRST_DAY, Catalogue.of(tables), tables.n_features, reward))


@pytest.fixture
def frame(workspace: Workspace) -> pl.DataFrame:
    """Explore data whose logged reward is neither a take nor a click."""
    return draw_impressions(workspace, FIRST_DAY, COUNT).with_columns(reward=pl.lit(0.25))


def test_rows_come_by_artwork_and_event_without_those_of_unknown_artworks(
    workspace: Workspace, frame: pl.DataFrame
) -> None:
    gone = pl.int_range(pl.len()) == 2
    logged = frame.with_columns(artwork_id=pl.when(gone).then(pl.lit("gone")).otherwise("artwork_id"))
    rows = rows_of(workspace, logged.sample(fraction=1.0, shuffle=True, seed=5), LOGGED)
    catalogue = Catalogue.of(read_tables(workspace))
    expected = logged.join(catalogue.keys(), on=["title_id", "artwork_id"]).sort("artwork_index", "event_id")
    assert (rows.impressions, rows.unknown, expected.height) == (COUNT, 1, COUNT - 1)
    log = as_log(rows.frame, catalogue.n_artworks, len(frame["context"][0]))
    assert np.array_equal(log.arms, expected["artwork_index"].to_numpy())
    assert log.contexts.tolist() == expected["context"].to_list()
    assert log.propensities is not None
    assert np.array_equal(log.propensities, expected["propensity"].to_numpy())


@pytest.mark.parametrize("reward", ["take", "take:engaged_fraction=0.2", "click", "weighted_sum:click=0.5,take=0.5"])
def test_the_reward_is_computed_from_what_the_user_did(workspace: Workspace, frame: pl.DataFrame, reward: str) -> None:
    catalogue = Catalogue.of(read_tables(workspace))
    by_artwork = frame.join(catalogue.keys(), on=["title_id", "artwork_id"]).sort("artwork_index", "event_id")
    clicked, watched = by_artwork["clicked"].to_numpy(), by_artwork["watch_fraction"].to_numpy()
    expected = parse_reward(reward).rewards(clicked, watched)
    assert 0 < expected.mean() < 1
    assert rows_of(workspace, frame, reward).frame["reward"].to_list() == expected.tolist()


def test_the_logged_reward_is_taken_as_it_is(workspace: Workspace, frame: pl.DataFrame) -> None:
    assert set(rows_of(workspace, frame, LOGGED).frame["reward"]) == {0.25}
