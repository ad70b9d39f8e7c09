"""Nodes of a cluster that send readers round in circles, to nobody, or say nothing: no row is better than another's, and soon."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from scripted_node import Answer, Node, dead_port, moved_to

from service.lookup.cluster import MOST_FOLLOWED, ClusterRows, Slots
from service.lookup.row_reads import UNREAD, read_row
from service.metrics.health import Health
from service.metrics.metrics import Metrics

HANG_SECONDS = 30.0
KEY = b"art:g:1:u:{ann}"
ROW = b"$3\r\nrow\r\n"
DEADLINE_MS = 200.0


@asynccontextmanager
async def reading(*nodes: Node) -> AsyncIterator[tuple[ClusterRows, Slots]]:
    """Rows of a cluster whose first node is the primary of all slots."""
    async with AsyncExitStack() as stack:
        for node in nodes:
            server = await stack.enter_async_context(await asyncio.start_server(node.serve, "127.0.0.1", 0))
            node.port = server.sockets[0].getsockname()[1]
            node.home = [nodes[0]]
            stack.callback(node.hang_up)
        url = f"redis+cluster://127.0.0.1:{nodes[0].port}"
        slots = Slots(url)
        rows = ClusterRows(url, slots, deadline_ms=DEADLINE_MS, metrics=Metrics(), health=Health())
        await slots.load()
        assert slots.node_of(KEY) == ("127.0.0.1", nodes[0].port)
        await rows.wait_ready(HANG_SECONDS)
        try:
            yield rows, slots
        finally:
            await rows.close()
            await slots.close()


@pytest.mark.parametrize(
    "answer",
    [
        moved_to(lambda node: node.port),
        moved_to(lambda node: node.port, b"ASK"),
        moved_to(dead_port),
        moved_to(dead_port, b"ASK"),
        moved_to(lambda _: 99_999),
        lambda _: b"-MOVED 1 127.0.0.1:" + b"9" * 5000 + b"\r\n",
        lambda _: b"-MOVED 99999 127.0.0.1:6379\r\n",
        lambda _: b"-MOVED 1 :6379\r\n",
        lambda _: b"-MOVED 1 " + b"x" * 300 + b":6379\r\n",
        lambda _: b"-MOVED 1 \0\xff:6379\r\n",
        lambda _: b"-CLUSTERDOWN the cluster is down\r\n",
        lambda _: b"",
        lambda _: b"+OK\r\n+OK\r\n",
        lambda _: b":7\r\n",
        lambda _: b"*1\r\n$3\r\nrow\r\n",
    ],
    ids=[
        *("moved to itself", "ask itself", "moved to nobody", "ask nobody", "no port", "a long port", "no slot"),
        *("no host", "a long host", "a strange host", "down", "silent", "twice", "a number", "a list"),
    ],
)
def test_a_read_that_leads_nowhere_ends_without_a_row_and_the_next_one_is_asked_again(answer: Answer) -> None:
    async def ask() -> None:
        node = Node(answer)
        async with asyncio.timeout(HANG_SECONDS), reading(node) as (rows, _):
            for _ in range(3):
                assert await read_row(rows, KEY) != b"row"  # whether bytes are the user's row, its checksum says
            node.answer = lambda _: ROW
            while await read_row(rows, KEY) != b"row":
                await asyncio.sleep(0.01)

    asyncio.run(ask())


def test_two_nodes_that_send_to_each_other_are_asked_twice_for_a_read_and_not_for_ever() -> None:
    async def ask() -> None:
        one, other = Node(lambda _: b""), Node(lambda _: b"")
        one.answer, other.answer = moved_to(lambda _: other.port), moved_to(lambda _: one.port)
        async with asyncio.timeout(HANG_SECONDS), reading(one, other) as (rows, _):
            for _ in range(20):
                assert await read_row(rows, KEY) is UNREAD
        assert one.asked + other.asked <= 40

    asyncio.run(ask())


def test_a_node_that_says_nothing_costs_its_reads_alone() -> None:
    async def ask() -> None:
        silent, other = Node(lambda _: b""), Node(lambda _: ROW)
        async with asyncio.timeout(HANG_SECONDS), reading(silent, other) as (rows, slots):
            assert await read_row(rows, KEY) is UNREAD
            slots._primaries = [("127.0.0.1", other.port)] * len(slots._primaries)  # as after a failover
            while await read_row(rows, KEY) != b"row":
                await asyncio.sleep(0.01)
            for _ in range(50):
                assert await read_row(rows, KEY) == b"row"

    asyncio.run(ask())


def test_a_node_that_names_ever_new_ones_makes_no_more_connections_than_are_followed() -> None:
    async def ask() -> None:
        node = Node(lambda node: b"-MOVED 1 127.0.0.1:%d\r\n" % (1 + node.asked))
        async with asyncio.timeout(HANG_SECONDS), reading(node) as (rows, slots):
            slots.load = never  # type: ignore[method-assign]  # the map cannot be read
            for _ in range(3 * MOST_FOLLOWED):
                slots._primaries = [("127.0.0.1", node.port)] * len(slots._primaries)
                assert await read_row(rows, KEY) is UNREAD
            assert len(rows._nodes) <= MOST_FOLLOWED + 1

    async def never() -> None:
        """No map."""

    asyncio.run(ask())
