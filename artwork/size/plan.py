"""From what is wanted and what was measured to what it costs, line by line."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from artwork.size.designs import Design, designs
from artwork.size.estimates import Estimate, Line, Point, fit
from artwork.size.measured import PAGE, PRECOMPUTE, PUBLISH, SINGLE, STAGES, TRAIN, Case, Figures, Job
from artwork.size.stored import held, set_bytes
from artwork.size.traffic import answer_bytes, read_bytes
from artwork.size.wanted import Wanted

USE: Final = 0.6
"""Of the highest rate, and of a store's core: what is planned for."""
FILL: Final = 0.75
"""Of a node's memory: the rest is for connections, replication and what the allocator cannot use."""
SLOWER_WHILE_SERVED: Final = 2.0
"""A publisher rests after each command for as long as it took, where look-ups go on."""
MOST_OFF: Final = 0.15
"""By how much a plan may miss a run that it was not fitted on."""
ROWS_INTO_CLUSTER: Final = 100_000
"""That are written in each round of the bench."""
_SMALLEST_CLUSTER: Final = 3.0
_GIGA: Final = 1e9


@dataclass(frozen=True)
class Planned:
    """One figure: what it is, in which unit, and where it comes from."""

    part: str
    what: str
    value: float
    low: float
    high: float
    unit: str
    source: str


@dataclass(frozen=True)
class Checked:
    """A run that was measured, beside what the smaller runs of the same document say of it.

    ``off`` is by which share the plan is above (+) or below (-) what was measured.
    """

    what: str
    planned: float
    measured: float
    off: float

    @classmethod
    def of(cls, what: str, planned: float, measured: float) -> "Checked":
        """Both beside each other."""
        return cls(what, planned, measured, planned / measured - 1)


@dataclass(frozen=True)
class Plan:
    """Everything; ``checked`` is empty where no document has three sizes of the job."""

    wanted: Wanted
    planned: list[Planned]
    designs: list[Design]
    checked: list[Checked]
    told: tuple[str, ...]

    def find(self, what: str) -> Planned:
        """A line by its name."""
        return next(line for line in self.planned if line.what == what)


class Costs(NamedTuple):
    """Seconds on the clock and CPU seconds of each stage."""

    seconds: dict[str, Estimate]
    cpu_seconds: dict[str, Estimate]


def plan(wanted: Wanted, figures: Figures) -> Plan:
    """What is wanted, in bytes, core-hours, minutes, workers, nodes and gigabits."""
    job, largest = figures.job(is_dense=wanted.is_dense), figures.largest_job
    costs = costs_of(
        {TRAIN: largest, PRECOMPUTE: job, PUBLISH: largest},
        {
            TRAIN: wanted.impressions,
            PRECOMPUTE: wanted.users * wanted.picks_per_user * wanted.artworks,
            PUBLISH: wanted.users,
        },
    )
    bytes_each = held(job.weighed, wanted)
    generation = bytes_each.scaled(wanted.users / _GIGA).beyond(wanted.users / job.plan.sized)
    primaries = _primaries(wanted, generation, figures)
    seconds = costs.seconds[PUBLISH] if primaries.nodes.value <= 1 else _seconds_into_cluster(wanted, figures)
    lines = [
        *_store(wanted, generation, bytes_each, primaries),
        *_job(wanted, costs, job),
        *_publishing(wanted, seconds, largest),
        *_look_ups(wanted, figures),
        *_network(wanted, seconds.scaled(SLOWER_WHILE_SERVED)),
    ]
    checked = [check for own in figures.jobs for check in check_on_largest(own)]
    return Plan(wanted, lines, designs(wanted, bytes_each, figures.commonest, figures.hashed), checked, figures.told)


def costs_of(jobs: Mapping[str, Job], amounts: Mapping[str, float]) -> Costs:
    """What each stage takes, by the lines through the runs of a job.

    Training grows with impressions, precomputing with users x picks x artworks, publishing with users.
    """
    lines = {name: _lines(jobs[name], name) for name in STAGES}
    return Costs(
        {name: seconds.at(amounts[name]) for name, (seconds, _) in lines.items()},
        {name: cpu.at(amounts[name]) for name, (_, cpu) in lines.items()},
    )


def check_on_largest(job: Job) -> list[Checked]:
    """What the largest run took, beside what is planned for it without it; nothing where fewer than three sizes were run.

    Nor of shortlists, whose users are scored in groups of up to 32,768: small runs, which fill none, say nothing of large ones.
    """
    if len({own.users for own in job.sized}) < 3 or not job.is_dense:
        return []
    largest, smaller = job.largest, job.without_largest()
    planned = costs_of(dict.fromkeys(STAGES, smaller), {name: _amount(job, largest.users, name) for name in STAGES})
    of = f"the job of {largest.users:,} users"
    checked = [
        Checked.of(f"{of}, {name}: seconds", planned.seconds[name].value, largest.stage(name).seconds)
        for name in STAGES
    ]
    checked += [
        Checked.of(f"{of}, {name}: CPU s", planned.cpu_seconds[name].value, largest.stage(name).cpu_seconds)
        for name in STAGES
    ]
    together = sum(planned.seconds[name].value for name in STAGES)
    return [Checked.of(f"{of}: seconds", together, largest.seconds), *checked]


