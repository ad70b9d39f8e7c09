"""Difference-in-differences: units that were changed at some time against units that were not, over the same times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64, Bool, numbered, ordered_array
from bandit.errors import InputError
from bandit.experiments.columns import checked_level, column, labels, mask
from bandit.experiments.effects import Effect, effect_of

FEW_CLUSTERS: Final = 30
"""Units; with fewer, the wild bootstrap is the better p-value (Cameron, Gelbach and Miller 2008)."""
FEW_TREATED: Final = 8
"""Treated units (or untreated ones); fewer, when they are less than 3 of 10, make Student's p-value too small (12 % of those
without effect are below 5 % with 5 of 40) and the bootstrap's too large (MacKinnon and Webb 2017)."""
_FEW_SHARE: Final = 0.3
MOST_SIGNED: Final = 16
"""Units up to which the wild bootstrap goes through all 2^G signs."""
_ROUNDING: Final = 1e-12
_BLOCK: Final = 4096


@dataclass(frozen=True)
class DifferenceInDifferences:
    """The effect of being treated, given levels of units and of times.

    Attributes:
        value: the effect; the fields after it are as in ``Effect``.
        degrees: units - 1.
        units: treated at some time, and never.
        wild_p_value: of the wild cluster bootstrap over all signs; None for more than 16 units.
        pre_trend: how much more treated units grew per period before they were treated; None with fewer than 2 such periods. A
            period is the median distance of two times: what is twice as far apart has twice the trend.
        leads: how far treated units were from the last period before treatment, by periods before it (-2, -3, ...).
        trend_reach: the effect that would be seen of treated units which grow by 1 per period more than others, and of nothing
            else: times ``pre_trend`` it is what that trend makes of the effect if it goes on.
        detrended: the effect where treated units may have a trend of their own; None where that cannot be told from it.
        caution: what speaks against the method here; empty if nothing is known.
    """

    value: float
    standard_error: float
    lower: float
    upper: float
    p_value: float
    degrees: float
    level: float
    units: tuple[int, int]
    wild_p_value: float | None
    pre_trend: Effect | None
    leads: tuple[tuple[int, Effect], ...]
    trend_reach: float
    detrended: Effect | None
    caution: str = ""


def difference_in_differences(
    outcomes: npt.ArrayLike, units: npt.ArrayLike, times: npt.ArrayLike, treated: npt.ArrayLike, level: float = 0.95
) -> DifferenceInDifferences:
    """Least squares of y = a(unit) + b(time) + δ treated, with errors that are robust to clusters of units.

    The variance is CRV1 with the factor G / (G - 1) · (m - 1) / (m - k), k the coefficient and the times (levels of units are
    nested in clusters), as fixest and pyfixest have it; Student's distribution with G - 1 degrees of freedom (Bertrand, Duflo
    and Mullainathan 2004). With at most 16 units the wild bootstrap imposes δ = 0 and goes through all signs (Cameron, Gelbach
    and Miller 2008).

    Args:
        outcomes: a number per row, (m,).
        units: whose it is, (m,): numbers or texts.
        times: when, (m,): numbers or dates.
        treated: 1 from when on the unit is treated, else 0, (m,).
        level: of intervals.

    Raises:
        InputError: treated does not vary within units and times, or something else is wrong.

    >>> found = difference_in_differences([1, 2, 1, 5, 2, 3.5, 2, 5.5], [1, 1, 2, 2, 3, 3, 4, 4], [0, 1] * 4, [0, 0, 0, 1] * 2)
    >>> round(found.value, 3), round(found.standard_error, 3), found.wild_p_value
    (2.5, 0.342, 0.125)
    """
    panel, y, is_treated = _panel(outcomes, units, times, treated)
    level = checked_level(level)
    fit = _fit(panel, is_treated.astype(np.float64)[:, np.newaxis], y)
    if fit is None:
        raise InputError(
            "treated is told by units and times alone (as when it is 1 at all times of a unit, or for all units at a time),"
            " expected 0 before and 1 after treatment, and units that were not treated then"
        )
    if fit.errors[0] == 0:
        raise InputError(
            "outcomes are told by units, times and treatment exactly, expected some that vary; wait for more data"
        )
    starts = _starts(panel, is_treated)
    ever = int((starts < panel.n_times).sum())
    counts = ever, panel.n_units - ever
    effect = effect_of(float(fit.values[0]), float(fit.errors[0]), panel.n_units - 1, level, counts)
    trend, leads = _before(panel, y, starts, level)
    own_trend = np.where((starts < panel.n_times)[panel.units], panel.clock, 0.0)
    left = panel.residuals(is_treated.astype(np.float64))
    both = _fit(panel, np.stack([is_treated.astype(np.float64), own_trend], axis=1), y) if trend else None
    return DifferenceInDifferences(
        effect.value,
        effect.standard_error,
        effect.lower,
        effect.upper,
        effect.p_value,
        effect.degrees,
        level,
        counts,
        _wild(panel, is_treated, y, effect) if panel.n_units <= MOST_SIGNED else None,
        trend,
        leads,
        float(left @ panel.residuals(own_trend) / (left @ left)),
        _told(both, 0, panel, level, counts),
        _caution(panel, is_treated, starts, counts, trend),
    )


