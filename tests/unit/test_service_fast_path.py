"""The fast path answers in the bytes of the slow one, in order, and gives back what it took, whatever happens meanwhile."""

import asyncio
import json
import random
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from asgi import SlowStore, published
from full_size import size
from twin_paths import ORIGIN, TARGETS, Twins, draw_pieces, twins
from wire import LAST, LOOK_UP, PAGE, Running, against, answers, request

from service.keys import entry_text, new_key
from service.lookup.row_reads import Take
from service.lookup.store import MemoryStore

DRAWN = 600


@pytest.fixture(scope="module")
def alike() -> Iterator[Twins]:
    with twins(allowed_origins=ORIGIN) as services:
        yield services


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_plain_is_answered_without_the_parser_in_the_bytes_of_the_slow_path(alike: Twins, target: str) -> None:
    for fields in ((), (f"Origin: {ORIGIN}",), ("Connection: keep-alive", "Accept: */*")):
        fast, slow = alike.answers([request(target, *fields)], half_close=True)
        assert fast == slow
        assert [answer.status for answer in answers(fast)] == [200]

    async def scenario(running: Running) -> None:
        reader, writer = await running.connect()
        writer.write(request(target))
        await reader.readuntil(b"}")
        [connection] = running.connections
        assert vars(connection)["cycle"] is None  # which the parser makes at its first request
        writer.close()

    against(scenario)


