"""Generations that keep what users were shown before: what is kept, from where, and with which propensity."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import naive
import naive_join
import numpy as np
import polars as pl
import pytest
import redis
from event_logs import give_shortlists
from make_impressions import (
    ALL_BLOCKS,
    identity_of,
    log_days,
    make_generation,
    picks_of,
    picks_path,
    shorten,
    silent,
)
from shell import call

from bandit.errors import InputError
from bandit.snapshot import Overlay
from batch.choosing.chooser import USERS_A_BLOCK, Chooser
from batch.choosing.explain import explain
from batch.choosing.precompute import precompute
from batch.config import Config, Variant
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.events.decisions import judge
from batch.events.recorded import RecordedGeneration
from batch.executors import SerialExecutor, open_executor
from batch.job import Ran, run
from batch.learning.train import Trained, train
from batch.monitoring.decisions import probabilities_of
from batch.publishing.flips import rollback
from batch.publishing.gate_weights import sample_weights
from batch.publishing.row_bytes import encoded_rows
from batch.workspace.generations import Manifest, folder_of, read_manifest, write_manifest
from batch.workspace.overlays import write_overlay
from batch.workspace.workspace import Workspace

KEPT: dict[str, Any] = {"stickiness": 0.6, "stickiness_margin": 0.4}
STICKY = Config(
    (
        Variant(policy="thompson", share=0.7, **KEPT),
        Variant(policy="epsilon_greedy:epsilon=0.3", share=0.3, stickiness=0.9, stickiness_margin=1.0),
    ),
    seed=8,
    explore_share=0.1,
)


@pytest.fixture(scope="module")
def nights(written_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A night of softmax, then a sticky one, before which an artwork retired, a user left, another came and a title too."""
    root = tmp_path_factory.mktemp("nights")
    shutil.copytree(written_tables, root, dirs_exist_ok=True)
    workspace = Workspace(root)
    shorten(workspace)
    log_days(workspace, 2, 2500)
    titles = pl.read_parquet(workspace.titles).sort("title_id")
    users = pl.read_parquet(workspace.users).sort("user_id")
    with_all = {path: pl.read_parquet(path) for path in (workspace.titles, workspace.artworks, workspace.users)}
    newest = titles["title_id"][5]
    for path in (workspace.titles, workspace.artworks):
        with_all[path].filter(pl.col("title_id") != newest).write_parquet(path)
    users[1:].write_parquet(workspace.users)
    for path in workspace.impressions.glob("day=*/*.parquet"):
        frame = pl.read_parquet(path)
        frame.filter(pl.col("title_id") != newest, pl.col("user_id") != users["user_id"][0]).write_parquet(path)
    make_generation(workspace, "softmax:temperature=0.1", seed=8, shard_size=1)
    for path, frame in with_all.items():
        frame.write_parquet(path)
    users.head(599).write_parquet(workspace.users)
    artworks = with_all[workspace.artworks].sort("title_id", "artwork_id")
    first = artworks.filter(pl.col("title_id") == titles["title_id"][0])["artwork_id"].to_list()
    write_overlay(workspace, Overlay(1, {titles["title_id"][0]: (first[0],)}, {}))
    make_generation(workspace, config=STICKY)
    return workspace


def a_copy(workspace: Workspace, to: Path) -> Workspace:
    shutil.copytree(workspace.root, to, dirs_exist_ok=True)
    return Workspace(to)


def trained(workspace: Workspace, config: Config = STICKY, parent: int | None = None) -> Trained:
    return train(workspace, config, SerialExecutor(), silent, shard_size=ALL_BLOCKS, parent=parent)


