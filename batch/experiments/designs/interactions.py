"""Whether experiments that run at the same time change each other's effects: all pairs, on a workspace or a table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl
import scipy

from bandit.arrays import Bool
from bandit.errors import InputError
from bandit.experiments import Effect, benjamini_hochberg, interactions
from bandit.experiments.effects import UNLIKE
from batch.experiments.log_source import see_log
from batch.experiments.measuring import DAY, EXPOSED, USER_ID, VARIANT, Seen, of_column, per_column
from batch.experiments.plans.file import plan_names
from batch.experiments.plans.plan import IMPRESSION, PICKS, PROXY, TABLE, USER, Metric, Plan
from batch.experiments.register import Registered, read_register, registered
from batch.experiments.table_source import finite_numbers, is_blank, read_table
from batch.workspace.workspace import Workspace

MOST: Final = 40
"""Experiments, of which all pairs are compared."""
_POWER: Final = 0.8
_LEVEL: Final = 0.95
_CONTROLS: Final = ("0", "0.0", "false", "control", "off", "no", "none")
_NUMBER, _PLACE = "number", "place"


@dataclass(frozen=True)
class PairEffect:
    """Two experiments: how much more the first one's treatment does for users who have the second one's treatment.

    ``adjusted`` is the p-value among all pairs by Benjamini and Hochberg. ``detectable`` is the interaction that this pair would
    show 4 times in 5 if it were the only pair, ``alone`` if it were the only one of all pairs that has any. ``caution`` says that
    the two were not drawn independently. Where nothing can be said ``effect`` is None and ``problem`` says why.
    """

    first: str
    second: str
    users: int
    effect: Effect | None
    adjusted: float | None = None
    detectable: float | None = None
    alone: float | None = None
    caution: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Interactions:
    """All pairs of simultaneous experiments, the smallest p-value first. ``value`` is the metric over all users of the pairs."""

    source: str
    metric: str
    experiments: tuple[str, ...]
    pairs: tuple[PairEffect, ...]
    level: float
    value: float
    notes: tuple[str, ...]

    @property
    def called(self) -> tuple[PairEffect, ...]:
        """Pairs whose interaction is more than chance."""
        return tuple(one for one in self.pairs if one.adjusted is not None and one.adjusted < 1 - self.level)


class _Pair(NamedTuple):
    """Users who are in both experiments: what they did, and whether they have the treatment of each."""

    first: str
    second: str
    sums: pl.DataFrame


def of_table(path: Path, metric: str, per: str = USER, experiments: Sequence[str] = ()) -> Interactions:
    """All pairs of experiments of a table with a column for each.

    Args:
        path: with the column user, that of the metric, and one for each experiment, which has two values: the control and the
            treatment. A user without a value is not in it. Several rows of a user are added up.
        metric: the column.
        per: ``user``, or the column that it is divided by.
        experiments: the columns; all others by default.

    Raises:
        InputError: a column is missing, has not two values, or differs between rows of a user; names it.
        SurroundingsError: the table cannot be read.
    """
    frame = read_table(path, ("user",))
    columns = list(experiments) or [name for name in frame.columns if name not in {"user", "day", metric, per}]
    measured = [metric] if per == USER else [metric, per]
    if missing := [name for name in (*measured, *columns) if name not in frame.columns]:
        raise InputError(
            f"{path} has no column {', '.join(missing)}, it has {', '.join(frame.columns)}; correct the name"
        )
    _refuse_few(columns, f"{path} has the columns {', '.join(frame.columns)}")
    treatments = [_treatments(frame, name, path) for name in columns]
    numbers = {name: finite_numbers(frame, name, path) for name in measured}
    made = pl.DataFrame(
        {
            "user": frame["user"],
            "of": numbers[metric],
            "per": pl.repeat(1.0, frame.height, eager=True) if per == USER else numbers[per],
            **{name: has for name, (has, _) in zip(columns, treatments, strict=True)},
        }
    )
    users = made.group_by("user", maintain_order=True).agg(
        pl.col("of").sum(), pl.lit(1.0).alias("per") if per == USER else pl.col("per").sum(), pl.col(columns).first()
    )
    for name in columns:
        _refuse_both(made, name, path)
    pairs = [
        _Pair(one, other, users.select("of", "per", first=one, second=other).drop_nulls())
        for one, other in combinations(columns, 2)
    ]
    notes = tuple(f"{name}: {told}" for name, (_, told) in zip(columns, treatments, strict=True))
    return _compared(str(path), _named(metric, per), columns, pairs, notes)


def of_workspace(
    workspace: Workspace, names: Sequence[str] = (), metric: str = "take", per: str = IMPRESSION
) -> Interactions:
    """All pairs of a workspace's experiments that ran on the same days in different layers.

    Args:
        workspace: with a log.
        names: of experiments; all that were started by default.
        metric: a reward, as ``of`` of a plan's metric.
        per: as ``per`` of a plan's metric.

    Raises:
        InputError: there are not two experiments to compare, one that was named cannot be read, or a reward is not known.
    """
    own, notes = _started(workspace, names)
    _refuse_few(
        [one.plan.name for one in own], f"{workspace.root} has {len(own)} experiments that can be compared", notes
    )
    measured = (Metric("interaction", metric, PROXY, per),)
    seen = {one.plan.name: _seen(workspace, one, measured) for one in own}
    pairs = []
    for one, other in combinations([one.plan for one in own], 2):
        if one.layer == other.layer:
            notes.append(f"{one.name} and {other.name} are of the layer {one.layer} and share no user at a time")
        elif (
            (first := seen[one.name]) is None
            or (second := seen[other.name]) is None
            or not (days := _both(first, second))
        ):
            notes.append(f"{one.name} and {other.name} have no day in common in the log")
        else:
            pairs.append(_pair(one, other, first, second, days, per))
    if not pairs:
        raise InputError(f"{workspace.root} has no two experiments that ran at the same time: {'; '.join(notes)}")
    names_of = [one.plan.name for one in own]
    return _compared(str(workspace.root), _named(metric, per), names_of, pairs, tuple(notes))


def _named(metric: str, per: str) -> str:
    return f"{metric} per {per}"


def _refuse_few(names: Sequence[str], what: str, notes: Sequence[str] = ()) -> None:
    because = f" ({'; '.join(notes)})" if notes else ""
    if len(names) < 2:
        raise InputError(f"{what}{because}; expected two or more, each with a column or a started plan")
    if len(names) > MOST:
        raise InputError(f"{what}: {len(names)} experiments, expected up to {MOST}; name those that you ask about")


def _treatments(frame: pl.DataFrame, name: str, path: Path) -> tuple[pl.Series, str]:
    """Whether each row has the treatment, null where it is not in the experiment; and which value is the control."""
    blank = is_blank(frame[name])
    column = frame[name].cast(pl.String).str.strip_chars()
    values = sorted(column.filter(~blank).unique().to_list())
    if len(values) != 2:
        told = ", ".join(values[:5]) + (", ..." if len(values) > 5 else "")
        raise InputError(
            f"{path}, column {name} has {len(values)} different values ({told}), expected two: those of control and treatment,"
            " none where a user is not in the experiment; name the columns of experiments after the command: artwork experiment"
            " interactions ONE OTHER --table ..."
        )
    control = next((value for value in values if value.lower() in _CONTROLS), values[0])
    treatment = next(value for value in values if value != control)
    has = pl.select(pl.when(~blank).then(column == treatment)).to_series()
    return has, f"control is {control}, treatment {treatment}"


def _refuse_both(made: pl.DataFrame, name: str, path: Path) -> None:
    counts = made.group_by("user", maintain_order=True).agg(n=pl.col(name).n_unique())
    if not (odd := counts.filter(pl.col("n") > 1)).is_empty():
        raise InputError(
            f"{path}, column {name}: user {odd['user'][0]!r} has several values, expected one for each user; leave out users who"
            " changed"
        )


def _started(workspace: Workspace, names: Sequence[str]) -> tuple[list[Registered], list[str]]:
    """Experiments that can be compared, and why others cannot."""
    own, notes = [], []
    for name in names or plan_names(workspace):
        try:
            if not names and not read_register(workspace, name).versions:
                continue
            one = registered(workspace, name)
        except InputError as error:
            if names:
                raise
            notes.append(f"{name} is left out: {error}")
            continue
        if why := _unfit(one.plan):
            notes.append(f"{name} is left out: {why}")
        else:
            own.append(one)
    return own, notes


def _unfit(plan: Plan) -> str:
    if plan.source == TABLE:
        return "it is of a table; give --table"
    if plan.splits:
        return "it is an interleaving, whose users have both variants"
    return "a gate moves users from day to day" if plan.gate is not None else ""


def _seen(workspace: Workspace, own: Registered, metrics: tuple[Metric, ...]) -> Seen | None:
    digests = [version.digest for version in own.register.versions]
    plain = replace(own.plan, segments=())
    try:
        return see_log(workspace, plain, shares=own.register.shares, digests=digests, metrics=metrics)
    except InputError as error:
        if "has no day" in str(error):
            return None
        raise


def _both(first: Seen, second: Seen) -> set[date]:
    return set(first.days[DAY].to_list()) & set(second.days[DAY].to_list())


def _pair(one: Plan, other: Plan, first: Seen, second: Seen, days: set[date], per: str) -> _Pair:
    """Users exposed to both on the days that both ran: of picks alone what their picks brought, else of all impressions."""
    sums = first if one.layer == PICKS or other.layer != PICKS else second
    exposed = [
        seen.days.filter(pl.col(EXPOSED) > 0, pl.col(DAY).is_in(days))
        .sort(USER_ID, DAY, VARIANT)
        .group_by(USER_ID, maintain_order=True)
        .agg(pl.col(VARIANT).first() > 0)
        for seen in (first, second)
    ]
    below = pl.lit(1.0) if per == USER else pl.col(per_column(0)).sum()
    did = (
        sums.days.filter(pl.col(EXPOSED) > 0, pl.col(DAY).is_in(days))
        .group_by(USER_ID, maintain_order=True)
        .agg(of=pl.col(of_column(0)).sum(), per=below)
    )
    joined = did.join(exposed[0].rename({VARIANT: "first"}), on=USER_ID, how="inner").join(
        exposed[1].rename({VARIANT: "second"}), on=USER_ID, how="inner"
    )
    return _Pair(one.name, other.name, joined.sort(USER_ID).select("of", "per", "first", "second"))


def _compared(
    source: str, metric: str, names: Sequence[str], pairs: Sequence[_Pair], notes: tuple[str, ...]
) -> Interactions:
    made = [_effect(pair) for pair in pairs]
    told = [one for one in made if one.effect is not None]
    if told:
        adjusted = benjamini_hochberg([one.effect.p_value for one in told if one.effect is not None]).tolist()
        reach = float(-scipy.special.ndtri((1 - _LEVEL) / 2 / len(told)) + scipy.special.ndtri(_POWER))
        told = [
            replace(one, adjusted=p_value, alone=reach * one.effect.standard_error)
            for one, p_value in zip(told, adjusted, strict=True)
            if one.effect is not None
        ]
    rest = [one for one in made if one.effect is None]
    told.sort(key=lambda one: one.effect.p_value if one.effect is not None else 1.0)
    of = sum(float(pair.sums["of"].sum()) for pair in pairs)
    per = sum(float(pair.sums["per"].sum()) for pair in pairs)
    return Interactions(source, metric, tuple(names), (*told, *rest), _LEVEL, of / per if per else 0.0, notes)


def _effect(pair: _Pair) -> PairEffect:
    sums = pair.sums
    assignments = np.stack([sums["first"].to_numpy(), sums["second"].to_numpy()], axis=1).astype(np.float64)  # (n, 2)
    try:
        (found,) = interactions(
            (sums["of"].to_numpy(), sums["per"].to_numpy()), assignments, (pair.first, pair.second), _LEVEL
        )
    except InputError as error:
        return PairEffect(pair.first, pair.second, sums.height, None, problem=str(error))
    return PairEffect(
        pair.first,
        pair.second,
        sums.height,
        found.effect,
        None,
        found.detectable,
        caution=_dependence(assignments[:, 0] > 0, assignments[:, 1] > 0),
    )


def _dependence(first: Bool, second: Bool) -> str:
    """Whether who has the one treatment has the other more often or less: then users are missing, or one draw made both."""
    table = np.bincount(2 * first + second, minlength=4).reshape(2, 2)
    p_value = float(scipy.stats.chi2_contingency(table, correction=False).pvalue)
    if p_value >= UNLIKE:
        return ""
    shares = table[:, 1] / table.sum(axis=1)
    return (
        f"{shares[1]:.1%} of those with the first treatment have the second, {shares[0]:.1%} of the others (p = {p_value:.1g}):"
        " they were not drawn independently, or users are missing"
    )
