"""How much is measured, and what is found."""

from dataclasses import dataclass, field
from typing import Final, Self

from artwork.bench.machine import Machine
from artwork.bench.targets import Judged

JUDGED_USERS: Final = 1_000_000
"""Seconds and memory of fewer users are shown, not judged."""


@dataclass(frozen=True)
class Plan:
    """``users`` of the largest workspace; a tenth and a hundredth of them are measured before. ``impressions`` are of a day.

    Each user has ``picks`` of the ``titles``, drawn at random; None is one of each. ``rows`` are written by ours and by the raw
    writer in turn, ``rounds`` times; ``sized`` rows are weighed in each format.
    """

    users: int = JUDGED_USERS
    impressions: int = 300_000
    rows: int = 200_000
    rounds: int = 3
    sized: int = 32_000
    titles: int = 100
    artworks: int = 10
    """Of each title."""
    picks: int | None = None
    days: int = 7

    @classmethod
    def quick(cls) -> Self:
        """Everything small: it shows that all parts work, its figures are noise."""
        return cls(2_000, 1_000, 2_000, 1, 500)

    @property
    def sizes(self) -> list[int]:
        """The users of each workspace, ascending."""
        return sorted({max(1, self.users // 100), max(1, self.users // 10), self.users})

    @property
    def picks_per_user(self) -> int:
        """How many picks a row has."""
        return self.picks or self.titles


@dataclass(frozen=True)
class Stage:
    """A command of the job: seconds, CPU seconds, and the most memory at a time that all its processes have (PSS).

    ``store_seconds`` are CPU seconds of the store meanwhile, ``others_cpu`` the cores that processes beside these used.
    """

    name: str
    seconds: float
    cpu_seconds: float
    peak_gigabytes: float
    store_seconds: float
    others_cpu: float


@dataclass(frozen=True)
class Sized:
    """The job of some users, stage by stage."""

    users: int
    picks: int
    stages: list[Stage]

    @property
    def seconds(self) -> float:
        """From tables and impressions to a generation that is served."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def peak_gigabytes(self) -> float:
        """The most that a stage has."""
        return max(stage.peak_gigabytes for stage in self.stages)

    @property
    def others_cpu(self) -> float:
        """Cores that others used, on average."""
        return sum(stage.others_cpu * stage.seconds for stage in self.stages) / self.seconds


@dataclass(frozen=True)
class Trained:
    """Training on other impressions, all days together: what grows with them, and what is start."""

    impressions: int
    stage: Stage


@dataclass(frozen=True)
class Writing:
    """Rows per second into an empty store, round by round: by the publisher, and SET commands made before, raw.

    ``counted`` are rows per second of the count that follows, ``walked`` of a sweep of rows that stay, ``removed`` of one of rows
    that are served no more.
    """

    rows: int
    ours: list[float]
    raw: list[float]
    counted: list[float] = field(default_factory=list)
    walked: list[float] = field(default_factory=list)
    removed: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Ours to the raw writer's, the middle one of the rounds."""
        ratios = sorted(ours / raw for ours, raw in zip(self.ours, self.raw, strict=True))
        return ratios[len(ratios) // 2]


@dataclass(frozen=True)
class Weighed:
    """Bytes of the store per pick, all counted; ``bare`` are those of the rows alone.

    ``lowest`` and ``highest`` are from half of the rows on: in between the store's table has doubled, or is nearly full.
    """

    server: str
    format: str
    kind: str
    bytes_per_pick: float
    bare: float
    lowest: float | None = None
    highest: float | None = None


@dataclass(frozen=True)
class Fit:
    """seconds = ``base`` + ``per_million`` · users / 10⁶, by least squares; ``exponent`` is that of the two largest sizes."""

    base: float
    per_million: float
    exponent: float


@dataclass(frozen=True)
class JobReport:
    """All of a run; ``load`` are the system's load averages before and after. ``passed`` unless a target was not reached."""

    machine: Machine
    plan: Plan
    load: list[float]
    sized: list[Sized]
    fit: Fit
    writing: Writing
    weighed: list[Weighed]
    judged: list[Judged]
    passed: bool
    trained: list[Trained] = field(default_factory=list)
