"""Reading an interleaving: which of two variants the same users prefer, where each chose some of their titles.

Every user is compared with themselves: what they do everywhere cancels, and so few users suffice. What comes out is a preference,
not a lift. A visit has time for one title or two, so that what one variant wins the other may lose; whether more is taken in
all, or users stay, only a test that splits users can tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import blake2b
from typing import Final

import numpy as np
import polars as pl

from bandit.arrays import F64
from bandit.errors import InputError
from bandit.experiments import Effect, Heterogeneity, holm, interleaved_effect, paired_effect, seen_at
from bandit.experiments.looks import Look as LookKind
from bandit.experiments.looks import p_value_at
from batch.experiments.dilution import variants_apart
from batch.experiments.interleaving_quality import check_interleaving
from batch.experiments.log_source import see_log
from batch.experiments.measuring import (
    DAY,
    EXPOSED,
    SPLIT,
    USER_ID,
    VARIANT,
    Seen,
    exposed_column,
    gathered_by,
    of_column,
    per_column,
)
from batch.experiments.plans.plan import PRIMARY, Metric, Plan
from batch.experiments.quality import QualityCheck, failed
from batch.experiments.reading import (
    Shift,
    Source,
    look_of,
    looks_taken,
    put_on_register,
    reread_cautions,
    shifts_of,
    width_at,
)
from batch.experiments.register import plan_cautions, registered

CARRIES_OVER: Final = 0.01
"""p-values of agreement between splits below it are told as carry-over."""


@dataclass(frozen=True)
class SplitEffect:
    """What users say of whose titles the second variant has a share."""

    share: float
    users: int
    effect: Effect


@dataclass(frozen=True)
class Preference:
    """The second variant minus the first in one metric, within the same users.

    ``values`` are the metric of the first and the second variant over all users. ``effect`` pools the splits, with the interval
    of the look; ``adjusted`` is its p-value, by Holm among primaries, alone for other metrics. ``carry_over`` tests whether the
    splits agree; None where there is one. Where nothing can be said ``effect`` is None and ``problem`` says why.
    """

    metric: Metric
    values: tuple[float, float]
    effect: Effect | None
    splits: tuple[SplitEffect, ...] = ()
    carry_over: Heterogeneity | None = None
    adjusted: float | None = None
    problem: str = ""

    @property
    def carries_over(self) -> bool:
        """Whether what one variant shows changes what users do with the other's titles."""
        return self.carry_over is not None and not self.is_thin and self.carry_over.p_value < CARRIES_OVER

    @property
    def is_thin(self) -> bool:
        """Whether a split has too few users or rewards to be compared with the others."""
        return any(split.effect.caution for split in self.splits)


@dataclass(frozen=True)
class InterleavedReading:
    """What an interleaving says at a look. Where a check failed ``preferences`` are empty."""

    name: str
    hypothesis: str
    control: str
    treatment: str
    day: str
    look: int
    looks: tuple[str, ...]
    version: int
    digest: str
    shifts: tuple[Shift, ...]
    users: int
    level: float
    checks: tuple[QualityCheck, ...]
    preferences: tuple[Preference, ...]
    cautions: tuple[str, ...]
    notes: tuple[str, ...]
    data: str

    @property
    def is_readable(self) -> bool:
        """Whether no check failed."""
        return not failed(self.checks)


def interleave(source: Source, name: str, look: date | None = None) -> InterleavedReading:
    """An interleaving at a planned look, which its register then lists.

    Args:
        source: of the data, a workspace.
        name: of the experiment.
        look: which of the planned looks; the last one that has come by default.

    Raises:
        InputError: it is none, has not started, has changed, or has no data; or no look has come, or the day is none.
    """
    own = registered(source.workspace, name)
    plan = own.plan
    if not plan.splits:
        raise InputError(
            f"experiment {name} is no interleaving: it splits users, and `artwork experiment read {name}` reads it; a plan of"
            ' kind = "interleaving" splits titles'
        )
    day = look_of(source, plan, look)
    digests = [version.digest for version in own.register.versions]
    seen = see_log(source.workspace, plan, day, shares=own.register.shares, digests=digests)
    users = users_with_both(seen, day)
    newest = seen.facts.generation
    apart = None if newest is None else variants_apart(source.workspace, plan, newest)
    checks = tuple(check_interleaving(seen, plan, day, users, apart))
    taken = looks_taken(own, day)
    width = width_at(plan, taken, gathered_by(seen, plan, taken))
    preferences = tuple(_judged(preferences_of(users, plan, seen.metrics, width), width)) if not failed(checks) else ()
    data = _digest(users)
    before = put_on_register(source, own, day, data)
    return InterleavedReading(
        name=name,
        hypothesis=plan.hypothesis,
        control=plan.names[0],
        treatment=plan.names[1],
        day=str(day),
        look=plan.looks.index(day) + 1,
        looks=tuple(map(str, plan.looks)),
        version=own.version.version,
        digest=own.version.digest,
        shifts=shifts_of(own.register.versions),
        users=users.height,
        level=plan.level,
        checks=checks,
        preferences=preferences,
        cautions=(*plan_cautions(own), *reread_cautions(before, day), *_cautions(preferences)),
        notes=seen.facts.notes,
        data=data,
    )


