"""Publishing to a real store: what arrives, what is swept, and what is refused before anything is written."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
import redis
from make_impressions import Served, change_picks, identity_of, make_generation, picks_of, served, silent, stored_rows

from bandit.errors import InputError, SurroundingsError
from bandit.snapshot import (
    CURRENT_KEY,
    Current,
    decode_catalogue,
    decode_current,
    decode_row,
    encode_json,
    generation_of_key,
    part_key,
    row_key,
)
from batch.publishing.flips import read_current, read_meta
from batch.publishing.publish import Published, publish
from batch.publishing.row_commands import ROWS_A_WRITE
from batch.publishing.row_writer import write_rows
from batch.store.client import read_bytes, store_errors
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import claim, folder_of
from batch.workspace.row_files import listed_rows
from batch.workspace.workspace import Workspace


def publish_new(workspace: Workspace, client: redis.Redis, store: str) -> Published:
    return publish(workspace, make_generation(workspace), client, store, silent)


def generations_of(client: redis.Redis) -> set[int | None]:
    """The generations that any key of the store belongs to."""
    return {generation_of_key(key.decode()) for key in client.scan_iter("art:g:*")}


def test_every_user_has_a_row_of_the_picks_on_disk(workspace: Workspace, client: redis.Redis, store: str) -> None:
    generation = make_generation(workspace, "epsilon_greedy")
    publish(workspace, generation, client, store, silent)
    titles = Catalogue.read(folder_of(workspace, generation) / "catalogue.parquet").title_ids
    read = []
    for user_id, raw in stored_rows(client, workspace, generation).items():
        row = decode_row(raw or b"", user_id, generation, identity_of(workspace, generation))
        picks = [row.pick(index) for index in range(len(titles))]
        read += [(user_id, title, pick.arm, pick.weight) for title, pick in zip(titles, picks, strict=True) if pick]
    expected = picks_of(workspace, generation).select("user_id", "title_id", "arm", "weight")
    assert sorted(read) == sorted(expected.rows())
    assert len(read) == 600 * len(titles)


def test_the_catalogue_and_meta_in_the_store_describe_the_generation(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    made = publish_new(workspace, client, store)
    meta = read_meta(client, made.generation)
    assert meta is not None
    assert (meta.users, meta.titles, meta.variants) == (600, 12, ("uniform",))
    parts = read_bytes(client, [part_key(meta.catalogue_digest, part) for part in range(meta.catalogue_parts)])
    catalogue = decode_catalogue([part or b"" for part in parts], meta.catalogue_digest, meta.counts)
    own = Catalogue.read(folder_of(workspace, made.generation) / "catalogue.parquet")
    assert [title.title_id for title in catalogue.titles] == own.title_ids
    assert [artwork for title in catalogue.titles for artwork in title.artworks] == own.frame["artwork_id"].to_list()


def test_no_key_of_the_store_expires(workspace: Workspace, client: redis.Redis, store: str) -> None:
    publish_new(workspace, client, store)
    assert {client.ttl(key) for key in client.scan_iter("*")} == {-1}


def test_a_second_publish_keeps_the_first_as_the_previous_one(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    first, second = publish_new(workspace, client, store), publish_new(workspace, client, store)
    assert (second.generation, second.previous, second.swept) == (2, 1, 0)
    assert served(client) == Served(2, 2, 1)
    assert None not in stored_rows(client, workspace, first.generation).values()


def test_a_fourth_publish_has_swept_all_but_three(workspace: Workspace, client: redis.Redis, store: str) -> None:
    for _ in range(3):
        publish_new(workspace, client, store)
    fourth = publish_new(workspace, client, store)
    assert generations_of(client) == {2, 3, 4}
    assert fourth.swept == 601
    assert served(client) == Served(4, 4, 3)


def test_a_catalogue_that_no_generation_names_is_swept(workspace: Workspace, client: redis.Redis, store: str) -> None:
    client.set(part_key("0" * 32, 0), b"left behind")
    publish_new(workspace, client, store)
    publish_new(workspace, client, store)
    assert not client.exists(part_key("0" * 32, 0))
    meta = read_meta(client, 2)
    assert meta is not None
    assert client.exists(part_key(meta.catalogue_digest, 0))


def test_rows_with_a_number_above_the_current_one_are_not_swept(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    publish_new(workspace, client, store)
    client.set(row_key(9, "somebody"), b"another publisher is at work")
    publish_new(workspace, client, store)
    assert client.exists(row_key(9, "somebody"))


def test_publishing_the_current_generation_again_changes_no_row(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    publish_new(workspace, client, store)
    publish_new(workspace, client, store)
    before = stored_rows(client, workspace, 2)
    again = publish(workspace, 2, client, store, silent)
    assert (again.generation, again.previous, again.flip) == (2, 1, 3)
    assert stored_rows(client, workspace, 2) == before


def test_a_store_that_evicts_is_refused_before_a_row_is_written(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(SurroundingsError, match=r"maxmemory-policy is allkeys-lru, expected noeviction.*CONFIG SET"):
        publish_new(workspace, client, store)
    assert client.dbsize() == 0


def test_a_store_with_too_little_memory_is_refused_before_a_row_is_written(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    publish_new(workspace, client, store)
    client.config_set("maxmemory", int(client.info("memory")["used_memory"]) + 60_000)
    with pytest.raises(SurroundingsError, match=r"generation 2 needs about .* raise maxmemory"):
        publish_new(workspace, client, store)
    assert generations_of(client) == {1}
    assert served(client) == Served(1, 1)


def test_picks_that_changed_on_disk_are_refused(workspace: Workspace, client: redis.Redis, store: str) -> None:
    generation = make_generation(workspace)
    picks = change_picks(workspace, generation, lambda table: table._replace(weights=np.full_like(table.weights, 4095)))
    with pytest.raises(InputError, match=rf"{picks.name} .* differs from its checksum"):
        publish(workspace, generation, client, store, silent)
    assert client.dbsize() == 0


def test_a_number_taken_by_another_workspace_is_refused(
    workspace: Workspace, client: redis.Redis, store: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Workspace(tmp_path_factory.mktemp("other") / "copy")
    shutil.copytree(workspace.root, other.root)
    publish(workspace, make_generation(workspace, seed=1), client, store, silent)
    before = stored_rows(client, workspace, 1)
    with pytest.raises(InputError, match="the store holds another generation 1, published from another workspace"):
        publish(other, make_generation(other, seed=2), client, store, silent)
    assert stored_rows(client, workspace, 1) == before
    assert served(client) == Served(1, 1)


def test_a_generation_that_does_not_exist_is_refused(workspace: Workspace, client: redis.Redis, store: str) -> None:
    make_generation(workspace)
    with pytest.raises(InputError, match=r"generation 5 is not precomputed in .*; precomputed are 1; run `artwork pre"):
        publish(workspace, 5, client, store, silent)
    assert client.dbsize() == 0


def test_an_older_generation_than_the_current_one_is_refused_before_a_row_is_written(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    older = make_generation(workspace)
    newer = publish_new(workspace, client, store)
    keys = client.dbsize()
    with pytest.raises(InputError, match=r"generation 2 is served, which is newer than 1; nothing was written.*older"):
        publish(workspace, older, client, store, silent)
    assert client.dbsize() == keys
    assert served(client) == Served(newer.generation, 1)


def test_an_older_generation_is_served_when_that_is_asked_for(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    older = make_generation(workspace)
    newer = publish_new(workspace, client, store)
    made = publish(workspace, older, client, store, silent, forward_only=False)
    assert (made.generation, made.previous) == (older, newer.generation)
    assert None not in stored_rows(client, workspace, older).values()


def test_a_claimed_number_without_picks_is_never_the_newest(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    generation = make_generation(workspace)
    claim(workspace)
    assert publish(workspace, None, client, store, silent).generation == generation


def test_a_row_lost_while_publishing_is_noticed_before_the_flip(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    def lose_a_row(what: str, done: int, total: int) -> None:
        client.delete(row_key(1, "u0300"))

    generation = make_generation(workspace)
    with pytest.raises(SurroundingsError, match=r"the store holds 599 rows of generation 1, 600 were written"):
        publish(workspace, generation, client, store, lose_a_row)
    assert served(client) is None


def test_a_row_damaged_while_publishing_is_noticed_before_the_flip(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    def damage_a_row(what: str, done: int, total: int) -> None:
        client.setrange(row_key(1, "u0001"), 20, b"\xff\xff")

    generation = make_generation(workspace)
    with pytest.raises(SurroundingsError, match=r"generation 1 did not arrive whole: .*; publish again"):
        publish(workspace, generation, client, store, damage_a_row)
    assert served(client) is None


def test_a_value_that_no_publisher_wrote_is_an_error_of_the_store(client: redis.Redis, store: str) -> None:
    client.set(CURRENT_KEY, b"17")
    with pytest.raises(SurroundingsError, match="holds what no publisher wrote"), store_errors(store):
        read_current(client)


def test_the_targets_of_the_load_test_are_users_and_titles_of_the_generation(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    publish_new(workspace, client, store)
    targets = json.loads(workspace.targets.read_bytes())
    assert targets["generation"] == 1
    assert set(targets["users"]) == set(pl.read_parquet(workspace.users)["user_id"])
    assert set(targets["titles"]) == set(pl.read_parquet(workspace.titles)["title_id"])


def test_current_is_written_as_json_that_names_generation_identity_flip_and_previous(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    publish_new(workspace, client, store)
    (raw,) = read_bytes(client, [CURRENT_KEY])
    assert raw == encode_json(Current(1, identity_of(workspace, 1), 1))
    assert decode_current(raw or b"").previous is None


def test_the_password_of_a_store_is_not_in_what_a_publish_returns(workspace: Workspace, client: redis.Redis) -> None:
    made = publish(workspace, make_generation(workspace), client, "redis://me:secret@host:6379/0", silent)
    assert made.store == "redis://me:***@host:6379/0"


def test_a_publisher_rests_after_each_command_for_as_long_as_it_took(client: redis.Redis) -> None:
    rests: list[float] = []
    rows = listed_rows((f"u{user}", b"row") for user in range(2 * ROWS_A_WRITE + 1))
    sizes = [written.stop - written.first for written in write_rows(client, 3, [rows], rests=True, sleep=rests.append)]
    assert sizes == [ROWS_A_WRITE, ROWS_A_WRITE, 1]
    assert len(rests) == 3
    assert all(rest > 0 for rest in rests)
    assert client.get(row_key(3, f"u{2 * ROWS_A_WRITE}")) == b"row"


def test_rows_that_somebody_else_left_under_the_number_are_noticed_before_a_row_is_written(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    generation = make_generation(workspace)
    client.set(row_key(1, "somebody-else"), b"left behind")
    with pytest.raises(
        SurroundingsError, match=r"holds 1 rows of generation 1 of users .* remove art:g:1:u:\{\*\}, then publish"
    ):
        publish(workspace, generation, client, store, silent)
    assert served(client) is None
