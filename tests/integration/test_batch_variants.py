"""Generations whose picks are drawn under several variants, some users\' under each."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from make_impressions import identity_of, log_days, make_generation, shorten
from make_impressions import picks_of as recorded

from bandit.hashing import hash_ids
from bandit.snapshot import decode_row, keyed_hash
from batch.choosing.explain import explain
from batch.choosing.variants import variants_of
from batch.executors import open_executor
from batch.publishing.row_bytes import encoded_rows
from batch.workspace.generations import read_manifest
from batch.workspace.workspace import Workspace

SEED = 6
COLUMNS = ["user_id", "title_id", "arm", "weight", "policy"]


@pytest.fixture
def logged(workspace: Workspace) -> Workspace:
    shorten(workspace)
    log_days(workspace, 2, 4000)
    return workspace


def picks_of(workspace: Workspace, to: Path, *policies: str, **settings: Any) -> pl.DataFrame:
    """The picks of the first generation of a copy of the workspace."""
    copy = Workspace(to)
    shutil.copytree(workspace.root, to)
    generation = make_generation(copy, *policies, seed=SEED, **settings)
    frame = recorded(copy, generation).select(COLUMNS)
    return frame.with_columns(pl.col("title_id", "policy").cast(pl.String))


@pytest.mark.parametrize(
    ("policy", "other", "posterior"),
    [
        ("thompson", "epsilon_greedy:epsilon=0.3", "linear"),
        ("thompson", "linucb", "shared"),
        ("popularity", "thompson", "logistic"),
    ],
)
def test_each_variant_gets_the_very_picks_of_its_policy_alone(
    logged: Workspace, tmp_path: Path, policy: str, other: str, posterior: str
) -> None:
    both = picks_of(logged, tmp_path / "both", policy, other, share=0.3, posterior=posterior)
    alone = [
        picks_of(logged, tmp_path / str(place), word, posterior=posterior) for place, word in enumerate((policy, other))
    ]
    users = pl.read_parquet(logged.users)["user_id"]
    on_other = [keyed_hash("other", SEED, 0, user, "") < 0.3 * 2**64 for user in users]
    assert 100 < sum(on_other) < 250
    for is_other, frame in zip((False, True), alone, strict=True):
        own = pl.col("user_id").is_in([user for user, other in zip(users, on_other, strict=True) if other == is_other])
        assert both.filter(own).equals(frame.filter(own))
        assert not both.filter(~own).equals(frame.filter(~own))


def test_two_settings_of_one_policy_are_told_apart_by_their_words(logged: Workspace, tmp_path: Path) -> None:
    words = ("epsilon_greedy:epsilon=0.1", "epsilon_greedy:epsilon=0.6,halving=300")
    picks = picks_of(logged, tmp_path / "both", *words)
    assert set(picks["policy"]) == set(words)
    means = dict(picks.group_by("policy").agg(pl.col("weight").mean()).rows())
    assert means[words[0]] > means[words[1]]


def rows_of(workspace: Workspace, to: Path, executor: str, shard_size: int) -> dict[str, bytes]:
    copy = Workspace(to)
    shutil.copytree(workspace.root, to)
    with open_executor(executor, workers=2) as shards:
        generation = make_generation(
            copy,
            "thompson",
            "popularity",
            seed=SEED,
            posterior="shared",
            explore_share=0.2,
            executor=shards,
            shard_size=shard_size,
        )
    return dict(encoded_rows(copy, generation))


def test_the_rows_are_the_same_bytes_wherever_they_are_made(logged: Workspace, tmp_path: Path) -> None:
    one, two, three = (
        rows_of(logged, tmp_path / f"{executor}-{shard_size}", executor, shard_size)
        for executor, shard_size in (("serial", 5), ("serial", 1), ("processes", 1))
    )
    assert len(one) == 600
    assert one == two
    assert one == three


def test_the_header_of_a_row_names_the_variant_of_its_user(logged: Workspace) -> None:
    generation = make_generation(logged, "thompson", "popularity", seed=SEED, explore_share=0.2)
    config, identity = read_manifest(logged, generation).config, identity_of(logged, generation)
    rows = dict(encoded_rows(logged, generation))
    users = pl.read_parquet(logged.users)["user_id"].to_list()
    expected = []
    for user, place in zip(users, variants_of(config, hash_ids(users)).tolist(), strict=True):
        exploring = keyed_hash("explore", SEED, generation, user, "") < 0.2 * 2**64
        expected.append("uniform" if exploring else config.names[place])
    named = [config.names[decode_row(rows[user], user, generation, identity).variant] for user in users]
    assert set(named) == {"thompson", "popularity", "uniform"}
    assert named == expected


@pytest.mark.parametrize(
    ("policy", "other", "posterior", "models"),
    [
        ("thompson", "epsilon_greedy", "linear", ("linear", "linear")),
        ("thompson", "popularity", "logistic", ("logistic", "beta")),
        ("linucb:alpha=1", "thompson", "shared", ("shared", "shared")),
    ],
)
def test_a_user_is_explained_by_the_policy_of_their_variant(
    logged: Workspace, policy: str, other: str, posterior: str, models: tuple[str, str]
) -> None:
    generation = make_generation(logged, policy, other, seed=SEED, posterior=posterior, explore_share=0.2)
    picks = recorded(logged, generation)
    seen = set()
    for user in [f"u{number:04d}" for number in range(1, 13)]:
        made = explain(logged, user, "t0003", None)
        pick = picks.filter(pl.col("user_id") == user, pl.col("title_id").cast(pl.String) == "t0003").row(0, named=True)
        shown = next(artwork for artwork in made.artworks if artwork.artwork_id == made.shown)
        assert (shown.arm, shown.weight, made.policy) == (pick["arm"], pick["weight"], pick["policy"])
        exploring = keyed_hash("explore", SEED, generation, user, "") < 0.2 * 2**64
        on_other = keyed_hash("other", SEED, 0, user, "") < 2**63
        word = "uniform" if exploring else other if on_other else policy
        assert (made.policy, made.explores) == (word.partition(":")[0], exploring)
        assert made.posterior == models[on_other and not exploring]
        assert made.posterior != "beta" or not any(artwork.contributions for artwork in made.artworks)
        seen.add(made.policy)
    assert len(seen) == 3
