"""Events over HTTP beside look-ups, then ``artwork ingest``: what is found in segments has to be what was accepted."""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time, sleep
from typing import Final

import numpy as np

from artwork.bench.events.posting import EVENTS_A_REQUEST, Posted, make_requests, post
from artwork.bench.events.results import Beside, Job, Plan, Taken
from artwork.bench.events.watching import Busy, cpu_seconds, run_job
from artwork.bench.serving import contenders
from artwork.bench.serving.contenders import SINGLE, Contender
from artwork.bench.serving.driving import PERSONALIZED, asked_by_driver, load_of
from artwork.bench.serving.plan import ARTWORKS, GENERATION, JUDGED_PICKS
from artwork.bench.serving.servers import OURS, running
from artwork.bench.targets import WrongAnswerError
from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.cores import Cores, on_core
from artwork.bench.testbed.store_fixture import StoreFixture, publish
from bandit.arrays import F64
from batch.events.segments import scan_segments, segment_files
from batch.executors import Progress
from batch.workspace.workspace import Workspace
from loadtest.driver.open_loop import Drive, Load

_MOST_USERS: Final = 200_000
_LEAD_SECONDS: Final = 1.0
"""Look-ups begin so much earlier than events, and end later: connections are open by then."""


def measure_taking(plan: Plan, cores: Cores, progress: Progress) -> Taken:
    """The service has a core to itself; store, driver and client share the other.

    Raises:
        WrongAnswerError: a look-up or a post is answered wrongly, or segments do not hold exactly what was accepted.
        SurroundingsError: the service, the store or the driver fails.
    """
    # A short folder: the path of a socket has 108 bytes at most.
    with on_core(cores.rest), TemporaryDirectory() as folder, BreakableStore(Path(folder) / "s") as store:
        fixture = StoreFixture(min(2 * plan.users, _MOST_USERS), JUDGED_PICKS, artworks=ARTWORKS)
        workspace = Workspace(Path(folder) / "w")
        workspace.root.mkdir()
        with store.client() as client:
            client.config_set("appendfsync", "everysec")  # as the embedded store of a workspace
            publish(client, fixture, GENERATION, flip=1)
        with running(OURS, store, cores.server) as server:
            [contender] = [made for made in contenders.make(fixture, {OURS: server}) if made.name == SINGLE]
            measuring = _Measuring(plan, fixture, contender, int(store.info("server")["process_id"]))
            look_up_us = measuring.look_ups_alone()
            rounds, costs, ingests, counts = [], [], [], []
            for number in range(plan.rounds):
                progress("events beside look-ups", number, plan.rounds + 1)
                beside, cost_us = measuring.beside_look_ups(look_up_us, as_fast_as_possible=False)
                rounds.append(beside)
                costs.append(cost_us)
                ingests.append(_ingest(workspace, store, cores.server))
                counts.append(measuring.check(workspace))
            fastest, _ = measuring.beside_look_ups(look_up_us, as_fast_as_possible=True)
            _ingest(workspace, store, cores.server)
            measuring.check(workspace)
            progress("events beside look-ups", plan.rounds + 1, plan.rounds + 1)
        return Taken(
            rounds,
            fastest,
            look_up_us,
            float(np.median(costs)),
            ingests,
            counts,
            len(segment_files(workspace)),
            digest_of_ids(measuring.accepted),
        )