def without_each_unit(
    outcomes: npt.ArrayLike, units: npt.ArrayLike, times: npt.ArrayLike, treated: npt.ArrayLike
) -> list[float | None]:
    """The effect of ``difference_in_differences`` without each unit, in the order in which units first come, (G,).

    None where it cannot be told without the unit, as that of the only one that was treated. A unit that moves the effect far is
    one that the whole rests on.

    Raises:
        InputError: as ``difference_in_differences``.

    >>> found = without_each_unit([1, 2, 1, 5, 2, 3.5, 2, 5.5], [1, 1, 2, 2, 3, 3, 4, 4], [0, 1] * 4, [0, 0, 0, 1] * 2)
    >>> [round(value, 3) for value in found]
    [2.25, 2.25, 2.75, 2.75]
    """
    panel, y, is_treated = _panel(outcomes, units, times, treated)
    regressor = is_treated.astype(np.float64)[:, np.newaxis]
    made: list[float | None] = []
    for unit in range(panel.n_units):
        rows = panel.units != unit
        part = panel.part(rows)
        fit = _fit(part, regressor[rows], y[rows]) if part.n_units > 1 and part.n_times > 1 else None
        made.append(None if fit is None else float(fit.values[0]))
    return made


class _Panel:
    """Rows of units at times, and the projection that takes the levels of both out of a column."""

    def __init__(self, units: I64, times: I64, clock: F64) -> None:
        self.clock = clock
        """When each row is, in periods, (m,): times may be unevenly apart."""
        self.units, self.times = numbered(units), np.unique(times, return_inverse=True)[1].astype(np.int64)
        self.n_units, self.n_times = int(self.units.max()) + 1, int(self.times.max()) + 1
        shape = self.n_units, self.n_times
        self._counts = np.bincount(self.units * shape[1] + self.times, minlength=shape[0] * shape[1]).reshape(shape)
        self.missing = int((self._counts == 0).sum())
        """Times at which a unit has no row."""
        self._of_units, of_times = self._counts.sum(axis=1), self._counts.sum(axis=0)
        self._is_balanced = bool((self._counts == self._counts[0, 0]).all())
        if self._is_balanced:  # levels are means then: no matrix of times, which for a year of days takes a second
            return
        gram = np.diag(of_times.astype(np.float64)) - self._counts.T @ (self._counts / self._of_units[:, np.newaxis])
        self._inverse = np.linalg.pinv(gram, rcond=1e-12, hermitian=True)

    def residuals(self, values: F64) -> F64:
        """What is left of a column when units and times have levels of their own, (m,)."""
        of_units = np.bincount(self.units, values, minlength=self.n_units)
        of_times = np.bincount(self.times, values, minlength=self.n_times)
        if self._is_balanced:
            times = of_times / (len(values) / self.n_times)
            return np.asarray(values - (of_units / self._of_units)[self.units] - (times - values.mean())[self.times])
        times = self._inverse @ (of_times - self._counts.T @ (of_units / self._of_units))
        levels = (of_units - self._counts @ times) / self._of_units
        return np.asarray(values - levels[self.units] - times[self.times])

    def part(self, rows: Bool) -> _Panel:
        """Of some rows."""
        return _Panel(self.units[rows], self.times[rows], self.clock[rows])


