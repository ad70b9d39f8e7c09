"""What a plan can show: users and days for its effects, from the variance that users really have, clustered by user."""

from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl
import scipy
from scipy.special import ndtr, ndtri, stdtrit

from bandit.arrays import F64
from bandit.errors import InputError
from bandit.experiments import spending_bounds
from bandit.experiments.effects import satterthwaite
from bandit.experiments.spending import crossing_power, told_apart
from batch.experiments.log_source import history, history_policies, words_of
from batch.experiments.measuring import DAY, USER_ID, covariate_column
from batch.experiments.plans.file import read_plan
from batch.experiments.plans.plan import GUARDRAIL, PRIMARY, USER, Metric, Plan
from batch.experiments.reading import check_source
from batch.experiments.returning import LONGEST, Course, course_of, linearised, per_user
from batch.experiments.table_source import table_history
from batch.workspace.workspace import Workspace

MOST_HISTORY: Final = 56
"""Days of the log that variances are taken from: the newest."""
_LEAST_USERS: Final = 30
_FARTHEST: Final = 38.0
_MOST_EXPLAINED: Final = 0.998
_LEAST_LEFT: Final = 0.05
_TURNS: Final = 0.7, 1.3
_STEPS: Final = 20


@dataclass(frozen=True)
class Power:
    """A metric's power with or without CUPED; ``users`` are those that are needed, of treatment and control together.

    ``days`` is None where no number of days of the users that come is enough within a year, or days are not known; of a sum per
    user the effect grows with the days as the value does. ``at_end`` is the power at the plan's end, by the planned looks
    together; of a guardrail the share of experiments in which it is kept at the last look if nothing changes. ``detectable`` is
    the smallest effect that the plan's power shows at the end.
    """

    users: int
    days: int | None
    at_end: float
    detectable: float


@dataclass(frozen=True)
class PlannedMetric:
    """What a plan can show of a metric: ``effect`` is the smallest one that matters, or a guardrail's margin.

    ``value``, ``deviation``, that of the linearised number per user, and ``users``, who come whether they take part or not, are
    those that are expected at the end; ``measured_days`` are those that they were taken from. ``correlation`` is that
    with the covariate, which CUPED removes.
    """

    metric: Metric
    effect: float
    value: float
    deviation: float
    users: int
    measured_days: int
    correlation: float | None
    plain: Power
    with_covariate: Power | None


@dataclass(frozen=True)
class Planned:
    """What a whole plan can show. ``level`` is the error that each primary has at all looks together."""

    name: str
    days: int
    history_days: int
    has_days: bool
    looks: int
    level: float
    power: float
    metrics: tuple[PlannedMetric, ...]
    notes: tuple[str, ...]

    @property
    def is_enough(self) -> bool:
        """Whether every primary has the power that was asked for, with what the plan itself uses."""
        return all(_used(one).at_end >= self.power for one in self.metrics if one.metric.role == PRIMARY)


def plan_power(workspace: Workspace, name: str, table: Path | None) -> Planned:
    """What the plan of an experiment can show.

    Raises:
        InputError: the plan is wrong, or there are too few users or days to take variances from.
    """
    plan = read_plan(workspace, name)
    check_source(plan, table)
    frame = history(workspace, plan, MOST_HISTORY) if table is None else table_history(table, plan)
    there = frame[DAY].n_unique()
    has_days = table is None or there > 1
    metrics = tuple(
        _planned(frame, plan, place, has_days=has_days)
        for place, metric in enumerate(plan.metrics)
        if metric.role in {PRIMARY, GUARDRAIL}
    )
    days = (plan.end - plan.start).days + 1
    return Planned(
        name,
        days,
        there,
        has_days,
        len(plan.looks),
        _level(plan, plan.primaries[0]),
        plan.power,
        metrics,
        (*_notes(plan, there, days, has_days=has_days), *(_shown_by(workspace, plan) if table is None else ())),
    )


def _level(plan: Plan, metric: Metric) -> float:
    """The error of one metric at all looks together: all primaries of all treatments share it, a guardrail's is a treatment's."""
    return (1 - plan.level) / (len(plan.variants) - 1) / (len(plan.primaries) if metric.role == PRIMARY else 1)


