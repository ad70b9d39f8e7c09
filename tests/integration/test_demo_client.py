"""Visitors of the demo: what they keep through a service that is away, and a day that is played in parts."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np
import pytest
from learned_workspace import silent
from on_disk import OnDisk, explore

from artwork.demo.answers import TRIES, Event, ServiceClient
from artwork.demo.loop import Loop
from artwork.demo.visits import Visits
from bandit.errors import SurroundingsError
from batch.choosing.precompute import precompute
from batch.config import Config
from batch.executors import SerialExecutor
from batch.learning.train import train
from batch.workspace.catalogue import Catalogue
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace


class Troubled(ThreadingHTTPServer):
    """A service that meets requests with ``troubles`` first: a status, or 0 to hang up; it keeps what it was told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.troubles: list[int] = []
        self.posted: list[list[Event]] = []
        self.asked = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Troubled

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        self.server.asked += 1
        if not self.meets_trouble():
            pick = {"title_id": "t0001", "artwork_id": "a01", "propensity": 0.5, "generation": 1, "revision": 0}
            self.answer(200, {"picks": [pick | {"policy": "thompson", "source": "personalized"}]})

    def do_POST(self) -> None:
        events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posted.append(events)
        if not self.meets_trouble():
            self.answer(202, {"accepted": len(events)})

    def meets_trouble(self) -> bool:
        if not self.server.troubles:
            return False
        status = self.server.troubles.pop(0)
        if status:
            self.answer(status, {"detail": "not now"})
        else:
            self.close_connection = True
        return True

    def answer(self, status: int, body: Any) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        if status == 503:
            self.send_header("Retry-After", "3")
        self.end_headers()
        self.wfile.write(raw)


@pytest.fixture
def service() -> Iterator[Troubled]:
    with Troubled() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def waits() -> list[float]:
    """For how long visitors waited."""
    return []


@pytest.fixture
def visitor(workspace: Workspace, service: Troubled, waits: list[float]) -> Iterator[ServiceClient]:
    tables = read_tables(workspace)
    address = f"http://127.0.0.1:{service.server_port}"
    client = ServiceClient(address, tables.users["user_id"].to_list(), Catalogue.of(tables), waits.append)
    yield client
    client.close()


PAGE = Visits(np.array([0]), np.array([[0]]))
BATCH: list[Event] = [{"event_id": "s1-d0001-000000000", "type": "impression"}]

TROUBLES = {
    "no room once": [503],
    "no room for long": [503] * 40,
    "a connection that was idle for too long": [0],
    "hang-ups and refusals": [0, 503, 0, 0, 503],
}


@pytest.mark.parametrize("troubles", TROUBLES.values(), ids=TROUBLES)
def test_events_are_sent_again_with_the_same_ids_until_they_are_stored(
    service: Troubled, visitor: ServiceClient, waits: list[float], troubles: list[int]
) -> None:
    service.troubles = list(troubles)
    visitor.post([BATCH], silent)
    assert service.posted == [BATCH] * (len(troubles) + 1)
    assert waits.count(3.0) == troubles.count(503)  # as long as the service asked for


@pytest.mark.parametrize("troubles", TROUBLES.values(), ids=TROUBLES)
def test_pages_are_asked_for_again_until_they_are_answered(
    service: Troubled, visitor: ServiceClient, troubles: list[int]
) -> None:
    service.troubles = list(troubles)
    assert visitor.ask(PAGE, silent).sources == ["personalized"]
    assert service.asked == len(troubles) + 1


def test_a_service_that_stays_away_is_given_up(service: Troubled, visitor: ServiceClient) -> None:
    service.troubles = [0] * (TRIES + 1)
    with pytest.raises(SurroundingsError, match="failed at /v1/events"):
        visitor.post([BATCH], silent)


def test_what_is_refused_for_good_is_not_sent_again(service: Troubled, visitor: ServiceClient) -> None:
    service.troubles = [422]
    with pytest.raises(SurroundingsError, match="422"):
        visitor.post([BATCH], silent)
    assert len(service.posted) == 1


def test_whoever_has_no_way_of_waiting_gives_up_at_the_first_failure(workspace: Workspace, service: Troubled) -> None:
    tables = read_tables(workspace)
    client = ServiceClient(f"http://127.0.0.1:{service.server_port}", ["u1"], Catalogue.of(tables))
    service.troubles = [0, 503]
    for _ in range(2):
        with pytest.raises(SurroundingsError):
            client.ask(PAGE, silent)
    client.close()


def test_a_day_in_parts_has_the_same_visits_and_responses_as_in_one(workspace: Workspace) -> None:
    loop = Loop.of(workspace, Config(seed=3))
    explore(loop, 0)
    made = train(workspace, loop.exploring, SerialExecutor(), silent, shard_size=4)
    precompute(workspace, made.generation, SerialExecutor(), silent, shard_size=4)
    posted: list[Event] = []
    seen: list[tuple[int, int]] = []

    class Keeping(OnDisk):
        def post(self, batches: Any, progress: Any) -> None:  # noqa: ARG002
            posted.extend(event for batch in batches for event in batch)

    client = Keeping(workspace, made.generation)
    whole, count = loop.live(1, client, silent), len(posted)
    parted = loop.live(1, client, silent, parts=7, between=lambda number, parts, *_: seen.append((number, parts)))
    assert (parted.impressions, parted.take_rate, parted.click_through_rate) == (
        whole.impressions,
        whole.take_rate,
        whole.click_through_rate,
    )
    assert (parted.uniform, parted.best, parted.sources) == (whole.uniform, whole.best, whole.sources)
    assert np.array_equal(parted.lead, whole.lead)
    assert seen == [(number, 7) for number in range(1, 8)]
    ones, others = posted[:count], posted[count:]
    said = [{name: event[name] for name in event if name not in {"event_id", "occurred_at"}} for event in ones]
    assert said == [
        {name: event[name] for name in event if name not in {"event_id", "occurred_at"}} for event in others
    ]
    assert len({event["event_id"] for event in others}) == len(others)
    times = [event["occurred_at"] for event in others if event["type"] == "impression"]
    assert times == sorted(times)
    assert {time[:10] for time in times} == {"2026-01-02"}
