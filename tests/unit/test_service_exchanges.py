"""What the service answers to bytes that no client of good will sends, on real connections."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from asgi import SlowStore
from samples import sample
from wire import LAST, LOOK_UP, PAGE, Answer, Here, Running, against, answers, request, service_here

from service.http.clients import client_of
from service.http.connection import Connection
from service.metrics.exposition import exposition

CHUNKED = request(LOOK_UP, "Transfer-Encoding: chunked")
MANY_TITLES = "&".join(f"title_id=t{number}" for number in range(10_000))


@pytest.fixture(scope="module")
def here() -> Iterator[Here]:
    with service_here() as here:
        yield here


MALFORMED: list[tuple[bytes, int, str]] = [
    (b"RUBBISH\r\n\r\n", 400, "method"),
    (bytes(range(256)), 400, "method"),
    (bytes.fromhex("16030100a5010000a1030300"), 400, "method"),  # TLS
    (request(method="get"), 400, "method"),
    (request(method="BREW"), 400, "method"),
    (request(method="G" * 100_000), 400, "method"),
    (request().replace(b" ", b"\t"), 400, "method"),
    (request(method="CONNECT", target="s:80"), 405, "method"),
    (request(method="OPTIONS", target="*"), 405, "method"),
    (request("*"), 400, "target"),
    (request("v1/users"), 400, "target"),
    (request("ftp://s" + LOOK_UP), 400, "target"),
    (request("http://"), 400, "target"),
    (request(LOOK_UP + "#x"), 400, "target"),
    (request(LOOK_UP + "?title_id=t0#x"), 400, "target"),
    (request(LOOK_UP + "\0"), 400, "target"),
    (request(LOOK_UP + "\tx"), 400, "target"),
    (request("/v1/users/\u00e4/artwork"), 400, "target"),
    (request(version="2.0"), 400, "version"),
    (request(version="0.9"), 400, "version"),
    (request(version="1.2"), 400, "head"),
    (b"GET /\r\n\r\n", 400, "version"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "head"),
    (request(host=""), 400, "host"),
    (request(LOOK_UP, "Host: t"), 400, "host"),
    (request(LOOK_UP, "Host: s"), 400, "host"),
    (request(LOOK_UP, "Host: t", version="1.0"), 400, "host"),
    (request(host="a b"), 400, "host"),
    (request(host="a/b"), 400, "host"),
    (request(host="s:http"), 400, "host"),
    (request(host="\u00e4"), 400, "host"),
    (request().replace(b"\r\n", b"\n"), 400, "head"),
    (request().replace(b"\r\n", b"\r"), 400, "head"),
    (request(LOOK_UP, "X: a\r\n b"), 400, "head"),
    (request(LOOK_UP, "X : a"), 400, "head"),
    (request(LOOK_UP, "X"), 400, "head"),
    (request(LOOK_UP, ": x"), 400, "head"),
    (request(LOOK_UP, "X: a\0b"), 400, "head"),
    (request().replace(b"Host", b" Host"), 400, "head"),
    *((request(LOOK_UP, f"Content-Length: {length}") + b"hello", 400, "content-length") for length in
      ("+5", "-1", "5 5", "5,5", "0x5", "1e1", "5.0", "", "9" * 30)),
    (request(LOOK_UP, "Content-Length: 5", "Content-Length: 5") + b"hello", 400, "content-length"),
    (request(LOOK_UP, "Content-Length: 5", "Content-Length: 6") + b"hello", 400, "content-length"),
    (request(LOOK_UP, "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400, "content-length"),
    (request(LOOK_UP, "Transfer-Encoding: chunked", "Content-Length: 5") + b"0\r\n\r\n", 400, "content-length"),
    *((request(LOOK_UP, f"Transfer-Encoding: {coding}") + b"0\r\n\r\n", 400, "transfer-encoding") for coding in
      ("gzip", "identity", "xchunked", "gzip, chunked", "chunked, chunked", "chunked, gzip")),
    (request(LOOK_UP, "Transfer-Encoding: chunked", version="1.0") + b"0\r\n\r\n", 400, "transfer-encoding"),
    (request(LOOK_UP, "Transfer-Encoding: chunked", "Connection: keep-alive", version="1.0"), 400, "transfer-encoding"),
    (request(f"/v1/users/ann/artwork?{MANY_TITLES}"), 414, "query"),
    (request("/" + "x" * 65_535), 414, "target"),
    (request("/" + "x" * 300_000), 414, "target"),
    (request(LOOK_UP, "X: " + "x" * 70_000), 431, "headers"),
    (request(LOOK_UP, *["X: y"] * 15_000), 431, "headers"),
    (request(LOOK_UP, *["X: y"] * 256), 431, "headers"),
]  # fmt: skip
"""What cannot be answered; its status, and the part that the refusal names."""


@pytest.mark.parametrize(("data", "status", "field"), MALFORMED, ids=[str(data[:70]) for data, _, _ in MALFORMED])
def test_what_is_no_request_is_refused_by_name_after_the_answers_to_what_came_before(
    here: Here, data: bytes, status: int, field: str
) -> None:
    counted = refusals_of(here, status)
    for good in (b"", request(), request() + request(PAGE) + request("/v1/users/%61nn/titles/t1/artwork")):
        *before, refusal = here.asked(good + data)
        assert [answer.status for answer in before] == [200] * good.count(b"GET")
        assert [json.loads(answer.body)["user_id"] for answer in before] == ["ann"] * len(before)
        assert (refusal.status, refusal.wrong, refusal.closes) == (status, [field], True)
    assert refusals_of(here, status) == counted + 3


def refusals_of(here: Here, status: int) -> float:
    """How many were counted that the application did not see."""
    text = exposition(here.running.service.metrics.blocks).decode()
    return sample(text, "artwork_requests_total", route="unmatched", status=str(status)) or 0.0


EVENTS_HEAD = b"POST /v1/events HTTP/1.1\r\nHost: s\r\n"


@pytest.mark.parametrize(
    "data", [EVENTS_HEAD + b"Content-Length: 10\r\n\r\nabc", EVENTS_HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"]
)
def test_events_whose_body_breaks_off_are_counted_once(data: bytes) -> None:
    async def scenario(running: Running) -> None:
        [refusal] = await running.ask(data, half_close=True)
        assert refusal.status == 400
        while running.service.events_in_progress:
            await asyncio.sleep(0)
        assert answered(running) == 1

    against(scenario)


def answered(running: Running) -> float:
    """How many answers were counted, whatever their route and status."""
    lines = exposition(running.service.metrics.blocks).decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("artwork_requests_total{"))


@pytest.mark.parametrize("pieces", [2, 5])
def test_it_makes_no_difference_in_how_many_reads_too_large_a_head_arrives(here: Here, pieces: int) -> None:
    data = request(f"/v1/users/ann/artwork?{MANY_TITLES}")
    step = -(-len(data) // pieces)
    [refusal] = here.asked(*(data[start : start + step] for start in range(0, len(data), step)))
    assert (refusal.status, refusal.wrong) == (414, ["query"])


BROKEN_BODIES = [b"zz\r\n", b"-1\r\n", b"+1\r\n", b"F" * 20 + b"\r\n", b"1\nx\n", b"1\r\nxyz", b" 1\r\nx\r\n", b"\r\n"]


@pytest.mark.parametrize("rest", BROKEN_BODIES)
def test_a_body_that_breaks_off_takes_its_own_request_with_it_and_no_other(rest: bytes) -> None:
    store = SlowStore()

    async def scenario(running: Running) -> None:
        asking = asyncio.create_task(running.ask(request() + request(PAGE) + CHUNKED + rest))
        while not running.service.in_progress:
            await asyncio.sleep(0)
        store.let.set()
        first, second, refusal = await asking
        assert (first.status, second.status) == (200, 200)
        assert "picks" not in json.loads(first.body)
        assert "picks" in json.loads(second.body)
        assert (refusal.status, refusal.wrong) == (400, ["body"])

    against(scenario, store=store)


@pytest.mark.parametrize("rest", BROKEN_BODIES)
def test_a_request_that_was_answered_before_its_body_broke_off_has_no_second_answer(rest: bytes) -> None:
    async def scenario(running: Running) -> None:
        reader, writer = await running.connect()
        writer.write(CHUNKED)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(rest)
        [answer] = answers(head + await reader.read())
        assert answer.status == 200
        writer.close()

    against(scenario)


GOOD: list[tuple[bytes, list[int]]] = [
    (request(), [200]),
    (b"\r\n\r\n" + request(), [200]),
    (request("http://elsewhere" + LOOK_UP), [200]),
    (request("HTTP://elsewhere:80" + LOOK_UP + "?hour=3"), [200]),
    (request("http://elsewhere"), [404]),
    (request("http://elsewhere?x=/" + LOOK_UP), [404]),
    *((request(host=host), [200]) for host in ("[::1]:8000", "[fe80::1%25eth0]", "s ", " s\t", "S:80", "s.", "a_b", "s:")),
    *((request(LOOK_UP, field) + b"0\r\n\r\n", [200]) for field in
      ("Transfer-Encoding: chunked ", "TRANSFER-ENCODING:Chunked")),
    (request().replace(b"Host: s", b"Host:"), [200]),
    (request(LOOK_UP, "Expect: 100-continue"), [200]),
    (request(LOOK_UP, "Expect: something"), [200]),
    (request(LOOK_UP, "Content-Length: 5") + b"hello", [200]),
    (request(LOOK_UP, "Content-Length:   5\t") + b"hello", [200]),
    (request(LOOK_UP, "Content-Length: 0005") + b"hello", [200]),
    (CHUNKED + b"1;a=b\r\nx\r\n0\r\nTrailer: x\r\n\r\n", [200]),
    (CHUNKED + b"0\r\n\r\n" + request(), [200, 200]),
    (request(method="POST", target=LOOK_UP) + request(), [405, 200]),
    (request("/nothing") + request(), [404, 200]),
    (request(PAGE.replace("t1", "a:b")) + request(), [422, 200]),
    (request("/v1/users/ann/artwork?" + MANY_TITLES[:20_000]) + request(), [414, 200]),
    (request("/v1/users/ann/artwork?" + "&".join(["title_id=t0"] * 201)) + request(), [422, 200]),
    (request(LOOK_UP, *["X: y"] * 255), [200]),  # and Host
]  # fmt: skip
"""What leaves its connection open, and what it is answered."""


@pytest.mark.parametrize(("data", "statuses"), GOOD, ids=[str(data[:70]) for data, _ in GOOD])
def test_what_can_be_answered_leaves_its_connection_open(here: Here, data: bytes, statuses: list[int]) -> None:
    *found, last = here.asked(data + LAST)
    assert [answer.status for answer in found] == statuses
    assert not any(answer.closes for answer in found)
    assert (last.status, last.body, last.closes) == (200, b"alive", True)


ENDING: list[bytes] = [
    request(LOOK_UP, "Connection: close"),
    request(LOOK_UP, "Connection: keep-alive, Close"),
    request(version="1.0"),
    request(version="1.0", host=""),
    request(LOOK_UP, "Connection: keep-alive", version="1.0"),  # ab -k
    request(LOOK_UP, "Connection: Keep-Alive", version="1.0", host=""),
    request(LOOK_UP, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13"),
    request(LOOK_UP, "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: x"),
]


@pytest.mark.parametrize("data", ENDING)
def test_a_request_that_is_the_last_one_is_answered_and_the_answer_says_so(here: Here, data: bytes) -> None:
    for pieces in ((data,), (data + request(),), (data, request())):
        [answer] = here.asked(*pieces)
        assert (answer.status, answer.closes) == (200, True)
        assert int(answer.fields["content-length"]) == len(answer.body)


HALF_CLOSED: list[tuple[bytes, list[int]]] = [
    (request(), [200]),
    (request(PAGE), [200]),
    (request("/v1/users/%61nn/titles/t0/artwork"), [200]),
    (request("/metrics"), [200]),
    (request(version="1.0", host=""), [200]),
    (request() * 30, [200] * 30),
    (request() + request("/nothing") + request(PAGE), [200, 404, 200]),
    (request(LOOK_UP, "Content-Length: 2") + b"xy", [200]),
    (request()[:-2], [400]),
    (request() + b"GET", [200, 400]),
    (b"", []),
    (b"\r\n", []),
]


@pytest.mark.parametrize(("data", "statuses"), HALF_CLOSED, ids=[str(data[-40:]) for data, _ in HALF_CLOSED])
def test_a_client_that_has_shut_down_its_side_gets_its_answers(here: Here, data: bytes, statuses: list[int]) -> None:
    assert [answer.status for answer in here.asked(data, half_close=True)] == statuses


def test_a_request_whose_client_ends_it_within_its_body_is_answered_once(here: Here) -> None:
    found = here.asked(request(LOOK_UP, "Content-Length: 5") + b"he", half_close=True)
    assert [answer.status for answer in found] in ([200], [400])


# --- ids ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dots", [".", "..", "%2e", "%2E%2e", ".%2e"])
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/users/{0}/titles/t0/artwork", "user_id"),
        ("/v1/users/{0}/artwork?title_id=t0", "user_id"),
        ("/v1/users/ann/titles/{0}/artwork", "title_id"),
    ],
)
def test_an_id_that_a_proxy_would_take_for_a_step_through_the_path_is_refused_by_name(
    here: Here, path: str, field: str, dots: str
) -> None:
    refusal, _ = here.asked(request(path.format(dots)) + LAST)
    assert (refusal.status, refusal.wrong) == (422, [field])


# --- methods ---------------------------------------------------------------------------------------------------------

ROUTES = [LOOK_UP, PAGE, "/livez", "/readyz", "/metrics", "/docs", "/openapi.json", "/docs/swagger-ui.css"]


def asked_for_head(here: Here, target: str, *fields: str) -> Answer:
    received = here.received(request(target, "Connection: close", *fields, method="HEAD"))
    [answer] = answers(received, without_body=True)
    return answer


@pytest.mark.parametrize("target", [*ROUTES, "/nothing", "/v1/users/a%2Fb/artwork", PAGE.replace("t1", "a:b")])
def test_head_is_answered_as_get_without_the_body(here: Here, target: str) -> None:
    [whole] = here.asked(request(target, "Connection: close"))
    head = asked_for_head(here, target)
    assert head.status == whole.status
    assert head.fields.keys() == whole.fields.keys()
    if target != "/metrics":  # which counts the request before it
        assert head.fields["content-length"] == whole.fields["content-length"]


def test_a_refusal_of_head_has_no_body_either(here: Here) -> None:
    assert asked_for_head(here, LOOK_UP, "Host: t").status == 400


@pytest.mark.parametrize("target", ROUTES)
@pytest.mark.parametrize("method", ["OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_another_method_is_405_with_those_that_there_are(here: Here, method: str, target: str) -> None:
    [answer] = here.asked(request(target, "Connection: close", method=method))
    assert (answer.status, answer.fields["allow"], answer.wrong) == (405, "GET, HEAD", ["method"])


# --- time ------------------------------------------------------------------------------------------------------------


class Quick(Connection):
    """What does not come at once does not come in time."""

    head_seconds: float = 0.05
    body_seconds: float = 0.05


class Patient(Quick):
    """What is kept is kept for no time at all."""

    head_seconds = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = 1


def quickly(scenario: Callable[[Running], Awaitable[None]], protocol: type[Connection] = Quick) -> None:
    against(scenario, protocol)


def test_a_head_that_does_not_come_is_408_after_the_answers_to_what_came_before() -> None:
    async def scenario(running: Running) -> None:
        first, refusal = await running.ask(request() + request()[:-2])
        assert (first.status, refusal.status, refusal.wrong, refusal.closes) == (200, 408, ["head"], True)
        assert refusal.problem["errors"][0]["limit"] == 0.05
        assert 'status="408"} 1.0' in exposition(running.service.metrics.blocks).decode()

    quickly(scenario)


@pytest.mark.parametrize("data", [request(LOOK_UP, "Content-Length: 5"), CHUNKED, CHUNKED + b"5\r\nhe"])
def test_a_connection_whose_stated_body_does_not_come_ends(data: bytes) -> None:
    async def scenario(running: Running) -> None:
        [answer] = await running.ask(data)  # look-ups do not wait for a body that they do not read
        assert answer.status == 200

    quickly(scenario)


def test_lines_without_a_request_do_not_keep_a_connection() -> None:
    async def scenario(running: Running) -> None:
        reader, writer = await running.connect()
        writer.write(request())
        await reader.readuntil(b"}")
        with suppress(ConnectionError):  # it closes while there is more to send
            while running.connections:
                writer.write(b"\r\n")
                await asyncio.sleep(0.01)
            assert await reader.read() == b""
        writer.close()

    quickly(scenario, Patient)


def test_a_client_that_still_sends_when_it_is_refused_reads_why() -> None:
    async def scenario(running: Running) -> None:
        for size in (2_000_000, 20_000_000):
            head = request(LOOK_UP, f"Content-Length: {size}", method="POST")
            [refusal] = await running.ask(head, *[b"x" * 1_000_000] * (size // 1_000_000))
            assert (refusal.status, refusal.wrong, refusal.closes) == (413, ["body"], True)

    against(scenario)


# --- number ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("setting", "reason"), [("max_connections", "worker"), ("max_client_connections", "client")])
def test_a_connection_too_many_is_503_and_counted_and_those_that_are_there_are_answered(
    setting: str, reason: str
) -> None:
    async def scenario(running: Running) -> None:
        kept = [await running.connect() for _ in range(3)]
        for reader, writer in kept:
            writer.write(request())
            await reader.readuntil(b"}")
        [refusal] = await running.ask(request())
        assert (refusal.status, refusal.wrong, refusal.closes) == (503, ["connections"], True)
        assert refusal.fields["retry-after"] == "1"
        assert refusal.problem["errors"][0]["limit"] == 3
        text = exposition(running.service.metrics.blocks).decode()
        assert f'artwork_client_connections_refused_total{{reason="{reason}"}} 1.0' in text
        assert 'route="unmatched",status="503"} 1.0' in text
        for reader, writer in kept:
            writer.write(request("/livez"))
            await reader.readuntil(b"alive")
        kept[0][1].close()
        while running.service.clients["127.0.0.1"] > 2:
            await asyncio.sleep(0)
        assert [answer.status for answer in await running.ask(LAST)] == [200]
        for _, writer in kept:
            writer.close()

    settings: dict[str, Any] = {setting: 3}
    against(scenario, **settings)


def test_a_client_of_ipv6_is_its_network_and_everybody_else_an_address() -> None:
    assert client_of("10.0.0.1") != client_of("10.0.0.2")
    assert client_of("::ffff:10.0.0.1") == "10.0.0.1"
    assert client_of("2001:db8:0:1::1") == client_of("2001:db8:0:1:ffff::2") != client_of("2001:db8:0:2::1")
    assert client_of("fe80::1%eth0") == client_of("fe80::2%eth1")


def test_far_too_many_connections_are_cut_off_and_leave_nothing_behind() -> None:
    async def scenario(running: Running) -> None:
        opened = [await running.connect() for _ in range(300)]
        for _, writer in opened:
            writer.close()
        while running.connections:
            await asyncio.sleep(0.01)
        assert running.service.clients == {}
        assert 'artwork_client_connections{worker="0"} 0.0' in exposition(running.service.metrics.blocks).decode()
        assert [answer.status for answer in await running.ask(LAST)] == [200]

    against(scenario, max_connections=100)


# --- counting --------------------------------------------------------------------------------------------------------


def test_refusals_at_the_door_count_by_their_route_and_are_not_timed() -> None:
    async def scenario(running: Running) -> None:
        long = "x" * 200
        await running.ask(request(f"{LOOK_UP}?hour={long}"), request(f"{PAGE}&hour={long}"), LAST)
        text = exposition(running.service.metrics.blocks).decode()
        for route in ("/v1/users/{user_id}/titles/{title_id}/artwork", "/v1/users/{user_id}/artwork"):
            assert f'artwork_requests_total{{route="{route}",status="414"}} 1.0' in text
            assert f'artwork_request_seconds_count{{route="{route}"}}' not in text

    against(scenario, max_query_bytes=100)
