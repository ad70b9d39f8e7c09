"""All parts, one after the other, on one store."""

import timeit
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from artwork.bench.faults.faults import chosen
from artwork.bench.faults.outcomes import Outcome
from artwork.bench.faults.run import Plan as FaultPlan
from artwork.bench.faults.run import run as run_faults
from artwork.bench.machine import this_machine
from artwork.bench.serving import agreement, cases, contenders, wrk
from artwork.bench.serving.cases import Opened
from artwork.bench.serving.contenders import BARE, SINGLE, Contender
from artwork.bench.serving.driving import asked_by_driver, closed_by_driver, driver_ceiling, load_of
from artwork.bench.serving.judging import judge, ratios_of
from artwork.bench.serving.other_tree import OtherTree
from artwork.bench.serving.plan import ARTWORKS, GENERATION, JUDGED_PICKS, LARGE_CATALOGUE, START_CATALOGUE, Plan
from artwork.bench.serving.results import Broken, Case, Overload, Report, Setup, Start
from artwork.bench.serving.servers import (
    BARE_COMMANDS,
    BEFORE,
    COMMANDS,
    FASTPYSGI,
    GRANIAN,
    MODELLED,
    OURS,
    WEBDIS,
    Maker,
    Running,
    before,
    is_installed,
    running,
)
from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.cores import Cores, find_cores, on_core
from artwork.bench.testbed.service_process import HOST
from artwork.bench.testbed.store_fixture import POLICY, StoreFixture, publish
from artwork.bench.timing import Spread
from batch.executors import Progress
from loadtest.driver.latency import latency
from loadtest.service_times import between, take_snapshot
from service.metrics.metrics import ROUTES, Metrics

LIBRARIES = ["fastapi", "pydantic", "uvicorn", "uvloop", "httptools", "redis", "hiredis", "orjson", "numba"]
SERVERS: Final = (GRANIAN, FASTPYSGI)
_EXTRA: Final = "{} is not installed: pip install -r requirements/bench.txt"
_MISSING: Final = {
    WEBDIS: "webdis is not installed (Debian: apt-get install webdis)",
    **{name: _EXTRA.format(name) for name in SERVERS},
}
FAULTS_JUDGED: Final = {
    "killed": "the store is killed",
    "frozen": "the store is frozen",
    "publish": "a generation is published",
}
_OVERLOAD: Final = 2.0
_OVERLOAD_CONNECTIONS: Final = 256
"""More than the service takes at a time, so that it is the service that has to refuse."""
_OPENING_SECONDS: Final = 1.0
"""Latencies are taken after the first second: in it the connections are opened, and what gathers meanwhile is worked off.
Counts are of the whole time."""
_CALLS: Final = 20_000
_REPEATS: Final = 7


def run(plan: Plan, progress: Progress, other_tree: OtherTree | None = None, *, servers: bool = False) -> Report:
    """Compare answers, then time everything; the server has a core to itself, store and driver share the other.

    Args:
        plan: how long, on how much.
        progress: told what is done.
        other_tree: whose service is measured in the same turns; None for none.
        servers: whether other servers are measured in the same turns, below the same look-up.

    Raises:
        WrongAnswerError: a server answers something else than the rows say.
        SurroundingsError: a server, the store or a driver fails.
    """
    cores = find_cores()
    # A short folder: the path of a socket has 108 bytes at most.
    with on_core(cores.rest), TemporaryDirectory() as folder, BreakableStore(Path(folder), forgets=True) as store:
        stage = Stage(store, cores, _commands(other_tree, servers=servers))
        measured, overloaded, ceiling = _judged_fixture(stage, plan, progress)
        if plan.large_users:
            measured += _large_fixture(stage, plan, progress)
        progress("starts", 0, 1)
        start = measure_start(store, plan, cores.server)
        progress("starts", 1, 1)
        setup = Setup(
            server_core=cores.server,
            rest_core=cores.rest,
            store=f"Valkey {store.version}",
            closed_by=f"wrk {wrk.version()}" if wrk.is_installed() else "the open-loop driver (wrk is not installed)",
            driver_ceiling=ceiling,
            missing=[_MISSING[name] for name in stage.commands if not is_installed(name)],
            plan=plan,
            other_tree=other_tree.label if other_tree else None,
            servers=servers,
        )
    broken = measure_broken(plan, progress)
    judged = judge(measured, overloaded, start, broken)
    is_whole = not overloaded.wrong_statuses and not any(fault.lost for fault in broken)
    return Report(
        this_machine([*LIBRARIES, *(SERVERS if servers else ())]),
        setup,
        measured,
        overloaded,
        start,
        broken,
        ratios_of(measured),
        _metrics_ns(),
        judged,
        passed=is_whole and all(target.is_reached for target in judged),
    )


def _commands(other_tree: OtherTree | None, *, servers: bool) -> dict[str, Maker]:
    return {
        **COMMANDS,
        **({BEFORE: before(other_tree.folder)} if other_tree else {}),
        **(BARE_COMMANDS if servers else {}),
    }


@dataclass(frozen=True)
class Stage:
    """The store, the cores and how to start each server that takes part."""

    store: BreakableStore
    cores: Cores
    commands: Mapping[str, Maker]


