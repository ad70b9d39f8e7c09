"""Shortlists: rows hold exactly the titles that a user may be shown."""

import shutil
from pathlib import Path

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

from bandit.errors import InputError
from bandit.snapshot import FORMAT_2, FORMAT_3_OF_16, Row, RowFormat, decode_row
from batch.choosing.chooser import USERS_A_BLOCK, Chooser
from batch.choosing.precompute import precompute, read_pairs
from batch.config import Config
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.executors import SerialExecutor, open_executor
from batch.learning.train import train
from batch.publishing.flips import activate, read_meta
from batch.publishing.publish import publish
from batch.publishing.row_bytes import encoded_rows
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import claimed, folder_of
from batch.workspace.workspace import Workspace


def give_candidates(workspace: Workspace, lists: dict[str, list[str]]) -> None:
    frame = pl.DataFrame(
        {"user_id": list(lists), "title_ids": list(lists.values())}, schema_overrides={"title_ids": pl.List(pl.String)}
    )
    frame.write_parquet(workspace.candidates)


def shortlists(workspace: Workspace) -> dict[str, list[str]]:
    """One to four titles for two users of three, out of catalogue order."""
    users = pl.read_parquet(workspace.users)["user_id"].to_list()
    titles = pl.read_parquet(workspace.titles)["title_id"].to_list()
    return {
        user: [titles[(5 * place + 7 * number) % len(titles)] for number in range(1 + place % 4)]
        for place, user in enumerate(users)
        if place % 3
    }


def published_rows(
    workspace: Workspace, client: redis.Redis, store: str, form: int | None = None
) -> dict[str, Row | None]:
    generation = make_generation(workspace, row_format=form)
    publish(workspace, generation, client, store, silent)
    rows, identity = stored_rows(client, workspace, generation), identity_of(workspace, generation)
    return {user: decode_row(raw, user, generation, identity) if raw else None for user, raw in rows.items()}


def indices_of(row: Row, n_titles: int) -> list[int]:
    """The titles of the catalogue that a row has a pick for, which are all that it has."""
    assert row.titles is not None
    indices = [title for title, (_, weight) in enumerate(row.arms_and_weights(range(n_titles))) if weight]
    assert len(indices) == row.n_picks
    return indices


@pytest.mark.parametrize("form", [2, 3])
def test_a_row_decodes_to_exactly_the_candidates(
    workspace: Workspace, client: redis.Redis, store: str, form: int
) -> None:
    lists = shortlists(workspace)
    give_candidates(workspace, lists)
    rows = published_rows(workspace, client, store, form)
    titles = Catalogue.read(folder_of(workspace, 1) / "catalogue.parquet").title_ids
    for user, wanted in lists.items():
        row = rows[user]
        assert row is not None
        indices = indices_of(row, len(titles))
        assert row.n_picks == len(wanted)
        assert [titles[index] for index in indices] == sorted(wanted)
        assert [row.pick(index) is not None for index in range(len(titles))] == [title in wanted for title in titles]


def test_a_user_without_candidates_has_no_row(workspace: Workspace, client: redis.Redis, store: str) -> None:
    lists = shortlists(workspace)
    user_with_an_empty_list = "u0001"
    give_candidates(workspace, lists | {user_with_an_empty_list: []})
    rows = published_rows(workspace, client, store)
    assert {user for user, row in rows.items() if row is not None} == set(lists)