class _Fit(NamedTuple):
    values: F64
    errors: F64


def _panel(
    outcomes: npt.ArrayLike, units: npt.ArrayLike, times: npt.ArrayLike, treated: npt.ArrayLike
) -> tuple[_Panel, F64, Bool]:
    y = column("outcomes", outcomes, least=4)
    y = y - y.mean()
    places = ordered_array("times", times, len(y))
    panel = _Panel(labels("units", units, len(y)), places, _clock(times, places))
    if panel.n_units < 2 or panel.n_times < 2:
        raise InputError(f"there are {panel.n_units} units and {panel.n_times} times, expected at least 2 of each")
    return panel, y, mask("treated", treated, len(y))


def _clock(times: npt.ArrayLike, places: I64) -> F64:
    """Times in periods from the first on, (m,); a period is the median distance of one to the next."""
    given = np.asarray(times)
    values = given.astype(np.float64) if given.dtype.kind == "f" else places
    different = np.unique(values)
    since: F64 = (values - different[0]).astype(np.float64)
    return since / float(np.median(np.diff(different))) if len(different) > 1 else since


def _fit(panel: _Panel, regressors: F64, outcomes: F64) -> _Fit | None:
    """Coefficients of columns (m, k) and their errors, robust to clusters of units; None where levels tell a column."""
    left = np.stack([panel.residuals(values) for values in regressors.T], axis=1)  # (m, k)
    sizes = np.abs(left).max(axis=0)
    gram = left.T @ left
    if (sizes <= _ROUNDING * np.abs(regressors).max(axis=0)).any() or np.linalg.cond(gram) > 1e12:
        return None
    inverse = np.linalg.inv(gram)
    values = inverse @ (left.T @ outcomes)
    rest = panel.residuals(outcomes) - left @ values
    if np.abs(rest).max() <= _ROUNDING * np.abs(outcomes).max():
        return _Fit(values, np.zeros(len(values)))
    scores = _sums(panel, left * rest[:, np.newaxis])  # (G, k)
    variance = inverse @ (scores.T @ scores) @ inverse
    return _Fit(values, np.sqrt(np.diag(variance) * _factor(panel, len(outcomes), len(values))))


def _factor(panel: _Panel, rows: int, coefficients: int) -> float:
    known = coefficients + panel.n_times
    groups = panel.n_units / (panel.n_units - 1)
    return groups * (rows - 1) / (rows - known) if rows > known else groups


def _sums(panel: _Panel, values: F64) -> F64:
    """Of columns (m, k) over the rows of each unit, (G, k)."""
    return np.stack([np.bincount(panel.units, each, minlength=panel.n_units) for each in values.T], axis=1)


def _wild(panel: _Panel, treated: Bool, outcomes: F64, effect: Effect) -> float:
    """The share of all signs of units' residuals, δ = 0 imposed, with a statistic at least as far from 0."""
    left = panel.residuals(treated.astype(np.float64))
    square = float(left @ left)
    rest = panel.residuals(outcomes)
    groups = panel.n_units
    pulls = np.bincount(panel.units, left * rest, minlength=groups) / square  # of δ by each unit, (G,)
    parts = np.stack([panel.residuals(np.where(panel.units == unit, rest, 0.0)) for unit in range(groups)], axis=1)
    own = np.bincount(panel.units, left**2, minlength=groups)
    scores = _sums(panel, left[:, np.newaxis] * parts) - np.outer(own, pulls)  # of each unit by each sign, (G, G)
    factor = _factor(panel, len(outcomes), 1)
    seen = abs(effect.value / effect.standard_error) * (1 - 1e-9)
    as_far = 0
    for start in range(0, 2 ** (groups - 1), _BLOCK):  # the other half of the signs is the same with both sides swapped
        numbers = np.arange(start, min(start + _BLOCK, 2 ** (groups - 1)))
        signs = 1.0 - 2 * ((numbers[:, np.newaxis] >> np.arange(groups)) & 1)
        errors = np.sqrt(((signs @ scores.T) ** 2).sum(axis=1) * factor) / square
        as_far += int((np.abs(signs @ pulls) >= seen * errors).sum())
    return float(as_far / 2 ** (groups - 1))


