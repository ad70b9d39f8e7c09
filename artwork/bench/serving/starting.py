"""How long the service takes to start with the catalogue of a whole market, its memory then, and what metrics cost."""

import timeit
from typing import Final

from artwork.bench.serving.contenders import SINGLE, make
from artwork.bench.serving.driving import closed_by_driver
from artwork.bench.serving.plan import GENERATION, Plan
from artwork.bench.serving.results import Start
from artwork.bench.serving.servers import OURS, running
from artwork.bench.testbed.pinned_store import Store
from artwork.bench.testbed.store_fixture import POLICY, publish
from artwork.bench.timing import Spread
from service.metrics.metrics import ROUTES, Metrics

_CALLS: Final = 20_000
_REPEATS: Final = 7


def measure(store: Store, plan: Plan, core: int | None) -> Start:
    """Start the service some times, on a store that holds a large catalogue, and ask each for a while.

    Raises:
        SurroundingsError: it does not start.
    """
    fixture = plan.start_fixture()
    with store.client() as client:
        client.flushall()
        publish(client, fixture, GENERATION, flip=1)
    ready: list[float] = []
    resident: list[float] = []
    for _ in range(plan.starts):
        with running(OURS, store, core) as server:
            ready.append(server.ready_seconds)
            [single] = [each for each in make(fixture, {OURS: server}) if each.name == SINGLE]
            closed_by_driver(single, plan.search_seconds)
            held = server.resident_bytes()
        if held is not None:
            resident.append(held / 1e6)
    return Start(fixture.titles, Spread.of(ready), Spread.of(resident) if resident else None)


def metrics_ns() -> float:
    """Nanoseconds a look-up that has a round trip for itself spends on counting: the most that one can."""
    metrics = Metrics()

    def count() -> None:
        metrics.answered(ROUTES[0], 200, 0.001)
        metrics.picked("personalized", POLICY)
        metrics.round_trip(1)

    return min(timeit.repeat(count, number=_CALLS, repeat=_REPEATS)) / _CALLS * 1e9