def _judged_fixture(stage: Stage, plan: Plan, progress: Progress) -> tuple[list[Case], Overload, float]:
    fixture = StoreFixture(plan.users, JUDGED_PICKS, artworks=ARTWORKS)
    with _contenders(stage, fixture, progress) as made:
        opened = Opened([contender.name for contender in made if contender.name not in BARE], stage.cores.server)
        measured = cases.measure(made, JUDGED_PICKS, plan, progress, opened)
        at = next(i for i, contender in enumerate(made) if contender.name == SINGLE)
        ceiling = driver_ceiling(made[at], plan.closed_seconds, stage.cores.server)
        highest = measured[at].highest
        assert highest is not None  # noqa: S101 - it is opened
        return measured, measure_overload(made[at], highest.rate, plan.seconds), ceiling


def _large_fixture(stage: Stage, plan: Plan, progress: Progress) -> list[Case]:
    """Closed loops, shown and not judged; without what reads no rows, and without other servers below the same look-up."""
    commands = {name: make for name, make in stage.commands.items() if name not in {MODELLED, *BARE_COMMANDS}}
    fixture = StoreFixture(plan.large_users, LARGE_CATALOGUE, artworks=ARTWORKS)
    with _contenders(replace(stage, commands=commands), fixture, progress) as made:
        return cases.measure(made, LARGE_CATALOGUE, replace(plan, closed_rounds=plan.rounds), progress)


@contextmanager
def _contenders(stage: Stage, fixture: StoreFixture, progress: Progress) -> Iterator[list[Contender]]:
    """Servers that hold a fixture and agree about it, and what they are asked."""
    store, commands = stage.store, stage.commands
    progress(f"rows of {fixture.picks_per_row:,} picks, written and compared", 0, 1)
    with store.client() as client:
        client.flushall()
        publish(client, fixture, GENERATION, flip=1)
    with ExitStack() as stack:
        servers: dict[str, Running] = {
            name: stack.enter_context(running(name, store, stage.cores.server, commands))
            for name in commands
            if is_installed(name)
        }
        agreement.check(fixture, servers)
        progress(f"rows of {fixture.picks_per_row:,} picks, written and compared", 1, 1)
        yield contenders.make(fixture, servers)


def measure_overload(contender: Contender, highest_rate: float, seconds: float) -> Overload:
    """One run; latencies of what was not refused.

    An open-loop client with so many connections is a closed loop beyond them: what finds them all busy waits in the client,
    whatever the service does. So the answer's time and that wait are told apart.

    Raises:
        WrongAnswerError: an answer was not the one to its request.
        SurroundingsError: the driver fails.
    """
    asked_rate = _OVERLOAD * highest_rate
    address = f"http://{HOST}:{contender.server.port}"
    before = take_snapshot(address)
    driven = asked_by_driver(load_of(contender, asked_rate, seconds, _OVERLOAD_CONNECTIONS), contender.name)
    opened = _OPENING_SECONDS if seconds > 2 * _OPENING_SECONDS else 0.0
    in_time = (driven.intended_seconds >= opened) & (driven.status_each == HTTPStatus.OK)
    answering = latency((driven.latencies_ms - driven.waited_ms)[in_time])
    accepted = driven.statuses.get(HTTPStatus.OK, 0)
    refused = driven.statuses.get(HTTPStatus.SERVICE_UNAVAILABLE, 0)
    unsent = int((driven.waited_ms < 0).sum())
    counted = between(before, take_snapshot(address)).times
    return Overload(
        asked_rate=asked_rate,
        accepted_rate=accepted / driven.seconds,
        refused_rate=refused / driven.seconds,
        wrong_statuses=driven.requests - accepted - refused - unsent,
        unsent=unsent,
        accepted_p50_ms=answering.p50_ms,
        accepted_p99_ms=answering.p99_ms,
        queued_p99_ms=latency(driven.waited_ms[in_time]).p99_ms,
        service_p99_ms=counted[0].p99.at_most_ms if counted else None,
        client_cpu=driven.cpu_share,
        share_of_highest=accepted / driven.seconds / highest_rate,
    )


def measure_broken(plan: Plan, progress: Progress) -> list[Broken]:
    """Break a store of its own in each way, in turns.

    Raises:
        SurroundingsError: store or service do not start, or a driver fails.
    """
    faults = chosen(list(FAULTS_JUDGED))
    outcomes: defaultdict[str, list[Outcome]] = defaultdict(list)
    lags: defaultdict[str, list[float]] = defaultdict(list)
    for turn in range(plan.rounds * len(faults)):
        progress("broken stores", turn, plan.rounds * len(faults))
        fault = faults[turn % len(faults)]
        report = run_faults(FaultPlan(seconds=plan.fault_seconds), [fault], lambda *_: None)
        outcomes[fault.name] += report.outcomes
        lags[fault.name].append(report.driver_lag_ms)
    progress("broken stores", 1, 1)
    return [
        Broken(
            FAULTS_JUDGED[name],
            Spread.of([outcome.p99_ms for outcome in own]),
            Spread.of(lags[name]),
            sorted({lost for outcome in own for lost in outcome.lost}),
        )
        for name, own in outcomes.items()
    ]


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