def _planned(frame: pl.DataFrame, plan: Plan, place: int, *, has_days: bool) -> PlannedMetric:
    metric = plan.metrics[place]
    there = sorted(frame[DAY].unique().to_list())
    days = (plan.end - plan.start).days + 1 if has_days else 1
    sums = per_user(frame, metric, place)
    below = float(sums["per"].sum())
    if below <= 0:
        raise InputError(
            f"metric {metric.name} is divided by {metric.per}, of which there is none; take another denominator"
        )
    spread = float(linearised(sums).var(ddof=1)) if sums.height > 1 else 0.0
    if sums.height < _LEAST_USERS or spread <= 0:
        raise InputError(
            f"metric {metric.name}: {sums.height} users with a variance of {spread:g}, expected {_LEAST_USERS} users or"
            " more that differ; plan on more data"
        )
    is_column = isinstance(metric.covariate, str)
    length = min(days, len(there) if is_column else max(1, len(there) // 2))
    before = (
        None if isinstance(metric.covariate, str) else max(1, min(metric.covariate or LONGEST, len(there) - length))
    )
    course = course_of(frame, metric, place, before, days, plan.window if has_days else 0)
    correlation = correlation_with_before(frame, metric, place, there, length)
    effect = plan.smallest_effect if metric.margin is None else metric.margin
    looks = tuple((day - plan.start).days if has_days else 0 for day in plan.looks)
    ask = _Ask(
        plan,
        metric,
        effect,
        course,
        looks,
        has_days,
        _moved_by(sums, metric),
        float(scipy.stats.skew(linearised(sums))),
    )
    explained = None
    if correlation is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            explained = correlation**2 * course.covered / course.covered[length - 1]
        explained = np.clip(np.where(np.isfinite(explained), explained, correlation**2), 0.0, _MOST_EXPLAINED)
    return PlannedMetric(
        metric, effect, float(course.value[days - 1]), course.deviation(days - 1),
        round(float(course.users[days - 1])), len(there), None if explained is None else sqrt(explained[days - 1]),
        _power(ask, np.zeros(LONGEST)),
        None if explained is None else _power(ask, explained),
    )  # fmt: skip


class _Ask(NamedTuple):
    """What power is asked for; ``looks`` are places in the course, ``moved`` what ``_moved_by`` says, ``skewness`` of users."""

    plan: Plan
    metric: Metric
    effect: float
    course: Course
    looks: tuple[int, ...]
    has_days: bool
    moved: tuple[float, float]
    skewness: float


def _moved_by(sums: pl.DataFrame, metric: Metric) -> tuple[float, float]:
    """How an effect moves the variance of the treatment: its sign, 0 if it does not, and 1 where events are yes or no, else 0.

    Whole numbers count events: an effect is more of them, each of which varies. Where nobody has more events than the metric is
    divided by they are yes or no: R (1 - R) moves to (R + e) (1 - R - e). An effect on amounts is the same for everybody.
    """
    of, per = sums["of"].to_numpy(), sums["per"].to_numpy()
    if metric.role != PRIMARY or (of < 0).any() or (of != np.round(of)).any():
        return 0.0, 0.0
    return float(metric.sign), float((of <= per).all())


def _power(ask: _Ask, explained: F64) -> Power:
    """Power and needs, by the smallest treatment beside the control."""
    arms = [arm.share for arm in ask.plan.variants]
    treated, control = (share * _taking_part(ask.plan) for share in (min(arms[1:]), arms[0]))
    course, end = ask.course, ask.looks[-1]
    precision = course.precision / (1 - explained)
    left = float(course.variance[end] * (1 - explained[end]))

    def more(effect: float) -> float:
        """Variance of the treatment against that of the control."""
        sign, is_yes_or_no = ask.moved
        change = sign * effect
        moved = change * (1 - is_yes_or_no * (2 * float(course.value[end]) + change)) / float(course.whole[end])
        return max(1 + moved / left, _LEAST_LEFT)

    def error(effect: float) -> float:
        return sqrt(left * (more(effect) / treated + 1 / control))

    judge = _judge(ask, precision, (treated, control), more(ask.effect))
    needed = judge.drift(ask.plan.power)
    detectable = needed * error(ask.effect)
    for _ in range(_STEPS):
        detectable = needed * error(detectable)
    times = (needed * error(ask.effect) / ask.effect) ** 2
    users = ceil(times * float(course.users[end]) * (treated + control) - 1e-9)
    days = None
    if ask.has_days:
        enough = np.flatnonzero(precision >= times * precision[end] * (1 - 1e-9))
        days = int(enough[0]) + 1 if len(enough) else None
    return Power(max(users, 4), days, judge.power(ask.effect / error(ask.effect)), detectable)


def _taking_part(plan: Plan) -> float:
    """The share of users that the experiment has."""
    return (plan.traffic[1] - plan.traffic[0]) * (1 - plan.holdback)


class _Judge(NamedTuple):
    """What a metric is held to: ``bounds`` at the looks, which really have this share of the information of the last one.

    ``lean`` is by how many parts of itself a standard error is larger where the effect turns out one standard error larger.
    """

    information: list[float]
    bounds: list[float]
    lean: float
    is_guardrail: bool

    def power(self, drift: float) -> float:
        """Of an effect of so many standard errors at the end; of a guardrail the share that is kept if nothing changes.

        Where a small treatment is skewed, experiments that show less have smaller standard errors as well, and show it still.
        """
        bound = self.bounds[-1]
        usual = ndtr(drift - bound) if self.is_guardrail else crossing_power(self.information, self.bounds, drift)
        return float(ndtr(ndtri(usual) / np.clip(1 - bound * self.lean, *_TURNS)))

    def drift(self, power: float) -> float:
        """Standard errors that an effect needs for that power."""
        return float(scipy.optimize.brentq(lambda drift: self.power(drift) - power, 0.0, _FARTHEST, xtol=1e-6))


def _judge(ask: _Ask, precision: F64, shares: tuple[float, float], more: float) -> _Judge:
    """Bounds are those that ``read`` will have: by the share of days, at Student's distribution of so many users."""
    plan, metric = ask.plan, ask.metric
    level, degrees = _level(plan, metric), _degrees(ask.course, ask.looks[-1], shares)
    lean, is_guardrail = _lean(ask, shares, more), metric.role == GUARDRAIL
    if len(ask.looks) == 1:
        return _Judge([1.0], [-float(stdtrit(degrees, level / 2))], lean, is_guardrail)
    planned = np.array([plan.information(day) for day in plan.looks])
    bounds = spending_bounds(planned, level, plan.spending)
    wide = [-float(stdtrit(degrees, ndtr(-bound))) if bound < _FARTHEST else _FARTHEST for bound in bounds.tolist()]
    information = precision[list(ask.looks)] / precision[ask.looks[-1]] if ask.has_days else planned
    return _Judge(told_apart(information).tolist(), wide, lean, is_guardrail)


def _lean(ask: _Ask, shares: tuple[float, float], more: float) -> float:
    """cov(s², effect) / 2 variances of it: the third moment of a mean over its variance, as s² of a skewed sample has it."""
    treated, control = shares
    users = max(float(ask.course.users[ask.looks[-1]]), 1.0)
    third = ask.skewness * (more / treated**2 - 1 / control**2)
    return float(ask.metric.sign * third / (2 * sqrt(users) * (more / treated + 1 / control) ** 1.5))


def _degrees(course: Course, end: int, shares: tuple[float, float]) -> float:
    users = [max(2.0, float(course.users[end]) * share) for share in shares]
    return satterthwaite([1 / share for share in shares], users)  # type: ignore[arg-type]


def correlation_with_before(
    frame: pl.DataFrame, metric: Metric, place: int, there: list[object], length: int
) -> float | None:
    """Of the linearised numbers of the last days with the covariate: what CUPED has to work with."""
    later = frame.filter(pl.col(DAY).is_in(there[-length:]))
    now = per_user(later, metric, place)
    if isinstance(metric.covariate, str):
        then = frame.sort(USER_ID, DAY).group_by(USER_ID).agg(pl.col(covariate_column(place)).first())
    else:
        before = there[:-length]
        if isinstance(metric.covariate, int):
            before = before[-metric.covariate :]
        if not before:
            return None
        own = per_user(frame.filter(pl.col(DAY).is_in(before)), metric, place)
        if not own["per"].sum() > 0:
            return None
        ratio = 0.0 if metric.per == USER else float(own["of"].to_numpy().sum() / own["per"].to_numpy().sum())
        then = own.select(USER_ID, before=pl.col("of") - ratio * pl.col("per"))
    if not now["per"].sum() > 0:
        return None
    joined = now.join(then, on=USER_ID, how="left", maintain_order="left").fill_null(0.0)
    numbers, before_them = linearised(joined), joined[:, -1].to_numpy()
    if np.ptp(before_them) == 0 or np.ptp(numbers) == 0:
        return None
    return float(np.clip(np.corrcoef(numbers, before_them)[0, 1], -0.999, 0.999))


def _used(one: PlannedMetric) -> Power:
    return one.with_covariate if one.metric.covariate is not None and one.with_covariate is not None else one.plain


def _shown_by(workspace: Workspace, plan: Plan) -> list[str]:
    """A caution where none of the plan's policies has shown what variances are taken from."""
    shown = history_policies(workspace, plan, MOST_HISTORY)
    live = [arm.live for arm in plan.variants if arm.live]
    planned = {word for one in live for word in words_of(one)}
    if not planned or planned & set(shown):
        return []
    note = (
        f"variances are of impressions that {', '.join(shown)} showed, and the plan's policies are others: plan for more users,"
        " who differ more in what comes of a policy that knows them"
    )
    return [note]


def _notes(plan: Plan, there: int, days: int, *, has_days: bool) -> list[str]:
    notes = []
    if not has_days:
        notes.append("the table has no days: users are told, days are not")
    elif days > there:
        notes.append(
            f"the log before the start has {there} days and the plan {days}: what comes after is extrapolated, as if users"
            " came and left as before; a service that grows shows more"
        )
    if plan.window > there and has_days:
        notes.append(
            f"the window of {plan.window} days is longer than the log: variances are of half of the log's days"
        )
    notes.append(
        "power is of an effect of exactly the planned size, with what it adds to the variance of events, all looks, and each"
        " metric's part of the level; the error of an effect that was estimated is not in it: plan for the lower end of its"
        " interval"
    )
    if any(metric.role == GUARDRAIL for metric in plan.metrics):
        notes.append(
            "power of a guardrail: the share of experiments in which it is kept at the last look if nothing changes"
        )
    return notes
