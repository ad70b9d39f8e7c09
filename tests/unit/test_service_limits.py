"""Limits of a request, held by a real server on loopback: its head in bytes and time, its body, its query, its key."""

import asyncio
import gc
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, ClassVar, NamedTuple, cast
from weakref import WeakSet

import pytest
import uvloop
from asgi import SlowStore, published
from starlette.types import Message, Receive, Scope, Send
from wire import Running, against

from service.http.connection import Connection
from service.http.middleware import BodyLimit
from service.http.writing import close
from service.keys import entry_text, new_key
from service.lookup.store import MemoryStore
from service.pressure import LASTING_SECONDS

HANG_SECONDS = 20.0
LOOK_UP = b"GET /v1/users/ann/titles/t0/artwork HTTP/1.1\r\nHost: s\r\n\r\n"
ALIVE = b"GET /livez HTTP/1.1\r\nHost: s\r\n\r\n"
HEAD_BYTES = 1000
BODY_BYTES = 100


class SmallHeads(Connection):
    """Heads of 1,000 bytes."""

    max_head_bytes = HEAD_BYTES
    linger_seconds = 0.1


class QuickHeads(Connection):
    """Heads that have to be there at once."""

    head_seconds = 0.05


class QuickBodies(Connection):
    """Bodies that have to be there at once."""

    body_seconds = 0.05


class Known(Connection):
    """Connections that can be counted, and that nothing but their client ends."""

    there: ClassVar["WeakSet[Known]"] = WeakSet()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = 3600
        self.there.add(self)


class Brief(Connection):
    """Connections that are not kept for long."""

    body_seconds = 0.5

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = 1


class QuickReaders(Connection):
    """Answers have to be read at once."""

    write_seconds = 0.05


