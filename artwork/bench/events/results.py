"""How long and on how much is measured, and what is found."""

from dataclasses import dataclass
from typing import Final, Self

from artwork.bench.machine import Machine
from artwork.bench.targets import Judged
from artwork.bench.timing import Spread

JUDGED_IMPRESSIONS: Final = 10_000_000
"""Joins of fewer are shown, not judged."""


@dataclass(frozen=True)
class Plan:
    """Rounds of everything, seconds of each load, and the size of the join.

    ``events_per_second`` are offered at even times, ``look_ups_per_second`` at random ones (Poisson).
    """

    rounds: int = 3
    seconds: float = 10.0
    events_per_second: int = 22_000
    look_ups_per_second: int = 5_000
    impressions: int = JUDGED_IMPRESSIONS
    users: int = 100_000
    titles: int = 100

    @classmethod
    def quick(cls) -> Self:
        """Everything once and short: it shows that all parts work, its figures are noise."""
        return cls(1, 0.5, 2_000, 500, 20_000, 500, 20)


@dataclass(frozen=True)
class Beside:
    """Events that were posted while look-ups were asked for, in one round.

    ``accepted`` are events per second; requests that the service refused with 503 are counted apart. Latencies are from the
    intended time to the end of the answer. CPU is in cores: of the service, which has one for itself, of the store, of client and
    driver together, and of processes that have no part in this.
    """

    offered: float
    accepted: float
    refused_requests: int
    post_p50_ms: float
    post_p99_ms: float
    post_lag_p99_ms: float
    look_ups: float
    look_up_p50_ms: float
    look_up_p99_ms: float
    look_up_lag_p99_ms: float
    from_rows: float
    service_cpu: float
    store_cpu: float
    client_cpu: float
    others_cpu: float


@dataclass(frozen=True)
class Job:
    """One run of a command: how long it took, CPU seconds and the most memory at a time of all of its processes."""

    seconds: float
    cpu_seconds: float
    peak_gigabytes: float
    others_cpu: float


@dataclass(frozen=True)
class Taken:
    """Rounds of events over HTTP and of ``artwork ingest`` after each; ``fastest`` is a round as fast as the service goes.

    ``look_up_us`` is the CPU time of the service for a look-up alone, ``event_us`` what an event costs besides. ``digest`` is of
    the ids of all events that were accepted, and of those that are in segments.
    """

    rounds: list[Beside]
    fastest: Beside
    look_up_us: float
    event_us: float
    ingests: list[Job]
    events_per_ingest: list[int]
    segments: int
    digest: str


@dataclass(frozen=True)
class JoinSize:
    """What was drawn: impressions and plays, how many were sent twice, and how many were answered for a retired pick."""

    users: int
    titles: int
    impressions: int
    plays: int
    duplicates: int
    fallbacks: int


@dataclass(frozen=True)
class Joins:
    """Rounds of ``artwork join`` over the same log."""

    size: JoinSize
    jobs: list[Job]


@dataclass(frozen=True)
class EventsReport:
    """All of a run; ``load`` are the system's load averages before and after. ``passed`` unless a target was not reached."""

    machine: Machine
    plan: Plan
    load: list[float]
    taken: Taken | None
    joins: Joins | None
    judged: list[Judged]
    passed: bool


def spread(values: list[float]) -> Spread:
    """The middle one, the lowest and the highest of the rounds."""
    return Spread.of(values)
