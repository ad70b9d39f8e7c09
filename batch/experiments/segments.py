"""Effects within segments: whether they differ is asked first, then each is shrunk towards the others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
import scipy

from bandit.arrays import I64
from bandit.experiments import Effect, benjamini_hochberg, heterogeneity, shrunken
from bandit.experiments.effects import UNLIKE
from bandit.experiments.looks import Looks, look_at
from batch.experiments.effects import metric_effect
from batch.experiments.measuring import VARIANT, Users, segment_column
from batch.experiments.plans.plan import PRIMARY, Plan
from batch.experiments.quality import LEAST_USERS

_LEAST_EXPECTED: Final = 5.0
"""Users that a cell has to expect for a chi-square test."""


@dataclass(frozen=True)
class SegmentEffect:
    """The first primary's effect within a segment.

    ``effect`` and ``adjusted`` (by Benjamini and Hochberg over all segments) are of the segment alone. ``shrunk`` is the effect
    moved towards those of the other values, with its interval; None where there is no other.
    """

    segment: str
    value: str
    treatment: str
    users: tuple[int, int]
    effect: Effect
    adjusted: float
    shrunk: float | None = None
    shrunk_ends: tuple[float, float] | None = None


@dataclass(frozen=True)
class SegmentTest:
    """Whether a treatment's effects differ between the values of a segment by more than chance.

    ``adjusted`` is ``p_value`` by Benjamini and Hochberg over all tests; ``lift_p_value`` is of effects as shares of the control.
    ``differs`` is None where nothing can be told: ``problem`` says why. ``mix_p_value`` is of variants that have the same mix of
    values: a small one means that the segment was not fixed before exposure, and nothing is read within it. ``left_out`` are
    values with too few users.
    """

    segment: str
    treatment: str
    values: int
    left_out: tuple[str, ...]
    mix_p_value: float | None
    p_value: float | None = None
    adjusted: float | None = None
    lift_p_value: float | None = None
    share: float | None = None
    mean: float | None = None
    spread: float | None = None
    differs: bool | None = None
    problem: str = ""


@dataclass(frozen=True)
class Segments:
    """What is said of the segments of a plan: the tests first."""

    tests: tuple[SegmentTest, ...] = ()
    effects: tuple[SegmentEffect, ...] = ()


def segments_of(users: Users, plan: Plan, looks: Looks) -> Segments:
    """The first primary within the segments of the plan, for every treatment.

    A value counts with 30 users of both variants. Whether effects differ is Cochran's Q with Welch's p; it holds for one look.
    """
    pairs = [(name, treatment) for name in plan.segments for treatment in range(1, len(plan.names))]
    made = [_family(users, plan, looks, name, treatment) for name, treatment in pairs]
    tests, effects = [test for test, _ in made], [one for _, own in made for one in own]
    if effects:
        adjusted = benjamini_hochberg([one.adjusted for one in effects]).tolist()
        effects = [replace(one, adjusted=p_value) for one, p_value in zip(effects, adjusted, strict=True)]
    return Segments(tuple(_adjusted(tests, 1 - plan.level)), tuple(effects))


def _adjusted(tests: Sequence[SegmentTest], error: float) -> list[SegmentTest]:
    p_values = [test.p_value for test in tests if test.p_value is not None]
    if not p_values:
        return list(tests)
    adjusted = iter(benjamini_hochberg(p_values).tolist())
    return [
        test if test.p_value is None else replace(test, adjusted=(p_value := next(adjusted)), differs=p_value < error)
        for test in tests
    ]


def _family(
    users: Users, plan: Plan, looks: Looks, segment: str, treatment: int
) -> tuple[SegmentTest, list[SegmentEffect]]:
    column, name = segment_column(segment), plan.names[treatment]
    place = next(at for at, metric in enumerate(users.metrics) if metric.role == PRIMARY)
    look = look_at(looks, users.metrics[place].name)
    both = users.frame.filter(pl.col(VARIANT).is_in([0, treatment]))
    values = sorted(both[column].unique().to_list())
    mix = _mix_p_value(both, column)
    effects: list[SegmentEffect] = []
    left_out = []
    for value in values:
        own = users.where(pl.col(column) == value)
        counts = own.counts(len(plan.names))
        one = metric_effect(own, plan, place, treatment, looks)
        if min(counts[treatment], counts[0]) < LEAST_USERS or one.effect is None:
            left_out.append(f"{value} ({counts[treatment]:,} / {counts[0]:,})")
        else:
            effects.append(SegmentEffect(segment, str(value), name, one.users, one.effect, one.adjusted or 0.0))
    test = SegmentTest(segment, name, len(effects), tuple(left_out), mix)
    if mix is not None and mix < UNLIKE:
        return replace(test, problem="variants have another mix of its values"), []
    if len(effects) < 2:
        return replace(test, problem="fewer than two of its values have enough users of both variants"), effects
    own_values = [one.effect.value for one in effects]
    errors = [one.effect.standard_error for one in effects]
    found = heterogeneity(own_values, errors, [sum(one.users) for one in effects])
    moved = shrunken(own_values, errors)
    test = replace(
        test,
        p_value=found.p_value,
        lift_p_value=_lift_p_value(effects),
        share=found.share,
        mean=moved.mean,
        spread=moved.spread,
    )
    shrunk = [
        replace(one, shrunk=value, shrunk_ends=(value - reach * error, value + reach * error))
        for one, value, error in zip(effects, moved, moved.standard_errors.tolist(), strict=True)
        for reach in [look.reach(one.effect, one.effect.level)]
    ]
    return test, shrunk


def _lift_p_value(effects: Sequence[SegmentEffect]) -> float | None:
    """The same of lifts: segments that do more of everything have more of a lift that is the same for all."""
    lifts = [one.effect.relative for one in effects if one.effect.relative is not None]
    if len(lifts) < len(effects):
        return None
    users = [sum(one.users) for one in effects]
    return heterogeneity([lift.value for lift in lifts], [lift.standard_error for lift in lifts], users).p_value


def _mix_p_value(users: pl.DataFrame, column: str) -> float | None:
    """Of a chi-square test of values by variants, rare values together; None where one value has nearly all users."""
    variants = (users[VARIANT] > 0).to_numpy()
    values: I64 = users[column].cast(pl.String).rank("dense").to_numpy().astype(np.int64) - 1
    table = np.stack([np.bincount(values[variants == side], minlength=int(values.max()) + 1) for side in (False, True)])
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    is_rare = expected.min(axis=0) < _LEAST_EXPECTED
    table = np.concatenate([table[:, ~is_rare], table[:, is_rare].sum(axis=1, keepdims=True)], axis=1)
    table = table[:, np.outer(table.sum(axis=1), table.sum(axis=0)).min(axis=0) / table.sum() >= _LEAST_EXPECTED]
    if table.shape[1] < 2:
        return None
    return float(scipy.stats.chi2_contingency(table, correction=False).pvalue)