def test_every_pick_is_the_draw_from_the_slow_twin_s_weights_given_the_pick_before(nights: Workspace) -> None:
    made = naive_join.generation_of(nights.root, 2)
    titles, policies, before = list(made.artworks), set(), 0
    for row in range(0, len(made.users), 60):  # 600 integrals that scipy does
        user = made.users[row]
        for place, title in enumerate(titles):
            arm, weight, policy = made.picks[user, title]
            previous = naive_join.previous_of(nights.root, made, user, title)
            weights = naive.weights_from_files(made.folder, row, place, previous)
            hashed = naive.keyed_hash("draw", made.seed, 2, user, title)
            assert abs(weights[arm] - weight) <= 1
            assert naive.draw(weights, hashed, made.total) == arm
            policies.add(policy)
            before += previous is not None
    assert policies == {"thompson", "epsilon_greedy", "uniform"}
    assert before > 80


def test_who_or_what_is_new_or_gone_has_nothing_before(nights: Workspace) -> None:
    before, now = naive_join.generation_of(nights.root, 1), naive_join.generation_of(nights.root, 2)
    chooser = Chooser(nights, 2)
    shown = chooser.previous_of_slice(0, 599)
    titles = list(now.artworks)
    arms = np.array([shown.at(np.arange(599), np.full(599, title)) for title in range(len(titles))]).T
    expected = [
        [-1 if (arm := naive_join.previous_of(nights.root, now, user, title)) is None else arm for title in titles]
        for user in now.users
    ]
    assert arms.tolist() == expected
    assert (arms[0] == -1).all()  # who came
    assert (arms[:, 5] == -1).all()  # the title that came
    assert [set(now.artworks[title]) - set(before.artworks[title]) for title in titles if title in before.artworks]
    gone = before.artworks[titles[0]][0]
    held = [before.artworks[titles[0]][before.picks[user, titles[0]][0]] == gone for user in now.users[1:]]
    assert np.array_equal(arms[1:, 0] == -1, held)
    assert 0 < sum(held) < 598
    assert [None if (own := shown.of(title, 599)) is None else own.tolist() for title in (0, 5)] == [
        arms[:, 0].tolist(),
        None,
    ]


def test_the_manifest_says_what_was_kept_and_whose_picks(nights: Workspace) -> None:
    plain = json.loads((folder_of(nights, 2) / "manifest.json").read_text())
    assert plain["previous"] == {"generation": 1, "identity": identity_of(nights, 1)}
    assert [variant["stickiness"] for variant in plain["config"]["variants"]] == [0.6, 0.9]
    now, before = picks_of(nights, 2), picks_of(nights, 1)
    manifest = read_manifest(nights, 2)
    changed, kept = manifest.counts["changed"], manifest.counts["kept"]
    assert kept + changed == sum(
        naive_join.previous_of(nights.root, naive_join.generation_of(nights.root, 2), user, title) is not None
        for user, title in now.select("user_id", "title_id").rows()
    )
    assert min(kept, changed) > 1000
    assert before.height == 11 * 599
    assert "previous" not in json.loads((folder_of(nights, 1) / "manifest.json").read_text())


def test_another_generation_before_is_another_identity(nights: Workspace, tmp_path: Path) -> None:
    copy = a_copy(nights, tmp_path)
    manifest = read_manifest(copy, 2)
    assert manifest.previous is not None
    other = replace(manifest, previous=replace(manifest.previous, identity="0" * 32))
    assert len({manifest.identity, other.identity, replace(manifest, previous=None).identity}) == 3
    assert manifest.identity == replace(manifest, parent=7, created_at="then").identity


def test_explain_shows_what_stickiness_added(nights: Workspace) -> None:
    made = naive_join.generation_of(nights.root, 2)
    user, title = next(
        (user, title)
        for (user, title), pick in made.picks.items()
        if pick[2] == "epsilon_greedy" and naive_join.previous_of(nights.root, made, user, title) == pick[0]
    )
    told = explain(nights, user, title, 2)
    assert told.previous is not None
    assert (told.previous.generation, told.previous.share, told.previous.margin) == (1, 0.9, 1.0)
    for artwork in told.artworks:
        assert artwork.probability + artwork.stickiness + artwork.floor == pytest.approx(artwork.propensity)
        assert (artwork.stickiness > 0) == (artwork.artwork_id == told.previous.artwork_id)
    assert told.recorded == next(own.weight for own in told.artworks if own.artwork_id == told.shown)
    text = call("explain", "--user", user, "--title", title, "--generation", "2", "-w", str(nights.root)).out
    assert f"generation 1 showed {told.previous.artwork_id}, which 90% of the draws keep" in text
    assert "stickiness" in text
    assert explain(nights, user, title, 1).previous is None