def _lines(job: Job, name: str) -> tuple[Line, Line]:
    """Seconds and CPU seconds of a stage by its amount of work."""
    stages = [(_amount(job, own.users, name), own.stage(name)) for own in job.sized]
    if name == TRAIN:
        stages += [(float(trained.impressions), trained.stage) for trained in job.trained]
    least = _least_seconds_per_row(job) if name == PUBLISH else 0.0
    return (
        fit([Point(amount, stage.seconds) for amount, stage in stages], least),
        fit([Point(amount, stage.cpu_seconds) for amount, stage in stages]),
    )


def _amount(job: Job, users: int, name: str) -> float:
    shape = job.plan
    if name == TRAIN:
        return float(shape.impressions * shape.days)
    return float(users * job.titles_per_user * shape.artworks if name == PRECOMPUTE else users)


def _least_seconds_per_row(job: Job) -> float:
    """A publish of few rows is all start: what a row takes was measured apart, written and counted."""
    parts = [job.writing.ours, *([job.writing.counted] if job.writing.counted else [])]
    return sum(Estimate.measured(rates).inverse().value for rates in parts)


def _sweep_seconds(wanted: Wanted, job: Job) -> Estimate:
    """A publish first walks over all keys, and removes the rows of the oldest generation; nothing where that was not measured."""
    writing = job.writing
    if not (writing.walked and writing.removed):
        return Estimate.exactly(0)
    walked = Estimate.measured(writing.walked).inverse().scaled(wanted.users * (wanted.generations - 1))
    removed = Estimate.measured(writing.removed).inverse().scaled(wanted.users)
    return walked.plus(removed).beyond(wanted.users / job.largest.users)


class Primaries(NamedTuple):
    """How many are needed for memory, for look-ups, and for both."""

    for_memory: Estimate
    for_look_ups: Estimate
    nodes: Estimate


def _primaries(wanted: Wanted, generation: Estimate, figures: Figures) -> Primaries:
    memory = generation.scaled((wanted.generations + 1) / (wanted.node_gb * FILL))
    reads = Estimate.measured(figures.reading.node_us_per_row).scaled(wanted.requests / 1e6 / USE)
    return Primaries(_up(memory), _up(reads), memory.at_least(reads).mapped(_nodes))


def _seconds_into_cluster(wanted: Wanted, figures: Figures) -> Estimate:
    """Rows are written to all nodes by one publisher, then counted in the same way, an answer for each."""
    return (
        Estimate.measured(figures.reading.writing.ours)
        .inverse()
        .scaled(2.0 * wanted.users)
        .beyond(wanted.users / ROWS_INTO_CLUSTER)
    )


def _store(wanted: Wanted, generation: Estimate, bytes_each: Estimate, primaries: Primaries) -> list[Planned]:
    resting, publishing = generation.scaled(wanted.generations), generation.scaled(wanted.generations + 1)
    part = "store"
    return [
        _line(part, "bytes of a row", Estimate.exactly(wanted.row_bytes), "B", "reckoned"),
        _line(part, "bytes of a row in the store, with its key", bytes_each, "B"),
        _line(part, "a generation", generation, "GB"),
        _line(part, f"{wanted.generations} generations, at rest", resting, "GB"),
        _line(part, f"{wanted.generations + 1} generations, while one is published", publishing, "GB"),
        _line(part, "the same with all replicas", publishing.scaled(1 + wanted.replicas), "GB"),
        _line(part, f"primaries of {wanted.node_gb:g} GB for memory, filled to {FILL:.0%}", primaries.for_memory, ""),
        _line(part, f"primaries for look-ups, a core of each used to {USE:.0%}", primaries.for_look_ups, ""),
        _line(part, "nodes, replicas included", primaries.nodes.scaled(1 + wanted.replicas), ""),
    ]


def _job(wanted: Wanted, costs: Costs, job: Job) -> list[Planned]:
    part, hours = "job", {name: cost.scaled(1 / 3600) for name, cost in costs.cpu_seconds.items()}
    together = hours[TRAIN].plus(hours[PRECOMPUTE]).plus(hours[PUBLISH])
    kind = "" if job.is_dense == wanted.is_dense else f", on {'dense rows' if job.is_dense else 'shortlists'}"
    return [
        *(
            _line(part, name, hours[name], "core-hours", _source(hours[name]) + (kind if name == PRECOMPUTE else ""))
            for name in STAGES
        ),
        _line(part, "together", together, "core-hours", _source(together) + kind),
        _line(part, f"cores for a night of {wanted.night_hours:g} h", _up(together.scaled(1 / wanted.night_hours)), ""),
    ]


