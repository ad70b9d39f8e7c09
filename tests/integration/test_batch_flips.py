"""Which generation is served: activating, rolling back, and many at once."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import redis
from make_impressions import Served, make_generation, served, silent
from shared_store import SharedStore

from bandit.errors import InputError, SurroundingsError
from bandit.snapshot import Meta, encode_json, meta_key, part_key, row_key
from batch.publishing import sweep as sweep_module
from batch.publishing.flips import activate, count_rows, flip, read_current, read_meta, rollback
from batch.publishing.publish import publish
from batch.store.client import connect
from batch.workspace.generations import folder_of, read_manifest, write_manifest
from batch.workspace.workspace import Workspace

THREADS, FLIPS_A_THREAD = 8, 25
IDENTITY = "0" * 32


@dataclass(frozen=True)
class Published:
    """A folder that nobody writes to, and what was in the store when its generations had been published."""

    root: Path
    entries: dict[bytes, bytes]


@pytest.fixture(scope="module")
def published_once(
    written_tables: Path, shared_store: SharedStore, tmp_path_factory: pytest.TempPathFactory
) -> Published:
    root = tmp_path_factory.mktemp("published")
    shutil.copytree(written_tables, root, dirs_exist_ok=True)
    shared_store.renew()
    with connect(shared_store.url) as client:
        for _ in range(3):
            publish(Workspace(root), make_generation(Workspace(root)), client, shared_store.url, silent)
        keys = list(client.scan_iter("*"))
        return Published(root, dict(zip(keys, client.mget(keys), strict=True)))


@pytest.fixture
def published(published_once: Published, client: redis.Redis, tmp_path: Path) -> Workspace:
    """A workspace whose generations 1, 2 and 3 are all in the store; 3 is current, 2 was before."""
    shutil.copytree(published_once.root, tmp_path, dirs_exist_ok=True)
    client.mset(published_once.entries)
    return Workspace(tmp_path)


def test_a_rollback_serves_what_was_served_before(published: Workspace, client: redis.Redis) -> None:
    assert rollback(client).generation == 2
    assert served(client) == Served(2, 4, 3)


def test_rolling_back_twice_returns(published: Workspace, client: redis.Redis) -> None:
    rollback(client)
    rollback(client)
    assert served(client) == Served(3, 5, 2)


def test_a_rollback_in_an_empty_store_is_refused(client: redis.Redis) -> None:
    with pytest.raises(InputError, match="there is no previous generation to roll back to; publish twice first"):
        rollback(client)
    assert served(client) is None


def test_a_rollback_after_a_single_publish_is_refused(workspace: Workspace, client: redis.Redis, store: str) -> None:
    publish(workspace, make_generation(workspace), client, store, silent)
    with pytest.raises(InputError, match="no previous generation"):
        rollback(client)
    assert served(client) == Served(1, 1)


def test_an_older_generation_that_is_whole_can_be_activated(published: Workspace, client: redis.Redis) -> None:
    flipped = activate(client, 1)
    assert (flipped.generation, flipped.previous, flipped.flip) == (1, 3, 4)
    assert served(client) == Served(1, 4, 3)


def test_activating_what_is_current_keeps_what_was_before(published: Workspace, client: redis.Redis) -> None:
    activate(client, 3)
    assert served(client) == Served(3, 4, 2)


def test_activating_what_the_store_lacks_is_refused(published: Workspace, client: redis.Redis) -> None:
    with pytest.raises(InputError, match=r"generation 9 is not whole in the store.*artwork publish --generation 9"):
        activate(client, 9)
    assert served(client) == Served(3, 3, 2)


def test_activating_a_generation_that_lost_a_row_is_refused(published: Workspace, client: redis.Redis) -> None:
    client.delete(row_key(2, "u0300"))
    with pytest.raises(InputError, match="generation 2 is not whole in the store"):
        activate(client, 2)
    assert served(client) == Served(3, 3, 2)


def scans(client: redis.Redis) -> int:
    return int(client.info("commandstats").get("cmdstat_scan", {}).get("calls", 0))


def test_a_rollback_asks_for_the_rows_that_the_files_name_and_walks_over_no_keys(
    published: Workspace, client: redis.Redis
) -> None:
    client.config_resetstat()
    assert rollback(client, published).generation == 2
    assert scans(client) == 0
    client.delete(row_key(3, "u0300"))
    with pytest.raises(InputError, match="generation 3 is not whole in the store"):
        rollback(client, published)
    assert served(client) == Served(2, 4, 3)


@pytest.mark.parametrize("harm", ["removed", "changed", "of another identity"])
def test_a_rollback_does_without_the_files_of_a_generation(
    published: Workspace, client: redis.Redis, harm: str
) -> None:
    folder = folder_of(published, 2)
    if harm == "removed":
        shutil.rmtree(folder)
    elif harm == "changed":
        next(folder.rglob("*.rows")).write_bytes(b"no rows")
    else:
        manifest = read_manifest(published, 2)
        write_manifest(published, replace(manifest, config=replace(manifest.config, seed=99)))
    assert rollback(client, published).generation == 2


def test_rows_are_counted_with_no_more_keys_in_memory_than_are_allowed(
    published: Workspace, client: redis.Redis
) -> None:
    client.config_resetstat()
    assert count_rows(client, 2, 600, most_held=600) == 600
    once = scans(client)
    assert count_rows(client, 2, 600, most_held=100) == 600
    assert scans(client) - once >= 7  # walks
    client.delete(row_key(2, "u0300"), row_key(2, "u0301"))
    assert count_rows(client, 2, 600, most_held=100) == 598


def test_activating_a_generation_without_its_catalogue_is_refused(published: Workspace, client: redis.Redis) -> None:
    meta = read_meta(client, 2)
    assert meta is not None
    client.delete(part_key(meta.catalogue_digest, 0))
    with pytest.raises(InputError, match="generation 2 is not whole in the store"):
        activate(client, 2)


def test_a_publish_after_a_rollback_goes_forward_again(published: Workspace, client: redis.Redis, store: str) -> None:
    rollback(client)
    publish(published, None, client, store, silent)
    assert served(client) == Served(3, 5, 2)


def test_the_generation_rolled_back_from_is_not_swept(published: Workspace, client: redis.Redis, store: str) -> None:
    rollback(client)
    publish(published, make_generation(published), client, store, silent)
    assert served(client) == Served(4, 5, 2)
    assert activate(client, 3).generation == 3


def claim(client: redis.Redis, generation: int) -> None:
    """A meta as a publisher leaves it before its rows."""
    meta = Meta(generation, IDENTITY, 1, IDENTITY, IDENTITY, 1, 0, 1, 1, ("uniform",), "now")
    client.set(meta_key(generation), encode_json(meta))


def test_flips_of_many_threads_are_all_counted_and_the_count_only_grows(client: redis.Redis, store: str) -> None:
    def flip_often(generation: int) -> list[int]:
        with connect(store) as own:
            return [flip(own, generation, IDENTITY, forward_only=False).flip for _ in range(FLIPS_A_THREAD)]

    for generation in range(1, THREADS + 1):
        claim(client, generation)
    with ThreadPoolExecutor(THREADS) as pool:
        counts = list(pool.map(flip_often, range(1, THREADS + 1)))
    assert all(one == sorted(one) for one in counts)
    assert sorted(number for one in counts for number in one) == list(range(1, THREADS * FLIPS_A_THREAD + 1))
    current = read_current(client)
    assert current is not None
    assert current.flip == THREADS * FLIPS_A_THREAD


def test_a_forward_flip_among_many_never_turns_back_time(client: redis.Redis, store: str) -> None:
    def flip_forward(generation: int) -> bool:
        with connect(store) as own:
            try:
                flip(own, generation, IDENTITY, forward_only=True)
            except InputError:
                return False
        return True

    for generation in range(1, 41):
        claim(client, generation)
    with ThreadPoolExecutor(THREADS) as pool:
        done = list(pool.map(flip_forward, range(1, 41)))
    current = read_current(client)
    assert current is not None
    assert current.generation == 40
    assert current.flip == sum(done)


def test_a_generation_that_is_activated_while_another_publisher_sweeps_stays_whole(
    published: Workspace, client: redis.Redis, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    removing, meta = sweep_module._unlink_past, read_meta(client, 1)

    def activate_first(*words: Any) -> int:
        now = read_current(client)
        if now is not None and now.generation != 1:
            with connect(store) as own:
                activate(own, 1)
        return removing(*words)

    monkeypatch.setattr(sweep_module, "_unlink_past", activate_first)
    assert sweep_module.sweep(client).removed == 0
    assert meta is not None
    assert count_rows(client, 1) == meta.users
    assert read_meta(client, 1) == meta


def test_a_generation_that_another_publisher_removes_is_not_made_current(
    published: Workspace, client: redis.Redis
) -> None:
    meta = read_meta(client, 1)
    assert meta is not None
    assert sweep_module.remove_unserved(client, 1, meta.identity) == meta.users + 1
    with pytest.raises(SurroundingsError, match="generation 1 is not in the store any more"):
        flip(client, 1, meta.identity, forward_only=False)
    assert served(client) == Served(3, 3, 2)


def test_what_another_workspace_publishes_under_a_number_that_was_refused_stays(
    published: Workspace, client: redis.Redis
) -> None:
    assert sweep_module.remove_unserved(client, 1, IDENTITY) == 0
    assert activate(client, 1).generation == 1
