"""A store behind a network that is slow, or that swallows connections."""

import time
from collections.abc import Iterator

import pytest
from faults import DEADLINE_MS, POLL_SECONDS, Service, new_store, running_service, until
from load import visited

from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.delaying_proxy import DelayingProxy
from artwork.bench.testbed.store_fixture import StoreFixture, publish

pytestmark = pytest.mark.exclusive  # every answer is timed

GROUND = StoreFixture(users=200)
SLOW_MS = DEADLINE_MS + 10.0
DOWN_SECONDS = 2.0
LATE_READS = 100


@pytest.fixture(scope="module")
def store() -> Iterator[BreakableStore]:
    with new_store() as store, store.client() as client:
        publish(client, GROUND, 1, 1)
        yield store


@pytest.fixture
def proxy(store: BreakableStore) -> Iterator[DelayingProxy]:
    with DelayingProxy(store.socket) as proxy:
        yield proxy


@pytest.fixture
def service(proxy: DelayingProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service"), proxy.url) as service:
        yield service


def test_a_store_that_is_50_ms_away_is_given_up_at_the_deadline_and_used_when_it_is_near_again(
    proxy: DelayingProxy, service: Service
) -> None:
    with visited(service.address, GROUND) as load:
        load.until_all("personalized")
        proxy.delay_ms = SLOW_MS
        load.until_all("popularity")
        slow = time.monotonic()
        ending = load.until_all("popularity")
        proxy.delay_ms = 0.0
        load.until_all("personalized")
    load.assert_promises()
    assert load.sources(slow, ending) == {"popularity"}


def test_replies_in_time_and_late_ones_in_turn_reach_their_own_reader_or_nobody(
    proxy: DelayingProxy, service: Service
) -> None:
    with visited(service.address, GROUND, visitors=8) as load:
        load.until_all("personalized")
        proxy.late_share, proxy.delay_ms = 0.2, SLOW_MS
        until(lambda: service.total("artwork_store_read_errors_total", reason="timeout") > LATE_READS, "late replies")
        proxy.delay_ms = 0.0
        load.until_all("personalized")
    load.assert_promises()
    # Not even once was a row held back because it was somebody else's.
    assert service.total("artwork_row_errors_total") == 0


def test_a_store_that_is_slow_but_answers_the_poll_is_followed(
    store: BreakableStore, proxy: DelayingProxy, service: Service
) -> None:
    proxy.delay_ms = SLOW_MS
    with store.client() as client, visited(service.address, GROUND) as load:
        load.until_all("popularity")
        publish(client, GROUND, 2, 2)
        until(lambda: load.answers[-1].generation == 2, "generation 2 by popularity")
    load.assert_promises()


def test_a_store_that_is_down_is_tried_a_few_times_a_second_and_not_once_a_request(
    store: BreakableStore, proxy: DelayingProxy, service: Service
) -> None:
    with visited(service.address, GROUND, visitors=16) as load:
        load.until_all("personalized")
        store.kill()
        load.until_all("popularity")
        proxy.most_open = 0
        tried, asked, began = proxy.accepted, len(load.answers), time.monotonic()
        until(lambda: time.monotonic() > began + DOWN_SECONDS, "two seconds")
        tried, asked, most_open = proxy.accepted - tried, len(load.answers) - asked, proxy.most_open
        store.start()
        load.until_all("personalized")
    load.assert_promises()
    # Polls try as often as they are due; the connection for rows, which all visitors share, adds fewer than ten.
    assert tried < DOWN_SECONDS / POLL_SECONDS + 10 < asked
    assert most_open <= 2, "one attempt at a time for rows, and one for polls"
