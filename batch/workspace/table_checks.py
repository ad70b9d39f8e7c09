"""Refusing tables that cannot be used, with the file, the column, the first bad row and what to do about it."""

from pathlib import Path

import polars as pl

from bandit.errors import InputError
from bandit.snapshot import MAX_ARMS
from batch.workspace.files import read_parquet
from batch.workspace.table_schemas import ARTWORKS, CANDIDATES, TITLES, USERS, Column, Rule, Schema

ROW = "_row"
"""Place of a row in its file, counted from 1; dropped once every check has passed."""

_SHOWN = 60
_SOME_GENRES = 20


def read_frame(path: Path) -> pl.DataFrame:
    """A Parquet file as it is.

    Raises:
        InputError: the file is missing or is not Parquet.
        SurroundingsError: the file cannot be read.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; expected a Parquet file: `artwork data example` writes one to copy from")
    if not path.is_file():
        raise InputError(f"{path} is missing; expected a Parquet file: `artwork data example` writes one to copy from")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); expected a Parquet file; write it again")
    return read_parquet(path)


def check_frame(frame: pl.DataFrame, schema: Schema, where: str) -> pl.DataFrame:
    """The frame with the schema's columns and types, and ``ROW``; every rule of single columns and the key checked.

    Raises:
        InputError: names ``where``, the column, the first bad row, what was expected and the remedy.
    """
    columns = [column for column in schema.columns if column.name in frame.columns or not column.optional]
    for column in columns:
        _check_type(frame, column, where)
    if frame.is_empty():
        raise InputError(f"{where} has no rows; expected at least one; write the file again")
    rows = frame.select(column.name for column in columns).with_row_index(ROW, offset=1)
    for column in columns:
        for rule in (*_null_rules(column), *column.rules):
            refuse_first(rows, rule, schema, column.name, where)
    refuse_first(rows, _key_rule(schema), schema, schema.key[-1], where)
    return rows.with_columns(_cast(frame, column) for column in columns)


def check_links(
    users: pl.DataFrame,
    titles: pl.DataFrame,
    artworks: pl.DataFrame,
    candidates: pl.DataFrame | None,
    where: dict[str, str],
) -> None:
    """Refuse rows that name what another table lacks; frames come from ``check_frame``.

    Raises:
        InputError: as ``check_frame``.
    """
    for column, rule in (
        ("title_id", _unknown("title_id", titles, "add the title to titles.parquet or drop the artwork")),
        ("title_id", _TOO_MANY),
        ("is_default", _TWO_DEFAULTS),
    ):
        refuse_first(artworks, rule, ARTWORKS, column, where["artworks"])
    bare = _unknown(
        "title_id", artworks, "add an artwork to artworks.parquet or drop the title", "a title with artworks"
    )
    refuse_first(titles, bare, TITLES, "title_id", where["titles"])
    if "survey" in users.columns:
        refuse_first(users, _unknown_genre(titles), USERS, "survey", where["users"])
    if candidates is not None:
        known_user = _unknown("user_id", users, "add the user to users.parquet or drop the row")
        refuse_first(candidates, known_user, CANDIDATES, "user_id", where["candidates"])
        known_title = _unknown("title_ids", titles, "add the title to titles.parquet or drop it from the list")
        refuse_first(candidates.explode("title_ids"), known_title, CANDIDATES, "title_ids", where["candidates"])


def refuse_first(rows: pl.DataFrame, rule: Rule, schema: Schema, column: str, where: str) -> None:
    """Raise for the first row on which a rule is broken; a null counts as kept."""
    bad = rows.filter(rule.broken).head(1)
    if not bad.is_empty():
        row = bad.row(0, named=True)
        name = ", ".join(f"{key} {_short(row[key])}" for key in schema.key)
        raise InputError(
            f"{where}, column {column}, row {row[ROW]} ({name}): "
            f"found {_short(row[column])}, expected {rule.expected}; {rule.remedy}"
        )


def _check_type(frame: pl.DataFrame, column: Column, where: str) -> None:
    dtype = frame.schema.get(column.name)
    if dtype is None:
        raise InputError(
            f"{where} has no column {column.name}; expected {column.kind.words}, found the columns "
            f"{', '.join(frame.columns) or '(none)'}; add the column"
        )
    all_null = column.nullable and dtype == pl.Null()
    if not (all_null or column.kind.accepts(dtype)):
        row = "; the first row holds " + _short(frame[column.name][0]) if frame.height else ""
        raise InputError(
            f"{where}, column {column.name}, row 1: the type is {dtype}, expected {column.kind.words}{row}; "
            "write the column with that type"
        )


def _null_rules(column: Column) -> tuple[Rule, ...]:
    if column.nullable:
        return ()
    return (Rule(pl.col(column.name).is_null(), column.kind.words, "this column may not hold null: fill the value in"),)


def _key_rule(schema: Schema) -> Rule:
    repeated = ~pl.struct(schema.key).is_first_distinct()
    return Rule(repeated, f"every {' and '.join(schema.key)} once", "remove the row that repeats an earlier one")


def _unknown(column: str, known: pl.DataFrame, remedy: str, expected: str = "") -> Rule:
    key = {"title_ids": "title_id"}.get(column, column)
    broken = ~pl.col(column).is_in(known[key].unique().implode())
    return Rule(broken, expected or f"a {key} of {key.removesuffix('_id')}s.parquet", remedy)


def _unknown_genre(titles: pl.DataFrame) -> Rule:
    genres = titles["genres"].explode().drop_nulls().unique().sort()
    unknown = ~pl.element().is_in(genres.implode())
    some = ", ".join(genres.head(_SOME_GENRES)) or "none"
    expected = f"genres of titles.parquet ({some}{', ...' if len(genres) > _SOME_GENRES else ''})"
    broken = pl.col("survey").list.eval(unknown).list.any()
    return Rule(broken, expected, "spell them as there, or drop them from the list")


_IN_TITLE = pl.int_range(pl.len()).over("title_id")
_TOO_MANY = Rule(_IN_TITLE >= MAX_ARMS, f"at most {MAX_ARMS} artworks per title", "drop artworks of this title")
_TWO_DEFAULTS = Rule(
    pl.col("is_default") & (pl.col("is_default").cast(pl.UInt32).cum_sum().over("title_id") > 1),
    "at most one default per title",
    "set is_default to false on all artworks of the title but one",
)


def _cast(frame: pl.DataFrame, column: Column) -> pl.Expr:
    values = pl.col(column.name)
    if isinstance(frame.schema[column.name], pl.Datetime) and getattr(frame.schema[column.name], "time_zone", None):
        values = values.dt.convert_time_zone("UTC")
    return values.cast(column.kind.target)


def _short(value: object) -> str:
    text = repr(value.to_list() if isinstance(value, pl.Series) else value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
