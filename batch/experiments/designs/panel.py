"""A change that some units met and others did not, over the same times: the effect, and what it rests on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from bandit.arrays import F64
from bandit.errors import InputError
from bandit.experiments import DifferenceInDifferences, Effect, difference_in_differences, holm, without_each_unit
from bandit.experiments.panels import FEW_CLUSTERS, FEW_TREATED
from batch.experiments.designs.assumptions import (
    CLEAR,
    ODD,
    Assumption,
    conclusion_of,
    ends_of,
    failing,
    fails,
    passes,
    unknown,
)
from batch.experiments.designs.panel_table import PanelRows, read_rows

_MOST_LEFT_OUT: Final = 200
_MOST_WORK: Final = 3e9
"""Units times the third power of times: with rows that are missing, leaving out each unit takes seconds from there on."""
_MOST_STARTS: Final = 24
_DOMINATING: Final = 0.5
"""Share of the scatter of effects without each unit that one unit may make; it is 1 / units where all are alike."""
_SEVERAL: Final = 2
_MOST_BELOW: Final = 0.1
"""Share of outcomes below 0 from which on they are no amounts, of which one could have a fifth more."""
_UNEVEN: Final = 1.25
"""Times the shortest distance of two times that the longest is, from which the table is told: months are 28 to 31 days."""


@dataclass(frozen=True)
class Means:
    """Mean outcomes at a time, of units that are treated at some time and of those that never are; None without any."""

    time: str
    treated: float | None
    untreated: float | None


@dataclass(frozen=True)
class OfStart:
    """The effect on units that were treated from a time on, against those that never were alone."""

    time: str
    units: int
    effect: Effect | None
    problem: str = ""


@dataclass(frozen=True)
class Panel:
    """The effect of being treated, and what it rests on.

    ``p_value`` is the one to read: of the wild bootstrap for up to 16 units, else Student's. ``starts`` are there where units
    were treated from different times on.
    """

    table: str
    rows: int
    times: tuple[str, ...]
    found: DifferenceInDifferences
    p_value: float
    assumptions: tuple[Assumption, ...]
    conclusion: str
    means: tuple[Means, ...]
    starts: tuple[OfStart, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether data speak against no assumption."""
        return not failing(self.assumptions)


def read_panel(path: Path, level: float = 0.95) -> Panel:
    """Difference-in-differences of a table.

    Args:
        path: Parquet, CSV or JSON lines with the columns unit, time, treated and outcome, a row per unit and time.
        level: of intervals.

    Raises:
        InputError: a column is missing, a value is not as it should be, or there is nothing to compare; says what to do.
        SurroundingsError: the table cannot be read.
    """
    rows, notes = read_rows(path)
    found = _found(rows, level)
    starts = _starts(rows, level)
    assumptions = (
        _same_trends(rows, found),
        _enough_units(found),
        _no_unit_alone(rows, found),
        _one_start(found, starts),
        _complete(rows),
        _any_scale(rows, found),
        unknown(
            "nothing else happened to treated units at that time",
            "no table can show this",
            "whatever else changed for them then is part of the figure: ask, and try an outcome that the treatment cannot move",
        ),
        unknown(
            "untreated units do not feel the treatment",
            "no table can show this",
            "if users or demand moved between units, the untreated ones changed too, and the figure counts it twice",
        ),
        unknown(
            "units are what was decided about",
            "a unit's times may hang together, which the interval knows; units of one group may not",
            "if the decision was made for groups of units (shops of a country), name the group as unit: else p is too small",
        ),
    )
    return Panel(
        str(path),
        rows.frame.height,
        rows.names,
        found,
        _p_value(found),
        assumptions,
        conclusion_of(assumptions),
        _means(rows),
        starts,
        notes,
    )


def _found(rows: PanelRows, level: float) -> DifferenceInDifferences:
    outcomes, units, times, treated = rows.arrays
    return difference_in_differences(outcomes, units.to_list(), times, treated, level)


def _p_value(found: DifferenceInDifferences) -> float:
    return found.p_value if found.wild_p_value is None else found.wild_p_value


