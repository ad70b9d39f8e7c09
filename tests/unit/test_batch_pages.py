"""Rewards that look at the age of artworks and at the rest of a user's day, from a workspace's log."""

import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from make_impressions import FIRST_DAY, draw_impressions

from bandit.errors import SurroundingsError
from batch.config import Config
from batch.executors import SerialExecutor
from batch.learning.day_rows import DaySource, day_rows, rewards_of
from batch.learning.evidence_sums import LearnedFrom, take_stock
from batch.learning.pages import artworks_digest
from batch.workspace.catalogue import Catalogue
from batch.workspace.day_digests import day_digests
from batch.workspace.impressions import append_impressions, read_day
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

COUNT = 3000
MIXED = "weighted_sum:take=0.5,freshness=0.2,freshness.half_life=5,diversity=0.3"


@pytest.fixture
def logged(workspace: Workspace) -> pl.DataFrame:
    """A day on which users were shown several titles, with artworks of several ages."""
    artworks = pl.read_parquet(workspace.artworks)
    start = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
    ages = pl.Series([start - timedelta(days=place % 11, hours=-6) for place in range(artworks.height)])
    artworks.with_columns(added_at=ages.cast(pl.Datetime("us", "UTC"))).write_parquet(workspace.artworks)
    drawn = draw_impressions(workspace, FIRST_DAY, COUNT).with_columns(
        user_id=pl.col("user_id").gather(pl.int_range(pl.len()) % 300)
    )
    append_impressions(workspace, FIRST_DAY, drawn[:1000])
    append_impressions(workspace, FIRST_DAY, drawn[1000:])
    return read_day(workspace, FIRST_DAY, len(drawn["context"][0]))


def naive(logged: pl.DataFrame, artworks: pl.DataFrame) -> tuple[list[float], list[float]]:
    """Freshness of half-life 5 and diversity of every row, from their definitions."""
    told = {(row["title_id"], row["artwork_id"]): row for row in artworks.to_dicts()}
    days: dict[str, set[tuple[str, str]]] = {}
    for row in logged.to_dicts():
        days.setdefault(row["user_id"], set()).add((row["title_id"], row["artwork_id"]))
    freshness, diversity = [], []
    for row in logged.to_dicts():
        own = told.get((row["title_id"], row["artwork_id"]))
        age = None if own is None else max((row["shown_at"] - own["added_at"]).total_seconds() / 86_400, 0.0)
        freshness.append(0.0 if age is None else 2 ** (-age / 5))
        rest = [key for key in days[row["user_id"]] if key[0] != row["title_id"]]
        others = [key for key in rest if own is None or key not in told or told[key]["theme"] != own["theme"]]
        diversity.append(len(others) / len(rest) if rest else 1.0)
    return freshness, diversity


def test_freshness_and_diversity_are_those_of_their_definitions(workspace: Workspace, logged: pl.DataFrame) -> None:
    freshness, diversity = naive(logged, pl.read_parquet(workspace.artworks))
    assert len({round(x, 3) for x in diversity}) > 5
    found = rewards_of(logged, "freshness:half_life=5", workspace, FIRST_DAY)
    assert found == pytest.approx(freshness, abs=1e-9)
    assert rewards_of(logged, "diversity", workspace, FIRST_DAY) == pytest.approx(diversity, abs=1e-12)
    takes = rewards_of(logged, "take", workspace, FIRST_DAY)
    mixed = 0.5 * takes + 0.2 * np.array(freshness) + 0.3 * np.array(diversity)
    assert rewards_of(logged, MIXED, workspace, FIRST_DAY) == pytest.approx(mixed, abs=1e-9)


def test_some_rows_of_a_day_have_the_rewards_that_they_have_among_all(
    workspace: Workspace, logged: pl.DataFrame
) -> None:
    whole = rewards_of(logged, MIXED, workspace, FIRST_DAY)
    some = np.arange(5, COUNT, 7)
    assert rewards_of(logged[some], MIXED, workspace, FIRST_DAY).tolist() == whole[some].tolist()


def test_a_file_that_is_added_to_the_day_counts_at_once(workspace: Workspace, logged: pl.DataFrame) -> None:
    before = rewards_of(logged, "diversity", workspace, FIRST_DAY)
    user = logged["user_id"][0]
    more = draw_impressions(workspace, FIRST_DAY, 50, seed=9).with_columns(
        event_id=pl.col("event_id") + "-more", user_id=pl.lit(user)
    )
    append_impressions(workspace, FIRST_DAY, more)
    after = rewards_of(logged, "diversity", workspace, FIRST_DAY)
    changed = before != after
    assert changed.any()
    assert set(logged.filter(pl.Series(changed))["user_id"]) == {user}


