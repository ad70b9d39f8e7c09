"""A workspace's impressions as a log: decisions, batches, arms of today, and what is gone."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from make_impressions import FIRST_DAY, draw_impressions, log_days, make_generation

from bandit.errors import InputError
from batch.logs.workspace_log import read_workspace
from batch.workspace.catalogue import Catalogue
from batch.workspace.impressions import append_impressions
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace


def test_every_impression_is_an_arm_of_the_catalogue_in_the_order_of_time(workspace: Workspace) -> None:
    log_days(workspace, 2, 300)
    data = read_workspace(workspace)
    frame = pl.concat([draw_impressions(workspace, FIRST_DAY + timedelta(days=day), 300) for day in range(2)])
    catalogue = Catalogue.of(read_tables(workspace))
    expected = frame.join(catalogue.keys(), on=["title_id", "artwork_id"], how="inner").sort("shown_at", "event_id")
    assert data.log.arms.tolist() == expected["artwork_index"].to_list()
    assert data.log.propensities is not None
    assert data.log.propensities.tolist() == expected["propensity"].to_list()
    assert data.log.rewards.tolist() == (expected["watch_fraction"] >= 0.7).cast(pl.Float64).to_list()
    assert data.log.eligible is None
    assert data.log.title_starts.tolist() == catalogue.starts.tolist()
    assert data.features is not None
    assert data.features.shape[0] == catalogue.n_artworks
    assert data.days == 2
    assert "600 impressions" in data.about


def test_a_decision_is_a_user_a_title_and_a_generation(workspace: Workspace) -> None:
    frame = draw_impressions(workspace, FIRST_DAY, 6)
    same = {"user_id": pl.lit(frame["user_id"][0]), "title_id": pl.lit(frame["title_id"][0]),
            "artwork_id": pl.lit(frame["artwork_id"][0]), "arm": pl.lit(frame["arm"][0]),
            "eligible": pl.lit(frame["eligible"][0].to_list(), pl.List(pl.Int64))}  # fmt: skip
    append_impressions(workspace, FIRST_DAY, frame.with_columns(**same, generation=pl.Series([1, 1, 1, 2, 2, 2])))
    log = read_workspace(workspace).log
    assert log.clusters is not None
    assert len(np.unique(log.clusters)) == 2
    assert log.batches is not None
    assert log.batches.tolist() == [1, 1, 1, 2, 2, 2]


def test_other_rewards_are_computed(workspace: Workspace) -> None:
    log_days(workspace, 1, 200)
    clicked = draw_impressions(workspace, FIRST_DAY, 200).sort("shown_at")["clicked"].cast(pl.Float64)
    assert read_workspace(workspace, "click").log.rewards.tolist() == clicked.to_list()


def test_impressions_that_could_have_shown_what_is_gone_are_left_out_whatever_they_showed(workspace: Workspace) -> None:
    """The first artwork of every other title goes: those that showed another of it would be a biased sample."""
    generation = make_generation(workspace)
    frame = draw_impressions(workspace, FIRST_DAY, 400).with_columns(generation=pl.lit(generation))
    append_impressions(workspace, FIRST_DAY, frame)
    artworks = pl.read_parquet(workspace.artworks)
    first = pl.col("artwork_id") == pl.col("artwork_id").min().over("title_id")
    gone = artworks.filter(first & ~pl.col("is_default")).gather_every(2)
    artworks.join(gone, on=["title_id", "artwork_id"], how="anti").write_parquet(workspace.artworks)
    data = read_workspace(workspace)
    log = data.log
    left_out = frame.join(gone, on="title_id", how="semi").height
    assert len(log) == 400 - left_out
    assert 0 < left_out < 400
    assert f"{left_out} impressions could have shown artworks that are gone" in data.notes[0]
    assert log.eligible is not None
    assert (log.eligible.sum(axis=1) == np.diff(log.title_starts)[log.titles]).all()


def test_new_artworks_could_not_be_shown_before_they_came(workspace: Workspace) -> None:
    """A new first artwork of every title: arms of today are one more than those that were logged."""
    generation = make_generation(workspace)
    frame = draw_impressions(workspace, FIRST_DAY, 400).with_columns(generation=pl.lit(generation))
    append_impressions(workspace, FIRST_DAY, frame)
    artworks = pl.read_parquet(workspace.artworks)
    new = artworks.unique("title_id").with_columns(artwork_id=pl.lit("0new"), is_default=pl.lit(value=False))
    pl.concat([new, artworks]).write_parquet(workspace.artworks)
    data = read_workspace(workspace)
    log = data.log
    assert len(log) == 400
    assert log.eligible is not None
    assert not log.eligible[:, 0].any()
    assert (log.eligible.sum(axis=1) == np.diff(log.title_starts)[log.titles] - 1).all()
    shown = frame.sort("shown_at", "event_id")["artwork_id"].to_list()
    assert [data.arm_names[arm].partition("/")[2] for arm in log.arms] == shown


def test_an_artwork_that_took_the_place_of_another_is_not_taken_for_it(workspace: Workspace) -> None:
    generation = make_generation(workspace)
    frame = draw_impressions(workspace, FIRST_DAY, 400).with_columns(generation=pl.lit(generation))
    append_impressions(workspace, FIRST_DAY, frame)
    artworks = pl.read_parquet(workspace.artworks)
    first = pl.col("artwork_id") == pl.col("artwork_id").min().over("title_id")
    title = artworks["title_id"][0]
    other = pl.when(first & (pl.col("title_id") == title)).then(pl.lit("000")).otherwise("artwork_id")
    artworks.with_columns(artwork_id=other).write_parquet(workspace.artworks)
    data = read_workspace(workspace)
    assert len(data.log) == frame.filter(pl.col("title_id") != title).height
    assert data.log.eligible is not None


def test_impressions_whose_eligible_arms_are_not_known_any_more_are_left_out(workspace: Workspace) -> None:
    append_impressions(
        workspace, FIRST_DAY, draw_impressions(workspace, FIRST_DAY, 100)
    )  # of generation 1, which is not there
    artworks = pl.read_parquet(workspace.artworks)
    last = pl.col("artwork_id") == pl.col("artwork_id").max().over("title_id")
    artworks.filter(~(last & ~pl.col("is_default"))).write_parquet(workspace.artworks)
    with pytest.raises(
        InputError, match=r"no impression of .* had a choice of artworks that are all in the workspace's tables"
    ):
        read_workspace(workspace)


def test_days_after_the_last_one_wanted_are_not_read(workspace: Workspace) -> None:
    log_days(workspace, 3, 300)
    data = read_workspace(workspace, until=FIRST_DAY + timedelta(days=1))
    assert len(data.log) == 600
    assert data.days == 2
    assert "2 days until 2026-01-02" in data.about
    with pytest.raises(InputError, match="has no day until 2025-12-31; its first is 2026-01-01"):
        read_workspace(workspace, until=FIRST_DAY - timedelta(days=1))


def test_a_workspace_without_impressions_is_told_how_to_get_some(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="holds no impressions; play some by `artwork demo`"):
        read_workspace(workspace)
    append_impressions(workspace, date(2026, 1, 1), draw_impressions(workspace, FIRST_DAY, 5))
    assert len(read_workspace(workspace).log) == 5
