"""Rows on their way into a real store: what is counted, how fast they go, and what is told of a store that stops taking them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import redis
from make_impressions import Served, make_generation, served, silent, stored_rows

from artwork.bench.testbed.breakable_store import BreakableStore
from bandit.errors import InputError, SurroundingsError
from bandit.snapshot import Meta, encode_json, meta_key, part_key, row_key
from batch.executors import SerialExecutor
from batch.publishing import publish as publishing
from batch.publishing.claims import Claim
from batch.publishing.flips import flip, parts_by_key, read_current, read_meta
from batch.publishing.publish import publish
from batch.publishing.row_bytes import encoded_rows, published_meta
from batch.publishing.row_commands import ROWS_A_WRITE
from batch.publishing.row_writer import count_present, write_rows
from batch.publishing.sweep import sweep
from batch.store.client import connect
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import CATALOGUE, folder_of, read_manifest
from batch.workspace.row_files import RowFile, listed_rows
from batch.workspace.workspace import Workspace

COUNT = 12 * ROWS_A_WRITE + 7
"""More commands than are on the way at once, and a last one that is short."""


def some_rows(count: int = COUNT) -> RowFile:
    return listed_rows((f"u{user}", b"row %d" % user) for user in range(count))


@pytest.mark.parametrize("rests", [False, True])
def test_every_row_is_stored_under_the_key_of_its_user(client: redis.Redis, rests: bool) -> None:
    files = [some_rows(), listed_rows([]), listed_rows([("~", b"another file")])]
    written = list(write_rows(client, 3, files, rests=rests, sleep=lambda _: None))
    assert sum(one.stop - one.first for one in written) == COUNT + 1
    assert sum(one.row_bytes for one in written) == sum(len(b"row %d" % user) for user in range(COUNT)) + 12
    assert client.dbsize() == COUNT + 1
    assert client.get(row_key(3, f"u{COUNT - 1}")) == b"row %d" % (COUNT - 1)
    assert client.get(row_key(3, "~")) == b"another file"


def test_rows_that_are_there_are_counted_by_their_keys(client: redis.Redis) -> None:
    files = [some_rows(), some_rows(3)]
    assert count_present(client, 3, files, rests=False) == 0
    list(write_rows(client, 3, files, rests=False))
    client.delete(row_key(3, f"u{COUNT - 1}"), row_key(3, "u7"))
    client.set(row_key(3, "a stranger"), b"who is not asked for")
    assert count_present(client, 3, files, rests=True, sleep=lambda _: None) == COUNT - 2 + 3


def test_no_more_bytes_are_sent_than_are_allowed(client: redis.Redis) -> None:
    waits: list[float] = []
    list(write_rows(client, 3, [some_rows()], rests=False, most_bytes_a_second=1.0, sleep=waits.append))
    assert len(waits) == 13  # as many seconds as bytes were sent, of which none has passed: nobody really sleeps
    assert waits == sorted(waits)
    assert waits[-1] > COUNT * len(b"art:g:3:u:{u0}row 0")


def test_the_connection_takes_commands_again_after_rows_were_written_or_refused(client: redis.Redis) -> None:
    list(write_rows(client, 3, [some_rows()], rests=False))
    assert client.ping()
    client.config_set("maxmemory", 1)
    with pytest.raises(redis.OutOfMemoryError):
        list(write_rows(client, 4, [some_rows()], rests=False))
    assert client.ping()
    assert client.exists(row_key(4, "u0")) == 0


def test_rows_are_written_over_tcp_by_a_user_with_a_password(tmp_path_factory: pytest.TempPathFactory) -> None:
    with BreakableStore(tmp_path_factory.mktemp("s"), forgets=True) as store:
        with store.client() as admin:
            command(admin, "ACL", "SETUSER", "writer", "on", ">pass word/%", "~art:*", "+@all")
        with connect(store.tcp_url("writer", "pass%20word%2F%25")) as client:
            list(write_rows(client, 3, [some_rows()], rests=False))
            assert count_present(client, 3, [some_rows()], rests=False) == COUNT


def command(client: redis.Redis, *words: str) -> None:
    client.execute_command(*words)  # type: ignore[no-untyped-call]


def out_of_memory(client: redis.Redis) -> None:
    client.config_set("maxmemory", 1)


def read_only(client: redis.Redis) -> None:
    command(client, "REPLICAOF", "127.0.0.1", "1")


def without_rights(client: redis.Redis) -> None:
    command(client, "ACL", "SETUSER", "default", "-mset")


def gone(client: redis.Redis) -> None:
    command(client, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


STOPS: dict[str, tuple[Callable[[redis.Redis], None], str]] = {
    "out of memory": (out_of_memory, "maxmemory.*; raise its maxmemory"),
    "a replica": (read_only, "read only replica.*; point ARTWORK_REDIS_URL at the primary"),
    "without rights": (without_rights, "no permissions.*; let its user run MULTI, .* MSET, EXISTS and UNLINK"),
    "connection lost": (gone, "(Broken pipe|closed).*; see that it runs and can be reached"),
}


@pytest.fixture
def admin(store: str) -> Iterator[redis.Redis]:
    """Another client of the store, which is as it was when the test ends."""
    with connect(store) as connected:
        yield connected
        command(connected, "REPLICAOF", "NO", "ONE")
        command(connected, "ACL", "SETUSER", "default", "+@all")
        connected.config_set("maxmemory", 0)


@pytest.mark.faults
@pytest.mark.parametrize("stop", STOPS)
def test_a_store_that_stops_taking_rows_is_told_with_how_far_it_came_and_serves_on(
    stop: str, workspace: Workspace, client: redis.Redis, store: str, admin: redis.Redis
) -> None:
    publish(workspace, make_generation(workspace), client, store, silent)
    before = stored_rows(admin, workspace, 1)
    generation = make_generation(workspace)
    happens, told = STOPS[stop]

    def break_it(what: str, done: int, total: int) -> None:
        if done == ROWS_A_WRITE:
            happens(admin)

    with pytest.raises(
        SurroundingsError, match=rf"of generation 2 when it had 200 of 600: .*{told}.*, then publish again"
    ):
        publish(workspace, generation, client, store, break_it)
    assert served(admin) == Served(1, 1)
    assert stored_rows(admin, workspace, 1) == before
    command(admin, "REPLICAOF", "NO", "ONE")
    command(admin, "ACL", "SETUSER", "default", "+@all")
    admin.config_set("maxmemory", 0)
    assert publish(workspace, generation, client, store, silent).previous == 1
    assert stored_rows(admin, workspace, 2) == dict(encoded_rows(workspace, 2))


@pytest.mark.faults
def test_a_store_that_was_emptied_while_rows_were_written_serves_nothing(
    workspace: Workspace, client: redis.Redis, store: str, admin: redis.Redis
) -> None:
    publish(workspace, make_generation(workspace), client, store, silent)
    generation = make_generation(workspace)

    def empty_it(what: str, done: int, total: int) -> None:
        if done == ROWS_A_WRITE:
            admin.flushall()

    with pytest.raises(SurroundingsError, match=r"the store has nothing of generation 2 by now, expected the identity"):
        publish(workspace, generation, client, store, empty_it)
    assert served(admin) is None
    assert admin.dbsize() == 0  # what comes late is not written


def test_a_publish_walks_over_the_keys_once(workspace: Workspace, client: redis.Redis, store: str) -> None:
    for _ in range(3):
        publish(workspace, make_generation(workspace), client, store, silent)
    generation = make_generation(workspace)
    client.config_resetstat()
    assert publish(workspace, generation, client, store, silent).swept == 601
    scans = client.info("commandstats")["cmdstat_scan"]["calls"]
    client.config_resetstat()
    assert len(list(client.scan_iter(count=2000))) > 1800
    assert scans <= 1 + client.info("commandstats")["cmdstat_scan"]["calls"]


def test_a_flip_brings_back_the_catalogue_that_another_publisher_swept(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    number = make_generation(workspace)
    publish(workspace, number, client, store, silent)
    manifest, catalogue = read_manifest(workspace, number), Catalogue.read(folder_of(workspace, number) / CATALOGUE)
    parts = parts_by_key(*published_meta(workspace, manifest, catalogue))
    client.delete(*parts)
    flip(client, number, manifest.identity, parts, forward_only=True)
    assert [client.get(key) for key in parts] == list(parts.values())


def test_a_sweep_that_does_not_see_the_meta_of_what_is_served_keeps_its_catalogue(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    """As where a publisher claims its number after the walk has passed it, and is done before the walk is."""
    publish(workspace, make_generation(workspace), client, store, silent)
    meta = read_meta(client, 1)
    assert meta is not None

    class Blind(redis.Redis):
        def scan_iter(self, *words: Any, **options: Any) -> Iterator[bytes]:
            return (key for key in super().scan_iter(*words, **options) if not key.endswith(b":meta"))

    blind = Blind(connection_pool=client.connection_pool)
    sweep(blind)
    assert client.exists(part_key(meta.catalogue_digest, 0))
    assert read_current(client) is not None


class LosesARow(SerialExecutor):
    """When all rows were counted, the store is killed, and comes back without the last row that it was sent."""

    def __init__(self, store: BreakableStore, generation: int, user_id: str) -> None:
        self._store, self._key, self._maps = store, row_key(generation, user_id), 0

    def map(self, task: Callable[[Any], Any], shards: Sequence[Any]) -> Iterator[Any]:
        yield from super().map(task, shards)
        self._maps += 1
        if self._maps == 2:  # the second one counts
            with self._store.client() as client:
                client.delete(self._key)
            self._store.kill()
            self._store.start()


def test_a_store_that_is_started_again_after_its_rows_were_counted_serves_what_it_served(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    make_generation(workspace)
    make_generation(workspace, seed=1)
    lost = next(
        user for place, (user, _) in enumerate(encoded_rows(workspace, 2)) if place == 1
    )  # which is in no sample
    with BreakableStore(tmp_path_factory.mktemp("s")) as store, connect(store.url) as client:
        publish(workspace, 1, client, store.url, silent)
        losing = LosesARow(store, 2, lost)
        with pytest.raises(
            SurroundingsError, match=r"was started again when the rows of generation 2 had been counted"
        ):
            publish(workspace, 2, client, store.url, silent, executor=losing, writers=2)
        assert served(client) == Served(1, 1)
        publish(workspace, 2, client, store.url, silent)
        assert stored_rows(client, workspace, 2) == dict(encoded_rows(workspace, 2))


def test_a_claim_that_comes_between_looking_and_claiming_is_kept(
    workspace: Workspace, client: redis.Redis, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(workspace, make_generation(workspace), client, store, silent)
    claimed = read_meta(client, 1)
    assert claimed is not None
    theirs = encode_json(replace(claimed, identity="f" * 32))

    def read_before(pipeline: redis.Redis, generation: int) -> Meta | None:
        ours = read_meta(pipeline, generation)
        client.set(meta_key(1), theirs)
        return ours

    monkeypatch.setattr(publishing, "read_meta", read_before)
    with pytest.raises(InputError, match="holds another generation 1, published from another workspace"):
        publish(workspace, 1, client, store, silent)
    assert client.get(meta_key(1)) == theirs


def a_claim(client: redis.Redis) -> Meta:
    """The meta of generation 3 as a publisher claims it."""
    meta = Meta(3, "a" * 32, 0, "c" * 32, "b" * 32, 1, COUNT, 1, 1, ("thompson",), "2026-01-01T00:00:00+00:00")
    client.set(meta_key(3), encode_json(meta))
    return meta


def test_rows_are_written_on_where_their_meta_is_written_anew_and_not_where_it_is_another_s(
    client: redis.Redis,
) -> None:
    meta, claim, commands = a_claim(client), Claim(3, "a" * 32), 0
    for _ in write_rows(client, 3, [some_rows()], rests=1, claim=claim, sleep=lambda _: None):
        client.set(meta_key(3), encode_json(replace(meta, created_at=f"2026-01-01T00:00:{commands:02d}+00:00")))
        commands += 1
    assert (commands, client.dbsize()) == (13, COUNT + 1)
    client.delete(*client.keys("art:g:3:u:*"))
    writing = write_rows(client, 3, [some_rows()], rests=0, claim=claim)
    next(writing)
    client.set(meta_key(3), encode_json(replace(meta, identity="c" * 32)))
    with pytest.raises(
        SurroundingsError, match=rf"the identity {'c' * 32} of generation 3 by now, expected the identity a"
    ):
        list(writing)
    assert client.dbsize() == ROWS_A_WRITE + 1
    with client.pipeline() as pipeline:  # on the same connection: nothing is watched any more
        pipeline.set("art:x", "1")
        assert pipeline.execute() == [True]


def test_a_store_without_room_is_told_as_such_under_a_claim_too(client: redis.Redis) -> None:
    claim = Claim(3, a_claim(client).identity)

    def has_room(more_bytes: int) -> bool:
        client.config_set("maxmemory", 0)
        client.delete(*(row_key(3, f"u{user}") for user in range(COUNT)))
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]) + more_bytes)
        try:
            list(write_rows(client, 3, [some_rows()], rests=0, claim=claim))
        except redis.OutOfMemoryError:
            return False
        return True

    # Up to what a row may be refused when it is queued, or when the transaction is carried out.
    assert {has_room(more) for more in range(0, 1_000_000, 25_000)} == {True, False}
