"""Reading an experiment: at a planned look with fixed intervals, or at any time with sequences; quality comes first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from bandit.errors import InputError
from bandit.experiments import OneLook, PlannedLook
from bandit.experiments.looks import Look as LookKind
from batch.experiments.dilution import Apart, variants_apart
from batch.experiments.effects import (
    MetricEffect,
    at_any_time,
    effects_of,
    metric_effect,
)
from batch.experiments.holdback import Holdback, long_term
from batch.experiments.log_source import see_log
from batch.experiments.measuring import Seen, gathered_by, users_of
from batch.experiments.plans.plan import PRIMARY, TABLE, Metric, Plan
from batch.experiments.quality import LEAST_USERS, QualityCheck, check_quality, failed
from batch.experiments.register import (
    Look,
    Register,
    Registered,
    Version,
    plan_cautions,
    read_register,
    registered,
    registering,
    write_register,
)
from batch.experiments.segments import SegmentEffect, Segments, SegmentTest, segments_of
from batch.experiments.since_exposure import SinceExposure, since_exposure
from batch.experiments.table_source import read_table, see_table
from batch.workspace.impressions import days
from batch.workspace.workspace import Workspace

READ: Final = "read"
PEEK: Final = "peek"
_MOST_POINTS: Final = 40
_NOT_OVER: Final = "the day of the look, {}, is not over: a look is after its end, and this is one before it"


class Source(NamedTuple):
    """Where the data of an experiment are: a workspace, or a table of one's own; ``today`` is the day of whoever asks."""

    workspace: Workspace
    table: Path | None
    today: date


@dataclass(frozen=True)
class Point:
    """The effect on the first primary as it would have been seen after a day."""

    day: str
    treatment: str
    users: int
    value: float
    fixed: tuple[float, float]
    sequence: tuple[float, float]


@dataclass(frozen=True)
class Shift:
    """A version of the plan after the first, and what changed in it."""

    version: int
    registered_at: str
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """What an experiment says on a day. Where a check failed ``effects`` are empty.

    ``look`` counts planned looks from 1 and is None for a peek; ``taken`` lists the looks that the level is shared by so far,
    those that were read under an earlier version included, and ``gathered`` the share of today's information that each had.
    ``level`` is that of all looks together, and ``bound`` how many
    standard errors a fixed interval reaches to each side. ``data`` is the digest of the sums per user, ``rereads`` how often
    the look had been read on other data.

    ``segment_tests``, ``segments``, ``since_exposure`` and ``holdback`` are to be read, and are no part of a decision.
    """

    name: str
    kind: str
    hypothesis: str
    day: str
    look: int | None
    looks: tuple[str, ...]
    taken: tuple[str, ...]
    gathered: tuple[float, ...]
    version: int
    digest: str
    shifts: tuple[Shift, ...]
    late: bool
    users: dict[str, int]
    checks: tuple[QualityCheck, ...]
    level: float
    bound: float | None
    effects: tuple[MetricEffect, ...]
    segments: tuple[SegmentEffect, ...]
    over_time: tuple[Point, ...]
    cautions: tuple[str, ...]
    notes: tuple[str, ...]
    data: str
    rereads: int = 0
    segment_tests: tuple[SegmentTest, ...] = ()
    since_exposure: tuple[SinceExposure, ...] = ()
    holdback: Holdback | None = None

    @property
    def is_readable(self) -> bool:
        """Whether no check failed."""
        return not failed(self.checks)


def see(source: Source, own: Registered, until: date | None = None, metrics: tuple[Metric, ...] | None = None) -> Seen:
    """The data of an experiment until a day.

    Raises:
        InputError: they are not as the plan says, or a table was given for a plan of the workspace or none for one of a table.
    """
    plan = own.plan
    check_source(plan, source.table)
    if source.table is not None:
        return see_table(source.table, plan, min(until or source.today, plan.end), metrics=metrics)
    digests = [version.digest for version in own.register.versions]
    return see_log(source.workspace, plan, until, shares=own.register.shares, digests=digests, metrics=metrics)


def check_source(plan: Plan, table: Path | None) -> None:
    """Refuse a table for a plan of the workspace, a plan of a table without one, and an interleaving.

    Raises:
        InputError: says which.
    """
    if plan.splits:
        raise InputError(
            f"experiment {plan.name} is an interleaving, whose users have both variants: it is read by `artwork experiment"
            f" interleave {plan.name}`; a lift, a decision and the power of one are those of tests that split users"
        )
    if (plan.source == TABLE) != (table is not None):
        said = (
            "is of a table of your own; name it with --table"
            if plan.source == TABLE
            else "is of the workspace; leave --table out"
        )
        raise InputError(f'experiment {plan.name} has source = "{plan.source}": it {said}')