def users_with_both(seen: Seen, until: date) -> pl.DataFrame:
    """The users who were exposed by a day, by id: their split, and exposures and sums of each metric under each variant."""
    exposed = seen.days.filter(pl.col(EXPOSED) > 0, pl.col(DAY) <= until)
    sums = [name for place in range(len(seen.metrics)) for name in (of_column(place), per_column(place))]
    return (
        exposed.sort(USER_ID, DAY, VARIANT)
        .group_by(USER_ID, maintain_order=True)
        .agg(
            pl.col(SPLIT).first(),
            pl.col(SPLIT).n_unique().alias("splits"),
            *(
                pl.col(EXPOSED).filter(pl.col(VARIANT) == place).sum().alias(exposed_column(place))
                for place in range(2)
            ),
            *(
                pl.col(name).filter(pl.col(VARIANT) == place).sum().alias(_under(name, place))
                for name in sums
                for place in range(2)
            ),
        )
    )


def preferences_of(users: pl.DataFrame, plan: Plan, metrics: Sequence[Metric], width: LookKind) -> list[Preference]:
    """Every metric, in the order of the plan."""
    return [_preference(users, plan, metric, place, width) for place, metric in enumerate(metrics)]


def _preference(users: pl.DataFrame, plan: Plan, metric: Metric, place: int, width: LookKind) -> Preference:
    values = _value(users, place, 0), _value(users, place, 1)
    splits = []
    try:
        for split, share in enumerate(plan.splits):
            own = users.filter(pl.col(SPLIT) == split)
            first, second = (_pair(own, place, variant) for variant in range(2))
            splits.append(SplitEffect(share, own.height, paired_effect(second, first, plan.level)))
        made = interleaved_effect([one.effect for one in splits], plan.splits, plan.level)
        effect = seen_at(made.preference, width)
    except InputError as error:
        return Preference(metric, values, None, problem=str(error))
    return Preference(metric, values, effect, tuple(splits), made.carry_over, p_value_at(effect, width))


def _judged(preferences: Sequence[Preference], width: LookKind) -> list[Preference]:
    """The same with the p-values of primaries by Holm."""
    primaries = [one for one in preferences if one.metric.role == PRIMARY and one.effect is not None]
    p_values = holm([p_value_at(one.effect, width) for one in primaries if one.effect]) if primaries else np.empty(0)
    adjusted = dict(zip((one.metric.name for one in primaries), p_values.tolist(), strict=True))
    return [replace(one, adjusted=adjusted.get(one.metric.name, one.adjusted)) for one in preferences]


def _cautions(preferences: Sequence[Preference]) -> list[str]:
    made = []
    for one in preferences:
        text = one.problem or (one.effect.caution if one.effect else "")
        if text:
            made.append(f"{one.metric.name}: {text}")
        if one.carries_over:
            made.append(
                f"{one.metric.name}: the preference depends on how many titles the other variant has: what one shows changes what"
                " users do with the other's titles; believe neither its size nor its sign before a test that splits users"
            )
    return made


def _under(name: str, variant: int) -> str:
    return f"{name} under {variant}"


def _pair(users: pl.DataFrame, place: int, variant: int) -> tuple[F64, F64]:
    of, per = (users[_under(column(place), variant)].to_numpy() for column in (of_column, per_column))
    return of, per


def _value(users: pl.DataFrame, place: int, variant: int) -> float:
    of, per = _pair(users, place, variant)
    return float(of.sum() / per.sum()) if per.sum() else 0.0


def _digest(users: pl.DataFrame) -> str:
    """BLAKE2b-128 of all sums, by user."""
    digest = blake2b("\n".join(users[USER_ID].to_list()).encode(), digest_size=16)
    for name in users.columns:
        if name != USER_ID:
            digest.update(name.encode() + np.ascontiguousarray(users[name].to_numpy(), dtype=np.float64).tobytes())
    return digest.hexdigest()
