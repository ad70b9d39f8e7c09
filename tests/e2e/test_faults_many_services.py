"""Twenty services, as on twenty machines, follow one catalogue: how soon the last one does, and how those that lag show."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from faults import Service, new_store, running_service, until

from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.service_process import get
from artwork.bench.testbed.store_fixture import StoreFixture, make_current, publish, write
from bandit.snapshot import CURRENT_KEY, meta_key

pytestmark = [pytest.mark.faults, pytest.mark.exclusive]

SERVICES = 20
POLL_SECONDS = "1.0"
"""The default: this is about how long a flip takes in production."""
GROUND = StoreFixture(users=200, titles=12)
LOOK_UP = "/v1/users/u7/titles/t3/artwork"


@pytest.fixture(scope="module")
def store() -> Iterator[BreakableStore]:
    with new_store() as store, store.client() as client:
        publish(client, GROUND, 1, 1)
        yield store


@pytest.fixture(scope="module")
def services(store: BreakableStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    """Each with a folder and a port of its own, started two at a time."""
    with ExitStack() as stack, ThreadPoolExecutor(2) as threads:

        def start(folder: Path) -> Service:
            settings = {"poll_seconds": POLL_SECONDS, "store_deadline_ms": "500"}
            return stack.enter_context(running_service(folder, store.url, **settings))

        folders = [tmp_path_factory.mktemp(f"machine{number}") for number in range(SERVICES)]
        yield list(threads.map(start, folders))


def ask(service: Service, path: str) -> tuple[int, Any]:
    """Without httpx, whose clients take longer to make than an answer."""
    status, body = get(int(service.address.rpartition(":")[2]), path)
    return status, json.loads(body)


def generation_of(service: Service) -> int:
    status, body = ask(service, LOOK_UP)
    assert status == 200
    assert body["user_id"] == "u7"
    assert body["artwork_id"].startswith(f"t3-g{body['generation']}-")
    return int(body["generation"])


def test_every_service_answers_from_the_new_generation_soon_after_a_flip(
    store: BreakableStore, services: list[Service]
) -> None:
    until(lambda: all(generation_of(service) == 1 for service in services), "all serve the first generation")
    with store.client() as client:
        write(client, GROUND, 2)
        make_current(client, 2, 2)
    flipped, followed = time.monotonic(), []
    waiting = list(services)
    while waiting:
        for service in list(waiting):
            if generation_of(service) == 2:
                followed.append(time.monotonic() - flipped)
                waiting.remove(service)
        assert time.monotonic() - flipped < 60, f"{len(waiting)} services have not followed"
    print(  # noqa: T201
        f"{SERVICES} services followed a flip: the first after {followed[0]:.2f} s, half after"
        f" {followed[SERVICES // 2]:.2f} s, the last after {followed[-1]:.2f} s"
    )
    for service in services:
        _, body = ask(service, "/readyz?max_behind_seconds=0")
        assert (body["flip"], body["named_flip"], body["behind_seconds"]) == (2, 2, 0)


def test_a_generation_that_nobody_can_load_is_seen_at_each_and_costs_no_answer(
    store: BreakableStore, services: list[Service]
) -> None:
    with store.client() as client:
        write(client, GROUND, 3)
        meta = client.get(meta_key(3))
        client.delete(meta_key(3))
        before = client.get(CURRENT_KEY)
        make_current(client, 3, 3)
        assert before != client.get(CURRENT_KEY)
        for service in services:
            until(lambda service=service: ask(service, "/readyz")[1]["behind_seconds"] > 0, "it lags")  # type: ignore[misc]
            status, body = ask(service, "/readyz")
            assert (status, body["named_generation"]) == (200, 3)
            assert ask(service, "/readyz?max_behind_seconds=0")[0] == 503
            assert generation_of(service) in {1, 2}
            assert service.total("artwork_behind_seconds") > 0
        client.set(meta_key(3), meta)
    for service in services:
        until(lambda service=service: ask(service, "/readyz?max_behind_seconds=0")[0] == 200, "it follows")  # type: ignore[misc]
        assert generation_of(service) == 3
