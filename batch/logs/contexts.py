"""Contexts of anybody's log: the numbers of its columns, dummies of words, and what looks like an id left out."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import PolarsError

from bandit.arrays import F64, I64
from bandit.errors import InputError
from batch.logs.cells import are_truths, first_of, how, is_list, is_missing, is_number, is_text, names, numbers
from batch.logs.reading import EXACT, Table

USUAL: Final = ("context", "x")
PATTERNS: Final = ("context_*", "x_*", "feature_*")
"""Names that columns of contexts go by: the first of ``USUAL``, else all that are like one of ``PATTERNS``."""

REFUSE: Final = "refuse"
MEAN: Final = "mean"
MISSING: Final = (MEAN, REFUSE)
"""What ``--missing`` may say of values that a context lacks."""

_KNOWN_TO_POLICIES = ("user", "position", "title")
_MOST_LEVELS = 100
_LEAST_ROWS = 100
_LEAST_USERS = 20
_LARGE = 2**31
_MOSTLY = 0.9
_ID_WORDS = ("id", "ids", "uid", "uuid", "guid", "key", "pk")
_WHOSE = ("user", "customer", "session", "visitor", "member", "account", "client", "device", "item")
_ID_NAME = re.compile(
    r"(user|item|session|customer|visitor|account|member|client|cookie|device|request|event|order|product|title|film|row|u)"
    r"(id|uuid|key)$"
)
_CODE = r"^0[0-9]+$"


def context_columns(table: Table, wanted: Sequence[str], roles: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The columns that are contexts, and what is said of those that are left out.

    Contexts are named or like a pattern of ``wanted``, else by their usual names. A column that looks like an id is one only
    where it is named itself: each user would be alone in it, and what is learned of an id's size means nothing.

    Raises:
        InputError: a column is not there, or has another role.
    """
    frame = table.frame
    patterns = wanted or [name for name in USUAL if name in frame.columns][:1] or PATTERNS
    taken = {name for role, name in roles.items() if not (role in _KNOWN_TO_POLICIES and name in wanted)}
    named = [
        name for name in frame.columns if name not in taken and any(fnmatchcase(name, pattern) for pattern in patterns)
    ]
    for pattern in wanted:
        if pattern in taken:
            role = next(role for role, name in roles.items() if name == pattern)
            raise InputError(f"--columns has {pattern} as context, which is the log's {role}; a policy cannot know it")
        if pattern not in frame.columns and not any(fnmatchcase(name, pattern) for name in named):
            rest = ", ".join(name for name in frame.columns if name not in taken)
            raise InputError(
                f"{table.path} has no column like {pattern} that has no other role; it has {rest or 'none'}"
            )
    users = names(table, roles["user"]) if "user" in roles else None
    columns, notes = [], []
    for name in named:
        reason = None if name in wanted else _looks_like_an_id(table, name, users)
        if reason is None:
            columns.append(name)
        else:
            notes.append(
                f"{name} is left out of the contexts, because it looks like an id: {reason}; if it is none, name all contexts by"
                " --columns context=..., this one too"
            )
    return columns, notes


def _looks_like_an_id(table: Table, column: str, users: pl.Series | None) -> str | None:
    """Why a column looks like an id, None where it does not."""
    values = table.frame[column]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).lower()
    last = re.split(r"[^a-z0-9]+", words)[-1]
    if not is_list(values.dtype) and (last in _ID_WORDS or _ID_NAME.search(last)):
        return f"its name ends in {last}"
    whole = _integers(table, values)
    if whole is None or whole.is_empty():
        return None
    if last in _WHOSE:
        return f"its integers are called {last}"
    return _identifies(whole, table.frame.height, users)