def check(source: Source, name: str) -> tuple[Registered, Seen, list[QualityCheck]]:
    """The quality of an experiment's data so far.

    Raises:
        InputError: it has not started, has changed, or has no data.
    """
    own = registered(source.workspace, name)
    seen = see(source, own)
    users = users_of(seen, own.plan, seen.last)
    return own, seen, check_quality(seen, own.plan, users, _apart(source, own, seen))


def read(source: Source, name: str, look: date | None = None) -> Reading:
    """An experiment at a planned look, which its register then lists.

    Args:
        source: of the data.
        name: of the experiment.
        look: which of the planned looks; the last one that has come by default.

    Raises:
        InputError: as ``check``; or no look has come yet, or the day is no planned look.
    """
    own = registered(source.workspace, name)
    plan = own.plan
    check_source(plan, source.table)
    day = look_of(source, plan, look)
    seen = see(source, own, day)
    place = plan.looks.index(day)
    made = _reading(source, own, seen, day, place + 1)
    before = put_on_register(source, own, day, made.data)
    cautions = [_NOT_OVER.format(day)] if day == source.today and seen.facts.has_days else []
    cautions += reread_cautions(before, day)
    return replace(made, cautions=(*made.cautions, *cautions), rereads=len(before))


def put_on_register(source: Source, own: Registered, day: date, data: str) -> list[Look]:
    """Write down that a look was read, and of which data; the readings of it on other data before."""
    name, now = own.plan.name, datetime.now(UTC).isoformat(timespec="seconds")
    with registering(source.workspace):
        there = read_register(source.workspace, name)
        record = there.with_look(Look(str(day), own.version.version, data, now))
        if record is not there:
            write_register(source.workspace, name, record)
    return _read_before(record, day, data)


def reread_cautions(before: Sequence[Look], day: date) -> list[str]:
    """What readings of a look on other data take away from this one."""
    if not before:
        return []
    return [f"the data of the look of {day} are not those read on {before[-1].read_at}: the log has grown or changed"]


def _read_before(register: Register, day: date, data: str) -> list[Look]:
    """Readings of the same look on other data, before these data were read first."""
    own = [look for look in register.looks if look.day == str(day)]
    return own[: next(place for place, look in enumerate(own) if look.data == data)]


def peek(source: Source, name: str) -> Reading:
    """An experiment as it stands, at any time: what holds is the sequence of each effect.

    Raises:
        InputError: as ``check``.
    """
    own = registered(source.workspace, name)
    return peek_at(source, own, see(source, own))


def peek_at(source: Source, own: Registered, seen: Seen) -> Reading:
    """The same of data that were seen."""
    return _reading(source, own, seen, seen.last, None)


def looks_taken(own: Registered, day: date) -> tuple[date, ...]:
    """The looks that share the level up to a day: those of the plan, and those that were read under earlier versions of it."""
    read_before = {date.fromisoformat(look.day) for look in own.register.looks}
    days = read_before | set(own.plan.looks) | {day}
    return tuple(sorted(one for one in days if one <= day and own.plan.information(one) > 0))


def width_at(plan: Plan, taken: Sequence[date], gathered: Sequence[float] = ()) -> LookKind:
    """How wide fixed intervals are at the last of the looks that were taken: as usual where it is the only one of the plan."""
    if len(plan.looks) == len(taken) == 1:
        return OneLook()
    return PlannedLook(tuple(plan.information(day) for day in taken), plan.spending, tuple(gathered))


def _is_of_today(source: Source) -> bool:
    """Whether the data are as they are today, because their rows have no day."""
    return source.table is not None and "day" not in read_table(source.table).columns


def _last_day(source: Source, plan: Plan) -> date:
    """The last day that the data have; of a log one that is over: today goes on."""
    if source.table is None:
        return min(max(days(source.workspace), default=plan.start - timedelta(1)), source.today - timedelta(1))
    if _is_of_today(source):
        return source.today
    return see_table(source.table, plan, min(source.today, plan.end)).last


def look_of(source: Source, plan: Plan, look: date | None) -> date:
    """The planned look that is asked for, or the last one that has come.

    Raises:
        InputError: it is no planned look, or has not come.
    """
    last, is_exact, name = _last_day(source, plan), _is_of_today(source), plan.name
    planned = ", ".join(map(str, plan.looks))
    come = [day for day in plan.looks if day <= last]
    if is_exact and last < plan.end:  # rows without days cannot be cut at a look
        come = [day for day in come if day == last]
    following = next((day for day in plan.looks if day not in come and day > last), None)
    peek_instead = "" if plan.splits else f"; `artwork experiment peek {name}` may look at any time"
    if look is not None and look not in plan.looks:
        raise InputError(
            f"{look} is no planned look of {name}, which are {planned}: the fixed intervals hold at planned looks alone"
            + peek_instead
        )
    if look is not None and look not in come:
        raise InputError(f"the look of {look} has not come: the data end with {last}" + peek_instead)
    if not come:
        wait = f", the next is {following}" if following else ""
        raise InputError(
            f"no planned look of {name} has come{wait}: the data end with {last}, looks are {planned}; fixed intervals hold at"
            " planned looks alone" + peek_instead
        )
    return look or come[-1]


