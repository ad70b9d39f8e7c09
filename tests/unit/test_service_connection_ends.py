"""What either path does at an end of a client's side, of the server, of a generation; and what a connection may make us keep."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from asgi import SlowStore, published
from twin_paths import SlowOnly
from wire import LAST, LOOK_UP, PAGE, Running, against, answers, request, service_here

from service.http.connection import TURN_REFUSALS, Connection
from service.http.parsed_connection import TURN_BYTES
from service.limits import MAX_FIELDS
from service.lookup.row_reads import Take
from service.lookup.served_generation import release
from service.lookup.store import MemoryStore
from service.metrics.exposition import exposition

ALIVE = b"GET /livez HTTP/1.1\r\nHost:\r\n\r\n"
FLOOD = 60_000


def both(scenario: Callable[[Running, SlowStore], Awaitable[Any]]) -> list[Any]:
    """What a scenario comes to on the connection that ships, and on one that takes the slow path only."""
    results = []
    for protocol in (Connection, SlowOnly):
        store = SlowStore()
        with service_here(protocol, store) as here:
            results.append(here.run(scenario(here.running, store)))
    return results


async def asked(running: Running) -> None:
    """Return once a look-up waits for its row."""
    while not running.service.in_progress:
        await asyncio.sleep(0)


async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """All that comes until the service closes."""
    received = await reader.read()
    writer.close()
    return received


async def arrived() -> None:
    """Give what was sent time to be read; nothing is false if it was not."""
    for _ in range(10):
        await asyncio.sleep(0.002)


def leave(running: Running) -> Connection:
    """The server begins to stop."""
    [connection] = running.connections
    connection.server_state.leaving = True
    connection.announce()
    return connection


@pytest.mark.parametrize("rest", [b"", b"\r\n", b"\n", b"\r\n\r\n"])
def test_a_half_close_behind_blank_lines_is_announced_alike(rest: bytes) -> None:
    async def scenario(running: Running, store: SlowStore) -> bytes:
        reader, writer = await running.connect()
        writer.write(request() + rest)
        await asked(running)
        writer.write_eof()
        await arrived()
        store.let.set()
        return await whole(reader, writer)

    fast, slow = both(scenario)
    assert fast == slow


@pytest.mark.parametrize("rest", [b"", b"\r\n", b"\r\n\r\n", b"\r\n\r\nGET /li"])
def test_the_last_answer_at_a_stop_announces_the_close_and_the_connection_ends(rest: bytes) -> None:
    async def scenario(running: Running, store: SlowStore) -> bool:
        reader, writer = await running.connect()
        writer.write(request() + rest)
        await asked(running)
        connection = leave(running)
        await arrived()
        connection.shutdown()  # as uvicorn does after a while
        store.let.set()
        received = await whole(reader, writer)
        while running.connections:
            await asyncio.sleep(0.01)
        return b"connection: close" in received

    assert both(scenario) == [True, True]


def test_every_request_that_arrived_before_a_stop_is_answered_however_it_was_cut() -> None:
    async def scenario(running: Running, store: SlowStore) -> list[tuple[int, bool]]:
        reader, writer = await running.connect()
        writer.write(request())
        await asked(running)
        for piece in (request(PAGE)[:9], request(PAGE)[9:]):
            writer.write(piece)
            await arrived()
        leave(running)
        store.let.set()
        return [(answer.status, answer.closes) for answer in answers(await whole(reader, writer))]

    assert both(scenario) == [[(200, False), (200, True)]] * 2


def test_a_refused_look_up_before_a_half_close_is_answered_alike() -> None:
    async def scenario(running: Running, store: SlowStore) -> list[int]:
        reader, writer = await running.connect()
        writer.write(request())
        await asked(running)
        writer.write(request(PAGE))
        writer.write_eof()
        await arrived()
        service = running.service
        service.in_progress += service.settings.max_waiting
        service.fast_in_progress += service.settings.max_waiting
        store.let.set()
        return [answer.status for answer in answers(await whole(reader, writer))]

    fast, slow = both(scenario)
    assert fast == slow == [200, 503]


def test_a_fault_is_counted_alike_and_at_a_stop_announces_the_close() -> None:
    async def scenario(running: Running, store: SlowStore) -> tuple[list[tuple[int, bool]], list[str]]:
        def fail(*_: object) -> bytes:
            raise ZeroDivisionError

        running.service.look_up.single = fail  # type: ignore[method-assign,assignment]
        reader, writer = await running.connect()
        writer.write(request())
        await asked(running)
        leave(running)
        store.let.set()
        received = [(answer.status, answer.closes) for answer in answers(await whole(reader, writer))]
        writer.close()
        text = exposition(running.service.metrics.blocks).decode()
        return received, [line for line in text.splitlines() if line.startswith("artwork_requests_total")]

    fast, slow = both(scenario)
    assert fast == slow
    assert fast[0] == [(500, True)]


@pytest.mark.parametrize("target", [LOOK_UP, PAGE])
def test_a_generation_that_is_replaced_and_taken_apart_while_a_row_is_read_still_answers(target: str) -> None:
    async def scenario(running: Running, store: SlowStore) -> bytes:
        serving = running.service.poller.serving
        assert serving is not None
        reader, writer = await running.connect()
        writer.write(request(target))
        await asked(running)
        running.service.poller.serving = dataclasses.replace(serving, titles=dict(serving.titles))
        await release(serving.titles, 0.01)
        store.let.set()
        writer.write_eof()
        return await whole(reader, writer)

    for received in both(scenario):
        [answer] = answers(received)
        assert answer.status == 200
        assert b'"artwork_id":null' not in answer.body


class Lately(Connection):
    """Waits for a client's end for longer than for a head."""

    linger_seconds = 1.0
    head_seconds = 0.4


