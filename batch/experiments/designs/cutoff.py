"""A rule that treats everybody from a score on: the jump of the outcome there, and what it rests on."""

from dataclasses import dataclass
from math import exp, inf, log
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import scipy

from bandit.arrays import F64, Bool
from bandit.errors import InputError
from bandit.experiments import Discontinuity, discontinuity
from bandit.experiments.discontinuity import heaps, is_coarse
from bandit.experiments.effects import FEW_USERS
from batch.experiments.designs.assumptions import (
    CLEAR,
    ODD,
    Assumption,
    conclusion_of,
    failing,
    fails,
    passes,
    read_columns,
    unknown,
)
from batch.experiments.table_source import as_numbers, finite_numbers, refuse_first

_COLUMNS: Final = {"score": "the number that the rule looks at", "outcome": "a number"}
_TREATED: Final = "treated"
_OF_RULE: Final = ("score", "outcome", _TREATED)
_PEOPLE: Final = ("user", "unit")
_HOLE: Final = 0.1
"""Share of the bandwidth next to the cutoff that is left out to see whether rows were moved there."""
_MOST_TIMES: Final = 1.5
"""How much more frequent scores on one side may be, of what the density cannot exclude, for it to be no sorting."""
_BINS: Final = 20
_BEND: Final = 3
"""Coefficients of the parabola that each side is taken for where rows of one score are compared."""
_FEW_ROWS: Final = 150


@dataclass(frozen=True)
class Bin:
    """Rows of scores next to each other, on one side of the cutoff: their mean score and outcome, and how many they are."""

    score: float
    outcome: float
    rows: int


@dataclass(frozen=True)
class Cutoff:
    """The jump of the outcome at the cutoff, from there on minus below, and what it rests on."""

    table: str
    rows: int
    cutoff: float
    bandwidth: float
    bias_bandwidth: float
    fixed: tuple[str, ...]
    found: Discontinuity
    assumptions: tuple[Assumption, ...]
    conclusion: str
    bins: tuple[Bin, ...]

    @property
    def passed(self) -> bool:
        """Whether data speak against no assumption."""
        return not failing(self.assumptions)


@dataclass(frozen=True)
class _Rows:
    """The table with where it is cut, and how wide."""

    frame: pl.DataFrame
    path: Path
    outcomes: F64
    scores: F64
    cutoff: float
    bandwidth: float
    bias_bandwidth: float
    level: float

    def jump(
        self, rows: Bool | None = None, cutoff: float | None = None, outcomes: F64 | None = None
    ) -> Discontinuity | None:
        """The same of some rows, at another cutoff, or of another outcome; None where there are too few rows."""
        own = np.ones(len(self.scores), dtype=bool) if rows is None else rows
        values = self.outcomes if outcomes is None else outcomes
        at = self.cutoff if cutoff is None else cutoff
        try:
            return discontinuity(values[own], self.scores[own], at, self.bandwidth, self.bias_bandwidth, self.level)
        except InputError:
            return None

    @property
    def near(self) -> Bool:
        """Rows within the bandwidth, (n,)."""
        return np.asarray(np.abs(self.scores - self.cutoff) < self.bandwidth)

    @property
    def is_above(self) -> Bool:
        """Rows from the cutoff on, (n,)."""
        return np.asarray(self.scores >= self.cutoff)


def read_cutoff(
    path: Path,
    cutoff: float,
    bandwidth: float,
    bias_bandwidth: float | None = None,
    fixed: tuple[str, ...] = (),
    level: float = 0.95,
) -> Cutoff:
    """Regression discontinuity of a table.

    Args:
        path: Parquet, CSV or JSON lines with the columns score and outcome; ``treated`` shows whether the rule was kept.
        cutoff: score from which on a row is treated.
        bandwidth: scores up to which rows count, on either side.
        bias_bandwidth: the same for the correction of bias; the bandwidth if None.
        fixed: columns that were fixed before the rule was applied, and must not jump.
        level: of intervals.

    Raises:
        InputError: a column is missing, a value is no number, or a side has too few rows; says what to do.
        SurroundingsError: the table cannot be read.
    """
    rows = _read(path, cutoff, bandwidth, bias_bandwidth, fixed, level)
    found = discontinuity(rows.outcomes, rows.scores, cutoff, bandwidth, bias_bandwidth, level)
    is_fine = not any(is_coarse(rows.scores[rows.near & side]) for side in (rows.is_above, ~rows.is_above))
    assumptions = (
        _enough_rows(found),
        _nobody_moved(found, is_fine=is_fine),
        _around_the_hole(rows, found),
        _fine_scores(rows, found, is_fine=is_fine),
        _different_people(rows),
        _any_bandwidth(found),
        _nothing_elsewhere(rows, found),
        _nothing_before(rows, fixed),
        _rule_kept(rows),
        unknown(
            "nothing else starts at this cutoff",
            "no table can show this",
            "another rule with the same cutoff is part of the figure: ask who else uses the score",
        ),
        unknown(
            "it is asked about those near the cutoff alone",
            f"{found.rows[0]:,} rows below and {found.rows[1]:,} from it on count, within {bandwidth:g} of {cutoff:.10g}",
            "the figure says nothing of scores far from the cutoff, where the treatment may do more, less or harm",
        ),
    )
    return Cutoff(
        str(path),
        len(rows.scores),
        cutoff,
        bandwidth,
        rows.bias_bandwidth,
        fixed,
        found,
        assumptions,
        conclusion_of(assumptions),
        _bins(rows),
    )


