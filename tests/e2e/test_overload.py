"""A worker that is asked for more than it may have in progress refuses the rest at once, and nobody else suffers."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from faults import Service, new_store, running_service, until
from visitors import HANG_SECONDS

from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.store_fixture import StoreFixture, publish

GROUND = StoreFixture(users=10)
WAITING = 3
SINGLE = "/v1/users/u1/titles/t1/artwork"
PAGE = "/v1/users/u1/artwork?title_id=t1&title_id=t2"


@pytest.fixture
def store() -> Iterator[BreakableStore]:
    with new_store() as store, store.client() as client:
        publish(client, GROUND, 1, 1)
        yield store


@pytest.fixture
def service(store: BreakableStore, tmp_path: Path) -> Iterator[Service]:
    """One whose look-ups wait for the store as long as it takes, so that a frozen one fills it up."""
    with running_service(tmp_path, store.url, store_deadline_ms="4000", max_waiting=str(WAITING)) as service:
        until(lambda: service.get(SINGLE).json()["source"] == "personalized", "personalized")
        yield service


def connect(service: Service) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(service.address).netloc, timeout=HANG_SECONDS)


def ask(
    connection: http.client.HTTPConnection, path: str, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.headers, response.read()


def fill(service: Service) -> list[threading.Thread]:
    """Ask as many look-ups as may be in progress; back when all of them wait for the store."""

    def ask_until_taken() -> None:
        while service.get(SINGLE).status_code == 503:  # what asks for /metrics below has a place too, for a moment
            pass

    before = service.total("artwork_store_reads_total")
    asking = [threading.Thread(target=ask_until_taken) for _ in range(WAITING)]
    for thread in asking:
        thread.start()
    until(lambda: service.total("artwork_store_reads_total") == before + WAITING, "full")
    return asking


def test_what_is_too_much_is_503_with_a_time_to_come_back_and_the_connection_stays(
    store: BreakableStore, service: Service
) -> None:
    with store.frozen(), closing(connect(service)) as connection:
        asking = fill(service)
        for path, headers in ((SINGLE, {}), (PAGE, {}), (SINGLE, {"X-Content-Length": "0"}), (PAGE, {"Expect": ""})):
            status, fields, body = ask(connection, path, **headers)
            assert (status, fields["retry-after"], fields["content-type"]) == (503, "1", "application/problem+json")
            assert json.loads(body)["type"].endswith("overloaded")
        assert ask(connection, "/livez")[0] == 200
        assert ask(connection, "/readyz")[0] == 200
    for thread in asking:
        thread.join(HANG_SECONDS)
    with closing(connect(service)) as connection:
        until(lambda: b'"personalized"' in ask(connection, SINGLE)[2], "personalized again")
    assert service.total("artwork_requests_total", status="503") >= 4


def test_a_client_that_wants_its_connection_closed_gets_that_too(store: BreakableStore, service: Service) -> None:
    with store.frozen(), closing(connect(service)) as connection:
        asking = fill(service)
        status, fields, _ = ask(connection, SINGLE, Connection="close")
        assert (status, fields["connection"]) == (503, "close")
    for thread in asking:
        thread.join(HANG_SECONDS)
