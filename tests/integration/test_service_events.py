"""``POST /v1/events`` of a running service whose store is full, slow, frozen, gone or not of a mind to be written to."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from faults import Service, new_store, running_service, until
from posted_events import body, event
from redis import Redis
from streamed_events import event_ids
from visitors import HANG_SECONDS

from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.store_fixture import StoreFixture, publish
from bandit.snapshot import event_stream_key, id64
from batch.events.ingest import ingest
from batch.workspace.workspace import Workspace

LOOK_UP = "/v1/users/u1/titles/t1/artwork"
SLOW_MS = "5000"
"""Of row reads and appends where it is not asked how long they take."""


@pytest.fixture(scope="module")
def module_store() -> Iterator[BreakableStore]:
    with new_store() as store:
        with store.client() as client:
            publish(client, StoreFixture(users=20, titles=4), 1, flip=1)
        yield store


@pytest.fixture
def store(module_store: BreakableStore) -> BreakableStore:
    """A store with a generation and without events."""
    with module_store.client() as client:
        client.delete(*(event_stream_key(partition) for partition in range(8)))
    return module_store


@pytest.fixture(scope="module")
def running(module_store: BreakableStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service"), module_store) as service:
        yield service


@pytest.fixture
def service(running: Service, store: BreakableStore) -> Service:
    """A service of ``store`` that takes events; its counts go on from test to test."""
    del store
    until(lambda: post(running, body(event(user_id="ready", event_id="ready"))).status_code == 202, "accepted")
    return running


@contextmanager
def serving(folder: Path, store: BreakableStore, **settings: str) -> Iterator[Service]:
    given = {"store_deadline_ms": SLOW_MS, "events_deadline_ms": SLOW_MS} | settings
    with running_service(folder, store.url, **given) as service:
        until(lambda: service.get("/readyz").status_code == 200 and not service.degraded(), "ready")
        yield service


def post(service: Service, content: bytes = body(), **headers: str) -> httpx.Response:
    return httpx.post(service.address + "/v1/events", content=content, headers=headers, timeout=HANG_SECONDS)


def refused(response: httpx.Response) -> str:
    """What the refusal says, which is a 503 that asks to try again."""
    assert response.status_code == 503, response.text
    assert response.headers["retry-after"] == "1"
    return str(response.json()["detail"])


def source_of(service: Service) -> str:
    response = service.get(LOOK_UP)
    assert response.status_code == 200
    return str(response.json()["source"])


def trouble(service: Service) -> str:
    return next((line for line in service.degraded() if line.startswith("events not accepted: ")), "")


def refusals_of(service: Service, reason: str) -> float:
    return service.total("artwork_event_requests_refused_total", reason=reason)


def entries(client: Redis, partition: int) -> list[Any]:
    return list(client.xrange(event_stream_key(partition)))  # type: ignore[arg-type]


def test_a_request_is_one_entry_in_the_stream_of_its_first_user(tmp_path: Path, store: BreakableStore) -> None:
    users = ["ann", "bob", "cy", "dee"]
    with serving(tmp_path, store, event_partitions="3") as service, store.client() as client:
        for user in users:
            content = body(event(user_id=user, event_id=user), event(user_id="ann", event_id=f"{user}-2"))
            assert post(service, content).status_code == 202
        for user in users:
            batches = [json.loads(fields[b"events"]) for _, fields in entries(client, id64(user) % 3)]
            assert [user, f"{user}-2"] in [[stored["event_id"] for stored in batch] for batch in batches]
        assert sum(int(client.xlen(event_stream_key(partition))) for partition in range(3)) == len(users)


def test_what_is_posted_is_ingested_once(tmp_path: Path, store: BreakableStore, service: Service) -> None:
    for n in range(20):
        content = body(*(event(event_id=f"e{n}-{m}", user_id=f"u{n}") for m in range(3)))
        assert post(service, content).status_code == 202
    workspace = Workspace(tmp_path)
    done = ingest(workspace, store.url, lambda *_: None)
    assert (done.entries, done.events, done.dead) == (21, 61, 0)
    assert event_ids(workspace) == sorted(["ready", *(f"e{n}-{m}" for n in range(20) for m in range(3))])


def test_events_go_to_a_store_of_their_own_where_one_is_named(tmp_path: Path, store: BreakableStore) -> None:
    with new_store() as other, serving(tmp_path, store, events_url=other.url) as service:
        assert post(service).status_code == 202
        with store.client() as here, other.client() as there:
            lengths = [sum(map(bool, map(len, (entries(where, n) for n in range(8))))) for where in (here, there)]
        assert lengths == [0, 1]
        other.kill()
        until(lambda: bool(trouble(service)), "told in /readyz")
        assert "cannot be reached" in refused(post(service))
        assert source_of(service) == "personalized"


def test_a_store_out_of_memory_refuses_events_while_look_ups_are_answered(
    store: BreakableStore, service: Service
) -> None:
    before = refusals_of(service, "memory"), service.total("artwork_events_total")
    with store.full():
        assert "out of memory. None of the events was stored" in refused(post(service))
        assert source_of(service) == "personalized"
        assert "out of memory" in trouble(service)
        assert service.get("/readyz").status_code == 200
    assert post(service).status_code == 202
    assert trouble(service) == ""
    assert (refusals_of(service, "memory"), service.total("artwork_events_total")) == (before[0] + 1, before[1] + 1)


def test_a_store_that_takes_no_writes_refuses_events_while_look_ups_are_answered(
    store: BreakableStore, service: Service
) -> None:
    with store.client() as client:
        client.replicaof("127.0.0.1", "1")
        try:
            assert "takes no writes" in refused(post(service))
            assert source_of(service) == "personalized"
        finally:
            client.replicaof("NO", "ONE")
        assert post(service).status_code == 202


def test_a_key_of_another_kind_refuses_events_and_says_so(tmp_path: Path, store: BreakableStore) -> None:
    with serving(tmp_path, store, event_partitions="1") as service, store.client() as client:
        client.set(event_stream_key(0), "text")
        assert "answered with an error" in refused(post(service))
        assert source_of(service) == "personalized"
        client.delete(event_stream_key(0))
        assert post(service).status_code == 202


def test_a_stream_at_its_bound_refuses_events_until_it_is_ingested(tmp_path: Path, store: BreakableStore) -> None:
    with serving(tmp_path, store, event_partitions="1", max_stream_entries="3") as service:
        assert [post(service).status_code for _ in range(3)] == [202] * 3
        assert "as long as it may be" in refused(post(service))
        assert source_of(service) == "personalized"
        with store.client() as client:
            assert client.xlen(event_stream_key(0)) == 3
        assert "as long as it may be" in trouble(service)
        ingest(Workspace(tmp_path), store.url, lambda *_: None)
        until(lambda: trouble(service) == "", "ready for more")
        assert post(service).status_code == 202


def test_a_stream_that_is_full_when_the_service_starts_takes_no_more(tmp_path: Path, store: BreakableStore) -> None:
    with store.client() as client:
        for _ in range(3):
            client.xadd(event_stream_key(0), {"some": "thing"})
    with serving(tmp_path, store, event_partitions="1", max_stream_entries="3") as service:
        assert "as long as it may be" in refused(post(service))


def test_requests_at_once_do_not_pass_the_bound_together(tmp_path: Path, store: BreakableStore) -> None:
    settings = {"event_partitions": "1", "max_stream_entries": "5"}
    with serving(tmp_path, store, **settings) as service, ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: post(service).status_code, range(20)))
    assert sorted(statuses) == [202] * 5 + [503] * 15


def test_a_store_that_is_killed_refuses_events_and_takes_them_when_it_is_back(
    tmp_path: Path, store: BreakableStore, service: Service
) -> None:
    assert post(service, body(event(event_id="before"))).status_code == 202
    store.kill()
    assert "None of the events was stored" in refused(post(service))
    until(lambda: "cannot be reached since " in trouble(service), "told in /readyz")
    assert service.get(LOOK_UP).status_code == 200
    store.start()
    until(lambda: post(service, body(event(event_id="after"))).status_code == 202, "accepted again")
    until(lambda: trouble(service) == "", "all right again")
    workspace = Workspace(tmp_path)
    ingest(workspace, store.url, lambda *_: None)
    assert set(event_ids(workspace)) == {"ready", "before", "after"}


def test_a_store_that_is_frozen_refuses_events_at_their_deadline(tmp_path: Path, store: BreakableStore) -> None:
    settings = {"events_deadline_ms": "50", "store_deadline_ms": "40"}
    with running_service(tmp_path, store.url, **settings) as service:
        until(lambda: post(service).status_code == 202, "accepted")
        with store.frozen():
            assert "may have been stored" in refused(post(service))
            refused(post(service))
            assert service.get(LOOK_UP).status_code == 200
        until(lambda: post(service).status_code == 202, "accepted again")


def test_a_slow_append_delays_no_row_read(tmp_path: Path, store: BreakableStore) -> None:
    with (
        new_store() as other,
        serving(tmp_path, store, events_url=other.url, events_deadline_ms="60000") as service,
        ThreadPoolExecutor(1) as pool,
    ):
        with other.frozen():
            posted = pool.submit(post, service)
            assert source_of(service) == "personalized"
            assert not posted.done()
        assert posted.result().status_code == 202


def test_a_flood_of_events_takes_no_room_from_look_ups(tmp_path: Path, store: BreakableStore) -> None:
    """More requests with events than either bound wait for their store while look-ups are asked."""
    settings = {"max_waiting": "4", "max_event_requests": "6", "events_deadline_ms": "60000"}
    with (
        new_store() as other,
        serving(tmp_path, store, events_url=other.url, **settings) as service,
        httpx.Client(base_url=service.address, timeout=HANG_SECONDS) as client,
        ThreadPoolExecutor(30) as pool,
    ):
        with other.frozen():
            posted = [pool.submit(client.post, "/v1/events", content=body()) for _ in range(30)]
            until(lambda: refusals_of(service, "busy") == 24, "refused")
            assert [service.get(LOOK_UP).status_code for _ in range(20)] == [200] * 20
        assert sorted(response.result().status_code for response in posted) == [202] * 6 + [503] * 24


def test_bodies_that_are_slow_to_come_take_no_room_from_look_ups(tmp_path: Path, store: BreakableStore) -> None:
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n["
    with serving(tmp_path, store, max_waiting="4") as service:
        port = int(service.address.rpartition(":")[2])
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        try:
            for connection in slow:
                connection.sendall(head)
            until(lambda: service.total("artwork_client_connections") >= 20, "connected")
            assert [service.get(LOOK_UP).status_code for _ in range(20)] == [200] * 20
        finally:
            for connection in slow:
                connection.close()
        until(lambda: post(service).status_code == 202, "accepted")


def test_a_client_that_goes_away_in_its_body_stores_nothing(service: Service) -> None:
    content = body()
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(content)
    before, failed = service.total("artwork_events_total"), service.total("artwork_requests_total", status="500")
    port = int(service.address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head + content[:-1])
    until(lambda: service.total("artwork_client_connections") <= 1, "gone")
    assert post(service).status_code == 202
    assert service.total("artwork_events_total") == before + 1
    assert service.total("artwork_requests_total", status="500") == failed


def test_events_sent_one_after_the_other_on_a_connection_are_answered_in_order(service: Service) -> None:
    with httpx.Client(base_url=service.address) as client:
        for n in range(30):
            response = client.post("/v1/events", content=body(*[event(event_id=f"e{n}")] * (n + 1)))
            assert response.json() == {"accepted": n + 1}
            assert client.get(LOOK_UP).status_code == 200
