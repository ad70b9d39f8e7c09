"""Limits of a request, held by a real server on loopback: its head in bytes and time, its body, its query, its key."""

import asyncio
import gc
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar, NamedTuple, cast
from weakref import WeakSet

import pytest
import uvicorn
import uvloop
from asgi import published
from fastapi import Body, FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from service.app import create_app
from service.http.connection import Connection, Departure
from service.http.head_limit import HeadLimit
from service.http.load_shedding import LASTING_SECONDS
from service.http.middleware import BodyLimit
from service.http.state import Service
from service.http.writing import close
from service.keys import entry_text, new_key
from service.lookup.row_reads import Unread
from service.lookup.store import MemoryStore
from service.settings import Settings

HANG_SECONDS = 20.0
HEAD_BYTES = 1000
BODY_BYTES = 100


class SmallHeads(HeadLimit):
    """Heads of 1,000 bytes."""

    max_head_bytes = HEAD_BYTES
    linger_seconds = 0.1


class QuickHeads(HeadLimit):
    """Heads that have to be there at once."""

    head_seconds = 0.05


class QuickBodies(HeadLimit):
    """Bodies that have to be there at once."""

    body_seconds = 0.05


class Known(HeadLimit):
    """Connections that can be counted, and that nothing but their client ends."""

    there: ClassVar["WeakSet[Known]"] = WeakSet()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = 3600
        self.there.add(self)


class Brief(HeadLimit):
    """Connections that are not kept for long."""

    body_seconds = 0.5

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = 1


class QuickReaders(HeadLimit):
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


@asynccontextmanager
async def serving(app: ASGIApp, protocol: type[HeadLimit], state: dict[str, Any]) -> AsyncIterator[Connect]:
    """The application behind a protocol, and what opens a connection to it."""
    writers = []
    config = uvicorn.Config(app, http=protocol, ws="none", access_log=False, log_config=None)
    loop, shared = asyncio.get_running_loop(), Departure()
    server = await loop.create_server(lambda: protocol(config, shared, state), "127.0.0.1", 0)

    async def connect() -> Client:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writers.append(writer)
        return Client(reader, writer)

    try:
        async with asyncio.timeout(HANG_SECONDS):
            yield connect
    finally:
        for writer in writers:
            writer.close()
        server.close()


