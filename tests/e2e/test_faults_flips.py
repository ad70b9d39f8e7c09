"""The generation is flipped all the time under a service that is asked all the time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, pairwise
from pathlib import Path

import pytest
import redis
from faults import new_store, running_service, until
from load import Load, visited

from artwork.bench.testbed.store_fixture import StoreFixture, make_current, publish

pytestmark = pytest.mark.exclusive  # every answer is timed

GROUND = StoreFixture(users=200)
CHANGES = 30


@contextmanager
def flipping(client: redis.Redis) -> Iterator[None]:
    """Flip between generations 1 and 2 as fast as the store takes it, to the end of the block."""
    stop = threading.Event()

    def flip() -> None:
        for number in count(10):
            make_current(client, 1 + number % 2, number)
            if stop.wait(0.001):
                return

    thread = threading.Thread(target=flip)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def changes(load: Load) -> int:
    """How often an answer is of another generation than the one before."""
    return sum(one.generation != other.generation for one, other in pairwise(load.answers[:]))


def test_flips_without_end_fail_nobody_cost_no_pick_and_mix_no_generations(tmp_path: Path) -> None:
    with new_store() as store, store.client() as client:
        publish(client, GROUND, 2, 1)
        publish(client, GROUND, 1, 2)
        with running_service(tmp_path, store.url, poll_seconds="0.01", store_deadline_ms="200") as service:
            with visited(service.address, GROUND) as load:
                load.until_all("personalized")
                with flipping(client):
                    began = time.monotonic()
                    until(lambda: changes(load) > CHANGES, f"{CHANGES} changes of the generation served")
                    load.until_all("personalized")
                ended = time.monotonic()
            assert service.degraded() == []
    load.assert_promises()
    assert load.sources(began, ended) == {"personalized"}