@pytest.mark.parametrize("seed", range(4))
def test_drawn_requests_are_answered_in_the_same_bytes_on_both_paths(alike: Twins, seed: int) -> None:
    compare(alike, seed, DRAWN // 4)


def test_drawn_requests_with_keys_are_answered_in_the_same_bytes_on_both_paths(tmp_path: Path) -> None:
    (web, web_entry), (player, player_entry) = new_key("web", ["lookup"]), new_key("player", ["events"])
    path = tmp_path / "keys.toml"
    path.write_text(entry_text(web_entry) + entry_text(player_entry))
    with twins(keys_file=path, max_query_bytes=600) as services:
        compare(services, 7, DRAWN // 4, (web, web, player))


def test_look_ups_on_both_paths_count_alike() -> None:
    with twins(allowed_origins=ORIGIN) as services:
        compare(services, 11, DRAWN // 4, odd_share=0.0)
        fast, slow = services.counted()
        assert fast == slow
        assert any('route="/v1/users/{user_id}/artwork",status="200"' in line for line in fast)


@pytest.mark.simulations
@pytest.mark.parametrize("seed", range(size(4, 10)))
def test_many_drawn_requests_are_answered_in_the_same_bytes_on_both_paths(seed: int) -> None:
    with twins(allowed_origins=ORIGIN if seed % 2 else "") as services:
        compare(services, 1000 + seed, 10_000)


def compare(services: Twins, seed: int, requests: int, keys: tuple[str, ...] = (), odd_share: float = 0.4) -> None:
    """Ask both services the same, a few requests per connection."""
    chance = random.Random(seed)
    while requests > 0:
        count = chance.choice((1, 1, 2, 4, 8))
        requests -= count
        pieces = draw_pieces(chance, count, keys, odd_share)
        fast, slow = services.answers(pieces, half_close=chance.random() < 0.3)
        assert fast == slow, pieces


def break_off(writer: asyncio.StreamWriter) -> None:
    """Vanish, as a client that crashed: the service is told of a reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# --- while a row is read ---------------------------------------------------------------------------------------------


def test_what_arrives_while_a_row_is_read_is_answered_afterwards_in_order() -> None:
    store = SlowStore()

    async def scenario(running: Running) -> None:
        reader, writer = await running.connect()
        writer.write(request())
        while not running.service.in_progress:
            await asyncio.sleep(0)
        for piece in (
            request(PAGE)[:9],
            request(PAGE)[9:] + request("/livez") + request(LOOK_UP, "Content-Length: 2"),
            b"xy" + LAST,
        ):
            writer.write(piece)
            await asyncio.sleep(0.01)
        store.let.set()
        received = answers(await reader.read())
        assert [answer.status for answer in received] == [200] * 5
        assert ["picks" in answer.body.decode() for answer in received] == [False, True, False, False, False]
        assert (received[2].body, received[4].body) == (b"alive", b"alive")
        assert (running.service.in_progress, running.service.fast_in_progress) == (0, 0)
        writer.close()

    against(scenario, store=store)


def test_no_more_than_a_read_or_two_is_kept_while_a_row_is_read() -> None:
    store = SlowStore()

    async def scenario(running: Running) -> None:
        _, writer = await running.connect()
        writer.write(request())
        while not running.service.in_progress:
            await asyncio.sleep(0)
        writer.write(request() * 200_000)
        [connection] = running.connections
        while not connection.flow.read_paused:
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(connection.kept.data) <= 1 << 19
        store.let.set()
        writer.transport.abort()

    against(scenario, store=store)


def test_a_client_that_is_gone_before_its_row_gives_its_place_back_and_nobody_gets_its_answer() -> None:
    store = SlowStore()

    async def scenario(running: Running) -> None:
        for data in (request(), request() + request(PAGE)):
            _, writer = await running.connect()
            writer.write(data)
            while not running.service.in_progress:
                await asyncio.sleep(0)
            break_off(writer)
            while running.connections:
                await asyncio.sleep(0)
            store.let.set()
            while running.service.in_progress:
                await asyncio.sleep(0)
            assert running.service.fast_in_progress == 0
            store.let.clear()
        store.let.set()
        assert [
            json.loads(answer.body)["user_id"]
            for answer in await running.ask(request() + LAST)
            if answer.body != b"alive"
        ] == ["ann"]

    against(scenario, store=store)


@pytest.mark.parametrize("rest", [b"", request(PAGE), request()[:-3]])
def test_a_client_that_shuts_its_side_down_while_its_row_is_read_gets_its_answers(rest: bytes) -> None:
    store = SlowStore()

    async def scenario(running: Running) -> None:
        reader, writer = await running.connect()
        writer.write(request())
        while not running.service.in_progress:
            await asyncio.sleep(0)
        writer.write(rest)
        writer.write_eof()
        await asyncio.sleep(0.01)
        store.let.set()
        received = answers(await reader.read())
        assert [answer.status for answer in received] == {0: [200], len(request(PAGE)): [200, 200]}.get(
            len(rest), [200, 400]
        )
        assert received[-1].closes
        writer.close()

    against(scenario, store=store)


# --- faults ----------------------------------------------------------------------------------------------------------


def test_a_fault_of_ours_is_500_and_leaves_the_connection_and_the_others_alone() -> None:
    async def scenario(running: Running) -> None:
        whole = running.service.look_up.single
        running.service.look_up.single = lambda *_: 1 / 0  # type: ignore[method-assign,assignment]
        reader, writer = await running.connect()
        writer.write(request())
        assert b"500 Internal Server Error" in await reader.readuntil(b'details."}')
        running.service.look_up.single = whole  # type: ignore[method-assign]
        writer.write(request() + LAST)
        assert [answer.status for answer in answers(await reader.read())] == [200, 200]
        assert running.service.in_progress == 0
        writer.close()

    against(scenario)


def test_a_row_that_cannot_even_be_asked_for_is_answered_without_it_and_gives_its_place_back() -> None:
    class BrokenStore(MemoryStore):
        def read_into(self, key: bytes, take: Take) -> None:  # noqa: ARG002 - a store's signature
            raise ZeroDivisionError("secret")

    async def scenario(running: Running) -> None:
        for _ in range(3):
            [answer, _] = await running.ask(request() + LAST)
            assert (answer.status, json.loads(answer.body)["source"]) == (200, "popularity")
        assert running.service.in_progress == 0

    against(scenario, store=BrokenStore(published()))


# --- overload --------------------------------------------------------------------------------------------------------


def test_requests_beyond_the_bound_are_refused_at_once_and_say_when_to_ask_again() -> None:
    async def scenario(running: Running) -> None:
        running.service.fast_in_progress = running.service.in_progress = running.service.settings.max_waiting
        refused, alive = await running.ask(request() + LAST)
        assert refused.problem["type"].endswith("overloaded")
        assert (refused.status, refused.fields["retry-after"], alive.status) == (503, "1", 200)
        running.service.fast_in_progress = running.service.in_progress = 0
        assert [answer.status for answer in await running.ask(request() + LAST)] == [200, 200]

    against(scenario)


def test_a_page_of_an_allowed_origin_may_read_why_it_was_refused() -> None:
    async def scenario(running: Running) -> None:
        running.service.fast_in_progress = running.service.settings.max_waiting
        refused, _ = await running.ask(request(LOOK_UP, f"Origin: {ORIGIN}") + LAST)
        assert (refused.status, refused.fields["access-control-allow-origin"]) == (503, ORIGIN)
        running.service.fast_in_progress = 0

    against(scenario, allowed_origins=ORIGIN)