def run(
    scenario: Callable[[Connect], Awaitable[None]],
    app: ASGIApp,
    protocol: type[HeadLimit] = SmallHeads,
    state: dict[str, Any] | None = None,
) -> None:
    async def all_of_it() -> None:
        async with serving(app, protocol, state or {}) as connect:
            await scenario(connect)

    asyncio.run(all_of_it())


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers how many bytes of query and body it was sent."""
    size = len(scope["query_string"]) + len(await Request(scope, receive).body())
    await PlainTextResponse(str(size))(scope, receive, send)


async def echo_unless_gone(scope: Scope, receive: Receive, send: Send) -> None:
    """The same for clients who may go."""
    with suppress(ClientDisconnect):
        await echo(scope, receive, send)


def get(query: str = "", *fields: str) -> bytes:
    return "\r\n".join((f"GET /?{query} HTTP/1.1", "Host: s", *fields, "", "")).encode()


def post(body: bytes, path: str = "/") -> bytes:
    fields = f"Host: s\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"POST {path} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + body


def chunked(*chunks: bytes) -> list[bytes]:
    head = b"POST / HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return [head, *(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))]


# --- heads -----------------------------------------------------------------------------------------------------------


def field_of(total: int) -> str:
    """A header field that makes the head of ``get`` so many bytes, as the limit counts them: path, names, values."""
    return "X: " + "x" * (total - len("/?") - len("Host: s\r\n") - len("X: \r\n"))


def test_a_head_of_as_many_bytes_as_allowed_is_answered() -> None:
    async def scenario(connect: Connect) -> None:
        assert (await (await connect()).ask(get("", field_of(HEAD_BYTES)))).status == 200

    run(scenario, echo)


def test_a_head_of_a_byte_more_is_refused_with_the_limit_and_the_connection_closed() -> None:
    async def scenario(connect: Connect) -> None:
        client = await connect()
        refusal = await client.ask(get("", field_of(HEAD_BYTES + 1)))
        assert refusal.status == 431
        assert [(error["field"], error["limit"]) for error in refusal.problem["errors"]] == [("headers", HEAD_BYTES)]
        assert await client.answer() is None

    run(scenario, echo)


@pytest.mark.parametrize(
    ("piece", "status"),
    [
        (b"GET /", 414),
        (b"GET /?", 414),
        (b"GET / HTTP/1.1\r\nX: ", 431),
        (b"GET / HTTP/1.1\r\nX: y\r\n", 431),
    ],
)
def test_a_head_without_an_end_is_refused_before_it_grows_without_bound(piece: bytes, status: int) -> None:
    async def scenario(connect: Connect) -> None:
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

    run(scenario, echo)


def test_requests_that_arrive_together_are_judged_one_by_one() -> None:
    async def scenario(connect: Connect) -> None:
        client = await connect()
        await client.send(get("abc") * 100 + get("abcd")[:-20], get("abcd")[-20:])
        sizes = [(await client.ask()).body for _ in range(101)]
        assert sizes == [b"3"] * 100 + [b"4"]

    run(scenario, echo)


def test_a_body_is_no_part_of_its_head() -> None:
    async def scenario(connect: Connect) -> None:
        client = await connect()
        assert (await client.ask(post(b"x" * 5 * HEAD_BYTES))).body == b"5000"
        assert (await client.ask(get("abc"))).body == b"3"

    run(scenario, echo)


def test_a_head_that_does_not_come_to_its_end_in_time_is_refused() -> None:
    async def scenario(connect: Connect) -> None:
        client = await connect()
        refusal = await client.ask(get()[:-1])
        assert refusal.status == 408
        assert refusal.problem["type"].endswith("head-too-slow")
        assert await client.answer() is None

    run(scenario, echo, QuickHeads)


def test_a_connection_that_asks_nothing_is_closed_and_one_that_asked_is_kept() -> None:
    async def scenario(connect: Connect) -> None:
        asking = await connect()
        assert (await asking.ask(get())).status == 200
        assert await (await connect()).answer() is None  # opened later, so the time of the first one is over too
        assert (await asking.ask(get())).status == 200

    run(scenario, echo, QuickHeads)


def test_what_is_no_http_is_a_problem_too() -> None:
    async def scenario(connect: Connect) -> None:
        assert (await (await connect()).ask(b"HELO service\r\n\r\n")).problem["status"] == 400

    run(scenario, echo)


async def at_once(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers without a look at the body."""
    await PlainTextResponse("ok")(scope, receive, send)


@pytest.mark.parametrize("rest", [b"x", b"\r\n"])
def test_a_connection_that_goes_quiet_after_its_answer_is_closed_whatever_came_in_between(rest: bytes) -> None:
    async def scenario(connect: Connect) -> None:
        client = await connect()
        await client.ask(post(b"xy")[:-2] if rest == b"x" else get())
        await client.send(rest)
        assert await client.answer() is None

    run(scenario, at_once, Brief)


def test_nothing_is_left_of_a_client_who_breaks_off() -> None:
    async def scenario(connect: Connect) -> None:
        client = await connect()
        await client.ask(get())
        assert len(Known.there) == 1
        client.break_off()
        while Known.there:
            await asyncio.sleep(0.01)
            gc.collect()

    run(scenario, at_once, Known)


