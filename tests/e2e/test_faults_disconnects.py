"""Clients that go away at any moment: nobody ever gets what another one asked for."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from aborting_client import AbortingClient
from faults import Service, new_store, running_service, until
from visitors import Visitor

from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.store_fixture import StoreFixture, publish

GROUND = StoreFixture(users=5000)
CLIENTS = 16


@pytest.fixture(scope="module")
def store() -> Iterator[BreakableStore]:
    with new_store() as store, store.client() as client:
        publish(client, GROUND, 1, 1)
        yield store


@pytest.fixture(scope="module")
def service(store: BreakableStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service"), store.url) as service:
        until(lambda: not service.degraded(), "ready")
        yield service


@pytest.mark.parametrize("requests", [5000, pytest.param(100_000, marks=pytest.mark.faults)])
def test_every_answer_is_that_of_the_user_who_was_asked_for_however_many_clients_hang_up(
    service: Service, requests: int
) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        seen = list(pool.map(partial(visit, service.address, requests // CLIENTS), range(CLIENTS)))
    complaints = [complaint for client in seen for complaint in client.complaints]
    assert not complaints, f"{len(complaints)}: {complaints[:3]}"
    hung_up, personalized = sum(client.hung_up for client in seen), sum(client.personalized for client in seen)
    # Otherwise nobody hung up, or there were no rows to mix up.
    assert hung_up > requests / 10
    assert personalized > requests / 10
    assert service.total("artwork_requests_total", status="500") == 0
    # Not even once was a row held back because it was somebody else's.
    assert service.total("artwork_row_errors_total") == 0


def visit(address: str, requests: int, seed: int) -> AbortingClient:
    """What a client has seen when it has sent so many requests."""
    client = AbortingClient(address, GROUND, random.Random(seed))
    while client.sent < requests:
        client.visit()
    client.hang_up()
    return client


def test_a_service_that_many_hung_up_on_answers_everybody_else_and_keeps_few_connections(
    store: BreakableStore, service: Service
) -> None:
    visit(service.address, 500, seed=99)
    visitor = Visitor(service.address, GROUND)
    answers = [visitor.ask(user, [0]) for user in range(100)]
    visitor.close()
    assert {(answer.status, answer.complaint) for answer in answers} == {(200, None)}
    # Rows, polls, the client of the fixture and the one that asks this, and as many again in passing.
    assert store.info("clients")["connected_clients"] <= 8