def _identifies(whole: pl.Series, rows: int, users: pl.Series | None) -> str | None:
    """Why integers look like ids by their values."""
    if (large := whole.filter(~whole.is_between(-_LARGE, _LARGE))).len():
        return f"it has integers as large as {large[0]}"
    different = whole.n_unique()
    if different == rows >= _LEAST_ROWS:
        return "every row has an integer of its own in it"
    if users is not None and whole.len() == users.len() and users.n_unique() == different >= _LEAST_USERS:
        pairs = pl.DataFrame([whole.alias("value"), users.alias("user")]).n_unique()
        if pairs == different:
            return "every user has an integer of their own in it"
    return None


def _integers(table: Table, values: pl.Series) -> pl.Series | None:
    """The values that are not missing if all of them are integers, however they are written; else None."""
    if values.dtype.is_integer():
        return values.drop_nulls().cast(pl.Int128)
    if values.dtype.is_float():
        there = values.fill_nan(None).drop_nulls()
        whole = there.is_finite() & (there == there.floor()) & (there.abs() <= EXACT)
        return there.cast(pl.Int128) if whole.all() else None
    if not table.is_text:
        return None
    text = values.str.strip_chars()
    there = text.filter(~is_missing(text))
    if not there.str.contains(r"^-?[0-9]{1,30}(\.0*)?$").all() or there.str.contains(_CODE).any():
        return None
    return there.str.replace(r"\.0*$", "").cast(pl.Int128)


def contexts(table: Table, columns: Sequence[str], missing: str) -> tuple[npt.NDArray[np.floating], list[str]]:
    """Contexts (m, d), and what is said of them.

    A constant, then the numbers of the columns; a list column brings all of its numbers, words their dummies. ``missing`` is
    ``mean`` to put a column's mean over the log where a value is missing, or ``refuse``.

    Raises:
        InputError: a value is missing that may not be, or is no number where others are; names column and row.
    """
    parts: list[npt.NDArray[np.floating]] = [np.ones((table.frame.height, 1), dtype=np.float32)]
    notes: list[str] = []
    for name in columns:
        part = _part(table, name, notes)
        lacks = np.isnan(part).any(axis=1)
        if lacks.any():
            part = _filled(table, name, part, lacks, missing, notes)
        if np.isinf(part).any():
            row = int(np.isinf(part).any(axis=1).argmax())
            raise InputError(
                f"{table.at(row)} has {table.frame[name][row]!r} as {name}, expected a finite number; correct it"
            )
        parts.append(part)
    joined: npt.NDArray[np.floating] = np.concatenate(parts, axis=1)
    return joined, notes


def _filled(
    table: Table,
    name: str,
    part: npt.NDArray[np.floating],
    lacks: npt.NDArray[np.bool_],
    missing: str,
    notes: list[str],
) -> npt.NDArray[np.floating]:
    row = int(lacks.argmax())
    if missing != MEAN:
        value = table.frame[name][row]
        is_nothing = value is None or isinstance(value, float)
        what = f"no {name}" if is_nothing else f"{_shown(value)} as {name}, which is not known"
        raise InputError(
            f"{table.at(row)} has {what}; fill it, leave the row or the column out, or pass --missing {MEAN} to put the column's"
            " mean over the log there"
        )
    if np.isnan(part).all(axis=0).any():
        raise InputError(
            f"{table.path}: column {name} has no value at all to take the mean of; leave it out of the contexts"
        )
    means = np.nanmean(part.astype(np.float64), axis=0)  # (width,)
    notes.append(
        f"{name} is missing in {int(lacks.sum()):,} of {len(lacks):,} rows, which have its mean over the log instead"
    )
    return np.where(np.isnan(part), means, part)


def _shown(value: object) -> str:
    return repr(value.to_list() if isinstance(value, pl.Series) else value)


