"""Events to nodes that lie, redirect in circles, break off or say nonsense: accepted is what a node has truly stored."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count

import pytest
from scripted_node import Answer, Node, dead_port, moved_to

from bandit.snapshot import id64
from service.events.appending import MAYBE_STORED, READONLY_SECONDS, EventStreams, NotAppendedError
from service.lookup.cluster import Slots
from service.metrics.health import Health
from service.metrics.metrics import Metrics

HANG_SECONDS = 60.0
EVENTS = [{"event_id": "e1", "user_id": "ann"}]


def stores() -> Answer:
    """Entries are stored, under ids that grow."""
    ids = (b"9-%d" % number for number in count(1))
    return lambda _: b"$%d\r\n%b\r\n" % (len(entry := next(ids)), entry)


@asynccontextmanager
async def writing(*nodes: Node, is_cluster: bool = True, deadline_ms: float = 300.0) -> AsyncIterator[EventStreams]:
    """The streams of a cluster whose first node has all slots, or of a store that is none."""
    async with AsyncExitStack() as stack:
        for node in nodes:
            node.scripted = b"XADD"
            server = await stack.enter_async_context(await asyncio.start_server(node.serve, "127.0.0.1", 0))
            node.port = server.sockets[0].getsockname()[1]
            node.home = [nodes[0]]
            stack.callback(node.hang_up)
        url = f"redis{'+cluster' * is_cluster}://127.0.0.1:{nodes[0].port}"
        slots = Slots(url) if is_cluster else None
        if slots is not None:
            stack.push_async_callback(slots.close)
        streams = EventStreams(
            url,
            partitions=2,
            max_entries=100,
            deadline_ms=deadline_ms,
            metrics=Metrics(),
            health=Health(),
            slots=slots,
        )
        stack.push_async_callback(streams.close)
        if slots is not None:
            await slots.load()
        await streams.wait_ready(HANG_SECONDS)
        yield streams


async def refused(streams: EventStreams) -> str:
    """Why events are not taken."""
    with pytest.raises(NotAppendedError) as caught:
        await streams.append(1, EVENTS)
    return caught.value.reason


async def taken(streams: EventStreams) -> None:
    """Wait until events are taken."""
    while True:
        try:
            return await streams.append(1, EVENTS)
        except NotAppendedError:
            await asyncio.sleep(0.02)


def breaks_off(said: bytes) -> Answer:
    """The node says this and closes."""

    def answer(node: Node) -> bytes:
        for writer in node.writers:
            writer.write(said)
            writer.close()
        return b""

    return answer


def said(reply: bytes) -> Answer:
    return lambda _: reply


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        pytest.param(moved_to(lambda node: node.port), {"reply"}, id="moved to itself"),
        pytest.param(moved_to(lambda node: node.port, b"ASK"), {"reply"}, id="ask itself"),
        pytest.param(moved_to(dead_port), {"connection"}, id="moved to nobody"),
        pytest.param(moved_to(dead_port, b"ASK"), {"connection"}, id="ask nobody"),
        pytest.param(said(b"-MOVED 1 127.0.0.1:99999\r\n"), {"reply"}, id="no port"),
        pytest.param(said(b"-MOVED 1 " + b"x" * 300 + b":6379\r\n"), {"connection"}, id="a long host"),
        pytest.param(said(b"-MOVED 1 \0\xff:6379\r\n"), {"connection", "reply"}, id="a strange host"),
        pytest.param(said(b"-MOVED x y z\r\n"), {"reply"}, id="moved nowhere"),
        pytest.param(said(b"-CLUSTERDOWN the cluster is down\r\n"), {"reply"}, id="cluster down"),
        pytest.param(said(b"-READONLY you cannot write\r\n"), {"readonly"}, id="read only"),
        pytest.param(said(b"-LOADING it reads its file\r\n"), {"loading"}, id="loading"),
        pytest.param(said(b"-OOM command not allowed\r\n"), {"memory"}, id="out of memory"),
        pytest.param(said(b"-\r\n"), {"reply"}, id="an error without a word"),
        pytest.param(said(b""), {"garbled", "timeout"}, id="nothing"),  # the next reply is to XLEN
        pytest.param(said(b"+OK\r\n"), {"garbled"}, id="another word"),
        pytest.param(said(b"+QUEUED\r\n"), {"garbled"}, id="queued"),
        pytest.param(said(b":7\r\n"), {"garbled"}, id="a number"),
        pytest.param(said(b"$-1\r\n"), {"garbled"}, id="nil"),
        pytest.param(said(b"*1\r\n$3\r\n9-1\r\n"), {"garbled"}, id="a list"),
        pytest.param(said(b"$0\r\n\r\n"), {"garbled"}, id="empty"),
        pytest.param(said(b"$4\r\n9-1x\r\n"), {"garbled"}, id="nearly an id"),
        pytest.param(said(b"$99\r\n" + b"9" * 97 + b"-1\r\n"), {"garbled"}, id="an endless id"),
        pytest.param(said(b"what is this\r\n"), {"lost"}, id="no protocol"),
        pytest.param(said(b"$-5\r\n"), {"lost"}, id="a length below nothing"),
        pytest.param(said(b"$99999999999999999999999\r\n"), {"lost"}, id="a length beyond numbers"),
        pytest.param(said(b"$1099511627776\r\n9-1\r\n"), {"timeout"}, id="a huge length"),
        pytest.param(said(b"*4294967296\r\n"), {"lost", "timeout"}, id="a huge list"),
        pytest.param(breaks_off(b""), {"lost"}, id="closes"),
        pytest.param(breaks_off(b"$3\r\n9-"), {"lost"}, id="closes in its reply"),
        pytest.param(breaks_off(b"-MOV"), {"lost"}, id="closes in a redirection"),
    ],
)
@pytest.mark.parametrize("is_cluster", [True, False], ids=["cluster", "store"])
def test_what_no_node_says_to_have_stored_is_refused_and_the_next_events_are_taken(
    answer: Answer, reasons: set[str], is_cluster: bool
) -> None:
    async def send() -> None:
        node = Node(answer)
        async with asyncio.timeout(HANG_SECONDS), writing(node, is_cluster=is_cluster) as streams:
            reason = await refused(streams)
            expected = reasons if is_cluster or reasons != {"connection"} else {"reply"}  # which follows nobody
            assert reason in expected
            node.answer = stores()
            await taken(streams)

    asyncio.run(send())


def test_a_reply_that_comes_again_is_not_taken_for_that_to_the_next_events() -> None:
    twice = b"$3\r\n9-1\r\n:1\r\n$3\r\n9-1\r\n:1\r\n"

    async def send() -> None:
        node = Node(lambda node: twice if node.asked == 1 else b"")
        async with asyncio.timeout(HANG_SECONDS), writing(node) as streams:
            ends = await asyncio.gather(*(streams.append(1, EVENTS) for _ in range(2)), return_exceptions=True)
            assert ends[0] is None
            assert isinstance(ends[1], NotAppendedError)
            assert ends[1].reason in MAYBE_STORED
            node.answer = stores()
            await taken(streams)

    asyncio.run(send())


def test_a_reply_that_comes_again_is_not_taken_for_that_of_another_stream() -> None:
    twice = b"$3\r\n9-1\r\n:1\r\n$3\r\n9-1\r\n"
    other = next(name for name in ("bob", "eve", "joe", "sue") if id64(name) % 2 != id64("ann") % 2)

    async def send() -> None:
        node = Node(lambda node: twice if node.asked == 1 else b"-OOM command not allowed\r\n")
        async with asyncio.timeout(HANG_SECONDS), writing(node, is_cluster=False) as streams:
            entries = (EVENTS, [{"event_id": "e2", "user_id": other}])
            ends = await asyncio.gather(*(streams.append(1, entry) for entry in entries), return_exceptions=True)
            assert ends[0] is None
            assert isinstance(ends[1], NotAppendedError), "nothing of it is stored"
            node.answer = stores()
            await taken(streams)

    asyncio.run(send())


def test_many_events_at_once_are_each_answered_by_their_own_reply() -> None:
    async def send() -> None:
        ids = stores()
        node = Node(lambda node: b"-OOM no\r\n" if node.asked % 3 == 0 else ids(node))
        async with asyncio.timeout(HANG_SECONDS), writing(node, deadline_ms=HANG_SECONDS * 1000) as streams:
            ends = await asyncio.gather(*(streams.append(1, EVENTS) for _ in range(60)), return_exceptions=True)
        assert [isinstance(end, NotAppendedError) and end.reason for end in ends] == [False, False, "memory"] * 20
        assert node.asked == 60

    asyncio.run(send())


@pytest.mark.parametrize("word", [b"MOVED", b"ASK"])
def test_two_nodes_that_send_to_each_other_are_asked_once_each(word: bytes) -> None:
    async def send() -> None:
        one, other = Node(said(b"")), Node(said(b""))
        one.answer, other.answer = moved_to(lambda _: other.port, word), moved_to(lambda _: one.port, word)
        async with asyncio.timeout(HANG_SECONDS), writing(one, other) as streams:
            for _ in range(10):
                assert await refused(streams) in {"connection", "reply"}
            assert one.asked + other.asked <= 20

    asyncio.run(send())


def test_an_entry_that_is_asked_for_elsewhere_is_stored_there_once() -> None:
    async def send() -> None:
        other = Node(stores())
        one = Node(moved_to(lambda _: other.port, b"ASK"))
        async with asyncio.timeout(HANG_SECONDS), writing(one, other) as streams:
            await taken(streams)
            assert other.asked == 1

    asyncio.run(send())


def test_nodes_that_are_named_and_are_not_there_are_given_up() -> None:
    async def send() -> None:
        ports: Callable[[], int] = count(20_000).__next__
        node = Node(lambda _: b"-MOVED 1 127.0.0.1:%d\r\n" % ports())
        async with asyncio.timeout(HANG_SECONDS), writing(node) as streams:
            for _ in range(100):
                assert await refused(streams) in {"connection", "reply"}
            while len(streams._nodes) > 1:  # as the map says that there is one
                await asyncio.sleep(0.05)
            node.answer = stores()
            await taken(streams)

    asyncio.run(send())


def test_a_store_that_stays_a_replica_is_left_for_whoever_has_its_address_now() -> None:
    async def post() -> None:
        entry = stores()

        def answer(node: Node) -> bytes:  # the first connection stays with the old primary
            is_new = len(node.writers) > 1
            return entry(node) if is_new else b"-READONLY You can't write against a read only replica.\r\n"

        node = Node(answer)
        async with asyncio.timeout(HANG_SECONDS), writing(node, is_cluster=False) as streams:
            began = asyncio.get_running_loop().time()
            assert await refused(streams) == "readonly"
            await taken(streams)
            assert asyncio.get_running_loop().time() - began >= READONLY_SECONDS
            assert len(node.writers) == 2

    asyncio.run(post())


def test_a_store_that_is_a_replica_for_a_moment_keeps_its_connection() -> None:
    async def post() -> None:
        entry = stores()
        node = Node(lambda node: b"-READONLY replica\r\n" if node.asked % 2 else entry(node))
        async with asyncio.timeout(HANG_SECONDS), writing(node, is_cluster=False) as streams:
            for _ in range(10):
                assert await refused(streams) == "readonly"
                await streams.append(1, EVENTS)
                await asyncio.sleep(READONLY_SECONDS / 8)
            assert len(node.writers) == 1

    asyncio.run(post())
