"""What the tables of a workspace must look like: columns, types, keys, and the rules that single rows keep."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from bandit.snapshot import ID_PATTERN

FLOATS = pl.List(pl.Float32())
STRINGS = pl.List(pl.String())
INSTANT = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class Kind:
    """A family of column types that are read as one: ``accepts`` the type found, casts it to ``target``."""

    words: str
    target: pl.DataType
    accepts: Callable[[pl.DataType], bool]


@dataclass(frozen=True)
class Rule:
    """What every value of a column keeps; ``broken`` is true on the rows that do not."""

    broken: pl.Expr
    expected: str
    remedy: str


@dataclass(frozen=True)
class Column:
    """One column of a table; one that is ``optional`` may be missing."""

    name: str
    kind: Kind
    nullable: bool = False
    rules: tuple[Rule, ...] = ()
    optional: bool = False


@dataclass(frozen=True)
class Schema:
    """One table: its columns, and the columns that together name a row."""

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]


def _inner(dtype: pl.DataType) -> pl.DataType | None:
    return getattr(dtype, "inner", None) if isinstance(dtype, pl.List | pl.Array) else None


def _is_float_list(dtype: pl.DataType) -> bool:
    inner = _inner(dtype)
    return inner is not None and inner.is_float()


def is_integer_list(dtype: pl.DataType) -> bool:
    """Whether a column holds lists of integers."""
    inner = _inner(dtype)
    return inner is not None and inner.is_integer()


def _is_string_list(dtype: pl.DataType) -> bool:
    return _inner(dtype) in {pl.String(), pl.Null()}  # of nulls is how some write lists that are all empty


TEXT = Kind("text", pl.String(), lambda dtype: dtype == pl.String())
BOOLEAN = Kind("boolean", pl.Boolean(), lambda dtype: dtype == pl.Boolean())
COUNT = Kind("integer", pl.UInt32(), lambda dtype: dtype.is_integer())
YEAR = Kind("integer", pl.Int32(), lambda dtype: dtype.is_integer())
VECTOR = Kind("list<float32>", FLOATS, _is_float_list)
TEXTS = Kind("list of text", STRINGS, _is_string_list)
TIME = Kind("UTC datetime or date", INSTANT, lambda dtype: isinstance(dtype, pl.Datetime | pl.Date))

MOST = 2**32 - 1
"""The largest count that is kept."""

LAST_YEAR = 9999
LAST_HOUR = 23

_A_LIST_OF_IDS = f"a list of ids like {ID_PATTERN}"


def id_column(name: str) -> Column:
    """A column of ids: safe in a store key, in a URL path and in a file name."""
    broken = ~pl.col(name).str.contains(f"^(?:{ID_PATTERN})$")
    return Column(
        name, TEXT, rules=(Rule(broken, f"an id like {ID_PATTERN}", "rename it, the same way in every file"),)
    )


def _vector(name: str) -> Column:
    values = pl.col(name).cast(FLOATS)
    holes = values.list.eval(pl.element().is_null() | ~pl.element().is_finite()).list.any()
    length = values.list.len()
    return Column(
        name,
        VECTOR,
        rules=(
            Rule(length == 0, "at least one number", "give every row the same features; a constant 1.0 will do"),
            Rule(holes, "finite numbers that fit float32", "replace NaN, infinity and null before writing the file"),
            Rule(length != length.first(), "as many numbers as the first row has", "give every row the same features"),
        ),
    )


def _id_list(name: str) -> Column:
    ids = pl.col(name).cast(STRINGS)
    bad = pl.element().is_null() | ~pl.element().str.contains(f"^(?:{ID_PATTERN})$")
    repeated = ids.list.n_unique() != ids.list.len()
    return Column(
        name,
        TEXTS,
        rules=(
            Rule(ids.list.eval(bad).list.any(), _A_LIST_OF_IDS, "rename the ids, the same way in every file"),
            Rule(repeated, "every id once", "remove the repeated ids from the list"),
        ),
    )


def integer_column(
    name: str, kind: Kind, low: int, high: int, *, nullable: bool = False, optional: bool = False
) -> Column:
    """A column of integers between two ends."""
    rule = Rule(~pl.col(name).is_between(low, high), f"an integer from {low} to {high}", "correct the value")
    return Column(name, kind, nullable, (rule,), optional)


def _genres(name: str, *, optional: bool = False) -> Column:
    holes = pl.col(name).cast(STRINGS).list.eval(pl.element().is_null()).list.any()
    rule = Rule(holes, "genres without null", "leave the null out of the list")
    return Column(name, TEXTS, nullable=optional, rules=(rule,), optional=optional)


USERS = Schema(
    "users",
    ("user_id",),
    (
        id_column("user_id"),
        _vector("context"),
        Column("country", TEXT, nullable=True),
        Column("device", TEXT, nullable=True),
        Column("campaign", TEXT, nullable=True),
        integer_column("hour", COUNT, 0, LAST_HOUR, nullable=True, optional=True),
        integer_column("sessions", COUNT, 0, MOST),
        _genres("survey", optional=True),
    ),
)
TITLES = Schema(
    "titles",
    ("title_id",),
    (
        id_column("title_id"),
        Column("name", TEXT),
        integer_column("year", YEAR, 0, LAST_YEAR, nullable=True),
        _genres("genres"),
    ),
)
ARTWORKS = Schema(
    "artworks",
    ("title_id", "artwork_id"),
    (
        id_column("title_id"),
        id_column("artwork_id"),
        _vector("features"),
        Column("theme", TEXT),
        Column("look", TEXT),
        Column("image_url", TEXT, nullable=True),
        Column("is_default", BOOLEAN),
        Column("added_at", TIME),
    ),
)
CANDIDATES = Schema("candidates", ("user_id",), (id_column("user_id"), _id_list("title_ids")))