def _part(table: Table, name: str, notes: list[str]) -> npt.NDArray[np.floating]:
    """The columns of one context, (m, width), NaN where it is missing."""
    column = table.frame[name]
    if is_list(column.dtype):
        return _of_lists(table, column)
    if column.dtype.is_numeric() or column.dtype == pl.Boolean():
        return numbers(table, name)[:, None]
    if column.dtype.is_temporal():
        raise InputError(
            f"{table.path}: column {name} is a time and cannot be a context; turn it into numbers or text first"
        )
    if column.dtype == pl.Null():
        return np.full((len(column), 1), np.nan)
    if not is_text(column.dtype):
        raise InputError(f"{table.path}: column {name} is {column.dtype}, expected numbers, text or lists of numbers")
    text = column.cast(pl.String).str.strip_chars()
    missing = is_missing(text)
    there = text.filter(~missing)
    if table.is_text and _are_numbers(table, name, text, missing):
        if not there.str.contains(_CODE).any():
            return numbers(table, name)[:, None]
        notes.append(f"{name} counts as words: it has numbers that begin with 0, as codes do")
    if table.is_text and are_truths(there):
        return numbers(table, name)[:, None]
    return _dummies(table, name, text, missing)


def _are_numbers(table: Table, name: str, text: pl.Series, missing: pl.Series) -> bool:
    """Whether a column of text has numbers alone.

    Raises:
        InputError: nearly all are numbers, but not all: a slip, which would make words of the others.
    """
    is_one = is_number(text)
    there = ~missing
    if not there.any():
        return False
    with_comma = (
        text.str.contains(r"^[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+),[0-9]+$|^[+-]?[0-9.]+ ?%$").fill_null(value=False)
        & there
    )
    others = there & ~is_one
    mostly = int((is_one | with_comma).sum()) >= _MOSTLY * int(there.sum())
    if mostly and (row := first_of(others)) is not None:
        hint = how(str(text[row])) or "; write a number there, or words in every row"
        raise InputError(f"{table.at(row)} has {text[row]!r} as {name}, where other rows have numbers{hint}")
    return not others.any()


def _of_lists(table: Table, column: pl.Series) -> F64:
    column = column.arr.to_list() if isinstance(column.dtype, pl.Array) else column
    inner = getattr(column.dtype, "inner", None)
    if inner is None or not (inner.is_numeric() or inner in {pl.Boolean(), pl.Null()}):
        raise InputError(f"{table.path}: lists of {column.name} are not of numbers; a context is")
    there = column.drop_nulls()
    lengths = there.list.len()
    if lengths.n_unique() > 1 or lengths.sum() == 0:
        raise InputError(
            f"{table.path}: lists of {column.name} have lengths from {lengths.min()!r} to {lengths.max()!r}, expected one"
        )
    part = np.full((len(column), int(lengths[0])), np.nan)
    try:
        flat = there.explode().cast(pl.Float64).fill_null(float("nan")).to_numpy()
    except PolarsError as error:
        raise InputError(f"{table.path}: lists of {column.name} are not of numbers; a context is") from error
    part[column.is_not_null().to_numpy()] = flat.reshape(there.len(), -1)
    return part


def _dummies(table: Table, name: str, text: pl.Series, missing: pl.Series) -> npt.NDArray[np.floating]:
    """A column for each level of a text but the first; NaN in all of them where it is missing."""
    levels = text.filter(~missing).unique().sort()
    if len(levels) > _MOST_LEVELS:
        raise InputError(
            f"{table.path}: the context {name} is text of {len(levels):,} different values, such as {levels[0]!r}, expected at"
            f" most {_MOST_LEVELS}; is it an id? Name the contexts by --columns context=..., or turn it into numbers"
        )
    known = text.to_frame("text").select(pl.when(~missing).then("text")).to_series()
    codes: I64 = known.cast(pl.Enum(levels)).to_physical().fill_null(0).to_numpy().astype(np.int64)
    if not missing.any():
        return np.asarray(codes[:, None] == np.arange(1, len(levels)), dtype=np.float32)
    columns: F64 = np.asarray(codes[:, None] == np.arange(1, max(len(levels), 2)), dtype=np.float64)
    columns[missing.to_numpy()] = np.nan
    return columns
