"""The figures that a plan is made from: what ``artwork bench job``, ``serving`` and ``cluster`` print with ``--json``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bandit.errors import InputError

MOST_BYTES: Final = 16 * 1024 * 1024
TRAIN, PRECOMPUTE, PUBLISH = STAGES = ("train", "precompute", "publish")
SINGLE: Final = "ours, single"
PAGE: Final = "ours, page of 40"
JUDGED_PICKS: Final = 100
"""Of the rows that look-ups are measured on."""

Positive = Annotated[float, Field(gt=0, lt=1e15, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0, lt=10**15)]
Several = Annotated[list[Positive], Field(min_length=1, max_length=10_000)]


class _Part(BaseModel):
    """Of a document that has more in it, which is not read."""

    model_config = ConfigDict(frozen=True, strict=True)


class Machine(_Part):
    """Where it was measured."""

    processor: str
    cores: Count


class Stage(_Part):
    """A command of the job."""

    name: str
    seconds: Positive
    cpu_seconds: Positive


class Sized(_Part):
    """The job of some users."""

    users: Count
    picks: Count
    stages: list[Stage]

    def stage(self, name: str) -> Stage:
        """The stage of a name."""
        return next(stage for stage in self.stages if stage.name == name)

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(stage.seconds for stage in self.stages)


class JobPlan(_Part):
    """What the job was measured on, ``sized`` rows for their bytes; the defaults are those of the reports that do not say."""

    impressions: Count
    sized: Count = 32_000
    days: Count = 7
    titles: Count = 100
    artworks: Count = 10
    picks: Count | None = None


class Writing(_Part):
    """Rows per second, by rounds: written; counted, walked by a sweep, and removed by one where that was measured."""

    ours: Several
    counted: list[Positive] = []
    walked: list[Positive] = []
    removed: list[Positive] = []


class Weighed(_Part):
    """Bytes of the store per pick, in rows of so many picks; ``lowest`` and ``highest`` while the store's table doubled."""

    server: str
    format: str
    kind: str
    bytes_per_pick: Positive
    bare: Positive
    lowest: Positive | None = None
    highest: Positive | None = None
    picks: Count = 100

    @property
    def is_shortlist(self) -> bool:
        """Whether its rows name their titles."""
        return not self.kind.startswith("all of")

    @property
    def row_bytes(self) -> float:
        """Of a row."""
        return self.bare * self.picks

    @property
    def overheads(self) -> list[float]:
        """Bytes beside the row: of its key, of the table, of what the allocator leaves free."""
        sizes = (self.bytes_per_pick, self.lowest, self.highest)
        return [(size - self.bare) * self.picks for size in sizes if size is not None]


class Job(_Part):
    """Of ``artwork bench job``; ``trained`` is training on fewer impressions, where that was measured."""

    machine: Machine
    plan: JobPlan
    sized: Annotated[list[Sized], Field(min_length=1, max_length=100)]
    writing: Writing
    weighed: Annotated[list[Weighed], Field(min_length=1, max_length=100)]
    trained: list["Trained"] = []

    @property
    def is_dense(self) -> bool:
        """Whether each user had a pick of each title."""
        return self.plan.picks is None

    @property
    def titles_per_user(self) -> int:
        """The picks of a row."""
        return self.plan.picks or self.plan.titles

    def without_largest(self) -> "Job":
        """The same job without its largest run."""
        return self.model_copy(update={"sized": sorted(self.sized, key=lambda own: own.users)[:-1]})

    @property
    def largest(self) -> Sized:
        """The run of the most users."""
        return max(self.sized, key=lambda own: own.users)


class Trained(_Part):
    """Training on so many impressions, all days together."""

    impressions: Count
    stage: Stage


class Spread(_Part):
    """Repeated measurements."""

    median: Positive
    lowest: Positive
    highest: Positive


class Closed(_Part):
    """A closed loop."""

    rate: Spread
    cpu_us: Spread


class Highest(_Part):
    """The highest rate at which p99 stays below 5 ms."""

    rate: Positive
    confirmed: bool
    saturated: bool = False


class Case(_Part):
    """A server and what it was asked for."""

    name: str
    row_picks: Count
    picks: Count
    closed: Closed
    highest: Highest | None = None


class Serving(_Part):
    """Of ``artwork bench serving``."""

    machine: Machine
    cases: Annotated[list[Case], Field(min_length=1, max_length=100)]

    def case(self, name: str) -> Case:
        """A case by its name, on the rows that are judged.

        Raises:
            InputError: there is none.
        """
        for case in self.cases:
            if case.name == name and case.row_picks == JUDGED_PICKS:
                return case
        raise InputError(f"there is no case {name!r} of rows of {JUDGED_PICKS} picks")