def test_the_gate_draws_by_what_was_kept_and_compares_what_was_not(nights: Workspace, tmp_path: Path) -> None:
    sticky = sample_weights(nights, read_manifest(nights, 2), read_manifest(nights, 1))
    assert sticky.misstated == 0
    assert abs(sticky.weight_drawn.z) < 4
    assert abs(sticky.arm_drawn.z) < 4
    copy = a_copy(nights, tmp_path)
    plain = Config(tuple(replace(variant, stickiness=0.0) for variant in STICKY.variants), seed=8, explore_share=0.1)
    number = make_generation(copy, config=plain)
    other = sample_weights(copy, read_manifest(copy, number), read_manifest(copy, 1))
    assert other.picks == sticky.picks > 0


def test_the_report_weighs_what_was_logged(nights: Workspace) -> None:
    chooser, picks = Chooser(nights, 2), picks_of(nights, 2)
    users = chooser.users.ids().to_frame().select("user_id", place=pl.int_range(pl.len(), dtype=pl.Int64))
    decided = probabilities_of(chooser, picks, users)
    own = picks[decided.rows]
    shares = decided.probabilities[np.arange(own.height), own["arm"].to_numpy()]
    assert np.array_equal(np.round(shares * chooser.config.total).astype(np.int64), own["weight"].cast(pl.Int64))


def test_without_stickiness_identity_and_rows_are_those_of_before(nights: Workspace, tmp_path: Path) -> None:
    rows = []
    for name, config in (
        ("plain", Config.of("thompson", seed=3)),
        ("none", Config.of("thompson", seed=3, stickiness=0.0, stickiness_margin=0.9)),
    ):
        copy = a_copy(nights, tmp_path / name)
        number = make_generation(copy, config=config)
        assert "previous" not in json.loads((folder_of(copy, number) / "manifest.json").read_text())
        rows.append((identity_of(copy, number), dict(encoded_rows(copy, number))))
    assert rows[0] == rows[1]


@pytest.mark.parametrize("how", ["picks", "manifest", "contexts"])
def test_files_of_the_generation_before_that_are_gone_are_told_when_training_and_nothing_is_kept(
    nights: Workspace, tmp_path: Path, how: str
) -> None:
    copy = a_copy(nights, tmp_path)
    lost = {"picks": picks_path(copy, 1), "manifest": folder_of(copy, 1) / "manifest.json"}
    lost.get(how, folder_of(copy, 1) / "contexts" / "part-000000.parquet").unlink()
    made = trained(copy, replace(STICKY, seed=9), parent=1)
    assert made.previous is None
    assert "1" in made.nothing_kept
    precompute(copy, made.generation, SerialExecutor(), silent, shard_size=1)
    plain = Config(tuple(replace(variant, stickiness=0.0) for variant in STICKY.variants), seed=9, explore_share=0.1)
    other = a_copy(nights, tmp_path / "other")
    assert make_generation(other, config=plain) == made.generation
    columns = ["user_id", "title_id", "arm", "weight"]
    assert picks_of(copy, made.generation).select(columns).equals(picks_of(other, made.generation).select(columns))


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (shutil.rmtree, "generation 1 is not in"),
        (lambda folder: next((folder / "picks").iterdir()).unlink(), "missing or differs"),
        (lambda folder: next((folder / "contexts").iterdir()).write_bytes(b""), "missing or differs"),
    ],
    ids=["folder", "picks", "contexts"],
)
def test_files_that_go_between_training_and_choosing_are_refused(
    nights: Workspace, tmp_path: Path, change: Any, wrong: str
) -> None:
    copy = a_copy(nights, tmp_path)
    made = trained(copy, parent=1)
    assert made.previous == 1
    change(folder_of(copy, 1))
    with pytest.raises(InputError, match=wrong):
        precompute(copy, made.generation, SerialExecutor(), silent, shard_size=1)
    assert read_manifest(copy, made.generation).stage == "trained"