def _reading(source: Source, own: Registered, seen: Seen, day: date, look: int | None) -> Reading:
    plan, kind = own.plan, PEEK if look is None else READ
    taken = () if kind == PEEK else looks_taken(own, day)
    gathered = gathered_by(seen, plan, taken) if taken else ()
    width = width_at(plan, taken, gathered) if taken else OneLook()
    users = users_of(seen, plan, day)
    checks = tuple(check_quality(seen, plan, users, _apart(source, own, seen)))
    is_readable = not failed(checks)
    judged_at = at_any_time(plan, users) if kind == PEEK else width
    effects = tuple(effects_of(users, plan, width, judged_at)) if is_readable else ()
    within = segments_of(users, plan, judged_at) if is_readable else Segments()
    return Reading(
        name=plan.name,
        kind=kind,
        hypothesis=plan.hypothesis,
        day=str(day),
        look=look,
        looks=tuple(map(str, plan.looks)),
        taken=tuple(map(str, taken)),
        gathered=gathered,
        version=own.version.version,
        digest=own.version.digest,
        shifts=shifts_of(own.register.versions),
        late=own.version.late,
        users=dict(zip(plan.names, users.counts(len(plan.names)), strict=True)),
        checks=checks,
        level=plan.level,
        bound=_bound(width, effects),
        effects=effects,
        segments=within.effects,
        segment_tests=within.tests,
        since_exposure=tuple(since_exposure(seen, users, plan)) if is_readable else (),
        holdback=long_term(source.workspace, source.table, plan, source.today) if is_readable else None,
        over_time=tuple(_over_time(seen, plan, day)) if is_readable else (),
        cautions=(*plan_cautions(own), *_cautions(effects, checks), *_unplanned(plan, taken), *_paceless(seen, taken)),
        notes=seen.facts.notes,
        data=users.digest,
    )


def _apart(source: Source, own: Registered, seen: Seen) -> Apart | None:
    """How far apart the variants of the newest generation choose."""
    newest = seen.facts.generation
    return None if newest is None else variants_apart(source.workspace, own.plan, newest)


def _bound(width: LookKind, effects: Sequence[MetricEffect]) -> float | None:
    there = next((one.effect for one in effects if one.effect is not None), None)
    return None if there is None else width.reach(there, there.level)


def shifts_of(versions: Sequence[Version]) -> tuple[Shift, ...]:
    """What changed from version to version."""
    return tuple(Shift(one.version, one.registered_at, one.changes) for one in versions[1:])


def _cautions(effects: Sequence[MetricEffect], checks: Sequence[QualityCheck]) -> list[str]:
    made = [f"{check.name}: {check.text}; {check.remedy}" for check in checks if check.passed is None and check.remedy]
    for one in effects:
        text = one.problem or (one.effect.caution if one.effect else "")
        if text:
            made.append(f"{one.metric.name}, {one.treatment}: {text}")
    return made


def _unplanned(plan: Plan, taken: Sequence[date]) -> list[str]:
    if not (earlier := [str(day) for day in taken if day not in plan.looks]):
        return []
    return [f"looks of {', '.join(earlier)} were read under an earlier version of the plan: they share the level, too"]


def _paceless(seen: Seen, taken: Sequence[date]) -> list[str]:
    """What several looks at rows without days cannot know."""
    if seen.facts.has_days or len(taken) < 2:
        return []
    told = f"rows have no day, so the {len(taken)} looks are taken to share as much as their days do"
    return [f"{told}: where most users come late more false alarms are raised than the level says; add a column day"]


def _over_time(seen: Seen, plan: Plan, until: date) -> list[Point]:
    if not seen.facts.has_days:
        return []
    place = next(at for at, metric in enumerate(seen.metrics) if metric.role == PRIMARY)
    there = sorted(day for day in seen.days["day"].unique().to_list() if day <= until)
    every = -(-len(there) // _MOST_POINTS)
    points = []
    for day in there[::-1][::every][::-1]:
        users = users_of(seen, plan, day)
        counts = users.counts(len(plan.names))
        for treatment in range(1, len(plan.names)):
            if min(counts[0], counts[treatment]) < LEAST_USERS:
                continue
            one = metric_effect(users, plan, place, treatment, OneLook())
            if one.effect is not None and one.sequence is not None:
                ends = one.effect.lower, one.effect.upper
                points.append(Point(str(day), one.treatment, sum(one.users), one.effect.value, ends, one.sequence))
    return points
