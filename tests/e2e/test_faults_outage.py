"""The store goes away and comes back under a service that is asked all the time."""

import time
from collections.abc import Iterator

import pytest
import redis
from faults import Service, new_store, running_service, until
from load import visited

from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.store_fixture import StoreFixture, publish

pytestmark = pytest.mark.exclusive  # every answer is timed

GROUND = StoreFixture(users=500)
FROZEN_SECONDS = 10.0
PAUSED_SECONDS = 2.0


@pytest.fixture(scope="module")
def store() -> Iterator[BreakableStore]:
    with new_store() as store, store.client() as client:
        publish(client, GROUND, 1, 1)
        yield store


@pytest.fixture(scope="module")
def service(store: BreakableStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service"), store.url) as service:
        yield service


def test_a_killed_store_costs_picks_but_no_answer_and_its_return_needs_no_restart(
    store: BreakableStore, service: Service
) -> None:
    with visited(service.address, GROUND) as load:
        load.until_all("personalized")
        store.kill()
        killed = time.monotonic()
        until(lambda: bool(service.degraded()), "degraded")
        returning = load.until_all("popularity")
        store.start()
        load.until_all("personalized")
    load.assert_promises()
    assert load.sources(killed, returning) == {"popularity"}
    until(lambda: not service.degraded(), "all well again")


def test_a_frozen_store_holds_nobody_up_and_its_late_replies_reach_nobody_else(
    store: BreakableStore, service: Service
) -> None:
    with visited(service.address, GROUND) as load:
        load.until_all("personalized")
        with store.frozen():
            frozen = time.monotonic()
            thawing = load.until_all("popularity")
        load.until_all("personalized")
    load.assert_promises()
    assert load.sources(frozen, thawing) == {"popularity"}
    assert service.total("artwork_row_errors_total") == 0


@pytest.mark.faults
def test_ten_frozen_seconds_cost_no_more_than_one_and_few_connections(store: BreakableStore, service: Service) -> None:
    before = store.info("stats")["total_connections_received"]
    with visited(service.address, GROUND) as load:
        load.until_all("personalized")
        with store.frozen():
            frozen = time.monotonic()
            until(lambda: time.monotonic() > frozen + FROZEN_SECONDS, "ten seconds")
            thawing = time.monotonic()
        load.until_all("personalized")
    load.assert_promises()
    assert load.sources(frozen, thawing) == {"popularity"}
    # Once or twice a second for the rows and for the poll, not once a request.
    assert store.info("stats")["total_connections_received"] - before <= 5 * FROZEN_SECONDS


def test_a_paused_store_that_takes_commands_and_answers_none_is_a_frozen_one(
    store: BreakableStore, service: Service
) -> None:
    with visited(service.address, GROUND) as load:
        load.until_all("personalized")
        with store.paused(PAUSED_SECONDS):
            paused = time.monotonic()
            ending = load.until_all("popularity")
        load.until_all("personalized")
    load.assert_promises()
    assert load.sources(paused, ending) == {"popularity"}


def test_a_store_out_of_memory_refuses_writes_and_serves_every_row(store: BreakableStore, service: Service) -> None:
    with visited(service.address, GROUND) as load, store.client() as client:
        load.until_all("personalized")
        with store.full():
            with pytest.raises(redis.OutOfMemoryError):
                client.set("more", "than there is room for")
            full = time.monotonic()
            ending = load.until_all("personalized", count=500)
    load.assert_promises()
    assert load.sources(full, ending) == {"personalized"}


def test_a_restarted_store_is_met_by_one_connection_for_rows_and_not_by_a_storm(
    store: BreakableStore, service: Service
) -> None:
    with visited(service.address, GROUND, visitors=16) as load:
        load.until_all("personalized")
        store.kill()
        load.until_all("popularity")
        store.start()
        load.until_all("personalized", count=500)
        received = store.info("stats")["total_connections_received"]
    load.assert_promises()
    # Rows, poll, the start's own question whether it answers, and this INFO; twice that leaves room for a try that failed.
    assert received <= 8