class Answer(NamedTuple):
    """One response; ``None`` in the place of one is a connection that was closed without."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> Any:
        assert self.headers["content-type"] == "application/problem+json"
        return json.loads(self.body)


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def answer(self) -> Answer | None:
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *fields = head.decode().strip().split("\r\n")
        headers = dict(field.lower().split(": ", 1) for field in fields)
        body = await self._reader.readexactly(int(headers["content-length"]))
        return Answer(int(first.split()[1]), headers, body)

    @property
    def is_cut_off(self) -> bool:
        return self._writer.is_closing()

    def break_off(self) -> None:
        """Vanish, as a client that crashed: the service is told of a reset."""
        linger = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()

    async def ask(self, *pieces: bytes) -> Answer:
        await self.send(*pieces)
        answer = await self.answer()
        assert answer is not None
        return answer


Connect = Callable[[], Awaitable[Client]]


def run(
    scenario: Callable[[Connect, Running], Awaitable[None]],
    protocol: type[Connection] = SmallHeads,
    store: MemoryStore | None = None,
    **settings: Any,
) -> None:
    """Play against the service behind a protocol that differs from the shipped one in a limit."""

    async def all_of_it(running: Running) -> None:
        writers = []

        async def connect() -> Client:
            reader, writer = await running.connect()
            writers.append(writer)
            return Client(reader, writer)

        await scenario(connect, running)
        for writer in writers:
            writer.close()

    against(all_of_it, protocol, store, **settings)


def get(query: str = "", *fields: str, path: str = "/livez") -> bytes:
    return "\r\n".join((f"GET {path}?{query} HTTP/1.1", "Host: s", *fields, "", "")).encode()


def post(body: bytes, path: str = "/v1/events") -> bytes:
    fields = f"Host: s\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"POST {path} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + body


def chunked(*chunks: bytes, path: str = "/v1/events") -> list[bytes]:
    head = f"POST {path} HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return [head, *(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))]


# --- heads -----------------------------------------------------------------------------------------------------------


def field_of(total: int) -> str:
    """A header field that makes the head of ``get`` so many bytes, as the limit counts them: path, names, values."""
    return "X: " + "x" * (total - len("/livez?") - len("Host: s\r\n") - len("X: \r\n"))


def test_a_head_of_as_many_bytes_as_allowed_is_answered() -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        assert (await (await connect()).ask(get("", field_of(HEAD_BYTES)))).status == 200

    run(scenario)


@pytest.mark.parametrize("path", ["/livez", "/v1/users/ann/artwork"])
def test_a_head_of_more_bytes_is_refused_with_the_limit_and_the_connection_closed(path: str) -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        client = await connect()
        refusal = await client.ask(get("title_id=t0", field_of(HEAD_BYTES + 1), path=path))
        assert refusal.status == 431
        assert [(error["field"], error["limit"]) for error in refusal.problem["errors"]] == [("headers", HEAD_BYTES)]
        assert await client.answer() is None

    run(scenario)


@pytest.mark.parametrize(
    ("piece", "status"),
    [
        (b"GET /", 414),
        (b"GET /?", 414),
        (b"GET /v1/users/", 414),
        (b"GET / HTTP/1.1\r\nX: ", 431),
        (b"GET / HTTP/1.1\r\nX: y\r\n", 431),
    ],
)
def test_a_head_without_an_end_is_refused_before_it_grows_without_bound(piece: bytes, status: int) -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        client = await connect()
        await client.send(piece)
        answer = asyncio.create_task(client.answer())
        with suppress(ConnectionError):  # it is closed while there is more to send
            while not answer.done():
                await client.send(b"x" * 100 if not piece.endswith(b"y\r\n") else b"X: " + b"y" * 95 + b"\r\n")
                await asyncio.sleep(0)
        refusal = await answer
        assert refusal is not None
        assert refusal.status == status

    run(scenario)


@pytest.mark.parametrize("target", ["/livez", "/v1/users/ann/artwork"])
def test_requests_that_arrive_together_are_judged_one_by_one(target: str) -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        client = await connect()
        one = get("title_id=t0", path=target)
        await client.send(one * 100 + one[:-20], one[-20:])
        assert [(await client.ask()).status for _ in range(101)] == [200] * 101

    run(scenario)


def test_a_body_is_no_part_of_its_head() -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        client = await connect()
        assert (await client.ask(post(b"x" * 5 * HEAD_BYTES))).status == 422
        assert (await client.ask(get("abc"))).status == 200

    run(scenario)


def test_a_head_that_does_not_come_to_its_end_in_time_is_refused() -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        client = await connect()
        refusal = await client.ask(get()[:-1])
        assert refusal.status == 408
        assert refusal.problem["type"].endswith("head-too-slow")
        assert await client.answer() is None

    run(scenario, QuickHeads)


@pytest.mark.parametrize("request_", [get(), LOOK_UP], ids=["slow path", "fast path"])
def test_a_connection_that_asks_nothing_is_closed_and_one_that_asked_is_kept(request_: bytes) -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        asking = await connect()
        assert (await asking.ask(request_)).status == 200
        assert await (await connect()).answer() is None  # opened later, so the time of the first one is over too
        assert (await asking.ask(request_)).status == 200

    run(scenario, QuickHeads)


def test_what_is_no_http_is_a_problem_too() -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        assert (await (await connect()).ask(b"HELO service\r\n\r\n")).problem["status"] == 400

    run(scenario)


@pytest.mark.parametrize(
    ("asked", "rest"),
    [(post(b"xy", "/v1/users/ann/artwork")[:-2], b"x"), (get(), b"\r\n"), (LOOK_UP, b"\r\n"), (LOOK_UP, b"")],
)
def test_a_connection_that_goes_quiet_after_its_answer_is_closed_whatever_came_in_between(
    asked: bytes, rest: bytes
) -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        client = await connect()
        await client.ask(asked)
        await client.send(rest)
        assert await client.answer() is None

    run(scenario, Brief)


@pytest.mark.parametrize("request_", [get(), LOOK_UP], ids=["slow path", "fast path"])
def test_nothing_is_left_of_a_client_who_breaks_off(request_: bytes) -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        client = await connect()
        await client.ask(request_)
        assert len(Known.there) == 1
        client.break_off()
        while Known.there:
            await asyncio.sleep(0.01)
            gc.collect()

    run(scenario, Known)


def test_a_client_who_does_not_read_is_cut_off_and_its_requests_end() -> None:
    async def scenario(connect: Connect, running: Running) -> None:
        client = await connect()
        with suppress(ConnectionError):
            await client.send(get(path="/docs/swagger-ui-bundle.js") * 60)  # 80 MB of answers
        while running.connections:
            await asyncio.sleep(0.01)

    run(scenario, QuickReaders)


def test_look_ups_of_a_client_who_does_not_read_wait_for_it_and_it_is_cut_off() -> None:
    async def scenario(connect: Connect, running: Running) -> None:
        client = await connect()
        page = get("&".join(["title_id=t0"] * 200), path="/v1/users/ann/artwork")
        sending = asyncio.create_task(client.send(*[page * 100] * 100))  # 300 MB of answers
        while running.connections:
            await asyncio.sleep(0.01)
        assert running.service.in_progress == 0
        sending.cancel()
        with suppress(ConnectionError, asyncio.CancelledError):
            await sending

    run(scenario, QuickReaders)


@pytest.mark.parametrize("seconds", [0.05, 0.2])
def test_a_connection_that_closes_does_not_wait_without_end_for_a_client_who_does_not_read(seconds: float) -> None:
    """Whatever does not fit the client's socket stays in the service."""

    class Keeping(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            sending = cast("asyncio.Transport", transport)
            sending.set_write_buffer_limits(high=1 << 30)
            sending.write(b"x" * (32 << 20))
            close(sending, seconds)

        def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
            lost.set()

    lost = asyncio.Event()

    async def scenario() -> None:
        server = await asyncio.get_running_loop().create_server(Keeping, "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()):
            async with asyncio.timeout(HANG_SECONDS):
                await lost.wait()
        server.close()

    uvloop.run(scenario())


# --- bodies ----------------------------------------------------------------------------------------------------------


def test_a_body_of_as_many_bytes_as_allowed_is_read_however_it_is_framed() -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        client = await connect()
        assert (await client.ask(post(b"x" * BODY_BYTES))).status == 422
        assert (await client.ask(*chunked(b"x" * 60, b"x" * 40))).status == 422

    run(scenario, max_body_bytes=BODY_BYTES)


def test_a_stated_length_beyond_the_limit_is_refused_before_a_byte_of_it_is_sent() -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        client = await connect()
        refusal = await client.ask(post(b"x" * (BODY_BYTES + 1)).removesuffix(b"x" * (BODY_BYTES + 1)))
        assert refusal.status == 413
        assert [(error["field"], error["limit"]) for error in refusal.problem["errors"]] == [("body", BODY_BYTES)]
        assert await client.answer() is None

    run(scenario, max_body_bytes=BODY_BYTES)


@pytest.mark.parametrize(
    "pieces",
    [
        [post(b"x" * 9)[:-9]],
        [post(b"x" * 9)[:-1]],
        chunked(b"x")[:1],
        chunked(b"x")[:2],
        [get("abc"), *chunked(b"x")[:2]],
        [LOOK_UP, *chunked(b"x")[:2]],
    ],
)
def test_a_body_that_does_not_come_in_time_is_refused_and_its_request_let_go(pieces: list[bytes]) -> None:
    async def scenario(connect: Connect, running: Running) -> None:
        client = await connect()
        await client.send(*pieces)
        if len(pieces) == 3:
            assert (await client.ask()).status == 200
        refusal = await client.ask()
        assert refusal.status == 408
        assert [(error["field"], error["limit"]) for error in refusal.problem["errors"]] == [("body", 0.05)]
        assert await client.answer() is None
        assert (running.service.events_in_progress, len(running.service.event_tasks)) == (0, 0)

    run(scenario, QuickBodies)


def test_a_body_that_comes_bit_by_bit_has_no_more_time() -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        client = await connect()
        await client.send(post(b"x" * 10_000)[:-10_000])
        answer = asyncio.create_task(client.answer())
        with suppress(ConnectionError):
            while not answer.done():
                await client.send(b"x")
                await asyncio.sleep(0.01)
        refusal = await answer
        assert refusal is not None
        assert refusal.status == 408

    run(scenario, QuickBodies)


def test_a_body_without_a_stated_length_is_counted_as_it_arrives() -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        pieces = chunked(b"x" * 60, b"x" * 41)[:-1]  # its end never comes
        assert (await (await connect()).ask(*pieces)).status == 413

    run(scenario, max_body_bytes=BODY_BYTES)


@pytest.mark.parametrize("path", ["/v1/events", "/v1/users/ann/artwork"])
def test_fields_after_a_body_in_chunks_are_bounded_like_a_head(path: str) -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        client = await connect()
        await client.send(*chunked(b"x", path=path)[:-1], b"0\r\n")
        with suppress(ConnectionError):
            while not client.is_cut_off:
                await client.send(b"X: " + b"y" * 95 + b"\r\n")
                await asyncio.sleep(0)

    run(scenario)


def test_an_answer_that_has_begun_is_not_replaced_by_a_refusal() -> None:
    sent: list[Message] = []

    async def talkative(_scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            pass
        await send({"type": "http.response.body", "body": b"ok"})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"x" * 200, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(BodyLimit(talkative, BODY_BYTES)({"type": "http", "headers": []}, receive, send))
    assert [message.get("status", message.get("body")) for message in sent] == [200, b"ok"]


# --- the application -------------------------------------------------------------------------------------------------


def ask_application(*requests: bytes, store: MemoryStore | None = None, **settings: Any) -> list[Answer]:
    """The answers of the service, with an empty store unless one is given: what is not refused is 503."""
    answers: list[Answer] = []

    async def scenario(connect: Connect, _: Running) -> None:
        answers.extend([await (await connect()).ask(request) for request in requests])

    run(scenario, Connection, store or MemoryStore(), **settings)
    return answers


def page(query: str, *fields: str) -> bytes:
    return get(query, *fields, path="/v1/users/ann/artwork")


def test_a_query_beyond_the_limit_is_414_and_one_of_as_many_bytes_passes() -> None:
    passed, refused = ask_application(page("title_id=t1"), page("title_id=t12"), max_query_bytes=11)
    assert (passed.status, refused.status) == (503, 414)
    assert [(error["field"], error["limit"]) for error in refused.problem["errors"]] == [("query", 11)]


def test_a_page_of_as_many_titles_as_allowed_with_the_longest_ids_fits_the_query() -> None:
    [answer] = ask_application(page("&".join(["title_id=" + "t" * 64] * 200)))
    assert answer.status == 503


def test_the_application_bounds_bodies() -> None:
    [refused] = ask_application(post(b"x" * 11, "/v1/users/ann/artwork"), max_body_bytes=10)
    assert refused.status == 413


def test_a_look_up_that_could_be_answered_is_refused_with_a_body_beyond_the_limit() -> None:
    request = LOOK_UP.replace(b"Host: s", b"Host: s\r\nContent-Length: 11")
    [refused] = ask_application(request, store=MemoryStore(published()), max_body_bytes=10)
    assert refused.status == 413


def test_with_keys_a_look_up_needs_one_of_its_scope(tmp_path: Any) -> None:
    (key, entry), (other, other_entry) = new_key("web", ["lookup"]), new_key("player", ["events"])
    path = tmp_path / "keys.toml"
    path.write_text(entry_text(entry) + entry_text(other_entry))
    requests = [page("title_id=t1", *fields) for fields in ((), (bearer(other),), (bearer(key),))]
    missing, forbidden, allowed = ask_application(*requests, keys_file=path)
    assert [answer.status for answer in (missing, forbidden, allowed)] == [401, 403, 503]
    assert missing.headers["www-authenticate"] == 'bearer scope="lookup"'
    assert forbidden.headers["www-authenticate"].startswith('bearer error="insufficient_scope"')
    assert {missing.problem["status"], forbidden.problem["status"]} == {401, 403}


def bearer(key: str) -> str:
    return f"Authorization: Bearer {key}"


def test_with_keys_probes_and_metrics_stay_open(tmp_path: Any) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(entry_text(new_key("web", ["lookup"])[1]))
    requests = [get(path=path) for path in ("/livez", "/readyz", "/metrics", "/openapi.json")]
    assert [answer.status for answer in ask_application(*requests, keys_file=path)] == [200, 503, 200, 200]


# --- overload --------------------------------------------------------------------------------------------------------


def overload(scenario: Callable[[Connect, Running], Awaitable[None]], protocol: type[Connection] = Connection) -> None:
    """Play against a service that may have one look-up in progress, and has."""
    store = SlowStore()

    async def all_of_it(connect: Connect, running: Running) -> None:
        first = await connect()
        await first.send(LOOK_UP)
        while not running.service.in_progress:
            await asyncio.sleep(0)
        await scenario(connect, running)
        store.let.set()
        answer = await first.answer()
        assert answer is not None
        assert answer.status == 200

    run(all_of_it, protocol, store, max_waiting=1)


def test_a_refusal_in_a_lasting_overload_names_the_lower_bound_that_holds_then() -> None:
    store = SlowStore()

    async def scenario(connect: Connect, running: Running) -> None:
        clients = [await connect(), await connect()]
        for client in clients:
            await client.send(LOOK_UP)
        while running.service.in_progress < len(clients):
            await asyncio.sleep(0)
        later = asyncio.get_running_loop().time() + 3600
        for step in range(5):
            running.service.pressure.refused(later + step * LASTING_SECONDS / 2)
        refused = await (await connect()).ask(LOOK_UP)
        store.let.set()
        assert refused.status == 503
        assert refused.problem["detail"].startswith("This worker now takes 2 requests at a time")
        assert [(await client.ask()).status for client in clients] == [200, 200]

    run(scenario, Connection, store, max_waiting=8)


def test_look_ups_that_come_one_behind_the_other_are_refused_one_by_one() -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        client = await connect()
        await client.send(LOOK_UP * 3 + ALIVE + LOOK_UP)
        assert [(await client.ask()).status for _ in range(5)] == [503, 503, 503, 200, 503]

    overload(scenario)


def test_the_body_of_a_request_that_was_answered_early_is_not_taken_for_a_look_up() -> None:
    async def scenario(connect: Connect, running: Running) -> None:
        client = await connect()
        assert (await client.ask(post(LOOK_UP, "/nothing").removesuffix(LOOK_UP))).status == 404
        await client.send(LOOK_UP)
        await (await connect()).ask(ALIVE)  # by now the body has been read, and alone
        assert (await client.ask(ALIVE)).status == 200
        assert running.service.in_progress == 1

    overload(scenario)


def test_a_connection_is_kept_while_it_asks_though_all_of_it_is_refused() -> None:
    async def scenario(connect: Connect, _: Running) -> None:
        client = await connect()
        loop = asyncio.get_running_loop()
        end = loop.time() + 2.5  # of a service that closes after one second of silence
        while loop.time() < end:
            assert (await client.ask(LOOK_UP)).status == 503
            await asyncio.sleep(0.1)
        assert await client.answer() is None

    overload(scenario, Brief)


def test_refusals_do_not_pile_up_for_a_client_who_does_not_read() -> None:
    async def scenario(connect: Connect, running: Running) -> None:
        others = set(running.connections)
        client = await connect()
        await client.ask(ALIVE)
        [asking] = set(running.connections) - others
        asking.pause_writing()
        asking.data_received(LOOK_UP)
        assert asking.flow.read_paused  # the look-up is kept, and nothing more is read
        assert asking.cycle.scope["path"] == "/livez"
        asking.resume_writing()
        assert (await client.answer()) is not None

    overload(scenario)