def test_a_candidate_has_the_pick_that_it_has_without_candidates(
    workspace: Workspace, client: redis.Redis, store: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dense = Workspace(tmp_path_factory.mktemp("dense"))
    write(dense, synthetic.build(n_users=600, n_titles=12, seed=3))
    all_rows = published_rows(dense, client, store)
    client.flushall()
    give_candidates(workspace, shortlists(workspace))
    for user, row in published_rows(workspace, client, store).items():
        full = all_rows[user]
        assert full is not None
        if row is not None:
            assert all(row.pick(index) == full.pick(index) for index in indices_of(row, full.n_picks))


def test_a_shard_of_users_without_candidates_is_published_as_nothing(
    tmp_path: Path, client: redis.Redis, store: str
) -> None:
    workspace = Workspace(tmp_path)
    write(workspace, synthetic.build(n_users=USERS_A_BLOCK + 3, n_titles=12, seed=3))
    last = pl.read_parquet(workspace.users)["user_id"].sort()[-1]
    give_candidates(workspace, {last: [pl.read_parquet(workspace.titles)["title_id"][0]]})
    generation = make_generation(workspace, shard_size=1)
    assert publish(workspace, generation, client, store, silent).rows == 1
    meta = read_meta(client, generation)
    assert meta is not None
    assert meta.users == 1
    assert activate(client, generation).generation == generation


def large_catalogue(root: Path, n_titles: int, form: int) -> Workspace:
    made = Workspace(root)
    write(made, synthetic.build(n_users=3, n_titles=n_titles, seed=3))
    train(made, Config.of("uniform"), SerialExecutor(), silent, shard_size=ALL_BLOCKS, row_format=form)
    return made


@pytest.mark.parametrize(("form", "most"), [(2, 2725), (3, 4088)])
def test_a_catalogue_beyond_a_row_is_refused_with_the_remedy(tmp_path: Path, form: int, most: int) -> None:
    workspace = large_catalogue(tmp_path, most + 1, form)
    remedy = (
        rf"a user has {most + 1} titles, a row holds at most {most}; give candidates\.parquet with a shortlist per user"
    )
    with pytest.raises(InputError, match=remedy):
        precompute(workspace, None, SerialExecutor(), silent, shard_size=ALL_BLOCKS)
    assert not (folder_of(workspace, 1) / "picks").exists()


@pytest.mark.parametrize("form", [FORMAT_2, FORMAT_3_OF_16])
def test_a_catalogue_beyond_a_row_is_taken_with_candidates(
    tmp_path: Path, client: redis.Redis, store: str, form: RowFormat
) -> None:
    workspace = large_catalogue(tmp_path, form.most_dense_picks + 1, form.number)
    titles = pl.read_parquet(workspace.titles)["title_id"].to_list()
    give_candidates(workspace, {"u0001": titles[-form.most_shortlist_picks :]})
    row = published_rows(workspace, client, store, form.number)["u0001"]
    assert row is not None
    assert row.n_picks == form.most_shortlist_picks
    assert indices_of(row, len(titles))[-1] == form.most_dense_picks


@pytest.mark.parametrize("form", [FORMAT_2, FORMAT_3_OF_16])
def test_a_shortlist_beyond_a_row_is_refused_with_the_remedy(tmp_path: Path, form: RowFormat) -> None:
    longest = form.most_shortlist_picks + 1
    workspace = large_catalogue(tmp_path, longest, form.number)
    give_candidates(workspace, {"u0001": pl.read_parquet(workspace.titles)["title_id"].to_list()})
    with pytest.raises(InputError, match=rf"a user has {longest} titles, .*; shorten the longest list"):
        make_generation(workspace, row_format=form.number)


def test_a_candidate_that_is_no_title_claims_no_generation(workspace: Workspace) -> None:
    give_candidates(workspace, {"u0001": ["t0001"], "u0002": ["t9999"]})
    with pytest.raises(InputError, match=r"candidates\.parquet, column title_ids, row 2 .*t9999"):
        make_generation(workspace)
    assert claimed(workspace) == []


def test_rows_of_shortlists_are_the_same_bytes_for_any_shards(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "one")
    write(workspace, synthetic.build(n_users=2 * USERS_A_BLOCK + 76, n_titles=8, seed=3))
    shorten(workspace)
    log_days(workspace, 1, 2000)
    users, titles = (pl.read_parquet(path).to_series(0).to_list() for path in (workspace.users, workspace.titles))
    random = np.random.default_rng(3)
    give_candidates(workspace, {user: random.permutation(titles)[: random.integers(1, 4)].tolist() for user in users})
    shutil.copytree(workspace.root, tmp_path / "two")
    other = Workspace(tmp_path / "two")
    rows = dict(encoded_rows(workspace, make_generation(workspace, "thompson")))
    with open_executor("processes", workers=2) as shards:
        generation = make_generation(other, "thompson", executor=shards, shard_size=1)
    assert len(rows) == len(users)
    assert dict(encoded_rows(other, generation)) == rows


@pytest.mark.parametrize("step", [1, 7, 600, 10_000])
def test_shortlists_read_some_users_at_a_time_are_those_of_the_file(workspace: Workspace, step: int) -> None:
    lists = shortlists(workspace) | {"u0001": []}
    give_candidates(workspace, lists)
    chooser = Chooser(workspace, make_generation(workspace))
    users, titles, first = chooser.users.ids().to_list(), chooser.catalogue.title_ids, 5
    pairs = [
        (place, title)
        for place, user in enumerate(users[first : first + 100])
        for title in range(len(titles))
        if titles[title] in lists.get(user, [])
    ]
    read = read_pairs(chooser, first, 100, step)
    assert read is not None
    assert list(zip(*(column.tolist() for column in read), strict=True)) == pairs