def _starts(panel: _Panel, treated: Bool) -> I64:
    """The first time at which each unit is treated, (G,); the number of times if it never is."""
    starts = np.full(panel.n_units, panel.n_times)
    np.minimum.at(starts, panel.units[treated], panel.times[treated])
    return starts


def _before(
    panel: _Panel, outcomes: F64, starts: I64, level: float
) -> tuple[Effect | None, tuple[tuple[int, Effect], ...]]:
    """The trend that treated units had of their own before treatment, and how far they were from the last period before it."""
    ever = starts < panel.n_times
    rows = panel.times < starts[panel.units]
    if not (ever.any() and rows.any()):
        return None, ()
    until = panel.times - starts[panel.units]
    is_ever = ever[panel.units]
    part = panel.part(rows)
    if part.n_units < 2 or part.n_times < 2:
        return None, ()
    counts = int(ever.sum()), int((~ever).sum())
    trend = _fit(part, np.where(is_ever, panel.clock, 0.0)[rows][:, np.newaxis], outcomes[rows])
    leads = sorted({int(each) for each in until[rows & is_ever]} - {-1}, reverse=True)
    columns = (
        np.stack([(is_ever & (until == lead))[rows].astype(np.float64) for lead in leads], axis=1) if leads else None
    )
    fit = _fit(part, columns, outcomes[rows]) if columns is not None else None
    return (
        _told(trend, 0, part, level, counts),
        tuple(
            (lead, effect)
            for place, lead in enumerate(leads)
            if (effect := _told(fit, place, part, level, counts)) is not None
        ),
    )


def _told(fit: _Fit | None, place: int, panel: _Panel, level: float, counts: tuple[int, int]) -> Effect | None:
    if fit is None or not fit.errors[place] > 0:
        return None
    return effect_of(float(fit.values[place]), float(fit.errors[place]), panel.n_units - 1, level, counts)


def _is_staggered(panel: _Panel, treated: Bool, starts: I64) -> bool:
    """Whether no one time can be that from which on all treated units are; rows that are missing leave it open."""
    first = starts[panel.units]
    before = ~treated & (first < panel.n_times) & (panel.times < first)
    last_untreated = int(panel.times[before].max()) if before.any() else -1
    seen = starts[starts < panel.n_times]
    return bool(last_untreated >= seen.min())


def _caution(panel: _Panel, treated: Bool, starts: I64, counts: tuple[int, int], trend: Effect | None) -> str:
    cautions = []
    if panel.n_units < FEW_CLUSTERS:
        better = "read the wild bootstrap's p-value, too" if panel.n_units <= MOST_SIGNED else "p is a little too small"
        cautions.append(f"there are {panel.n_units} units, fewer than {FEW_CLUSTERS}: {better}")
    if min(counts) < FEW_TREATED and min(counts) < _FEW_SHARE * panel.n_units:
        cautions.append(
            f"{counts[0]} units were treated and {counts[1]} never, fewer than {FEW_TREATED}: no p-value holds"
        )
    if (panel.times[~treated] > starts[panel.units[~treated]]).any():
        cautions.append("some units were treated and then no more: the effect is taken to end at once")
    if _is_staggered(panel, treated, starts):
        cautions.append(
            "units were treated from different times on: if effects grow or fade, late units are compared with changed ones"
            " (Goodman-Bacon 2021); compare units of one start at a time"
        )
    if panel.missing:
        cautions.append(
            f"{panel.missing} of {panel.n_units * panel.n_times} outcomes of a unit at a time are not there: if treatment decides"
            " who is missing, the effect is off"
        )
    if trend is None:
        cautions.append("there are too few periods before treatment to see whether trends were the same")
    elif trend.p_value < 1 - trend.level:
        cautions.append(
            f"treated units grew by {trend.value:+.3g} per period more than others before they were treated"
        )
    return "; ".join(cautions)
