"""The table of a panel: a row per unit and time, refused by name where nothing can be compared."""

from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from bandit.arrays import F64, Bool
from bandit.errors import InputError
from batch.experiments.designs.assumptions import read_columns
from batch.experiments.table_source import as_numbers, finite_numbers, is_blank, refuse_first

_COLUMNS: Final = {
    "unit": "what was treated or not, such as a country",
    "time": "when, a number or a day",
    "treated": "1 from when on the unit is treated, else 0",
    "outcome": "a number",
}
_LEAST: Final = 2
_CALENDAR: Final = (190001, 21001231)
"""Between which whole numbers may be months or days."""


class PanelRows(NamedTuple):
    """The table: a row per unit and time, in this order; ``time`` is the place among all times, ``clock`` says how far apart."""

    frame: pl.DataFrame
    names: tuple[str, ...]

    @property
    def arrays(self) -> tuple[F64, pl.Series, F64, Bool]:
        """Outcomes, units, times and whether treated, (m,) each."""
        frame = self.frame
        return frame["outcome"].to_numpy(), frame["unit"], frame["clock"].to_numpy(), frame["treated"].to_numpy()


def read_rows(path: Path) -> tuple[PanelRows, tuple[str, ...]]:
    """The rows of a table, and what was left out of them.

    Raises:
        InputError: a column is missing, a value is not as it should be, or there is nothing to compare.
        SurroundingsError: the table cannot be read.
    """
    raw = read_columns(path, _COLUMNS)
    refuse_first(raw, is_blank(raw["unit"]), path, "unit", "the name of a unit")
    treated = as_numbers(raw["treated"])
    refuse_first(raw, treated.is_null() | ~treated.is_in([0.0, 1.0]), path, "treated", "1 or 0, true or false")
    clock, names = _times(raw, path)
    frame = pl.DataFrame(
        {
            "unit": _units(raw, path),
            "time": (clock.rank("dense") - 1).cast(pl.Float64),
            "clock": clock,
            "treated": treated == 1,
            "outcome": finite_numbers(raw, "outcome", path),
        }
    ).sort("unit", "time")
    rows = PanelRows(frame, names)
    _refuse_twice(rows, path)
    _refuse_going_back(rows, path)
    return _comparable(rows, path)


def _units(raw: pl.DataFrame, path: Path) -> pl.Series:
    """The name of each row's unit; one that is spelled in several ways would be several units, and p too small."""
    names = raw["unit"].cast(pl.String).str.strip_chars()
    alike = names.str.to_lowercase().str.replace(r"^(\d+)\.0+$", "$1")
    spelled = pl.DataFrame({"name": names, "alike": alike}).unique(maintain_order=True)
    twice = spelled.filter(pl.col("alike").is_duplicated())
    if not twice.is_empty():
        same = twice.filter(pl.col("alike") == twice["alike"][0])["name"].to_list()
        raise InputError(
            f"{path} has units {' and '.join(map(repr, same))}, expected one spelling of each: write them alike, or, if they"
            " are different units, give them names that differ in more than that"
        )
    return names


def _times(raw: pl.DataFrame, path: Path) -> tuple[pl.Series, tuple[str, ...]]:
    """When each row is, as a number that says how far apart times are, and the names of all of them in order."""
    column = raw["time"]
    days = column.str.strip_chars().str.to_date("%Y-%m-%d", strict=False) if column.dtype == pl.String else None
    if days is not None and days.null_count() < days.len() and days.null_count() <= as_numbers(column).null_count():
        refuse_first(raw, days.is_null(), path, "time", "a day as YYYY-MM-DD, like the others")
        column = days
    elif not column.dtype.is_temporal():
        column = as_numbers(column)
        refuse_first(raw, column.is_null() | ~column.is_finite(), path, "time", "a number, or a day as YYYY-MM-DD")
    refuse_first(raw, column.is_null(), path, "time", "a number or a day")
    names = column.unique().sort()
    shown = (f"{name:.15g}" if isinstance(name, float) else str(name) for name in names)
    clock = column.to_physical() if column.dtype.is_temporal() else _of_calendar(column)
    return (clock - clock.min()).cast(pl.Float64), tuple(shown)


def _of_calendar(numbers: pl.Series) -> pl.Series:
    """Numbers that are all months (202612) or all days (20261231) as such, since 202701 is 1 after 202612; else themselves."""
    if not (numbers == numbers.floor()).all() or not numbers.is_between(*_CALENDAR).all():
        return numbers
    text = numbers.cast(pl.Int64).cast(pl.String)
    if (text.str.len_chars() == len("YYYYMM")).all():
        months = text.str.slice(4).cast(pl.Int64)
        return text.str.slice(0, 4).cast(pl.Int64) * 12 + months if months.is_between(1, 12).all() else numbers
    days = text.str.to_date("%Y%m%d", strict=False)
    return numbers if days.null_count() else days.to_physical()


def _refuse_twice(rows: PanelRows, path: Path) -> None:
    twice = rows.frame.filter(pl.struct("unit", "time").is_duplicated())
    if not twice.is_empty():
        raise InputError(
            f"{path} has several rows of unit {twice['unit'][0]!r} at time {rows.names[int(twice['time'][0])]}, expected one:"
            " add them up or take their mean first"
        )


def _refuse_going_back(rows: PanelRows, path: Path) -> None:
    before = pl.col("treated").cast(pl.Int8).cum_max().over("unit")
    back = rows.frame.filter((before == 1) & ~pl.col("treated"))
    if not back.is_empty():
        raise InputError(
            f"{path}: unit {back['unit'][0]!r} was treated and is not treated any more at time"
            f" {rows.names[int(back['time'][0])]}, expected treated to stay 1 from its first on; leave out the times after the"
            " treatment ended"
        )


def _comparable(rows: PanelRows, path: Path) -> tuple[PanelRows, tuple[str, ...]]:
    """The rows without units that are always treated, where there is something to compare."""
    frame = rows.frame.with_columns(
        ever=pl.col("treated").any().over("unit"), always=pl.col("treated").all().over("unit")
    )
    units = frame.group_by("unit").agg(pl.col("ever", "always").first())
    always, ever = int(units["always"].sum()), int(units["ever"].sum())
    if units.height < _LEAST:
        raise InputError(
            f"{path} has one unit, {units['unit'][0]!r}; expected some that were treated and some that never were"
        )
    if len(rows.names) < _LEAST:
        raise InputError(f"{path} has one time, {rows.names[0]}; expected some before the treatment and some after")
    if ever == units.height:
        raise InputError(
            f"{path} has no untreated unit: all {ever} are treated at some time; add units that never were, to show what would"
            " have happened"
        )
    if not ever:
        raise InputError(
            f"{path} has no treated unit: treated is 0 in all rows; mark the rows from the treatment on by 1"
        )
    if always == ever:
        raise InputError(
            f"{path} has no time before the treatment: treated is 1 in all rows of the {ever} treated units; add earlier times"
        )
    if not always:
        return rows, ()
    kept = frame.filter(~pl.col("always")).drop("ever", "always")
    which = "1 unit is" if always == 1 else f"{always} units are"
    note = f"{which} treated at all times and left out: there is no time before to compare with"
    return rows._replace(frame=kept), (note,)
