"""Rows on their way into a real store: what is counted, how fast they go, and what is told of a store that stops taking them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from make_impressions import Served, make_generation, served, silent, stored_rows

from artwork.bench.testbed.breakable_store import BreakableStore
from bandit.errors import SurroundingsError
from bandit.snapshot import part_key, row_key
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
    "without rights": (without_rights, "no permissions.*; let its user run MSET, EXISTS and UNLINK"),
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

    with pytest.raises(SurroundingsError, match=r"the store holds 400 rows of generation 2, 600 were written"):
        publish(workspace, generation, client, store, empty_it)
    assert served(admin) is None


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
