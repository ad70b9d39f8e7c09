"""A service that is sent rubbish, halves and too much: whole answers to whole requests, a log of JSON, and it goes on."""

import json
import random
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from faults import Service, new_store, running_service, until
from wire import answers, request

from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.store_fixture import StoreFixture, publish
from service.logs import LINES

GROUND = StoreFixture(users=200, titles=10)
HANG_SECONDS = 30.0
RESET = struct.pack("ii", 1, 0)  # linger for no time: closing sends RST instead of FIN
ALLOWED = {200, 400, 404, 405, 408, 413, 414, 422, 431, 503}


@pytest.fixture(scope="module")
def store() -> Iterator[BreakableStore]:
    with new_store() as store, store.client() as client:
        publish(client, GROUND, 1, 1)
        yield store


@pytest.fixture
def service(store: BreakableStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service"), store.url, store_deadline_ms="5000") as service:
        until(lambda: not service.degraded(), "ready")
        yield service


def asked_for(user: int, title: int, *fields: str, **other: str) -> bytes:
    return request(f"/v1/users/u{user}/titles/t{title}/artwork", *fields, **other)


def good(chance: random.Random) -> tuple[int, bytes]:
    """A user, and a request for a pick of theirs in one of its spellings."""
    user, title = chance.randrange(GROUND.users), chance.randrange(GROUND.titles)
    return user, chance.choice(
        [
            asked_for(user, title),
            request(f"/v1/users/u{user}/artwork?title_id=t{title}"),
            request(f"/v1/users/%75{user}/titles/t{title}/artwork"),
            asked_for(user, title, "Content-Length: 3") + b"abc",
            asked_for(user, title, "Transfer-Encoding: chunked") + b"1\r\nx\r\n0\r\n\r\n",
            b"\r\n" + asked_for(user, title),
        ]
    )


def spoilt(chance: random.Random) -> bytes:
    """A request with something wrong: a byte changed, left out, repeated or put in."""
    data = bytearray(good(chance)[1])
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(data))
        data[at : at + chance.choice((0, 1, 1, 8))] = chance.choice(
            [
                b"",
                bytes((chance.randrange(256),)),
                b"\0",
                b"\r\n",
                b"\n",
                b" ",
                b"%2F",
                b"/",
                data[at:] * 2,
                b"x" * 9000,
            ]
        )
    return bytes(data)


def exchange(port: int, chance: random.Random) -> tuple[list[int], bytes]:
    """Some good requests, perhaps something else, sent in pieces; the users asked for, and what came back until the end."""
    asked = [good(chance) for _ in range(chance.randrange(4))]
    last = chance.choice([b"", spoilt(chance), chance.randbytes(40), b"x" * 70_000, b"GET /", request("/%2F" * 30_000)])
    data = b"".join(sent for _, sent in asked) + last
    with socket.create_connection(("127.0.0.1", port), timeout=HANG_SECONDS) as connection:
        with suppress(ConnectionError):
            while data:
                size = chance.choice((1, 7, 100, 5000, len(data)))
                connection.sendall(data[:size])
                data = data[size:] if size < 100 or chance.random() < 0.9 else b""
        if chance.random() < 0.15:  # gone without a word
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            return [], b""
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        received = b""
        with suppress(ConnectionError):
            while piece := connection.recv(1 << 16):
                received += piece
    return [user for user, _ in asked], received


@pytest.mark.parametrize("exchanges", [300, pytest.param(5000, marks=pytest.mark.faults)])
def test_whatever_is_sent_answers_are_whole_right_and_in_their_order_and_the_log_is_json(
    service: Service, exchanges: int
) -> None:
    port, chance = int(urlsplit(service.address).port or 0), random.Random(exchanges)
    seen: set[int] = set()
    for _ in range(exchanges):
        users, received = exchange(port, chance)
        found = answers(received)
        seen |= {answer.status for answer in found}
        for user, answer in zip(users, found, strict=False):
            if answer.status == 200:
                body = json.loads(answer.body)
                assert body["user_id"] == GROUND.user_id(user)
                pick = body.get("picks", [body])[0]
                assert pick["propensity"] == pytest.approx(GROUND.weight(user) / 65535)
        for answer in found:
            if answer.status != 200:
                assert answer.wrong
    assert {200, 400, 414} <= seen <= ALLOWED
    assert service.total("artwork_requests_total", status="500") == 0
    assert service.total("artwork_row_errors_total") == 0
    until(lambda: service.total("artwork_client_connections") <= 2, "few connections")
    lines = [line for line in service.log.read_text().splitlines() if not re.match("answering on|  curl", line)]
    events = [json.loads(line) for line in lines]
    assert [event for event in events if "exception" in event or event["level"] == "error"] == []
    assert sum(event["event"] == "request_refused" for event in events) <= 2 * LINES