def test_the_folder_of_another_generation_before_is_refused(nights: Workspace, tmp_path: Path) -> None:
    copy = a_copy(nights, tmp_path)
    made = trained(copy, parent=1)
    other: Manifest = read_manifest(copy, 1)
    write_manifest(copy, replace(other, config=replace(other.config, seed=77)))
    with pytest.raises(InputError, match="are to be kept: its folder is another one's"):
        precompute(copy, made.generation, SerialExecutor(), silent, shard_size=1)


def large(to: Path, n_artworks: int) -> Workspace:
    """Users of three blocks."""
    workspace = Workspace(to)
    write(workspace, synthetic.build(n_users=2 * USERS_A_BLOCK + 100, n_titles=4, seed=3))
    shorten(workspace)
    if n_artworks > 16:
        artworks = pl.read_parquet(workspace.artworks)
        title = artworks["title_id"][0]
        own = artworks.filter(pl.col("title_id") == title).head(1).with_columns(is_default=pl.lit(value=False))
        more = [own.with_columns(artwork_id=pl.lit(f"more-{number}")) for number in range(n_artworks)]
        pl.concat([artworks, *more]).write_parquet(workspace.artworks)
    log_days(workspace, 1, 1500)
    return workspace


@pytest.mark.parametrize(("n_artworks", "shortlists", "total"), [(8, False, 4095), (40, False, 65535), (8, True, 4095)])
def test_rows_are_the_same_for_any_executor_and_shards_of_both_nights(
    tmp_path: Path, n_artworks: int, shortlists: bool, total: int
) -> None:
    start = large(tmp_path / "start", n_artworks)
    rows = []
    for name, before, now, executor in (("a", 1, 3, "serial"), ("b", 3, 1, "processes"), ("c", 2, 2, "serial")):
        copy = a_copy(start, tmp_path / name)
        with open_executor(executor, workers=2) as shards:
            make_generation(copy, "popularity", explore_share=0.5, shard_size=before, executor=shards)
            if shortlists:
                give_shortlists(copy)
            config = Config.of("popularity", "greedy", posterior="linear", explore_share=0.1, **KEPT)
            number = make_generation(copy, config=config, shard_size=now, executor=shards)
        manifest = read_manifest(copy, number)
        assert manifest.config.total == total
        assert manifest.counts["kept"] > 0
        rows.append((manifest.identity, manifest.counts, dict(encoded_rows(copy, number))))
    assert rows[0] == rows[1] == rows[2]


def a_night(workspace: Workspace, store: str) -> Ran:
    config = Config.of("popularity", seed=4, stickiness=0.8, stickiness_margin=1.0)
    return run(workspace, config, SerialExecutor(), store, silent, shard_size=ALL_BLOCKS, force=True)