def _read(
    path: Path, cutoff: float, bandwidth: float, bias_bandwidth: float | None, fixed: tuple[str, ...], level: float
) -> _Rows:
    for flag, width in (("--bandwidth", bandwidth), ("--bias-bandwidth", bias_bandwidth)):
        if width is not None and not width > 0:
            raise InputError(
                f"{flag} is {width:g}, expected above 0: how far from the cutoff rows count, in units of the score"
            )
    needed = _COLUMNS | dict.fromkeys(fixed, "named by --fixed")
    frame = read_columns(path, needed)
    for name in fixed:
        if name in _OF_RULE:
            raise InputError(
                f"--fixed {name}: that is part of the rule or comes of it, expected a column that was fixed before, such as age"
            )
    for name in _PEOPLE:
        people = (
            frame[name].cast(pl.String).str.strip_chars() if name in frame.columns else pl.Series([], dtype=pl.String)
        )
        if people.is_duplicated().any():
            odd = people.filter(people.is_duplicated())[0]
            raise InputError(f"{path} has several rows of {name} {odd!r}, expected one each: take their mean first")
    scores = finite_numbers(frame, "score", path).to_numpy()
    outcomes = finite_numbers(frame, "outcome", path).to_numpy()
    for side, own in (("below", scores < cutoff), ("from", scores >= cutoff)):
        if not own.any():
            raise InputError(
                f"{path} has no score {side} the cutoff {cutoff:.10g}{' on' if side == 'from' else ''}: they go from"
                f" {scores.min():g} to {scores.max():g}; correct --cutoff, or add the rows of the other side"
            )
    return _Rows(frame, path, outcomes, scores, cutoff, bandwidth, bias_bandwidth or bandwidth, level)


def _ends(found: Discontinuity) -> str:
    return f"{found.value:+.4g} ({found.lower:+.4g} to {found.upper:+.4g})"


def _enough_rows(found: Discontinuity) -> Assumption:
    """Without an effect p is below 0.05 in 11 of 100 tables with 17 rows on a side, in 8 with 75, in 4 with 310."""
    name = "there are enough rows on both sides"
    seen = f"{found.rows[0]:,} below and {found.rows[1]:,} from the cutoff on, within the bandwidth"
    if min(found.rows) < FEW_USERS:
        return fails(name, seen, f"with fewer than {FEW_USERS} rows on a side the interval is too narrow")
    if min(found.rows) < _FEW_ROWS:
        return unknown(name, seen, f"with fewer than {_FEW_ROWS} rows on a side the interval is a little too narrow")
    return passes(name, seen, "the interval holds what it promises as far as the number of rows goes")


def _nobody_moved(found: Discontinuity, *, is_fine: bool) -> Assumption:
    name = "nobody moved scores across the cutoff"
    density = found.density
    if density is None or not is_fine:
        why = "there are too few rows near the cutoff" if density is None else "there are too few different scores"
        return unknown(name, why, "who gains from the treatment may have pushed their score over the cutoff: ask")
    times, ends = exp(density.value), (exp(density.lower), exp(density.upper))
    seen = f"scores just from the cutoff on are {times:.2f} times as frequent as below ({ends[0]:.2f} to {ends[1]:.2f})"
    if density.p_value < ODD:
        return fails(name, seen, "rows were moved, or some are missing: both sides are different people")
    if density.p_value < CLEAR or max(abs(density.lower), abs(density.upper)) > log(_MOST_TIMES):
        return unknown(name, seen, "such rows do not exclude that one in three was moved")
    return passes(name, seen, "no jump that would be seen; moves in both directions at once would not be")


