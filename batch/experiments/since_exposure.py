"""The effect by days since exposure: the same users on every day, so that who comes late or leaves changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import F64
from bandit.errors import InputError
from bandit.experiments import Novelty, mean_effect, novelty
from batch.experiments.measuring import DAY, EXPOSED, USER_ID, VARIANT, Seen, Users, of_column, per_column
from batch.experiments.plans.plan import PRIMARY, USER, Metric, Plan
from batch.experiments.quality import LEAST_USERS

MOST_DAYS: Final = 28
_FEWEST_DAYS: Final = 2
_KEPT: Final = 0.5
"""Share of a variant's users that were exposed so early that all of the days are over."""
_AT_ONCE: Final = 0.8
"""Share of users with one day of exposure from which days since then are days of the calendar."""
_WEEK: Final = 7
_CLEAR: Final = 0.05


@dataclass(frozen=True)
class SinceExposure:
    """The first primary's effect by days since exposure, of a treatment.

    ``users`` are those of both variants that were there for all of these days, ``of_users`` all of them. Where nothing can be
    said ``found`` is None and ``problem`` says why. ``cautions`` say what else may look like this.
    """

    metric: str
    treatment: str
    users: tuple[int, int]
    of_users: tuple[int, int]
    found: Novelty | None
    problem: str = ""
    cautions: tuple[str, ...] = ()


class _Cohort(NamedTuple):
    """Users whose first ``length`` days since exposure are over, with their variant and first day."""

    frame: pl.DataFrame
    length: int


def since_exposure(seen: Seen, users: Users, plan: Plan) -> list[SinceExposure]:
    """The first primary by days since exposure, for every treatment; nothing where rows have no day, or shares changed.

    As many days as at least half of the users of each variant, and 30 of them, have behind them.
    """
    if not seen.facts.has_days or users.rows is not None:
        return []
    place = next(at for at, metric in enumerate(seen.metrics) if metric.role == PRIMARY)
    return [_of_treatment(seen, users, plan, place, treatment) for treatment in range(1, len(plan.names))]


def _of_treatment(seen: Seen, users: Users, plan: Plan, place: int, treatment: int) -> SinceExposure:
    metric, name = seen.metrics[place], plan.names[treatment]
    own = users.frame.filter(pl.col(VARIANT).is_in([0, treatment])).select(USER_ID, VARIANT, "first")
    everybody = _counts(own, treatment)
    cohort = _cohort(own, plan, users.until, treatment)
    if cohort is None:
        problem = (
            f"fewer than {LEAST_USERS} users of a variant have {_FEWEST_DAYS} days since their exposure behind them"
        )
        return SinceExposure(metric.name, name, (0, 0), everybody, None, problem)
    counts = _counts(cohort.frame, treatment)
    first, second = (_table(seen, cohort, metric, place, variant) for variant in (treatment, 0))
    below = None if metric.per == USER else (first[per_column(place)], second[per_column(place)])
    try:
        found = novelty(first[of_column(place)], second[of_column(place)], below, plan.level)
    except InputError as error:
        return SinceExposure(metric.name, name, counts, everybody, None, str(error))
    cautions = (*_calendar(cohort, found), *_stayers(metric, below, found))
    return SinceExposure(metric.name, name, counts, everybody, found, cautions=cautions)


def _counts(frame: pl.DataFrame, treatment: int) -> tuple[int, int]:
    return int((frame[VARIANT] == treatment).sum()), int((frame[VARIANT] == 0).sum())


def _cohort(own: pl.DataFrame, plan: Plan, until: date, treatment: int) -> _Cohort | None:
    """The users of the longest stretch of days that most of them have behind them; of two days, those who have."""
    everybody = _counts(own, treatment)
    most = min(MOST_DAYS, (until - plan.start).days + 1, plan.window or MOST_DAYS)
    for length in range(most, _FEWEST_DAYS - 1, -1):
        frame = own.filter(pl.col("first") <= until - timedelta(days=length - 1))
        counts = _counts(frame, treatment)
        is_most = all(count >= _KEPT * every for count, every in zip(counts, everybody, strict=True))
        if min(counts) >= LEAST_USERS and (is_most or length == _FEWEST_DAYS):
            return _Cohort(frame, length)
    return None


def _table(seen: Seen, cohort: _Cohort, metric: Metric, place: int, variant: int) -> Mapping[str, F64]:
    """What users of a variant did per day since exposure, (n, d), 0 on days without any: numerators and denominators."""
    users = cohort.frame.filter(pl.col(VARIANT) == variant).with_row_index("row")
    rows = (
        seen.days.filter(pl.col(EXPOSED) > 0)
        .join(users.select(USER_ID, "row", "first"), on=USER_ID, how="inner")
        .with_columns(age=(pl.col(DAY) - pl.col("first")).dt.total_days())
        .filter(pl.col("age").is_between(0, cohort.length - 1))
    )
    places = rows["row"].to_numpy().astype(np.int64), rows["age"].to_numpy().astype(np.int64)
    made = {}
    for column in [of_column(place)] if metric.per == USER else [of_column(place), per_column(place)]:
        table: F64 = np.zeros((users.height, cohort.length))  # (n, d)
        np.add.at(table, places, rows[column].to_numpy())
        made[column] = table
    return made


def _calendar(cohort: _Cohort, found: Novelty) -> tuple[str, ...]:
    counts = cohort.frame["first"].value_counts(sort=True)
    day, share = counts["first"][0], counts["count"][0] / cohort.frame.height
    if share < _AT_ONCE or not found.warning or cohort.length >= 2 * _WEEK:
        return ()
    told = (
        f"{share:.0%} of these users were exposed on {day}, so days since exposure are days of the calendar: a weekend or another"
        " event in the later half looks the same; two whole weeks tell them apart"
    )
    return (told,)


def _stayers(metric: Metric, below: tuple[F64, F64] | None, found: Novelty) -> tuple[str, ...]:
    """Whether what a ratio is divided by changed otherwise with the treatment: who left has no part in the later ratio."""
    if below is None or found.change.p_value >= _CLEAR:
        return ()
    half = below[0].shape[1] // 2
    early, late = ([side[:, days].mean(axis=1) for side in below] for days in (slice(0, half), slice(half, None)))
    try:
        moved = mean_effect(late[0] - early[0], late[1] - early[1])
    except InputError:  # the same for every user
        return ()
    if moved.p_value >= _CLEAR:
        return ()
    before, after = (float(each[0].mean() - each[1].mean()) for each in (early, late))
    told = (
        f"{metric.per} per user and day: {before:+.2g} against the control at first, {after:+.2g} later: users who left have"
        f" no part in the later ratio, which is of those who stay; read {metric.of} per user beside it"
    )
    return (told,)
