"""The format of a generation's rows: which is taken, who may choose, and what is in the store then."""

import json

import naive
import numpy as np
import polars as pl
import pytest
import redis
from make_impressions import (
    ALL_BLOCKS,
    identity_of,
    log_days,
    make_generation,
    shorten,
    silent,
    stored_rows,
)
from shell import call

from bandit.errors import InputError
from bandit.snapshot import decode_row
from batch.choosing.chooser import Chooser
from batch.config import Config
from batch.executors import SerialExecutor
from batch.learning.train import train
from batch.publishing.flips import activate, read_meta
from batch.publishing.publish import publish
from batch.workspace.generations import claimed, folder_of, read_manifest
from batch.workspace.picks import recorded_pick
from batch.workspace.workspace import Workspace

WIDE = "t0005"


def widen(workspace: Workspace, n_artworks: int) -> None:
    """Give a title so many artworks."""
    frame = pl.read_parquet(workspace.artworks)
    one = frame.filter(pl.col("title_id") == WIDE)[:1]
    others = [
        one.with_columns(artwork_id=pl.lit(f"wide-{number}"), is_default=pl.lit(number == 0))
        for number in range(n_artworks)
    ]
    pl.concat([frame.filter(pl.col("title_id") != WIDE), *others]).write_parquet(workspace.artworks)


@pytest.mark.parametrize(
    ("n_artworks", "number", "total"), [(1, 3, 4095), (16, 3, 4095), (17, 3, 2047), (32, 3, 2047), (33, 2, 65535)]
)
def test_the_format_is_the_smallest_that_the_largest_title_fits(
    workspace: Workspace, n_artworks: int, number: int, total: int
) -> None:
    shorten(workspace)
    widen(workspace, n_artworks)
    made = train(workspace, Config.of("uniform"), SerialExecutor(), silent, shard_size=ALL_BLOCKS)
    form = read_manifest(workspace, made.generation).row_format
    assert (made.row_format, form.number, form.total) == (number, number, total)