class _Measuring:
    """One service and its store under load, and the ids of all events that it has accepted."""

    def __init__(self, plan: Plan, fixture: StoreFixture, contender: Contender, store_pid: int) -> None:
        self._plan = plan
        self._fixture = fixture
        self._contender = contender
        self._pids = contender.server.pid, store_pid
        self._checked = 0
        self._made = 0
        self.accepted: list[str] = []
        self._refused: set[str] = set()

    def look_ups_alone(self) -> float:
        """Microseconds of the service's CPU time for a look-up, without events beside it."""
        asked_by_driver(self._load(min(self._plan.seconds, _LEAD_SECONDS)), SINGLE)
        before = cpu_seconds(self._pids[0])
        driven = asked_by_driver(self._load(self._plan.seconds), SINGLE)
        return (cpu_seconds(self._pids[0]) - before) / driven.requests * 1e6

    def beside_look_ups(self, look_up_us: float, *, as_fast_as_possible: bool) -> tuple[Beside, float]:
        """Post for the time of the plan while look-ups are asked for; and what an event cost the service, in microseconds."""
        rate = None if as_fast_as_possible else float(self._plan.events_per_second)
        count = max(1, int(self._plan.seconds * self._plan.events_per_second / EVENTS_A_REQUEST))
        requests = make_requests(self._fixture, GENERATION, self._contender.server.port, self._made, count)
        self._made += count
        with ThreadPoolExecutor(1) as driver:
            driving = driver.submit(asked_by_driver, self._load(self._plan.seconds + 3 * _LEAD_SECONDS), SINGLE)
            sleep(_LEAD_SECONDS)
            busy, before = Busy(), self._used()
            posted = post(self._contender.server.port, requests, rate)
            used = self._used() - before
            others = busy.others(float(used.sum()))
            driven = driving.result()
        self.accepted += [event_id for place in posted.accepted for event_id in requests[place].ids]
        self._refused.update(event_id for place in posted.refused for event_id in requests[place].ids)
        cost_us = self._cost(posted, driven, float(used[0]), look_up_us)
        return self._beside(posted, driven, rate, used, others), cost_us

    def check(self, workspace: Workspace) -> int:
        """How many events came into segments since the last time.

        Raises:
            WrongAnswerError: they are not those that were accepted.
        """
        ids = scan_segments(workspace).select("event_id").collect()["event_id"].to_list()
        found = [event_id for event_id in ids if event_id not in self._refused]
        if sorted(found) != sorted(self.accepted) or len(set(ids)) < len(ids):
            lost, strange = len(set(self.accepted) - set(found)), len(set(found) - set(self.accepted))
            raise WrongAnswerError(
                f"{len(self.accepted)} events were accepted and {len(found)} of them are in segments: {lost} are lost, {strange}"
                f" were never sent, {len(ids) - len(set(ids))} are there twice"
            )
        new, self._checked = len(ids) - self._checked, len(ids)
        return new

    def _load(self, seconds: float) -> Load:
        return load_of(self._contender, self._plan.look_ups_per_second, seconds)

    def _used(self) -> F64:
        """CPU seconds of the service, of the store, and of this process, which is client and driver."""
        return np.array([*map(cpu_seconds, self._pids), process_time()])

    def _cost(self, posted: Posted, driven: Drive, service_seconds: float, look_up_us: float) -> float:
        look_ups = _answered(driven, posted.began - driven.began, posted.ended - driven.began)
        sent = EVENTS_A_REQUEST * (len(posted.accepted) + len(posted.refused))
        return (service_seconds * 1e6 - look_ups * look_up_us) / sent

    def _beside(self, posted: Posted, driven: Drive, rate: float | None, used: F64, others: float) -> Beside:
        start, end = posted.began - driven.began, posted.ended - driven.began
        latency = driven.between(start, end)
        seconds = posted.ended - posted.began
        p50, p99 = np.percentile(posted.latencies_ms, (50, 99))
        return Beside(
            offered=rate or posted.rate,
            accepted=posted.rate,
            refused_requests=len(posted.refused),
            post_p50_ms=float(p50),
            post_p99_ms=float(p99),
            post_lag_p99_ms=float(np.percentile(posted.lags_ms, 99)),
            look_ups=_answered(driven, start, end) / seconds,
            look_up_p50_ms=latency.p50_ms,
            look_up_p99_ms=latency.p99_ms,
            look_up_lag_p99_ms=driven.lag_p99_ms,
            from_rows=driven.marks[PERSONALIZED] / driven.requests,
            service_cpu=float(used[0]) / seconds,
            store_cpu=float(used[1]) / seconds,
            client_cpu=float(used[2]) / seconds,
            others_cpu=others,
        )


def _answered(driven: Drive, start: float, end: float) -> int:
    """How many look-ups were answered with success between two moments, whenever they were due."""
    ended = driven.intended_seconds + driven.latencies_ms / 1000
    return int(np.count_nonzero((ended >= start) & (ended < end) & (driven.status_each == 200)))


def digest_of_ids(ids: Sequence[str]) -> str:
    """Of ids in any order."""
    return blake2b("\n".join(sorted(ids)).encode(), digest_size=16).hexdigest()


def _ingest(workspace: Workspace, store: BreakableStore, core: int | None) -> Job:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARTWORK_")}
    words = ("ingest", "-w", str(workspace.root), "--json")
    job, said = run_job(words, environment | {"ARTWORK_REDIS_URL": store.url}, core)
    if json.loads(said)["dead"]:
        raise WrongAnswerError(f"`artwork ingest` put entries of the service aside: {said.decode()}")
    return job
