"""How much is measured, and what is found."""

from dataclasses import dataclass
from typing import Final, Self

from artwork.bench.machine import Machine
from artwork.bench.targets import Judged
from artwork.bench.timing import Spread

SHARDS: Final = 3


@dataclass(frozen=True)
class Plan:
    """``rows`` are written in turn by ours and raw; ``users`` have rows to look up; each ``rounds`` times."""

    rows: int = 100_000
    users: int = 50_000
    rounds: int = 7
    seconds: float = 3.0
    """Of a closed loop."""

    @classmethod
    def quick(cls) -> Self:
        """Everything small: it shows that all parts work, its figures are noise."""
        return cls(2_000, 1_000, 1, 1.0)


@dataclass(frozen=True)
class Writing:
    """Rows per second into an empty cluster, round by round."""

    ours: list[float]
    raw: list[float]


@dataclass(frozen=True)
class Looking:
    """A closed loop of 32 connections: answers per second, and microseconds of processor time per answer, round by round.

    ``worker_us`` are of the service, ``store_us`` of all nodes of the store together; ``from_rows`` is what share of a first run
    came from the users' rows.
    """

    rates: list[float]
    worker_us: list[float]
    store_us: list[float]
    from_rows: float


@dataclass(frozen=True)
class ClusterReport:
    """All of a run; ``node_us_per_row`` are those of the cluster's nodes, which give one row per answer."""

    machine: Machine
    plan: Plan
    load: list[float]
    writing: Writing
    solo: Looking
    cluster: Looking
    node_us_per_row: list[float]
    judged: list[Judged]
    passed: bool


def ratio(ours: list[float], theirs: list[float]) -> Spread:
    """How many times ours is theirs, from round to round: what slowed a round, slowed both."""
    return Spread.of([one / other for one, other in zip(ours, theirs, strict=True)])