def test_a_connection_that_lingers_is_not_cut_by_an_older_wait() -> None:
    store = SlowStore()

    async def scenario(running: Running) -> None:
        reader, writer = await running.connect()
        writer.write(request())
        await asked(running)
        writer.write(b"GET /v1")
        await asyncio.sleep(0.3)
        leave(running)
        store.let.set()
        await reader.read()
        began = asyncio.get_running_loop().time()
        while running.connections:
            await asyncio.sleep(0.01)
        assert asyncio.get_running_loop().time() - began > 0.8
        writer.close()

    against(scenario, Lately, store)


# --- what a connection makes us keep ---------------------------------------------------------------------------------


async def drain(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(1 << 20):
            pass


@pytest.mark.parametrize("data", [ALIVE * FLOOD, ALIVE + request() * FLOOD], ids=["heads", "look-ups behind a head"])
@pytest.mark.parametrize("reads", [True, False], ids=["read", "not read"])
def test_pipelined_requests_of_a_client_that_does_not_stop_are_bounded(data: bytes, reads: bool) -> None:
    async def scenario(running: Running) -> None:
        reader, writer = await running.connect()
        reading = asyncio.create_task(drain(reader)) if reads else None
        writer.write(data)
        most = 0
        for _ in range(150):
            await asyncio.sleep(0.005)
            most = max([most, *(len(connection.pipeline) for connection in running.connections)])
        writer.transport.abort()
        if reading is not None:
            await reading
        assert most <= 20_000  # of a read of 256 KB, and one that was on its way

    against(scenario)


def test_a_body_behind_other_requests_is_not_read_before_its_turn() -> None:
    async def scenario(running: Running) -> None:
        reader, writer = await running.connect()
        reading = asyncio.create_task(drain(reader))
        long = b"POST /v1/events HTTP/1.1\r\nHost:\r\nContent-Length: 5000000000\r\n\r\n"
        writer.write(ALIVE * 1000 + long + bytes(40 << 20))
        most = 0
        for _ in range(150):
            await asyncio.sleep(0.005)
            bodies = (len(connection.cycle.body) for connection in running.connections if vars(connection)["cycle"])
            most = max([most, *bodies])
        writer.transport.abort()
        await reading
        assert most <= 2 << 20

    against(scenario)


def test_a_connection_that_is_behind_is_not_read_on_after_a_look_up() -> None:
    store = SlowStore()

    async def scenario(running: Running) -> None:
        reader, writer = await running.connect()
        writer.write(request() + request(LOOK_UP, "Content-Length: 0") * 5)
        await asked(running)
        store.let.set()
        await reader.readuntil(b"}")
        store.let.clear()
        [connection] = running.connections
        for _ in range(5):
            await asyncio.sleep(0)
        assert not connection.pipeline or connection.flow.read_paused
        store.let.set()
        writer.write_eof()
        assert len(answers(await whole(reader, writer))) == 5

    against(scenario, store=store)


# --- a store that breaks its word ------------------------------------------------------------------------------------


class Twice(MemoryStore):
    """Gives every row twice."""

    def read_into(self, key: bytes, take: Take) -> None:
        super().read_into(key, take)
        super().read_into(key, take)


class Later(MemoryStore):
    """Rows wait here until a test takes them."""

    def __init__(self) -> None:
        super().__init__(published())
        self.takes: list[Take] = []

    def read_into(self, key: bytes, take: Take) -> None:  # noqa: ARG002 - a store's signature
        self.takes.append(take)


def test_a_row_that_comes_twice_is_one_answer() -> None:
    async def scenario(running: Running) -> None:
        received = await running.ask(request() + request(PAGE) + LAST)
        assert [answer.status for answer in received] == [200, 200, 200]
        assert (running.service.in_progress, running.service.fast_in_progress) == (0, 0)

    against(scenario, store=Twice(published()))


def test_a_row_that_comes_again_is_not_the_next_requests() -> None:
    store = Later()

    async def scenario(running: Running) -> None:
        reader, writer = await running.connect()
        writer.write(request() + request("/v1/users/cold/titles/t0/artwork"))
        while not store.takes:
            await asyncio.sleep(0)
        first = store.takes.pop()
        first(store.values[next(key for key in store.values if "ann" in key)])
        while not store.takes:
            await asyncio.sleep(0)
        first(None)
        assert running.service.in_progress == 1
        store.takes.pop()(None)
        writer.write_eof()
        received = answers(await whole(reader, writer))
        assert [answer.body.decode().count("personalized") for answer in received] == [1, 0]
        assert (running.service.in_progress, running.service.fast_in_progress) == (0, 0)

    against(scenario, store=store)


# --- clients that take more than their share -------------------------------------------------------------------------

WIDE = "/v1/users/ann/artwork?" + "&".join(["title_id=t0"] * 200)


@pytest.mark.parametrize("protocol", [Connection, SlowOnly])
@pytest.mark.parametrize("behind", [b"", ALIVE], ids=["look-ups", "behind a head"])
def test_clients_that_do_not_read_keep_no_place_from_those_that_do(protocol: type[Connection], behind: bytes) -> None:
    async def scenario(running: Running) -> None:
        held = []
        for _ in range(4):
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port, limit=1)
            writer.write((behind + request(WIDE)) * 400)
            held.append((reader, writer))
        while len(running.connections) < 4 or not all(each.flow.write_paused for each in running.connections):
            await asyncio.sleep(0.001)
        received = await running.ask(request() + request(PAGE, "Content-Length: 0") + LAST)
        assert [answer.status for answer in received] == [200, 200, 200]
        assert running.service.in_progress == 0
        for _, writer in held:
            writer.transport.abort()

    against(scenario, protocol, max_waiting=2)