def test_artworks_that_are_gone_are_old_and_like_no_other(workspace: Workspace, logged: pl.DataFrame) -> None:
    artworks = pl.read_parquet(workspace.artworks)
    left = artworks.filter(pl.int_range(pl.len()) % 4 != 1)
    left.write_parquet(workspace.artworks)
    freshness, diversity = naive(logged, left)
    gone = (
        ~logged.select(
            pl.struct("title_id", "artwork_id").is_in(
                left.select(pl.struct("title_id", "artwork_id")).to_series().implode()
            )
        )
        .to_series()
        .to_numpy()
    )
    assert gone.any()
    assert (rewards_of(logged, "freshness:half_life=5", workspace, FIRST_DAY)[gone] == 0).all()
    assert (rewards_of(logged, "diversity", workspace, FIRST_DAY)[gone] == 1).all()
    assert rewards_of(logged, "diversity", workspace, FIRST_DAY) == pytest.approx(diversity, abs=1e-12)
    assert rewards_of(logged, "freshness:half_life=5", workspace, FIRST_DAY) == pytest.approx(freshness, abs=1e-9)


def recoloured(workspace: Workspace) -> None:
    """Give half of the artworks one theme."""
    artworks = pl.read_parquet(workspace.artworks)
    theme = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("sea")).otherwise("theme")
    artworks.with_columns(theme=theme).write_parquet(workspace.artworks)


def takes_of(workspace: Workspace, reward: str) -> float:
    """The sum of the rewards of all days, as training takes stock of them."""
    tables = read_tables(workspace)
    log = LearnedFrom(workspace, day_digests(workspace), Catalogue.of(tables), tables.n_features)
    config = Config.of(reward=reward)
    stock = take_stock(log, config.rewards[0], config, SerialExecutor(), lambda *_: None, shard_size=8)
    return sum(counts.rewards for counts in stock.counts)


def test_what_is_kept_of_a_day_is_made_again_when_themes_change(workspace: Workspace, logged: pl.DataFrame) -> None:
    first, takes = takes_of(workspace, "diversity"), takes_of(workspace, "take")
    assert first == pytest.approx(rewards_of(logged, "diversity", workspace, FIRST_DAY).sum())
    recoloured(workspace)
    second = takes_of(workspace, "diversity")
    assert second == pytest.approx(rewards_of(logged, "diversity", workspace, FIRST_DAY).sum())
    assert second != pytest.approx(first, rel=0.1)
    assert takes_of(workspace, "take") == takes


def test_what_a_reward_does_not_read_of_artworks_does_not_make_days_again(workspace: Workspace) -> None:
    def digests() -> list[str]:
        return [artworks_digest(workspace, word) for word in ("freshness", "diversity", MIXED)]

    first, artworks = digests(), pl.read_parquet(workspace.artworks)
    artworks.with_columns(pl.col("added_at") - pl.duration(hours=1)).write_parquet(workspace.artworks)
    assert [one == other for one, other in zip(first, digests(), strict=True)] == [False, True, False]
    artworks.write_parquet(workspace.artworks)
    recoloured(workspace)
    assert [one == other for one, other in zip(first, digests(), strict=True)] == [True, False, False]
    artworks.with_columns(look=pl.lit("another"), image_url=pl.lit(None, pl.String)).write_parquet(workspace.artworks)
    assert digests() == first


def test_rewards_of_plays_alone_need_no_artworks(workspace: Workspace, logged: pl.DataFrame) -> None:
    kept = workspace.artworks.with_suffix(".kept")
    shutil.move(workspace.artworks, kept)
    assert artworks_digest(workspace, "weighted_sum:take=0.5,click=0.5") == ""
    assert artworks_digest(workspace, "logged") == ""
    assert rewards_of(logged, "take", workspace, FIRST_DAY).sum() > 0


def test_artworks_that_change_while_a_day_is_read_are_told(workspace: Workspace, logged: pl.DataFrame) -> None:
    tables = read_tables(workspace)
    decided = artworks_digest(workspace, "diversity")
    recoloured(workspace)
    source = DaySource(workspace, FIRST_DAY, Catalogue.of(tables), tables.n_features, "diversity", artworks=decided)
    assert decided
    with pytest.raises(SurroundingsError, match="changed while 2026-01-01 was being learned from"):
        day_rows(source)