def _around_the_hole(rows: _Rows, found: Discontinuity) -> Assumption:
    name = "the rows next to the cutoff do not decide"
    far = np.abs(rows.scores - rows.cutoff) >= _HOLE * rows.bandwidth
    other = rows.jump(far)
    if other is None:
        return unknown(name, "too few rows are left without them", "rows that were moved would lie there")
    seen = f"without scores within {_HOLE * rows.bandwidth:.3g} of the cutoff the effect is {_ends(other)}"
    if not other.lower <= found.value <= other.upper:
        return fails(name, seen, "the effect is that of rows next to the cutoff, as if some had been moved there")
    if other.lower <= 0 <= other.upper and found.p_value < CLEAR:
        return unknown(name, seen, "without them there are too few rows to show the effect")
    return passes(name, seen, "the effect stays without them")


def _fine_scores(rows: _Rows, found: Discontinuity, *, is_fine: bool) -> Assumption:
    name = "scores are fine, and not heaped upon"
    near = rows.scores[rows.near]
    if not is_fine:
        counts = [len(np.unique(rows.scores[rows.near & side])) for side in (~rows.is_above, rows.is_above)]
        return fails(
            name,
            f"within the bandwidth there are {counts[0]} different scores below and {counts[1]} from the cutoff on",
            "between so few scores nothing shows how the outcome bends: the interval is too narrow; take scores before rounding",
        )
    heaped = heaps(near)
    if heaped is None:
        return passes(name, "no score has far more rows than others", "rows next to each other are alike")
    share = float(np.isin(near, heaped).mean())
    other = rows.jump(~np.isin(rows.scores, heaped))
    told = "cannot be told" if other is None else _ends(other)
    seen = (
        f"{share:.0%} of rows have one of {len(heaped)} scores such as {heaped[0]:g}; without them the effect is {told}"
    )
    if other is None:
        return unknown(name, seen, "people who round may be other people: the effect may be of them alone")
    is_off = not other.lower <= found.value <= other.upper or not found.lower <= other.value <= found.upper
    if is_off:
        return fails(name, seen, "people who round are other people: read the effect without them")
    return passes(name, seen, "the effect is about the same without them")


def _different_people(rows: _Rows) -> Assumption:
    """Whether rows of one score are more alike than rows of scores next to each other (the G statistic of Lee and Card 2008)."""
    name = "rows with the same score are different people"
    groups, between, of_groups, within, of_rows = 0, 0.0, 0, 0.0, 0
    for side in (rows.near & ~rows.is_above, rows.near & rows.is_above):
        x, y = (rows.scores[side] - rows.cutoff) / rows.bandwidth, rows.outcomes[side]
        places, counts = np.unique(x, return_inverse=True, return_counts=True)[1:]
        design = np.vander(x, _BEND)
        left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
        means = np.bincount(places, left) / counts
        is_shared = counts > 1
        own = is_shared[places]
        groups += int(is_shared.sum())
        between += float(counts[is_shared] @ means[is_shared] ** 2)
        of_groups += max(int(is_shared.sum()) - _BEND, 0)
        within += float(((left - means[places])[own] ** 2).sum())
        of_rows += int(own.sum() - is_shared.sum())
    seen = f"within the bandwidth {groups:,} scores have several rows, {groups + of_rows:,} in all"
    if groups < FEW_USERS or not of_groups:
        return passes(name, seen, "hardly any score is there twice, as it would be if people had several rows each")
    ratio = between / of_groups / (within / of_rows) if within > 0 else inf
    p_value = float(scipy.special.fdtrc(of_groups, of_rows, ratio)) if within > 0 else 0.0
    seen += f", which scatter {ratio:.3g} times as much between scores as within (p = {p_value:.2g})"
    means_odd = (
        "people have several rows each (take their mean first), or outcomes jump from score to score: p is too small"
    )
    if p_value < ODD:
        return fails(name, seen, means_odd)
    if p_value < CLEAR:
        return unknown(name, seen, means_odd)
    return passes(name, seen, "rows of one score are no more alike than rows of scores next to it")


