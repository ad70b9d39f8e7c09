"""Columns of anybody's table as names, numbers and times; what does not do is refused by its row."""

import re
from collections.abc import Callable
from typing import Final

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from bandit.arrays import F64, I64
from bandit.errors import InputError
from batch.logs.reading import EXACT, Table

EPOCHS: Final = {"epoch": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
"""Words of ``--time-format`` for numbers since 1970-01-01 UTC, and the microseconds of their unit."""

_MISSING: Final = ("", "na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "nat", "null", "nil", "\\n")
_MISSING_EXACTLY: Final = ("None",)  # as Python writes it; "none" is a name that people give

_NUMBER: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_INFINITE: Final = r"(?i)^[+-]?inf(inity)?$"
_INTEGER: Final = r"^(0|-?[1-9][0-9]{0,37})$"
_TRUTHS: Final = ("true", "false")

_ISO: Final = (
    r"^(?<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?<minute>[0-9]{2}:[0-9]{2})(?<second>:[0-9]{2})?(?:[.,](?<fraction>[0-9]{1,9}))?"
    r" ?(?<offset>[Zz]|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)?)?$"
)
_HAS_YEAR: Final = re.compile(r"%[-_0]?[YyGCFDcxsv+]")
_FIRST, _LAST = -(70 * 366 * 86_400_000_000), 230 * 366 * 86_400_000_000  # 1900 and 2200, in microseconds


def is_missing(text: pl.Series) -> pl.Series:
    """Whether each text stands for a value that is not known, as programs write it; null is missing too."""
    missing = text.str.to_lowercase().is_in(_MISSING) | text.is_in(_MISSING_EXACTLY)
    return missing.fill_null(value=True)


def is_text(dtype: pl.DataType) -> bool:
    """Whether a column holds words."""
    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum)


# --- names -------------------------------------------------------------------------------------------------------------


def names(table: Table, column: str) -> pl.Series:
    """A column as names: the text as it is but for spaces around, whole numbers without a point.

    Raises:
        InputError: a name is missing, floats are too large to tell integers apart, or it is no column of names.
    """
    values = table.frame[column]
    if is_list(values.dtype):
        raise InputError(f"{table.path}: column {column} is {values.dtype}, expected one name or number per row")
    series = as_names(values, table.at, f"{table.path}: column {column}")
    if (row := first_of(is_missing(series))) is not None:
        raise InputError(_no_name(table, column, row, values[row]))
    if is_text(values.dtype):
        _refuse_alike(table, column, series)
    return series


def _no_name(table: Table, column: str, row: int, value: object) -> str:
    if value is None:
        return f"{table.at(row)} has no {column}; fill it or leave the row out"
    return (
        f"{table.at(row)} has {value!r} as {column}, which stands for what is not known; fill it or leave the row out, or"
        " write it in another way if it is a name"
    )


def as_names(values: pl.Series, at: Callable[[int], str], where: str) -> pl.Series:
    """Values as names, without spaces around; what is missing stays, as null or as it was written."""
    dtype = values.dtype
    if is_text(dtype):
        return values.cast(pl.String).str.strip_chars()
    if dtype == pl.Boolean() or dtype.is_integer() or dtype.is_decimal() or isinstance(dtype, pl.Date | pl.Datetime):
        return values.cast(pl.String)
    if dtype == pl.Null():
        return values.cast(pl.String)
    if not dtype.is_float():
        raise InputError(f"{where} is {dtype}, expected names: text, numbers or dates")
    exact = 2**11 if dtype == pl.Float16() else 2**24 if dtype == pl.Float32() else EXACT
    if (row := first_of((values.abs() >= exact) & values.is_finite())) is not None:
        raise InputError(
            f"{at(row)} has {values[row]!r}: {where.rpartition(': ')[2]} is {dtype}, which cannot tell integers of this size"
            " apart; write it as integers or text"
        )
    if ((values.floor() == values) | ~values.is_finite()).all():
        return pl.select(
            pl.when(values.is_finite())
            .then(values.fill_nan(None).cast(pl.Int64, strict=False).cast(pl.String))
            .otherwise(values.cast(pl.String))
        ).to_series()
    return values.cast(pl.String)


def _refuse_alike(table: Table, column: str, series: pl.Series) -> None:
    """Refuse two names that became one when the spaces around were taken off."""
    text = table.frame[column].cast(pl.String)
    if text.eq_missing(series).all():
        return
    both = pl.DataFrame({"text": text, "name": series}).unique().sort("name", "text")
    if (twice := both["name"].is_duplicated()).any():
        one, other = both.filter(twice)["text"].head(2).to_list()
        raise InputError(
            f"{table.path}: column {column} has {one!r} and {other!r}, which differ in spaces alone; write them alike, or as two"
            " names"
        )


def in_order(series: pl.Series) -> pl.Series:
    """Names as what they are sorted by: integers if all of them are, else text."""
    if series.len() and series.str.contains(_INTEGER).all():
        return series.cast(pl.Int128)
    return series


def numbered(series: pl.Series) -> I64:
    """Each name as its place among all in their order, (m,)."""
    levels = series.unique()
    if len(levels) > len(series) // 2:  # to look each up in a list of nearly all takes longer
        return in_order(series).rank("dense").to_numpy().astype(np.int64) - 1
    levels = levels.gather(in_order(levels).arg_sort())
    return series.cast(pl.Enum(levels)).to_physical().to_numpy().astype(np.int64)


def is_list(dtype: pl.DataType) -> bool:
    """Whether a column holds several values per row."""
    return isinstance(dtype, pl.List | pl.Array)


def first_of(wrong: pl.Series) -> int | None:
    """The first row that is wrong; None where none is."""
    return int(wrong.arg_max() or 0) if wrong.any() else None


# --- numbers -----------------------------------------------------------------------------------------------------------


def numbers(table: Table, column: str) -> F64:
    """A column as numbers, (m,), NaN where there is none; true and false are 1 and 0.

    Raises:
        InputError: a value is no number; says how to write it.
    """
    values = table.frame[column]
    if values.dtype.is_numeric() or values.dtype == pl.Boolean():
        return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    if not (is_text(values.dtype) or values.dtype == pl.Null()):
        raise InputError(f"{table.path}: column {column} is {values.dtype}, expected numbers")
    text = values.cast(pl.String).str.strip_chars()
    missing = is_missing(text)
    if are_truths(text.filter(~missing)):
        parsed = (text.str.to_lowercase() == _TRUTHS[0]).cast(pl.Float64)
    else:
        is_one = is_number(text) | text.str.contains(_INFINITE).fill_null(value=False)
        if (row := first_of(~(missing | is_one))) is not None:
            raise InputError(
                f"{table.at(row)} has {values[row]!r}: column {column} is {values.dtype}, expected numbers{how(str(text[row]))}"
            )
        parsed = text.cast(pl.Float64, strict=False)
    return pl.select(pl.when(missing).then(float("nan")).otherwise(parsed)).to_series().to_numpy()


def is_number(text: pl.Series) -> pl.Series:
    """Whether each text is a number in digits; null is none."""
    return text.str.contains(_NUMBER).fill_null(value=False)


def are_truths(text: pl.Series) -> bool:
    """Whether all of some texts are true or false, and there are any."""
    return bool(text.len()) and bool(text.str.to_lowercase().is_in(_TRUTHS).all())


def how(cell: str) -> str:
    """How to write a value that is no number, as the end of a message."""
    if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})*,\d+|[+-]?\d+,\d+", cell):
        return "; numbers have a decimal point, not a comma, and nothing between thousands: write 0.5, not 0,5"
    if cell.endswith("%"):
        return "; write a share, such as 0.05 for 5%"
    if cell.lower() in {"yes", "no", "y", "n", "t", "f", *_TRUTHS}:
        return "; write 1 and 0"
    return ""


