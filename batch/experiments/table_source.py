"""What users of an experiment did, from a table of one's own: a row per user, or per user and day."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

from bandit.errors import InputError
from batch.experiments.measuring import (
    DAY,
    EXPOSED,
    FALLBACK,
    SHOWN,
    USER_ID,
    VARIANT,
    Facts,
    Seen,
    covariate_column,
    days_between,
    of_column,
    per_column,
    segment_column,
)
from batch.experiments.plans.plan import USER, Metric, Plan
from batch.logs.one_file import kind_of, read_file

_USER, _VARIANT, _DAY = "user", "variant", "day"
HOLDBACK: Final = "holdback"
"""The variant of rows of users whom a plan with a holdback keeps out of the experiment."""
COLUMNS: Final = f"{_USER}, {_VARIANT}, {_DAY} (where there are several rows per user), and those of the metrics"


def read_table(path: Path, needed: tuple[str, ...] = (_USER, _VARIANT)) -> pl.DataFrame:
    """A table of one's own, with whatever columns it has besides those that are ``needed``.

    Raises:
        InputError: it is no file, of no kind that is known, empty, or has no user or variant.
        SurroundingsError: it cannot be read.
    """
    if not path.is_file():
        raise InputError(f"--table {path} is no file, expected Parquet, CSV or JSON lines with the columns {COLUMNS}")
    frame = read_file(path, kind_of(path))
    for name in needed:
        if name not in frame.columns:
            raise InputError(
                f"{path} has no column {name}, it has {', '.join(frame.columns) or 'none'}; expected {COLUMNS}: the unit that"
                f" was randomised is the {_USER}, and each has a {_VARIANT}; rename the column"
            )
    if frame.is_empty():
        raise InputError(f"{path} has no rows, expected one per user")
    for name in needed:
        refuse_first(frame, is_blank(frame[name]), path, name, "a value")
    return frame.with_columns(pl.col(needed).cast(pl.String))


def is_blank(column: pl.Series) -> pl.Series:
    """Where there is no value: whoever has none would be one user together with all others who have none."""
    if column.dtype.is_float():
        return column.is_null() | column.is_nan()
    if column.dtype == pl.String:
        return column.is_null() | (column.str.strip_chars() == "")
    return column.is_null()


def see_table(path: Path, plan: Plan, until: date, *, metrics: tuple[Metric, ...] | None = None) -> Seen:
    """What a table says of an experiment; without a column ``day`` it is of the day ``until``.

    Raises:
        InputError: a metric, covariate or segment is not there, a variant is not that of the plan, or a value is no number;
            names the column and the first row.
    """
    frame = read_table(path)
    if plan.holdback and HOLDBACK not in plan.names:
        frame = frame.filter(pl.col(_VARIANT) != HOLDBACK)
    return _seen(frame, path, plan, until, metrics or plan.metrics)


def table_holdback(path: Path, plan: Plan, measured: Plan, until: date) -> Seen | None:
    """What a table says of users who are held back (their variant is ``holdback``) and of all others; None without the first.

    Args:
        path: of the table.
        plan: of the experiment, with a holdback.
        measured: the same with two variants, those held back and everybody else.
        until: the last day that counts; the end of the plan does not matter.

    Raises:
        InputError: as ``see_table``.
    """
    frame = read_table(path)
    if HOLDBACK not in frame[_VARIANT] or HOLDBACK in plan.names:
        return None
    known = [HOLDBACK, *plan.names]
    refuse_first(frame, ~pl.col(_VARIANT).is_in(known), path, _VARIANT, f"one of {', '.join(known)}")
    is_held = pl.col(_VARIANT) == HOLDBACK
    placed = frame.with_columns(pl.when(is_held).then(_VARIANT).otherwise(pl.lit(measured.names[1])).alias(_VARIANT))
    return _seen(placed, path, measured, until, measured.metrics)


def _seen(frame: pl.DataFrame, path: Path, plan: Plan, until: date, measured: tuple[Metric, ...]) -> Seen:
    _refuse_missing(frame, plan, measured, path)
    unknown = ~pl.col(_VARIANT).is_in(list(plan.names))
    refuse_first(frame, unknown, path, _VARIANT, f"one of the plan's variants, {', '.join(plan.names)}")
    has_days = _DAY in frame.columns
    days = _days(frame, path) if has_days else pl.repeat(until, frame.height, dtype=pl.Date, eager=True)
    numbers = {name: finite_numbers(frame, name, path) for name in _columns(measured)}
    ones = pl.repeat(1.0, frame.height, eager=True)
    values = {
        name: series
        for place, metric in enumerate(measured)
        for name, series in ((of_column(place), numbers[metric.of]), (per_column(place), numbers.get(metric.per, ones)))
    }
    places = {name: place for place, name in enumerate(plan.names)}
    rows = pl.DataFrame(
        {
            USER_ID: frame[_USER],
            VARIANT: frame[_VARIANT].replace_strict(places, return_dtype=pl.Int64),
            DAY: days,
            SHOWN: ones,
            EXPOSED: ones,
            FALLBACK: ones * 0,
            **values,
        }
    ).filter(pl.col(DAY).is_between(plan.start, until) if has_days else pl.lit(value=True))
    if rows.is_empty():
        raise InputError(f"{path} has no row between {plan.start} and {until}; expected days of experiment {plan.name}")
    covariates = {
        covariate_column(place): numbers[metric.covariate]
        for place, metric in enumerate(measured)
        if isinstance(metric.covariate, str)
    }
    own = pl.DataFrame(
        {
            USER_ID: frame[_USER],
            DAY: days,
            **covariates,
            **{segment_column(name): frame[name].cast(pl.String).fill_null("(none)") for name in plan.segments},
        }
    )
    moved = [name for name in plan.segments if _moves(own, segment_column(name))]
    own = own.sort(own.columns).unique(USER_ID, keep="first", maintain_order=True)  # of the first day
    there = set(rows[DAY].unique().to_list())
    last = min(until, max(there)) if has_days else until
    facts = Facts(
        events=rows.height,
        duplicates=rows.height - rows.select(USER_ID, VARIANT, DAY).unique().height,
        missing=tuple(day for day in days_between(plan.start, min(until, plan.end)) if day not in there)
        if has_days
        else (),
        notes=(
            *(
                [f"{frame.height - rows.height:,} rows of other days are left out"]
                if frame.height > rows.height
                else []
            ),
            *(f"users have several values of the segment {name}; that of their first row counts" for name in moved),
        ),
        has_days=has_days,
        has_answers=False,
    )
    keys = [USER_ID, VARIANT, DAY]
    summed = rows.group_by(keys, maintain_order=True).sum()
    return Seen(
        measured,
        summed,
        own.select(USER_ID, *covariates),
        own.select(USER_ID, *map(segment_column, plan.segments)),
        last,
        facts,
    )


def table_history(path: Path, plan: Plan) -> pl.DataFrame:
    """Sums per user and day of a table that needs no variants: what users do when nothing is tried.

    Returns:
        user_id, day, the numerators and denominators of each metric, and its covariate if that is a column; without a column
        ``day`` all rows are of one day.

    Raises:
        InputError: a column is missing or a value is no number.
    """
    frame = read_table(path, (_USER,))
    _refuse_missing(frame, plan, plan.metrics, path)
    ones = pl.repeat(1.0, frame.height, eager=True)
    numbers = {name: finite_numbers(frame, name, path) for name in _columns(plan.metrics)}
    days = (
        _days(frame, path) if _DAY in frame.columns else pl.repeat(plan.start, frame.height, dtype=pl.Date, eager=True)
    )
    values = {
        name: series
        for place, metric in enumerate(plan.metrics)
        for name, series in ((of_column(place), numbers[metric.of]), (per_column(place), numbers.get(metric.per, ones)))
    }
    before = {
        covariate_column(place): numbers[metric.covariate]
        for place, metric in enumerate(plan.metrics)
        if isinstance(metric.covariate, str)
    }
    rows = pl.DataFrame({USER_ID: frame[_USER], DAY: days, **values, **before})
    return rows.group_by(USER_ID, DAY, maintain_order=True).agg(pl.col(*values).sum(), pl.col(before.keys()).first())


def _moves(own: pl.DataFrame, column: str) -> bool:
    return own.select(USER_ID, column).unique().height > own[USER_ID].n_unique()


def _columns(metrics: Iterable[Metric]) -> list[str]:
    words = [word for metric in metrics for word in (metric.of, metric.per, metric.covariate)]
    return list(dict.fromkeys(word for word in words if isinstance(word, str) and word != USER))


def _refuse_missing(frame: pl.DataFrame, plan: Plan, metrics: Iterable[Metric], path: Path) -> None:
    wrong = [
        f"metric {metric.name} needs the column {word}"
        for metric in metrics
        for word in _columns([metric])
        if word not in frame.columns
    ]
    wrong += [f"segment {name} needs a column of that name" for name in plan.segments if name not in frame.columns]
    if wrong:
        raise InputError(f"{path} has the columns {', '.join(frame.columns)}: {'; '.join(wrong)}; rename or add them")


def as_numbers(column: pl.Series) -> pl.Series:
    """A column as numbers, true and false as 1 and 0; null where a value is none."""
    if column.dtype != pl.String:
        return column.cast(pl.Float64, strict=False)
    words = column.str.strip_chars().str.to_lowercase()
    return words.replace({"true": "1", "false": "0"}).cast(pl.Float64, strict=False)


def finite_numbers(frame: pl.DataFrame, name: str, path: Path) -> pl.Series:
    """A column of numbers.

    Raises:
        InputError: a value is none; names the first row.
    """
    numbers = as_numbers(frame[name])
    refuse_first(
        frame, numbers.is_null() | ~numbers.is_finite(), path, name, "a finite number, 0 where a user did nothing"
    )
    return numbers


def _days(frame: pl.DataFrame, path: Path) -> pl.Series:
    text = frame[_DAY]
    days = (
        text.str.strip_chars().str.to_date("%Y-%m-%d", strict=False)
        if text.dtype == pl.String
        else text.cast(pl.Date, strict=False)
    )
    refuse_first(frame, days.is_null(), path, _DAY, "a day as YYYY-MM-DD")
    return days


def refuse_first(frame: pl.DataFrame, broken: pl.Expr | pl.Series, path: Path, column: str, expected: str) -> None:
    """Refuse the first row of a table in which a column is not as expected.

    Raises:
        InputError: says which.
    """
    wrong = frame.select(broken.alias("wrong")).to_series().fill_null(value=True)
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        raise InputError(
            f"{path}, column {column}, row {row + 1}: found {frame[column][row]!r}, expected {expected}; correct it"
        )
