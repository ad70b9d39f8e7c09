"""All parts, one after the other, on one store."""

import shutil
import timeit
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from artwork.bench.machine import this_machine
from artwork.bench.serving import agreement, cases, contenders, wrk
from artwork.bench.serving.contenders import SINGLE, Contender
from artwork.bench.serving.driving import asked_by_driver, closed_by_driver, driver_ceiling, load_of
from artwork.bench.serving.judging import judge
from artwork.bench.serving.plan import ARTWORKS, GENERATION, JUDGED_PICKS, LARGE_CATALOGUE, START_CATALOGUE, Plan
from artwork.bench.serving.results import Case, Overload, Report, Setup, Start
from artwork.bench.serving.servers import COMMANDS, MODELLED, OURS, Running, is_installed, running
from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.cores import Cores, find_cores, on_core
from artwork.bench.testbed.store_fixture import POLICY, StoreFixture, publish
from artwork.bench.timing import Spread
from batch.executors import Progress
from loadtest.driver.latency import latency
from service.metrics.metrics import ROUTES, Metrics

LIBRARIES = ["fastapi", "pydantic", "uvicorn", "uvloop", "httptools", "redis", "hiredis", "orjson", "numba"]
_OVERLOAD: Final = 2.0
_OVERLOAD_CONNECTIONS: Final = 256
"""More than the service takes at a time, so that it is the service that has to refuse."""
_OPENING_SECONDS: Final = 1.0
"""Latencies are taken after the first second: in it the connections are opened, and what gathers meanwhile is worked off.
Counts are of the whole time."""
_CALLS: Final = 20_000
_REPEATS: Final = 7


def run(plan: Plan, progress: Progress) -> Report:
    """Compare answers, then time everything; the server has a core to itself, store and driver share the other.

    Raises:
        WrongAnswerError: a server answers something else than the rows say.
        SurroundingsError: a server, the store or a driver fails.
    """
    cores = find_cores()
    # A short folder: the path of a socket has 108 bytes at most.
    with on_core(cores.rest), TemporaryDirectory() as folder, BreakableStore(Path(folder), forgets=True) as store:
        measured, overloaded, ceiling = _judged_fixture(store, plan, cores, progress)
        if plan.large_users:
            measured += _large_fixture(store, plan, cores, progress)
        progress("starts", 0, 1)
        start = measure_start(store, plan, cores.server)
        progress("starts", 1, 1)
        setup = Setup(
            server_core=cores.server,
            rest_core=cores.rest,
            store=f"Valkey {store.version}",
            closed_by=f"wrk {wrk.version()}" if wrk.is_installed() else "the open-loop driver (wrk is not installed)",
            driver_ceiling=ceiling,
            missing=[] if shutil.which("webdis") else ["webdis is not installed (Debian: apt-get install webdis)"],
            plan=plan,
        )
    judged = judge(measured, overloaded, start)
    passed = all(target.is_reached for target in judged) and not overloaded.wrong_statuses
    metrics_ns = _metrics_ns()
    return Report(this_machine(LIBRARIES), setup, measured, overloaded, start, metrics_ns, judged, passed)


def _judged_fixture(
    store: BreakableStore, plan: Plan, cores: Cores, progress: Progress
) -> tuple[list[Case], Overload, float]:
    with _contenders(
        store, StoreFixture(plan.users, JUDGED_PICKS, artworks=ARTWORKS), cores, tuple(COMMANDS), progress
    ) as made:
        measured = cases.measure(made, JUDGED_PICKS, plan, cores.server, progress)
        at = next(i for i, contender in enumerate(made) if contender.name == SINGLE)
        ceiling = driver_ceiling(made[at], plan.closed_seconds, cores.server)
        return measured, measure_overload(made[at], measured[at].highest.rate, plan.seconds), ceiling


def _large_fixture(store: BreakableStore, plan: Plan, cores: Cores, progress: Progress) -> list[Case]:
    """Shown, not judged; without the yardstick that reads no rows."""
    names = tuple(name for name in COMMANDS if name != MODELLED)
    fixture = StoreFixture(plan.large_users, LARGE_CATALOGUE, artworks=ARTWORKS)
    with _contenders(store, fixture, cores, names, progress) as made:
        return cases.measure(made, LARGE_CATALOGUE, plan, cores.server, progress)


@contextmanager
def _contenders(
    store: BreakableStore, fixture: StoreFixture, cores: Cores, names: tuple[str, ...], progress: Progress
) -> Iterator[list[Contender]]:
    """Servers that hold a fixture and agree about it, and what they are asked."""
    progress(f"rows of {fixture.picks_per_row:,} picks, written and compared", 0, 1)
    with store.client() as client:
        client.flushall()
        publish(client, fixture, GENERATION, flip=1)
    with ExitStack() as stack:
        servers: dict[str, Running] = {
            name: stack.enter_context(running(name, store, cores.server)) for name in names if is_installed(name)
        }
        agreement.check(fixture, servers)
        progress(f"rows of {fixture.picks_per_row:,} picks, written and compared", 1, 1)
        yield contenders.make(fixture, servers)


def measure_overload(contender: Contender, highest_rate: float, seconds: float) -> Overload:
    """One run; latencies of what was not refused.

    Raises:
        WrongAnswerError: an answer was not the one to its request.
        SurroundingsError: the driver fails.
    """
    asked_rate = _OVERLOAD * highest_rate
    driven = asked_by_driver(load_of(contender, asked_rate, seconds, _OVERLOAD_CONNECTIONS), contender.name)
    opened = _OPENING_SECONDS if seconds > 2 * _OPENING_SECONDS else 0.0
    in_time = driven.latencies_ms[(driven.intended_seconds >= opened) & (driven.status_each == 200)]
    latencies = latency(in_time)
    accepted = driven.statuses.get(200, 0)
    refused = driven.statuses.get(503, 0)
    return Overload(
        asked_rate=asked_rate,
        accepted_rate=accepted / driven.seconds,
        refused_rate=refused / driven.seconds,
        wrong_statuses=driven.requests - accepted - refused,
        accepted_p50_ms=latencies.p50_ms,
        accepted_p99_ms=latencies.p99_ms,
        share_of_highest=accepted / driven.seconds / highest_rate,
    )


def measure_start(store: BreakableStore, plan: Plan, core: int | None) -> Start:
    """Start the service some times, on a store that holds a large catalogue, and ask each for a while.

    Raises:
        SurroundingsError: it does not start.
    """
    fixture = StoreFixture(plan.start_users, START_CATALOGUE, JUDGED_PICKS, ARTWORKS)
    with store.client() as client:
        client.flushall()
        publish(client, fixture, GENERATION, flip=1)
    ready: list[float] = []
    resident: list[float] = []
    for _ in range(plan.starts):
        with running(OURS, store, core) as server:
            ready.append(server.ready_seconds)
            [single] = [contender for contender in contenders.make(fixture, {OURS: server}) if contender.name == SINGLE]
            closed_by_driver(single, plan.search_seconds)
            held = server.resident_bytes()
        if held is not None:
            resident.append(held / 1e6)
    return Start(fixture.titles, Spread.of(ready), Spread.of(resident) if resident else None)


def _metrics_ns() -> float:
    """Nanoseconds per look-up that has a round trip for itself spends on counting: the most that one can."""
    metrics = Metrics()

    def count() -> None:
        metrics.answered(ROUTES[0], 200, 0.001)
        metrics.picked("personalized", POLICY)
        metrics.round_trip(1)

    return min(timeit.repeat(count, number=_CALLS, repeat=_REPEATS)) / _CALLS * 1e9