# --- times -------------------------------------------------------------------------------------------------------------


def times(table: Table, column: str, time_format: str | None) -> tuple[I64, bool]:
    """A column of times as microseconds since 1970 (m,), or numbers as their places in order; and whether they are times.

    ``time_format`` says how text is written, as for strptime, or what numbers count: a word of ``EPOCHS``.

    Raises:
        InputError: a value is missing or no such time.
    """
    values = table.frame[column]
    if isinstance(values.dtype, pl.Date | pl.Datetime):
        if time_format is not None:
            raise InputError(
                f"--time-format {time_format} has no effect: column {column} of {table.path} is {values.dtype}; leave it out"
            )
        _refuse_missing(table, column, values.is_null())
        return values.cast(pl.Datetime("us")).to_physical().to_numpy(), True
    if values.dtype.is_temporal():
        raise InputError(
            f"{table.path}: column {column} is {values.dtype}, which has no day; expected a date and a time"
        )
    if values.dtype.is_float():
        _refuse_missing(table, column, values.is_null() | ~values.is_finite())
    times = names(table, column) if not values.dtype.is_float() else values
    if time_format in EPOCHS:
        return _since_epoch(table, column, time_format), True
    if time_format is not None:
        return _by_format(table, column, names(table, column), time_format), True
    if values.dtype.is_numeric():
        return values.rank("dense").to_numpy().astype(np.int64) - 1, False
    if is_number(times).all():
        ordered = in_order(times)
        numbers_of = ordered if ordered.dtype.is_integer() else times.cast(pl.Float64)
        return numbers_of.rank("dense").to_numpy().astype(np.int64) - 1, False
    return _of_iso(table, column, times), True


