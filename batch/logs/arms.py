"""Arms of anybody's log: names of a column as numbers, within titles, and which of them a decision could choose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from bandit.arrays import I64, Bool
from bandit.errors import InputError
from batch.logs.cells import as_names, first_of, in_order, is_list, is_missing, is_text, names
from batch.logs.reading import Table

BETWEEN: Final = "|"
"""Between the arms of a text of eligible ones."""


@dataclass(frozen=True, eq=False)
class NumberedArms:
    """Arms in the order of title and name; ``shown`` (m,) of them, ``starts`` (t + 1,) of titles, None where there are none.

    ``names`` (A,) are ``title/arm`` where there are titles. ``eligible`` is (m, K), None for all.
    """

    names: list[str]
    shown: I64
    starts: I64 | None
    eligible: Bool | None


def numbered_arms(table: Table, roles: Mapping[str, str]) -> NumberedArms:
    """Arms of a log by the columns of their roles: ``action``, and ``title`` and ``eligible`` if there are such.

    Raises:
        InputError: a name is missing, an arm was shown that was not eligible, or a list of eligible arms is not one.
    """
    shown = pl.DataFrame({"arm": names(table, roles["action"])}).with_columns(
        title=names(table, roles["title"]) if "title" in roles else pl.lit("")
    )
    listed = _listed(table, roles["eligible"], roles["action"], shown) if "eligible" in roles else None
    every = shown if listed is None else pl.concat([shown, listed.select("arm", "title")])
    arms = every.unique()
    arms = arms.sort(in_order(arms["title"]), in_order(arms["arm"])).with_row_index("index")
    index = _index(shown, arms)
    sizes = arms.group_by("title", maintain_order=True).len()["len"].to_numpy()
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    called = (arms["title"] + "/" + arms["arm"]) if "title" in roles else arms["arm"]
    if (twice := called.is_duplicated()).any():
        raise InputError(
            f"{table.path}: two arms are called {called.filter(twice)[0]!r}, of different titles; leave the / out of titles or"
            " arms"
        )
    eligible = None
    if listed is not None:
        first = starts[np.searchsorted(starts, index, side="right") - 1]  # of the title of each impression, (m,)
        rows = listed["row"].to_numpy()
        eligible = np.zeros((shown.height, int(sizes.max())), dtype=np.bool_)
        eligible[rows, _index(listed, arms) - first[rows]] = True
        _refuse_not_eligible(table, index, first, eligible, called.to_list())
    return NumberedArms(called.to_list(), index, starts if "title" in roles else None, eligible)


def _index(keys: pl.DataFrame, arms: pl.DataFrame) -> I64:
    joined = keys.select("title", "arm").join(arms, on=["title", "arm"], how="left", maintain_order="left")
    return joined["index"].to_numpy().astype(np.int64)


def _listed(table: Table, column: str, action: str, shown: pl.DataFrame) -> pl.DataFrame:
    """row, title and arm of everything that was eligible; arms as ``shown`` has them."""
    values = table.frame[column]
    if (row := first_of(values.is_null())) is not None:
        raise InputError(f"{table.at(row)} has no {column}; fill it or leave the row out")
    if values.dtype.is_numeric():
        values = names(table, column)  # a file in which every decision had one choice
    if is_text(values.dtype):
        if (row := first_of(values.cast(pl.String).str.contains(r"^\s*[\[{(]"))) is not None:
            raise InputError(
                f"{table.at(row)} has {values[row]!r} as {column}, expected names with {BETWEEN} between, such as a1{BETWEEN}a2"
            )
        values = values.cast(pl.String).str.split(BETWEEN)
    lists = values
    lists = lists.arr.to_list() if isinstance(lists.dtype, pl.Array) else lists
    if not is_list(lists.dtype):
        raise InputError(
            f"{table.path}: column {column} is {values.dtype}, expected lists of arms, or text such as a1{BETWEEN}a2"
        )
    if (row := first_of(lists.list.len() == 0)) is not None:
        raise InputError(f"{table.at(row)} has no eligible arms, expected at least the one that was shown")
    pieces = shown.select("title").with_row_index("row").with_columns(arm=lists).explode("arm")
    listed, rows = pieces["arm"], pieces["row"]
    where = f"{table.path}: column {column}"
    try:
        arms = as_names(listed, lambda piece: table.at(int(rows[piece])), where)
    except PolarsError as error:
        raise InputError(f"{where} has lists of {listed.dtype}, expected arms") from error
    arms = _like_shown(arms, table.frame[action])
    if (piece := first_of(is_missing(arms))) is not None:
        raise InputError(
            f"{table.at(int(rows[piece]))} has {listed[piece]!r} among its eligible arms, expected the name of one, as in the"
            f" column of what was shown ({table.frame[action].dtype})"
        )
    return pieces.select("row", "title", arms.alias("arm"))


def _like_shown(arms: pl.Series, shown: pl.Series) -> pl.Series:
    """Names of eligible arms as the column of what was shown writes them; null where it could not."""
    if shown.dtype.is_integer():
        return arms.cast(pl.Int128, strict=False).cast(pl.String)
    if shown.dtype.is_float():
        values = arms.cast(pl.Float64, strict=False)
        return as_names(pl.concat([values, shown.cast(pl.Float64)]), str, shown.name).head(arms.len())
    if shown.dtype == pl.Boolean():
        return arms.str.to_lowercase()
    return arms


def _refuse_not_eligible(table: Table, shown: I64, first: I64, eligible: Bool, called: list[str]) -> None:
    wrong = ~eligible[np.arange(len(shown)), shown - first]
    if wrong.any():
        row = int(wrong.argmax())
        could = [called[first[row] + place] for place in np.flatnonzero(eligible[row])]
        raise InputError(
            f"{table.at(row)} shows arm {called[shown[row]]!r}, which is not among its eligible arms {', '.join(could)}; correct"
            " one of them"
        )