def test_a_client_who_does_not_read_is_cut_off_and_the_request_ends() -> None:
    piece = b"x" * (32 << 20)

    async def scenario(connect: Connect) -> None:
        await (await connect()).send(get())
        await ended.wait()

    async def flood(_scope: Scope, _receive: Receive, send: Send) -> None:
        length = str(2 * len(piece)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": piece})
        ended.set()

    ended = asyncio.Event()
    run(scenario, flood, QuickReaders)


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
    async def scenario(connect: Connect) -> None:
        client = await connect()
        assert (await client.ask(post(b"x" * BODY_BYTES))).body == b"100"
        assert (await client.ask(*chunked(b"x" * 60, b"x" * 40))).body == b"100"

    run(scenario, BodyLimit(echo, BODY_BYTES))


def test_a_stated_length_beyond_the_limit_is_refused_before_a_byte_of_it_is_sent() -> None:
    async def scenario(connect: Connect) -> None:
        client = await connect()
        refusal = await client.ask(post(b"x" * (BODY_BYTES + 1)).removesuffix(b"x" * (BODY_BYTES + 1)))
        assert refusal.status == 413
        assert [(error["field"], error["limit"]) for error in refusal.problem["errors"]] == [("body", BODY_BYTES)]
        assert await client.answer() is None

    run(scenario, BodyLimit(echo, BODY_BYTES))


@pytest.mark.parametrize(
    "pieces",
    [
        [post(b"x" * 9)[:-9]],
        [post(b"x" * 9)[:-1]],
        chunked(b"x")[:1],
        chunked(b"x")[:2],
        [get("abc"), *chunked(b"x")[:2]],
    ],
)
def test_a_body_that_does_not_come_in_time_is_refused_and_its_application_let_go(pieces: list[bytes]) -> None:
    waiting = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal waiting
        waiting += 1
        await echo_unless_gone(scope, receive, send)
        waiting -= 1

    async def scenario(connect: Connect) -> None:
        client = await connect()
        await client.send(*pieces)
        if len(pieces) == 3:
            assert (await client.ask()).body == b"3"
        refusal = await client.ask()
        assert refusal.status == 408
        assert [(error["field"], error["limit"]) for error in refusal.problem["errors"]] == [("body", 0.05)]
        assert await client.answer() is None
        assert waiting == 0

    run(scenario, app, QuickBodies)


def test_a_body_that_comes_bit_by_bit_has_no_more_time() -> None:
    async def scenario(connect: Connect) -> None:
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

    run(scenario, echo_unless_gone, QuickBodies)


def test_a_body_without_a_stated_length_is_counted_as_it_arrives() -> None:
    async def scenario(connect: Connect) -> None:
        pieces = chunked(b"x" * 60, b"x" * 41)[:-1]  # its end never comes
        assert (await (await connect()).ask(*pieces)).status == 413

    run(scenario, BodyLimit(echo, BODY_BYTES))


@pytest.mark.parametrize("app", [echo, at_once])
def test_fields_after_a_body_in_chunks_are_bounded_like_a_head(app: ASGIApp) -> None:
    async def scenario(connect: Connect) -> None:
        client = await connect()
        await client.send(*chunked(b"x")[:-1], b"0\r\n")
        with suppress(ConnectionError):
            while not client.is_cut_off:
                await client.send(b"X: " + b"y" * 95 + b"\r\n")
                await asyncio.sleep(0)

    run(scenario, app)


def test_a_route_that_parses_its_body_refuses_too_large_ones_alike() -> None:
    app = FastAPI()
    app.add_middleware(BodyLimit, max_bytes=BODY_BYTES)

    @app.post("/")
    async def count(items: list[int] = Body()) -> int:  # noqa: B008 - so FastAPI reads it
        return len(items)

    async def scenario(connect: Connect) -> None:
        assert (await (await connect()).ask(*chunked(b"[1,", b"2]"))).body == b"2"
        assert (await (await connect()).ask(*chunked(b"[1", b",1" * 50, b"]"))).status == 413

    run(scenario, app)


def test_an_answer_that_has_begun_is_not_replaced_by_a_refusal() -> None:
    async def talkative(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            pass
        await send({"type": "http.response.body", "body": b"ok"})

    async def scenario(connect: Connect) -> None:
        answer = await (await connect()).ask(*chunked(b"x" * 200))
        assert (answer.status, answer.body) == (200, b"ok")

    run(scenario, BodyLimit(talkative, BODY_BYTES))


# --- the application -------------------------------------------------------------------------------------------------


LOOK_UP = b"GET /v1/users/ann/titles/t0/artwork HTTP/1.1\r\nHost: s\r\n\r\n"
ALIVE = b"GET /livez HTTP/1.1\r\nHost: s\r\n\r\n"


def ask_application(*requests: bytes, store: MemoryStore | None = None, **settings: Any) -> list[Answer]:
    """The answers of an application, with an empty store unless one is given: what is not refused is 503."""
    answers: list[Answer] = []

    async def scenario() -> None:
        app = create_app(Settings(poll_seconds=3600, **settings), store or MemoryStore())
        async with app.router.lifespan_context(app) as state, serving(app, HeadLimit, dict(state or {})) as connect:
            answers.extend([await (await connect()).ask(request) for request in requests])

    asyncio.run(scenario())
    return answers


def page(query: str, *fields: str) -> bytes:
    return get(query, *fields).replace(b"/?", b"/v1/users/ann/artwork?")


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
    requests = [get().replace(b"/?", url) for url in (b"/livez", b"/readyz", b"/metrics", b"/openapi.json")]
    assert [answer.status for answer in ask_application(*requests, keys_file=path)] == [200, 503, 200, 200]


# --- overload --------------------------------------------------------------------------------------------------------


class SlowStore(MemoryStore):
    """Rows come when they are let."""

    def __init__(self) -> None:
        super().__init__(published())
        self.answers = asyncio.Event()

    async def read(self, key: bytes) -> bytes | Unread | None:
        await self.answers.wait()
        return await super().read(key)


class Remembered(Connection):
    """Connections in the order in which they were opened."""

    opened: ClassVar["list[Remembered]"] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.opened.append(self)


def overload(scenario: Callable[[Connect], Awaitable[None]]) -> None:
    """Play against an application that may have one request in progress, and has."""

    async def all_of_it() -> None:
        store = SlowStore()
        app = create_app(Settings(poll_seconds=3600, max_waiting=1), store)
        Remembered.opened.clear()
        async with app.router.lifespan_context(app) as state, serving(app, Remembered, dict(state or {})) as connect:
            service: Service = dict(state or {})["service"]
            first = await connect()
            await first.send(LOOK_UP)
            while not service.in_progress:
                await asyncio.sleep(0)
            await scenario(connect)
            store.answers.set()
            answer = await first.answer()
            assert answer is not None
            assert answer.status == 200

    asyncio.run(all_of_it())


def test_a_refusal_in_a_lasting_overload_names_the_lower_bound_that_holds_then() -> None:
    async def all_of_it() -> None:
        store = SlowStore()
        app = create_app(Settings(poll_seconds=3600, max_waiting=8), store)
        async with app.router.lifespan_context(app) as lifespan:
            state: dict[str, Any] = dict(lifespan or {})
            async with serving(app, Connection, state) as connect:
                clients = [await connect(), await connect()]
                for client in clients:
                    await client.send(LOOK_UP)
                while state["service"].in_progress < len(clients):
                    await asyncio.sleep(0)
                later = asyncio.get_running_loop().time() + 3600
                for step in range(5):
                    state["pressure"].refused(later + step * LASTING_SECONDS / 2)
                refused = await (await connect()).ask(LOOK_UP)
                store.answers.set()
                assert refused.status == 503
                assert refused.problem["detail"].startswith("This worker now takes 2 requests at a time")

    asyncio.run(all_of_it())


def test_the_body_of_a_request_that_was_answered_early_is_not_taken_for_a_look_up_to_refuse() -> None:
    async def scenario(connect: Connect) -> None:
        client = await connect()
        assert (await client.ask(post(LOOK_UP, "/nothing").removesuffix(LOOK_UP))).status == 404
        await client.send(LOOK_UP)
        await (await connect()).ask(ALIVE)  # by now the body has been read, and alone
        assert (await client.ask(ALIVE)).status == 200

    overload(scenario)


def test_a_connection_is_kept_while_it_asks_though_all_of_it_is_refused() -> None:
    async def scenario(connect: Connect) -> None:
        client = await connect()
        assert (await client.ask(LOOK_UP)).status == 503
        asking = Remembered.opened[-1]
        asking.timeout_keep_alive_handler()
        assert (await client.ask(LOOK_UP)).status == 503
        asking.timeout_keep_alive_handler()
        asking.timeout_keep_alive_handler()
        assert await client.answer() is None

    overload(scenario)


def test_refusals_do_not_pile_up_for_a_client_who_does_not_read() -> None:
    async def scenario(connect: Connect) -> None:
        await (await connect()).ask(ALIVE)
        asking = Remembered.opened[-1]
        asking.pause_writing()
        asking.data_received(LOOK_UP)
        assert asking.cycle.scope["path"] == "/v1/users/ann/titles/t0/artwork"  # parsed, and waits like any answer
        asking.resume_writing()

    overload(scenario)