def _refuse_missing(table: Table, column: str, missing: pl.Series) -> None:
    if (row := first_of(missing)) is not None:
        raise InputError(f"{table.at(row)} has no {column}; fill it or leave the row out")


def _of_iso(table: Table, column: str, text: pl.Series) -> I64:
    times, has_offset = iso_times(text)
    said = "column {} is text that is no time of ISO 8601, such as 2026-01-05T20:15:00Z; say how it is written by --time-format"
    if (row := first_of(times.is_null())) is not None:
        raise InputError(f"{table.at(row)} has {text[row]!r}: {said.format(column)}, such as %d.%m.%Y")
    if (row := first_of(has_offset != has_offset[0])) is not None:
        raise InputError(
            f"{table.at(row)} has {text[row]!r} as {column}, and row 0 of all {text[0]!r}: one says its time zone and the other"
            " does not; write them alike"
        )
    return times.to_numpy()


def iso_times(text: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Times of ISO 8601 in microseconds since 1970 UTC, null where a text is none; and which of them tell their time zone."""
    parts = text.str.extract_groups(_ISO).struct.unnest()
    minute, second = parts["minute"].fill_null("00:00"), parts["second"].fill_null(":00")
    whole = (parts["day"] + "T" + minute + second).str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
    fraction = parts["fraction"].fill_null("0").str.pad_end(6, "0").str.head(6).cast(pl.Int64)
    offset = parts["offset"]
    digits = offset.str.replace_all("[^0-9+-]", "").str.pad_end(5, "0")
    minutes = digits.str.slice(1, 2).cast(pl.Int64, strict=False) * 60 + digits.str.slice(3, 2).cast(
        pl.Int64, strict=False
    )
    sign = pl.select(pl.when(digits.str.starts_with("-")).then(-1).otherwise(1)).to_series()
    shift = (minutes * sign).fill_null(0) * 60_000_000
    return whole.to_physical() + fraction - shift, offset.is_not_null()


def _by_format(table: Table, column: str, text: pl.Series, time_format: str) -> I64:
    if not _HAS_YEAR.search(time_format):
        raise InputError(
            f"--time-format is {time_format!r}, expected a format with a year, such as %d.%m.%Y %H:%M, or one of"
            f" {', '.join(EPOCHS)}"
        )
    known = time_format.replace(".%f", "%.f")  # %f alone counts nanoseconds here, and fractions of a second in Python
    if "%f" in known:
        raise InputError(
            f"--time-format is {time_format!r}, where %f follows no point; write %S.%f, or %S,%3f for three digits"
        )
    try:
        times = text.str.to_datetime(known, time_unit="us", strict=False)
    except PolarsError as error:
        raise InputError(f"--time-format {time_format!r} is no format: {str(error).splitlines()[0]}") from error
    if (row := first_of(times.is_null())) is not None:
        raise InputError(
            f"{table.at(row)} has {text[row]!r} as {column}, which is not written as --time-format {time_format!r}"
        )
    return _plausible(table, column, time_format, times.to_physical().to_numpy())


def _since_epoch(table: Table, column: str, word: str) -> I64:
    values = table.frame[column]
    if values.dtype.is_integer() or (is_text(values.dtype) and names(table, column).str.contains(_INTEGER).all()):
        most = 2**62 // EPOCHS[word]  # far beyond any time
        whole = values.cast(pl.String).str.strip_chars().cast(pl.Int64, strict=False).fill_null(most)
        times = whole.clip(-most, most).to_numpy() * EPOCHS[word]
    else:
        times = np.clip(numbers(table, column) * EPOCHS[word], -(2.0**62), 2.0**62).round().astype(np.int64)
    return _plausible(table, column, word, times)


def _plausible(table: Table, column: str, time_format: str, times: I64) -> I64:
    """The times, if they are of 1900 to 2200: seconds read as milliseconds, or two digits as a year, are not."""
    wrong = (times < _FIRST) | (times > _LAST)
    if time_format in {"epoch_ms", "epoch_us"}:
        wrong |= np.abs(times) < 366 * 86_400_000_000  # of 1970: so are seconds that are taken for parts of one
    if wrong.any():
        row = int(wrong.argmax())
        year = 1970 + times[row] / (365.25 * 86_400_000_000)
        raise InputError(
            f"{table.at(row)} has {table.frame[column][row]!r} as {column}, which is in the year {year:.0f} by --time-format"
            f" {time_format}; expected one of {', '.join(EPOCHS)}, or a format as for strptime"
        )
    return times
