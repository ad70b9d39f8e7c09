"""All parts, one after the other, on one store."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from artwork.bench.results import this_machine
from artwork.bench.serving import agreement, cases, contenders, overload, starting, wrk
from artwork.bench.serving.cases import Progress
from artwork.bench.serving.contenders import SINGLE, Contender
from artwork.bench.serving.driving import driver_ceiling
from artwork.bench.serving.judging import judge
from artwork.bench.serving.plan import GENERATION, JUDGED_PICKS, LARGE_CATALOGUE, Plan
from artwork.bench.serving.results import Case, Overload, Report, Setup
from artwork.bench.serving.servers import COMMANDS, MODELLED, Running, is_installed, running
from artwork.bench.testbed.cores import Cores, find_cores, on_core
from artwork.bench.testbed.pinned_store import Store, running_store
from artwork.bench.testbed.store_fixture import StoreFixture, publish

LIBRARIES = ["fastapi", "pydantic", "uvicorn", "uvloop", "httptools", "redis", "hiredis", "orjson", "numba"]


def run(plan: Plan, progress: Progress) -> Report:
    """Compare answers, then time everything; the server has a core to itself, store and driver share the other.

    Raises:
        WrongAnswerError: a server answers something else than the rows say.
        SurroundingsError: a server, the store or a driver fails.
    """
    cores = find_cores()
    with on_core(cores.rest), running_store() as store:
        found, overloaded, ceiling = _judged_fixture(store, plan, cores, progress)
        if plan.large_users:
            found += _large_fixture(store, plan, cores, progress)
        progress("starts", 0, 1)
        start = starting.measure(store, plan, cores.server)
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
    judged = judge(found, overloaded, start)
    passed = all(each.is_reached for each in judged) and not overloaded.wrong_statuses
    metrics_ns = starting.metrics_ns()
    return Report(this_machine(LIBRARIES), setup, found, overloaded, start, metrics_ns, judged, passed)


def _judged_fixture(store: Store, plan: Plan, cores: Cores, progress: Progress) -> tuple[list[Case], Overload, float]:
    with _contenders(store, plan.judged_fixture(), cores, tuple(COMMANDS), progress) as made:
        found = cases.measure(made, JUDGED_PICKS, plan, cores.server, progress)
        at = next(i for i, each in enumerate(made) if each.name == SINGLE)
        ceiling = driver_ceiling(made[at], plan.closed_seconds, cores.server)
        return found, overload.measure(made[at], found[at].highest.rate, plan.seconds), ceiling


def _large_fixture(store: Store, plan: Plan, cores: Cores, progress: Progress) -> list[Case]:
    """Shown, not judged; without the yardstick that reads no rows."""
    names = tuple(name for name in COMMANDS if name != MODELLED)
    with _contenders(store, plan.large_fixture(), cores, names, progress) as made:
        return cases.measure(made, LARGE_CATALOGUE, plan, cores.server, progress)


@contextmanager
def _contenders(
    store: Store, fixture: StoreFixture, cores: Cores, names: tuple[str, ...], progress: Progress
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