def _any_bandwidth(found: Discontinuity) -> Assumption:
    name = "another bandwidth says the same"
    told = ", ".join(f"{width:.4g}: {effect.value:+.4g}" for width, effect in found.sensitivity)
    if len(found.sensitivity) < 2:
        return unknown(
            name, f"too few rows to try others ({told or 'none'})", "the figure may be that of the bandwidth"
        )
    effects = [effect for _, effect in found.sensitivity]
    is_off = any(not effect.lower <= found.value <= effect.upper for effect in effects)
    flips = any(effect.value * found.value < 0 for effect in effects)
    if is_off or (flips and found.p_value < CLEAR):
        return fails(name, told, "the figure depends on how far one looks: the outcome bends; take the smaller ones")
    if flips:
        return unknown(name, told, "the sign changes with the bandwidth, as it does where nothing is clear")
    return passes(name, told, "sign and size stay with half and with one and a half times the bandwidth")


def _nothing_elsewhere(rows: _Rows, found: Discontinuity) -> Assumption:
    name = "the outcome does not jump where nothing changes"
    tried = [
        (at, made)
        for at, own in ((rows.cutoff - rows.bandwidth, ~rows.is_above), (rows.cutoff + rows.bandwidth, rows.is_above))
        if (made := rows.jump(own, at)) is not None
    ]
    if not tried:
        return unknown(name, "too few rows to try other cutoffs", "the outcome may jump at any score")
    seen = "; ".join(f"at {at:.10g} it jumps by {_ends(made)}" for at, made in tried)
    least = min(made.p_value for _, made in tried) * len(tried)
    if least < ODD:
        return fails(name, seen, "it jumps or bends there as well, so the jump at the cutoff may be no effect")
    if least < CLEAR:
        return unknown(name, seen, "it may jump or bend there as well: see whether it does with more rows")
    if any(made.lower <= found.value <= made.upper for _, made in tried) and found.p_value < CLEAR:
        return unknown(name, seen, "a jump as large as the effect would not have been seen there")
    return passes(name, seen, "elsewhere it goes on without a jump")


def _nothing_before(rows: _Rows, fixed: tuple[str, ...]) -> Assumption:
    name = "what was fixed before does not jump"
    if not fixed:
        return unknown(
            name, "no column was named", "name columns that the rule cannot have changed, such as age: --fixed COLUMN"
        )
    made = {
        column: rows.jump(outcomes=finite_numbers(rows.frame, column, rows.path).to_numpy().astype(np.float64))
        for column in fixed
    }
    seen = "; ".join(f"{column} {'cannot be told' if one is None else _ends(one)}" for column, one in made.items())
    told = [one for one in made.values() if one is not None]
    if not told:
        return unknown(name, seen, "nothing in these columns varies near the cutoff")
    least = min(one.p_value for one in told) * len(told)
    if least < ODD:
        return fails(name, seen, "both sides were different before the rule was applied: it is no effect of it")
    if least < CLEAR:
        return unknown(name, seen, "both sides may have been different before: see whether they are with more rows")
    return passes(name, seen, "both sides were alike in these columns, as far as so many rows show")


def _rule_kept(rows: _Rows) -> Assumption:
    """Whether exactly those from the cutoff on were treated, where a column says it."""
    name = "the rule was kept"
    if _TREATED not in rows.frame.columns:
        seen = f"the table has no column {_TREATED}"
        return unknown(name, seen, "who was treated against the rule makes the jump smaller than the effect")
    treated = as_numbers(rows.frame[_TREATED])
    refuse_first(
        rows.frame, treated.is_null() | ~treated.is_in([0.0, 1.0]), rows.path, _TREATED, "1 or 0, true or false"
    )
    own = (treated.to_numpy() == 1)[rows.near]
    broken = float((own != rows.is_above[rows.near]).mean())
    seen = f"{broken:.1%} of rows near the cutoff were treated against the rule, or not treated though due"
    if broken:
        return fails(name, seen, "the jump is the effect of being due, and not of being treated")
    return passes(name, seen, "being due and being treated are the same")


def _bins(rows: _Rows) -> tuple[Bin, ...]:
    """Means of rows within twice the bandwidth, by scores of equal width, none of which crosses the cutoff."""
    width = 2 * rows.bandwidth / _BINS
    places = np.floor((rows.scores - rows.cutoff) / width).astype(np.int64)
    own = np.abs(rows.scores - rows.cutoff) <= 2 * rows.bandwidth
    frame = pl.DataFrame({"place": places[own], "score": rows.scores[own], "outcome": rows.outcomes[own]})
    means = frame.group_by("place").agg(pl.col("score", "outcome").mean(), pl.len()).sort("place")
    return tuple(Bin(row["score"], row["outcome"], row["len"]) for row in means.iter_rows(named=True))