class ClusterWriting(_Part):
    """Rows per second into a cluster, by rounds."""

    ours: Several


class Reading(_Part):
    """Of ``artwork bench cluster``: microseconds of a node's processor per row that it gives, by rounds, and rows written."""

    machine: Machine
    node_us_per_row: Several
    writing: ClusterWriting


class Hashed(_Part):
    """What a row takes in a hash of so many users beside its own bytes, all counted, on a store that keeps such hashes packed."""

    users: Count
    overhead: Positive


@dataclass(frozen=True)
class Figures:
    """All that a plan is made from; ``told`` says of each part where and when it was measured.

    ``commonest`` is the share of picks that are the commonest of their title and segment.
    """

    jobs: tuple[Job, ...]
    serving: Serving
    reading: Reading
    hashed: Hashed
    commonest: float
    told: tuple[str, ...]

    def job(self, *, is_dense: bool) -> Job:
        """The job on rows of a kind; on the other one where that was not measured. The last one that was given counts."""
        own = [job for job in self.jobs if job.is_dense == is_dense]
        return (own or list(self.jobs))[-1]

    @property
    def largest_job(self) -> Job:
        """That of the most users: what does not depend on the kind of rows is taken from it."""
        return max(self.jobs, key=lambda job: job.largest.users)


class _Kept(_Part):
    """The file that comes with the package."""

    date: str
    commit: str
    jobs: list[Job]
    serving: Serving
    reading: Reading
    hashed: Hashed
    commonest: Positive
    notes: list[str] = []


def kept_figures() -> Figures:
    """The figures that come with the package."""
    kept = _Kept.model_validate_json((files("artwork.size") / "figures.json").read_bytes())
    where = (
        f"{kept.serving.machine.processor}, {kept.serving.machine.cores} cores, on {kept.date}, commit {kept.commit}"
    )
    told = (f"measured on this project's machine: {where}", *kept.notes)
    return Figures(tuple(kept.jobs), kept.serving, kept.reading, kept.hashed, kept.commonest, told)


def figures(paths: Sequence[Path]) -> Figures:
    """The figures of some documents, and those that come with the package where no document has any.

    Raises:
        InputError: a file cannot be read, or is no such document; names it, and what in it.
    """
    known, own_jobs = kept_figures(), False
    for path in paths:
        document = _read(path)
        machine = document.get("machine", {})
        if "sized" in document:
            job = _valid(Job, document, path)
            _check_stages(job, path)
            known = replace(known, jobs=(*(known.jobs if own_jobs else ()), job))
            own_jobs = True
        elif "cases" in document:
            known = replace(known, serving=_valid(Serving, document, path))
            for name in (SINGLE, PAGE):
                _case_of(known.serving, name, path)
        elif "node_us_per_row" in document:
            known = replace(known, reading=_valid(Reading, document, path))
        else:
            raise InputError(
                f"--slopes {path} has neither `sized`, `cases` nor `node_us_per_row`; expected what `artwork bench job --json`,"
                " `artwork bench serving --json` or `artwork bench cluster --json` prints"
            )
        known = replace(known, told=(*known.told, f"{path}: {machine['processor']}, {machine['cores']} cores"))
    return known


def _case_of(serving: Serving, name: str, path: Path) -> None:
    try:
        serving.case(name)
    except InputError as error:
        raise InputError(f"--slopes {path}: {error}; run `artwork bench serving --json` again") from error


def _check_stages(job: Job, path: Path) -> None:
    for own in job.sized:
        names = [stage.name for stage in own.stages]
        if sorted(names) != sorted(STAGES):
            raise InputError(
                f"--slopes {path}: the run of {own.users:,} users has the stages {names}, expected {list(STAGES)}"
            )


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"--slopes {path} cannot be read: {error.strerror or error}") from error
    if len(raw) > MOST_BYTES:
        raise InputError(
            f"--slopes {path} has more than {MOST_BYTES:,} bytes; expected what `artwork bench job --json` prints"
        )
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"--slopes {path} is no JSON: {error}; expected what `artwork bench job --json` prints"
        ) from error
    if not isinstance(document, dict):
        raise InputError(
            f"--slopes {path} is a JSON {type(document).__name__}, expected what `artwork bench job --json` prints"
        )
    return document


def _valid(kind: type[Any], document: dict[str, Any], path: Path) -> Any:
    try:
        # As JSON: strictly, a list is no tuple and a text no number.
        return kind.model_validate_json(json.dumps(document))
    except (ValidationError, ValueError, RecursionError) as error:
        if not isinstance(error, ValidationError):
            raise InputError(f"--slopes {path} cannot be read: {error}") from error
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "document"
        raise InputError(
            f"--slopes {path}: {where} is {str(first['input'])[:80]!r}: {first['msg']}; expected what the bench printed"
        ) from error