def _same_trends(rows: PanelRows, found: DifferenceInDifferences) -> Assumption:
    name = "without treatment, treated units would have gone on like the others"
    trend = found.pre_trend
    if trend is None:
        return unknown(
            name,
            "there are fewer than two times before the treatment, or they vary too little",
            "nothing shows that both kinds of units moved alike before: add earlier times",
        )
    reached = sorted(found.trend_reach * end for end in (trend.lower, trend.upper))
    detrended = (
        f"; with a trend of their own allowed for, the effect is {ends_of(found.detrended)}" if found.detrended else ""
    )
    seen = f"before treatment they grew by {ends_of(trend)} more per period{detrended}"
    gaps = np.diff(rows.frame["clock"].unique().sort().to_numpy())
    if gaps.max() > _UNEVEN * gaps.min():
        seen += (
            "; times are not evenly apart, and a trend is taken to go by their distance, a period being the median one"
        )
    leads = [effect.p_value for _, effect in found.leads] if min(found.units) >= FEW_TREATED else []
    odd = float(holm(leads).min()) if leads else 1.0
    seen += f"; one time before it is off (adjusted p {odd:.2g})" if odd < CLEAR <= trend.p_value else ""
    least = min(trend.p_value, odd)
    if least < ODD:
        return fails(
            name, seen, "they moved apart before anybody treated them: the figure is not of the treatment alone"
        )
    if least < CLEAR:
        return unknown(
            name, seen, "they may have moved apart before anybody treated them: more times before it are needed"
        )
    most = reached[1] if found.value > 0 else -reached[0]
    if most >= abs(found.value):
        return unknown(
            name,
            f"{seen}; a trend that these data cannot exclude would show as {reached[0]:+.3g} to {reached[1]:+.3g}",
            "no trend is seen, but one too small to be seen would explain the whole figure: more times before it are needed",
        )
    return passes(
        name,
        f"{seen}; a trend that went on would show as {reached[0]:+.3g} to {reached[1]:+.3g}",
        "no trend that these data leave possible explains the whole figure",
    )


def _enough_units(found: DifferenceInDifferences) -> Assumption:
    name = "there are enough units of both kinds"
    treated, never = found.units
    units = treated + never
    seen = f"{treated} treated, {never} never treated"
    if found.wild_p_value is not None:
        seen += (
            f"; p is {found.wild_p_value:.3g} by the wild bootstrap and {found.p_value:.3g} by Student's distribution"
        )
    if min(treated, never) < FEW_TREATED and min(treated, never) < 0.3 * units:
        return fails(
            name,
            seen,
            f"with fewer than {FEW_TREATED} on a side no p-value and no interval holds: take the figure as a story",
        )
    if 2.0 ** (1 - units) > CLEAR:
        return unknown(
            name,
            seen,
            f"with {units} units the bootstrap's p cannot be below {2.0 ** (1 - units):.3g}: nothing can be shown",
        )
    if units < FEW_CLUSTERS:
        which = "read the bootstrap's p" if found.wild_p_value is not None else "p is a little too small"
        return unknown(name, seen, f"with fewer than {FEW_CLUSTERS} units intervals are a little too narrow: {which}")
    return passes(name, seen, "intervals and p hold what they promise as far as the number of units goes")


def _no_unit_alone(rows: PanelRows, found: DifferenceInDifferences) -> Assumption:
    name = "no unit decides alone"
    outcomes, units, times, treated = rows.arrays
    names = units.unique(maintain_order=True).to_list()
    is_long = rows.frame.height < len(names) * len(rows.names) and len(names) * len(rows.names) ** 3 > _MOST_WORK
    if len(names) > _MOST_LEFT_OUT or is_long:
        return unknown(
            name,
            f"not tried: {len(names):,} units at {len(rows.names):,} times are too many",
            "a unit much larger than others may decide",
        )
    without = without_each_unit(outcomes, units.to_list(), times, treated)
    if (only := next((unit for unit, value in zip(names, without, strict=True) if value is None), None)) is not None:
        return fails(
            name, f"without unit {only!r} there is no effect to be told", "the figure is of that unit, and of no other"
        )
    values: F64 = np.array(without)
    moves = np.abs(values - found.value)
    place = int(moves.argmax())
    share = float(moves[place] ** 2 / (moves**2).sum()) if moves.any() else 0.0
    seen = f"without {names[place]!r}, which moves it most, it is {values[place]:+.4g}; {share:.0%} of the scatter is its own"
    is_clear = _p_value(found) < CLEAR
    if share > max(_DOMINATING, 3 / len(names)) or (is_clear and moves[place] > abs(found.value) / 2):
        return fails(
            name,
            seen,
            f"the figure rests on {names[place]!r}: read it without, or take outcomes per user or in logarithms",
        )
    return passes(name, seen, "the figure is about the same whichever unit is left out")


def _starts(rows: PanelRows, level: float) -> tuple[OfStart, ...]:
    """The effect of each start against units that never were treated, where there are several starts."""
    first = pl.when(pl.col("treated")).then(pl.col("time")).min().over("unit")
    frame = rows.frame.with_columns(start=first)
    there = frame["start"].drop_nulls().unique().sort().to_list()
    if len(there) < _SEVERAL:
        return ()
    made = []
    for start in there[:_MOST_STARTS]:
        own = frame.filter(pl.col("start").is_null() | (pl.col("start") == start))
        units = own.filter(pl.col("start") == start)["unit"].n_unique()
        name = rows.names[int(start)]
        try:
            found = _found(PanelRows(own, rows.names), level)
        except InputError as error:
            made.append(OfStart(name, units, None, str(error)))
            continue
        effect = Effect(
            found.value,
            found.standard_error,
            found.lower,
            found.upper,
            found.p_value,
            found.degrees,
            level,
            found.units,
        )
        made.append(OfStart(name, units, effect))
    return tuple(made)


