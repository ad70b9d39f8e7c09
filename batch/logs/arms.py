"""Arms of anybody's log: names of a column as numbers, within titles, and which of them a decision could choose."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import PolarsError

from bandit.errors import InputError
from bandit.impressions import Bool

I64 = npt.NDArray[np.int64]

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


def numbered_arms(frame: pl.DataFrame, roles: Mapping[str, str], path: Path) -> NumberedArms:
    """Arms of a log by the columns of their roles: ``action``, and ``title`` and ``eligible`` if there are such.

    Raises:
        InputError: an arm was shown that was not eligible, or a list of eligible arms is not one.
    """
    shown = frame.select(
        title=_as_key(frame[roles["title"]], path) if "title" in roles else pl.lit(""),
        arm=_as_key(frame[roles["action"]], path),
    )
    listed = _listed(frame[roles["eligible"]], shown, path) if "eligible" in roles else None
    every = shown if listed is None else pl.concat([shown, listed.select("title", "arm")])
    arms = every.unique().sort("title", "arm").with_row_index("index")
    index = _index(shown, arms)
    sizes = arms.group_by("title", maintain_order=True).len()["len"].to_numpy()
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    names = [f"{title}/{arm}" if "title" in roles else str(arm) for title, arm in arms.select("title", "arm").rows()]
    eligible = None
    if listed is not None:
        first = starts[np.searchsorted(starts, index, side="right") - 1]  # of the title of each impression, (m,)
        rows = listed["row"].to_numpy()
        eligible = np.zeros((frame.height, int(sizes.max())), dtype=np.bool_)
        eligible[rows, _index(listed, arms) - first[rows]] = True
        _refuse_not_eligible(index, first, eligible, names, path)
    return NumberedArms(names, index, starts if "title" in roles else None, eligible)


def _as_key(column: pl.Series, path: Path) -> pl.Series:
    """Numbers as they are, so that they sort as such; all else as text."""
    if column.dtype.is_nested():
        raise InputError(f"{path}: column {column.name} is {column.dtype}, expected one name or number a row")
    return column if column.dtype.is_numeric() else column.cast(pl.String)


def _index(keys: pl.DataFrame, arms: pl.DataFrame) -> I64:
    joined = keys.select("title", "arm").join(arms, on=["title", "arm"], how="left", maintain_order="left")
    return joined["index"].to_numpy().astype(np.int64)


def _listed(column: pl.Series, shown: pl.DataFrame, path: Path) -> pl.DataFrame:
    """row, title and arm of everything that was eligible; arms as ``shown`` has them."""
    lists = column.cast(pl.String).str.split(BETWEEN) if column.dtype in {pl.String(), pl.Categorical()} else column
    if isinstance(lists.dtype, pl.Array):
        lists = lists.arr.to_list()
    if lists.dtype.is_numeric():
        lists = lists.cast(pl.String).str.split(BETWEEN)  # a file in which every decision had one choice
    if not isinstance(lists.dtype, pl.List):
        raise InputError(
            f"{path}: column {column.name} is {column.dtype}, expected lists of arms, or text such as a1{BETWEEN}a2"
        )
    if (empty := lists.list.len() == 0).any():
        raise InputError(
            f"{path}, rows counted from 0: row {empty.arg_max()} has no eligible arms, expected at least the one that was shown"
        )
    pieces = shown.select("title").with_row_index("row").with_columns(found=lists).explode("found")
    found, dtype = pieces["found"], shown["arm"].dtype
    try:
        text = found.cast(pl.String).str.strip_chars()
        arms = text if dtype == pl.String() else text.cast(dtype, strict=False)
    except PolarsError as error:
        raise InputError(f"{path}: column {column.name} has lists of {found.dtype}, expected arms: {error}") from error
    wrong = arms.is_null() | (arms.cast(pl.String) == "")
    if wrong.any():
        at = int(wrong.arg_max() or 0)
        raise InputError(
            f"{path}, rows counted from 0: row {pieces['row'][at]} has {found[at]!r} among its eligible"
            f" arms, expected the name of one, as in the column of what was shown ({dtype})"
        )
    return pieces.select("row", "title", arms.alias("arm"))


def _refuse_not_eligible(shown: I64, first: I64, eligible: Bool, names: list[str], path: Path) -> None:
    wrong = ~eligible[np.arange(len(shown)), shown - first]
    if wrong.any():
        row = int(wrong.argmax())
        could = [names[first[row] + place] for place in np.flatnonzero(eligible[row])]
        raise InputError(
            f"{path}, rows counted from 0: row {row} shows arm {names[shown[row]]!r}, which is not among its eligible arms"
            f" {', '.join(could)}; correct one of them"
        )
