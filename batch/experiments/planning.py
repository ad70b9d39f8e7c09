"""What a plan can show: users and days for its effects, from the variance that users really have, clustered by user."""

from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from scipy.special import ndtr

from bandit.arrays import F64
from bandit.errors import InputError
from bandit.experiments import detectable_effect, power_of, spending_bounds, users_for
from batch.experiments.log_source import history, history_policies
from batch.experiments.measuring import DAY, USER_ID, of_column, per_column
from batch.experiments.plan import GUARDRAIL, PRIMARY, USER, Metric, Plan
from batch.experiments.plan_file import read_plan
from batch.experiments.reading import check_source
from batch.experiments.table_source import table_history
from batch.workspace.workspace import Workspace

MOST_HISTORY: Final = 56
"""Days of the log that variances are taken from: the newest."""
_LEAST_USERS: Final = 30
_LONGEST: Final = 366


@dataclass(frozen=True)
class Power:
    """A metric's power with or without CUPED; ``users`` are those that are needed, of treatment and control together.

    ``days`` is None where no number of days of the users that come is enough, or days are not known. ``at_end`` is the power at
    the plan's end, ``detectable`` the smallest effect that it then shows.
    """

    users: int
    days: int | None
    at_end: float
    detectable: float


@dataclass(frozen=True)
class PlannedMetric:
    """What a plan can show of a metric: ``effect`` is the smallest one that matters, or a guardrail's margin.

    ``deviation`` is the standard deviation of the linearised number per user over ``measured_days``; ``correlation`` is that
    with the days before, which CUPED removes.
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
    """What a whole plan can show. ``level`` is the error that each primary has at the last look."""

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


class _PerUser(NamedTuple):
    """A metric over some days: its value, users, the variance of the linearised number per user, and those numbers."""

    value: float
    users: int
    variance: float
    numbers: pl.DataFrame


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
    level = _level_at_end(plan)
    metrics = tuple(
        _planned(frame, plan, place, level, has_days=has_days)
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
        level,
        plan.power,
        metrics,
        (*_notes(plan, there, days, has_days=has_days), *(_shown_by(workspace, plan) if table is None else ())),
    )


def _level_at_end(plan: Plan) -> float:
    """The error of one primary at the last look, where all primaries of all treatments share the level."""
    each = (1 - plan.level) / (len(plan.primaries) * (len(plan.variants) - 1))
    if len(plan.looks) == 1:
        return each
    bound = float(spending_bounds([plan.information(day) for day in plan.looks], each, plan.spending)[-1])
    return float(2 * ndtr(-bound))


def _planned(frame: pl.DataFrame, plan: Plan, place: int, level: float, *, has_days: bool) -> PlannedMetric:
    metric = plan.metrics[place]
    effect = plan.smallest_effect if metric.margin is None else metric.margin
    there = sorted(frame[DAY].unique().to_list())
    days = (plan.end - plan.start).days + 1
    whole = _per_user(frame, metric, place)
    if whole.users < _LEAST_USERS or whole.variance <= 0:
        raise InputError(
            f"metric {metric.name}: {whole.users} users with a variance of {whole.variance:g}, expected {_LEAST_USERS} users or"
            " more that differ; plan on more data"
        )
    length = min(days, max(1, len(there) // 2)) if has_days else 1
    later = frame.filter(pl.col(DAY).is_in(there[-length:])) if has_days else frame
    measured = _per_user(later, metric, place)
    correlation = _correlation(frame, metric, place, there, length, measured) if has_days else None
    ask = _Ask(plan, metric, effect, level if metric.role == PRIMARY else 1 - plan.level, days)
    spread = _spread(frame, metric, place, there) if has_days else None
    at_end = measured if measured.users >= _LEAST_USERS and measured.variance > 0 else whole
    return PlannedMetric(
        metric, effect, whole.value, sqrt(at_end.variance), at_end.users, length, correlation,
        _power(ask, at_end, length, spread, 0.0),
        None if correlation is None else _power(ask, at_end, length, spread, correlation),
    )  # fmt: skip


class _Ask(NamedTuple):
    plan: Plan
    metric: Metric
    effect: float
    level: float
    days: int


class _Spread(NamedTuple):
    """The variance of a metric over all users after d days: between / 1 + within / d."""

    between: float
    within: float

    def after(self, days: float) -> float:
        """The variance of the metric after some days."""
        return self.between + self.within / days


def _power(ask: _Ask, measured: _PerUser, length: int, spread: _Spread | None, correlation: float) -> Power:
    """Power and needs, by the smallest treatment beside the control."""
    arms = [arm.share for arm in ask.plan.variants]
    treated = min(arms[1:])
    part, share = treated + arms[0], treated / (treated + arms[0])
    power = ask.plan.power
    needed = users_for(ask.effect, measured.variance, ask.level, power, share, correlation)
    users = max(part * measured.users, 4.0)
    if spread is None:
        return Power(
            needed,
            None,
            power_of(ask.effect, measured.variance, users, ask.level, share, correlation),
            detectable_effect(measured.variance, users, ask.level, power, share, correlation),
        )
    now = spread.after(length) or 1.0
    shown = detectable_effect(measured.variance, users, ask.level, power, share, correlation)
    times = max(spread.after(ask.days) / now, 1e-12)
    return Power(
        needed,
        _days(spread, now * (ask.effect / shown) ** 2),
        power_of(ask.effect, measured.variance * times, users, ask.level, share, correlation),
        shown * sqrt(times),
    )


def _days(spread: _Spread, wanted: float) -> int | None:
    """After how many days the variance of the metric is as small as wanted; None if that is never or not within a year."""
    if wanted <= spread.between:
        return None
    days = max(1, ceil(spread.within / (wanted - spread.between) - 1e-9))
    return days if days <= _LONGEST else None


def _spread(frame: pl.DataFrame, metric: Metric, place: int, there: list[object]) -> _Spread:
    """Fitted through the variances of the metric over half of the days and over all of them.

    More days bring more users and more of each: what does not shrink is how users differ from each other.
    """
    whole = _per_user(frame, metric, place)
    all_days = len(there)
    if all_days < 2:
        return _Spread(0.0, whole.variance / whole.users)
    half = all_days // 2
    part = _per_user(frame.filter(pl.col(DAY).is_in(there[-half:])), metric, place)
    if part.users < _LEAST_USERS:
        return _Spread(0.0, whole.variance / whole.users * all_days)
    after_half, after_all = part.variance / part.users, whole.variance / whole.users
    within = max(0.0, (after_half - after_all) / (1 / half - 1 / all_days))
    within = min(within, after_all * all_days)
    return _Spread(max(0.0, after_all - within / all_days), within)


def _correlation(
    frame: pl.DataFrame, metric: Metric, place: int, there: list[object], length: int, measured: _PerUser
) -> float | None:
    """Of the linearised numbers over the last days with those over the days before: what CUPED has to work with."""
    before = there[:-length]
    if isinstance(metric.covariate, int):
        before = before[-metric.covariate :]
    if not before or measured.variance <= 0:
        return None
    earlier = _per_user(frame.filter(pl.col(DAY).is_in(before)), metric, place)
    joined = measured.numbers.join(earlier.numbers, on=USER_ID, how="left", suffix="_before").fill_null(0.0)
    now, then = joined["number"].to_numpy(), joined["number_before"].to_numpy()
    if np.ptp(then) == 0 or np.ptp(now) == 0:
        return None
    return float(np.clip(np.corrcoef(now, then)[0, 1], -0.999, 0.999))


def _per_user(frame: pl.DataFrame, metric: Metric, place: int) -> _PerUser:
    """The linearised number per user, R apart: (y - R n) / mean n."""
    sums = frame.group_by(USER_ID, maintain_order=True).agg(
        pl.col(of_column(place)).sum(), pl.col(per_column(place)).sum()
    )
    above = sums[of_column(place)].to_numpy()
    below: F64 = np.ones(len(above)) if metric.per == USER else sums[per_column(place)].to_numpy()
    mean = float(below.mean()) if len(below) else 0.0
    if mean <= 0:
        raise InputError(
            f"metric {metric.name} is divided by {metric.per}, of which there is none; take another denominator"
        )
    value = float(above.mean()) / mean
    numbers = (above - value * below) / mean
    variance = float(numbers.var(ddof=1)) if len(numbers) > 1 else 0.0
    return _PerUser(value, len(numbers), variance, pl.DataFrame({USER_ID: sums[USER_ID], "number": numbers}))


def _used(one: PlannedMetric) -> Power:
    return one.with_covariate if one.metric.covariate is not None and one.with_covariate is not None else one.plain


def _shown_by(workspace: Workspace, plan: Plan) -> list[str]:
    """A caution where none of the plan's policies has shown what variances are taken from."""
    shown = history_policies(workspace, plan, MOST_HISTORY)
    live = [arm.live for arm in plan.variants if arm.live]
    planned = {word for one in live for word in (one.name, one.policy, one.policy.partition(":")[0])}
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
        notes.append(f"the log before the start has {there} days and the plan {days}: what comes after is extrapolated")
    if plan.window:
        notes.append("the window is not taken into account: with it users count later")
    return notes