def _publishing(wanted: Wanted, seconds: Estimate, largest: Job) -> list[Planned]:
    part, minutes, sweeping = "job", seconds.scaled(1 / 60), _sweep_seconds(wanted, largest).scaled(1 / 60)
    swept = _line(part, "sweeping the oldest generation before a publish", sweeping, "minutes")
    return [
        *([swept] if sweeping.value else []),
        _line(part, "publishing into a store that serves nothing", minutes, "minutes"),
        _line(part, "publishing while a generation is served", minutes.scaled(SLOWER_WHILE_SERVED), "minutes"),
    ]


def _look_ups(wanted: Wanted, figures: Figures) -> list[Planned]:
    single, page = figures.serving.case(SINGLE), figures.serving.case(PAGE)
    busy, sources = [], []
    for case in (single, page):
        seconds, source = _seconds_per_request(case)
        busy.append(seconds)
        sources.append(source)
    share = (wanted.page - 1) / (page.picks - 1)
    seconds = _between(busy[0], busy[1], share).beyond(wanted.page / page.picks)
    cpu = _between(_cpu_seconds(single), _cpu_seconds(page), share).beyond(wanted.page / page.picks)
    part, source = "look-ups", " and ".join(dict.fromkeys(sources))
    return [
        _line(part, f"requests of {wanted.page} artworks", Estimate.exactly(wanted.requests), "per second", "as asked"),
        _line(part, f"a worker, one core, at {USE:.0%} of {source}", seconds.inverse(), "requests/s"),
        _line(part, "workers", _up(seconds.scaled(wanted.requests)), ""),
        _line(part, "cores that are busy on average", cpu.scaled(wanted.requests), ""),
    ]


def _seconds_per_request(case: Case) -> tuple[Estimate, str]:
    """Of a worker at ``USE`` of what it holds: with p99 below 5 ms where that was confirmed, else in a closed loop."""
    closed = Estimate(case.closed.rate.median, case.closed.rate.lowest, case.closed.rate.highest)
    if case.highest is not None and case.highest.confirmed and not case.highest.saturated:
        rate, source = closed.scaled(case.highest.rate / closed.value), "the highest rate with p99 below 5 ms"
    else:
        rate, source = closed, "a closed loop, since no highest rate was confirmed"
    return rate.scaled(USE).inverse(), source


def _cpu_seconds(case: Case) -> Estimate:
    spread = case.closed.cpu_us
    return Estimate(spread.median, spread.lowest, spread.highest).scaled(1e-6)


def _network(wanted: Wanted, publishing: Estimate) -> list[Planned]:
    part = "network"
    asked, row = read_bytes(wanted)
    written = Estimate.exactly(wanted.users * set_bytes(wanted) * 8 / _GIGA).by(publishing.inverse())
    answers = wanted.requests * answer_bytes(wanted) * 8 / _GIGA
    one_more = Estimate.exactly(float(1 + wanted.replicas))
    counted = "reckoned, without TCP"
    return [
        _line(part, "workers ask the store", Estimate.exactly(wanted.requests * asked * 8 / _GIGA), "Gbit/s", counted),
        _line(part, "rows to the workers", Estimate.exactly(wanted.requests * row * 8 / _GIGA), "Gbit/s", counted),
        _line(part, "answers to clients", Estimate.exactly(answers), "Gbit/s", counted),
        _line(part, "a publish, with what replicas get", written.by(one_more), "Gbit/s"),
    ]


def _line(part: str, what: str, estimate: Estimate, unit: str, source: str = "") -> Planned:
    return Planned(part, what, estimate.value, estimate.low, estimate.high, unit, source or _source(estimate))


def _source(estimate: Estimate) -> str:
    return "measured" if estimate.times <= 1 else f"extrapolated {_times(estimate.times)} x"


def _times(times: float) -> str:
    return f"{times:,.0f}" if times >= 10 else f"{times:.3g}"


def _up(estimate: Estimate) -> Estimate:
    return estimate.mapped(_whole)


def _whole(value: float) -> float:
    return float(math.ceil(value - 1e-9))


def _nodes(load: float) -> float:
    """Primaries that carry so many times what one can: one alone, or a cluster, which has three at least."""
    nodes = _whole(load)
    return nodes if nodes <= 1 else max(_SMALLEST_CLUSTER, nodes)


def _between(one: Estimate, other: Estimate, share: float) -> Estimate:
    """On the straight line from one to the other."""
    low, high = (one.low + share * (other.low - one.low)), (one.high + share * (other.high - one.high))
    value = one.value + share * (other.value - one.value)
    return Estimate(value, min(low, value), max(high, value))