def _one_start(found: DifferenceInDifferences, starts: tuple[OfStart, ...]) -> Assumption:
    name = "all units were treated from one time on, or the effect stays as it is"
    if not starts:
        return passes(
            name, "all treated units have the same first time", "nobody is compared with units changed before"
        )
    told = [(one.units, one.effect.value) for one in starts if one.effect is not None]
    if not told:
        return unknown(name, f"{len(starts)} starts, none of which can be told alone", "compare units of one start")
    mean = sum(units * value for units, value in told) / sum(units for units, _ in told)
    against = f"{len(starts)} starts; each against units never treated, their mean effect is {mean:+.4g}"
    if mean * found.value < 0 or not found.lower <= mean <= found.upper:
        means = "late units were compared with units that were changed before (Goodman-Bacon 2021): read the starts"
        return fails(name, f"{against}, and not {found.value:+.4g}", means)
    means = "if effects grow or fade, the starts are the better figures"
    return unknown(name, f"{against}, where all together have {found.value:+.4g}", means)


def _complete(rows: PanelRows) -> Assumption:
    name = "the treatment does not decide who has a row"
    frame = rows.frame
    units, times = frame["unit"].n_unique(), len(rows.names)
    missing = units * times - frame.height
    if not missing:
        return passes(name, "every unit has a row at every time", "nobody left because of the treatment")
    ever = pl.col("treated").any().over("unit")
    counts = frame.with_columns(ever=ever).group_by("ever").agg(pl.len(), units=pl.col("unit").n_unique())
    shares = {bool(row["ever"]): 1 - row["len"] / (row["units"] * times) for row in counts.iter_rows(named=True)}
    return unknown(
        name,
        f"{missing} of {units * times} rows are not there: {shares[True]:.0%} of treated units', {shares[False]:.0%} of others'",
        "if units with bad outcomes drop out because of the treatment, what is left looks better than it is",
    )


def _any_scale(rows: PanelRows, found: DifferenceInDifferences) -> Assumption:
    """Whether the figure stays where all units would have changed by the same share (Roth and Sant'Anna 2023)."""
    name = "the figure is not that of a change by the same share in all units"
    if (rows.frame["outcome"] < 0).sum() > _MOST_BELOW * rows.frame.height:
        return passes(name, "outcomes have no zero of their own: many are below 0", "they do not change by shares")
    is_ever = pl.col("treated").any().over("unit")
    since = pl.col("time") >= pl.col("time").filter(pl.col("treated")).min()
    means = {
        (bool(row["ever"]), bool(row["since"])): float(row["outcome"])
        for row in rows.frame.with_columns(ever=is_ever, since=since)
        .group_by("ever", "since")
        .agg(pl.col("outcome").mean())
        .iter_rows(named=True)
    }
    before, others, after = (means.get(key, 0.0) for key in ((True, False), (False, False), (False, True)))
    if not others > 0 or (False, True) not in means:
        return unknown(
            name, "untreated units have nothing before the treatment, or no rows after it", "no share is told"
        )
    share = after / others - 1
    same = (before - others) * share
    seen = (
        f"before treatment treated units have {before:.4g} and others {others:.4g}, which then changed by {share:+.1%}; the"
        f" same share in all units would show as {same:+.3g}"
    )
    left = abs(found.value - same) if (found.value - same) * found.value > 0 else 0.0
    if found.p_value < CLEAR and left <= max((found.upper - found.lower) / 2, abs(found.value) / 2):
        return unknown(
            name, seen, "that may be the figure, or most of it: take logarithms of outcomes, or units of the same size"
        )
    return passes(name, seen, "that does not explain the figure")


def _means(rows: PanelRows) -> tuple[Means, ...]:
    frame = rows.frame.with_columns(ever=pl.col("treated").any().over("unit"))
    means = {
        (int(row["time"]), bool(row["ever"])): float(row["outcome"])
        for row in frame.group_by("time", "ever").agg(pl.col("outcome").mean()).iter_rows(named=True)
    }
    get: Callable[[int, bool], float | None] = lambda place, ever: means.get((place, ever))  # noqa: E731 - of one line
    return tuple(Means(name, get(place, True), get(place, False)) for place, name in enumerate(rows.names))