def test_runs_keep_what_the_store_served_and_not_what_was_made_last(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    log_days(workspace, 1, 300)
    first, second = a_night(workspace, store), a_night(workspace, store)
    assert (first.trained.previous, second.trained.previous) == (None, 1)
    assert "no generation comes before it" in first.trained.nothing_kept
    rollback(client)
    third = a_night(workspace, store)
    assert third.trained.previous == third.precomputed.previous == 1
    keys = ["user_id", "title_id"]
    both = picks_of(workspace, 3).join(picks_of(workspace, 1), on=keys)
    same = float((both["arm"] == both["arm_right"]).mean())  # type: ignore[arg-type]
    assert third.precomputed.flip_rate is not None
    assert third.precomputed.flip_rate == pytest.approx(1 - same)
    assert 0 < third.precomputed.flip_rate < 0.5  # all artworks are new: half of the draws are their floors'
    fresh = picks_of(workspace, 2).join(picks_of(workspace, 3), on=keys)
    assert not fresh["arm"].equals(fresh["arm_right"])  # no hash is used twice


def test_the_command_line_takes_a_stickiness_for_all_and_one_for_a_variant(workspace: Workspace) -> None:
    root = str(workspace.root)
    make_generation(workspace)
    told = call(
        "train", "-w", root, "--stickiness", "0.5", "--stickiness-margin", "0.2",
        "--variant", "policy=popularity", "--variant", "bold=policy=greedy,stickiness=0.25,share=0.5",
        "--variant", "policy=uniform",
    )  # fmt: skip
    assert told.code == 0, told.err
    assert "picks of generation 1 are kept" in told.out
    config = read_manifest(workspace, 2).config
    assert [(own.stickiness, own.stickiness_margin) for own in config.variants] == [(0.5, 0.2), (0.25, 0.2), (0.0, 0.3)]
    for wrong in ("1", "-0.1"):
        refused = call("train", "-w", root, "--stickiness", wrong)
        assert refused.code == 2
        assert "expected a share from 0 to below 1" in refused.err


@pytest.mark.parametrize("by_title", [False, True], ids=["by user", "by title"])
def test_without_the_generation_before_only_picks_that_may_have_been_kept_are_not_known(
    nights: Workspace, tmp_path: Path, by_title: bool
) -> None:
    copy = a_copy(nights, tmp_path)
    variants = Variant("calm", policy="thompson", **KEPT), Variant("usual", policy="softmax:temperature=0.2")
    config = Config(variants, seed=8, explore_share=0.2, salt="mix", splits=(0.5, 0.2) if by_title else ())
    number = make_generation(copy, config=config)
    picks = picks_of(copy, number).with_columns(pl.col("user_id", "title_id", "policy").cast(pl.String))
    artworks = pl.read_parquet(folder_of(copy, number) / "catalogue.parquet").with_columns(
        arm=pl.int_range(pl.len()).over("title_id").cast(pl.UInt8)
    )
    shown = picks.join(artworks, on=["title_id", "arm"], how="left", maintain_order="left").select(
        "user_id", "title_id", "artwork_id", revision=1, source=pl.lit("personalized"), segment=pl.lit(None, pl.String)
    )
    some = shown.filter(pl.col("artwork_id").is_not_null())
    retired = dict(artworks.group_by("title_id").agg(pl.col("artwork_id").max()).rows())  # of every title
    overlays = {1: Overlay(1, {title: (artwork,) for title, artwork in retired.items()})}
    before = judge(RecordedGeneration(copy, number), some, overlays)
    explorer, calm = (
        next(picks.filter(pl.col("policy") == policy).select("user_id", "title_id").iter_rows())
        for policy in ("uniform", "calm")
    )
    told = explain(copy, explorer[0], explorer[1], number)
    shutil.rmtree(folder_of(copy, read_manifest(copy, number).previous.generation))  # type: ignore[union-attr]
    after = judge(RecordedGeneration(copy, number), some, overlays)
    is_calm, is_left = (picks["policy"] == "calm").to_numpy(), (before.reason == "").to_numpy()
    assert set(after.reason.filter(pl.Series(is_calm & is_left))) == {"weight not reproduced"}
    assert after.reason.filter(pl.Series(~is_calm)).equals(before.reason.filter(pl.Series(~is_calm)))
    others = pl.Series(~is_calm & is_left)
    assert after.propensity.filter(others).equals(before.propensity.filter(others))
    assert min((is_calm & is_left).sum(), others.sum()) > 500
    assert replace(explain(copy, explorer[0], explorer[1], number), earlier=told.earlier) == told
    refused = call("explain", "--user", calm[0], "--title", calm[1], "--generation", str(number), "-w", str(copy.root))
    assert refused.code == 2
    assert "is not in" in refused.err