@pytest.mark.parametrize(("number", "total"), [(2, 65535), (3, 4095)])
def test_a_format_may_be_asked_for(workspace: Workspace, number: int, total: int) -> None:
    answer = call("train", "-w", str(workspace.root), "--row-format", str(number), "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["row_format"] == number
    assert read_manifest(workspace, 1).config.total == total


def test_a_format_that_a_title_does_not_fit_is_refused_and_claims_nothing(workspace: Workspace) -> None:
    widen(workspace, 33)
    answer = call("train", "-w", str(workspace.root), "--row-format", "3")
    assert answer.code == 2
    assert f"row format 3 takes 32 artworks of a title, and title {WIDE} has 33" in " ".join(answer.err.split())
    assert claimed(workspace) == []


def test_a_format_that_there_is_none_of_is_refused(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="there is no row format 4; expected 2 or 3"):
        train(workspace, Config(), SerialExecutor(), silent, shard_size=ALL_BLOCKS, row_format=4)
    assert claimed(workspace) == []


@pytest.mark.parametrize("n_artworks", [10, 20, 40])
@pytest.mark.parametrize("is_shortlist", [False, True])
def test_rows_in_the_store_say_byte_by_byte_what_the_files_say(
    workspace: Workspace, client: redis.Redis, store: str, n_artworks: int, is_shortlist: bool
) -> None:
    widen(workspace, n_artworks)
    titles = pl.read_parquet(workspace.titles)["title_id"].to_list()
    if is_shortlist:
        lists = [titles[place % 3 :: 2 + place % 4] for place in range(600)]
        users = pl.read_parquet(workspace.users)["user_id"]
        pl.DataFrame({"user_id": users, "title_ids": lists}).write_parquet(workspace.candidates)
    generation = make_generation(workspace, "thompson", "uniform")
    publish(workspace, generation, client, store, silent)
    meta, manifest = read_meta(client, generation), read_manifest(workspace, generation)
    assert meta is not None
    assert (meta.total, meta.format) == (manifest.row_format.total, manifest.row_format.number)
    rows = stored_rows(client, workspace, generation)
    for user in ("u0001", "u0042", "u0300", "u0600"):
        raw = rows[user]
        assert raw is not None
        variant, picks = naive.decode_row(raw, user, generation, identity_of(workspace, generation))
        kept = {title: recorded_pick(workspace, generation, user, title) for title in titles}
        says = {
            titles[title]: (arm, weight, weight / meta.total, meta.variants[variant]) for title, arm, weight in picks
        }
        assert says == {
            title: (pick.arm, pick.weight, pick.propensity, pick.policy) for title, pick in kept.items() if pick
        }


@pytest.mark.parametrize("n_artworks", [10, 20, 40])
def test_every_weight_is_at_least_a_unit_and_all_add_up_to_the_total(workspace: Workspace, n_artworks: int) -> None:
    shorten(workspace)
    widen(workspace, n_artworks)
    log_days(workspace, 2, 3000)
    chooser = Chooser(workspace, make_generation(workspace, "thompson"))
    contexts, places = chooser.padded_contexts(0, 256), chooser.padded_places(0, 256)
    for title in range(len(chooser.catalogue.title_ids)):
        weights = chooser.weights(title, chooser.probabilities(title, contexts, places, None), places)
        assert (weights.sum(axis=1, dtype=np.int64) == chooser.config.total).all()
        assert weights.min() >= 1
    popularity = chooser.catalogue.frame.group_by("title_id").agg(pl.col("popularity_weight").cast(pl.Int64).sum())
    assert set(popularity["popularity_weight"]) == {65535}


def test_a_generation_whose_manifest_says_another_total_than_its_titles_allow_is_refused(workspace: Workspace) -> None:
    widen(workspace, 20)
    generation = make_generation(workspace)
    path = folder_of(workspace, generation) / "manifest.json"
    plain = json.loads(path.read_text())
    path.write_text(json.dumps(plain | {"config": plain["config"] | {"total": 4095}}))
    with pytest.raises(InputError, match=r"has a title of 20 artworks, .* add up to 4095, whose row format takes 16"):
        Chooser(workspace, generation)


@pytest.mark.parametrize(("form", "total"), [(2, 4095), (3, 2047), (3, 65535)])
def test_picks_are_not_read_under_another_total_than_they_were_drawn_with(
    workspace: Workspace, client: redis.Redis, store: str, form: int, total: int
) -> None:
    generation = make_generation(workspace, "greedy", row_format=form)
    path = folder_of(workspace, generation) / "manifest.json"
    plain = json.loads(path.read_text())
    path.write_text(json.dumps(plain | {"config": plain["config"] | {"total": total}}))
    with pytest.raises(InputError, match=r"holds picks of other settings than its manifest.json says"):
        publish(workspace, generation, client, store, silent, force=True)
    assert client.get("art:current") is None


@pytest.mark.parametrize(("first", "second"), [(2, 3), (3, 2)])
def test_generations_of_both_formats_follow_each_other_and_roll_back(
    workspace: Workspace, client: redis.Redis, store: str, first: int, second: int
) -> None:
    shorten(workspace)
    log_days(workspace, 1, 2000)
    numbers = [make_generation(workspace, "thompson", row_format=form) for form in (first, second)]
    made = [publish(workspace, number, client, store, silent) for number in numbers]
    assert made[1].gate.refused == ()
    assert (activate(client, numbers[0]).generation, activate(client, numbers[1]).generation) == (1, 2)
    for number in numbers:
        raw = stored_rows(client, workspace, number)["u0042"]
        assert raw is not None
        row = decode_row(raw, "u0042", number, identity_of(workspace, number))
        kept = recorded_pick(workspace, number, "u0042", WIDE)
        found = row.pick(4)
        assert kept is not None
        assert found is not None
        assert (found.arm, found.weight, found.weight / row.total) == (kept.arm, kept.weight, kept.propensity)