@pytest.mark.parametrize("protocol", [Connection, SlowOnly])
@pytest.mark.parametrize("behind", [b"", ALIVE], ids=["look-ups", "behind a head"])
def test_a_client_that_reads_late_gets_every_answer_in_order(protocol: type[Connection], behind: bytes) -> None:
    async def scenario(running: Running) -> None:
        reader, writer = await running.connect()
        asked = 200
        writer.write((behind + request(WIDE) + request()) * asked + LAST)
        while not any(each.flow.write_paused for each in running.connections):
            await asyncio.sleep(0.001)
        writer.write_eof()
        kinds = ["picks" in answer.body.decode() for answer in answers(await whole(reader, writer))]
        assert kinds == [*([False] * bool(behind) + [True, False]) * asked, False]

    against(scenario, protocol)


@pytest.mark.parametrize("data", [ALIVE * 3000, ALIVE + request() * 2000], ids=["heads", "look-ups behind a head"])
def test_of_many_pipelined_requests_few_are_parsed_before_they_are_answered(data: bytes) -> None:
    most = 0

    class Watched(Connection):
        def on_message_complete(self) -> None:
            nonlocal most
            super().on_message_complete()
            most = max(most, len(self.pipeline))

    async def scenario(running: Running) -> None:
        assert {answer.status for answer in await running.ask(data + LAST)} == {200}
        assert most <= 2 * TURN_BYTES // len(ALIVE)

    against(scenario, Watched)


