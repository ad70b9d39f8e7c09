"""What is found of the servers."""

from dataclasses import dataclass

from artwork.bench.machine import Machine
from artwork.bench.serving.highest import Highest
from artwork.bench.serving.plan import Plan
from artwork.bench.targets import Judged
from artwork.bench.timing import Spread


@dataclass(frozen=True)
class Closed:
    """A closed loop of 32 connections: answers per second, latencies of the runs; ``rates`` are those of each round.

    ``from_rows`` is what share of a first run came from the users' rows; that one is by the driver, which reads the answers.
    ``cpu_us`` is the processor time of the server per answer, which other work on the machine changes less than rates; 0 where
    it is not known.
    """

    rate: Spread
    p50_ms: Spread
    p90_ms: Spread
    p99_ms: Spread
    p99_9_ms: Spread
    max_ms: Spread
    from_rows: float
    rates: list[float]
    cpu_us: Spread

    def times(self, other: "Closed", factor: float = 1.0) -> Spread:
        """How many times another's rate this one is, from round to round: what slowed a round, slowed both."""
        return Spread.of([factor * mine / its for mine, its in zip(self.rates, other.rates, strict=True)])


@dataclass(frozen=True)
class Steady:
    """An open loop at 60 % of the highest rate; ``curve`` is (percentile, ms) of all rounds together."""

    rate: float
    p50_ms: Spread
    p90_ms: Spread
    p99_ms: Spread
    p99_9_ms: Spread
    max_ms: Spread
    from_rows: float
    curve: list[tuple[float, float]]


@dataclass(frozen=True)
class Case:
    """One contender on one fixture; ``picks`` is how many a request asks for, ``row_picks`` how many a row has.

    ``highest`` and ``steady`` are None where only the closed loop was run.
    """

    name: str
    row_picks: int
    picks: int
    closed: Closed
    highest: Highest | None
    steady: Steady | None


@dataclass(frozen=True)
class Overload:
    """The service asked for twice its highest rate.

    Attributes:
        wrong_statuses: answers other than 200 and 503, or none at all.
        unsent: requests that found no free connection before the run ended.
        accepted_p99_ms: from when a request was sent to its answer; its wait in the client before that is ``queued_p99_ms``.
        service_p99_ms: as the service counts it, at most; None where it does not say.
        client_cpu: of a core, used by the driver. Near 1, it is the client that cannot ask for more.
    """

    asked_rate: float
    accepted_rate: float
    refused_rate: float
    wrong_statuses: int
    unsent: int
    accepted_p50_ms: float
    accepted_p99_ms: float
    queued_p99_ms: float
    service_p99_ms: float | None
    client_cpu: float
    share_of_highest: float


@dataclass(frozen=True)
class Broken:
    """Look-ups while the store was broken, round by round; ``lost`` is what was promised of their answers and not kept.

    ``lag_ms`` is how late the client itself sent, the 99th percentile.
    """

    fault: str
    p99_ms: Spread
    lag_ms: Spread
    lost: list[str]


@dataclass(frozen=True)
class Ratio:
    """How many times one contender's rate of a closed loop another's is; shown, not judged."""

    what: str
    ratio: Spread


@dataclass(frozen=True)
class Start:
    """From the start of the process to its first ready answer, and its memory after look-ups."""

    titles: int
    ready_seconds: Spread
    resident_megabytes: Spread | None


@dataclass(frozen=True)
class Setup:
    """Who did what where; None for what is not there."""

    server_core: int | None
    rest_core: int | None
    store: str
    closed_by: str
    driver_ceiling: float
    missing: list[str]
    plan: Plan
    other_tree: str | None = None
    """Its commit."""
    servers: bool = False
    """Whether other servers were measured below the same look-up."""


@dataclass(frozen=True)
class Report:
    """All of a run; ``passed`` unless a required target was missed or could not be judged, or an answer was lost."""

    machine: Machine
    setup: Setup
    cases: list[Case]
    overload: Overload
    start: Start
    broken: list[Broken]
    ratios: list[Ratio]
    metrics_ns: float
    judged: list[Judged]
    passed: bool