def test_refusals_of_pipelined_look_ups_leave_turns_to_other_connections() -> None:
    async def scenario(running: Running) -> None:
        service = running.service
        reader, writer = await running.connect()
        await asyncio.sleep(0)
        service.in_progress += service.settings.max_waiting
        service.fast_in_progress += service.settings.max_waiting
        turns = 0
        writer.write(request() * 1000 + LAST)
        reading = asyncio.create_task(whole(reader, writer))
        while not reading.done():
            turns += 1
            await asyncio.sleep(0)
        assert [answer.status for answer in answers(reading.result())] == [503] * 1000 + [200]
        assert turns >= 1000 // TURN_REFUSALS

    against(scenario)


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_a_body_in_many_chunks_is_read_in_turns_and_whole(size: int) -> None:
    async def scenario(running: Running) -> None:
        sent = b"x" * 20_000
        pieces = (sent[start : start + size] for start in range(0, len(sent), size))
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        head = request("/v1/events", "Transfer-Encoding: chunked", method="POST")
        received = await running.ask(head + chunks + request() + LAST)
        assert [answer.status for answer in received] == [422, 200, 200]

    against(scenario)


@pytest.mark.parametrize("kept", [10, 70_000])
def test_a_head_that_is_too_large_and_asks_for_a_head_alone_is_refused_without_a_body(kept: int) -> None:
    async def scenario(running: Running) -> None:
        head = request(LOOK_UP, "X: " + "x" * 70_000, method="HEAD")
        for pieces in ((head,), (head[:kept], head[kept:])):
            received = await running.send(*pieces)
            [answer] = answers(received, without_body=True)
            assert (answer.status, answer.body) == (431, b"")

    against(scenario)


def test_fields_of_a_head_that_comes_byte_by_byte_are_measured_once() -> None:
    visited = 0

    class Counted(list[Any]):
        def __getitem__(self, index: Any) -> Any:
            nonlocal visited
            found = super().__getitem__(index)
            visited += len(found)
            return found

        def __iter__(self) -> Any:
            nonlocal visited
            visited += len(self)
            return super().__iter__()

    class Watched(Connection):
        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.headers = Counted()

    async def scenario(running: Running) -> None:
        _, writer = await running.connect()
        while not running.connections:
            await asyncio.sleep(0)
        [connection] = running.connections
        connection.data_received(b"GET /livez HTTP/1.1\r\n" + b"a: b\r\n" * 100)
        for _ in range(500):
            connection.data_received(b"x")
        assert len(connection.headers) == 100
        assert visited <= 100
        writer.transport.abort()

    against(scenario, Watched)


@pytest.mark.parametrize("protocol", [Connection, SlowOnly])
@pytest.mark.parametrize("more", [-1, 0, 1, 3000])
def test_a_head_has_so_many_fields_at_most_on_either_path(protocol: type[Connection], more: int) -> None:
    async def scenario(running: Running) -> None:
        fields = ["a:"] * (MAX_FIELDS - 1 + more)  # and the Host
        [answer] = answers(await running.send(request(LOOK_UP, *fields), half_close=True))
        assert answer.status == (431 if more > 0 else 200)

    against(scenario, protocol)


def test_fields_after_a_body_count_with_those_before_it() -> None:
    async def scenario(running: Running) -> None:
        head = request("/v1/events", "Transfer-Encoding: chunked", method="POST")
        received = await running.ask(head + b"0\r\n" + b"a:\r\n" * 2000 + b"b")
        assert [answer.status for answer in received] == [431]

    against(scenario)
