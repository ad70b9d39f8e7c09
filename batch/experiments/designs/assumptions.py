"""What a comparison without randomisation rests on: each assumption, whether data speak against it, and what that means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from bandit.errors import InputError
from bandit.experiments import Effect
from batch.logs.one_file import kind_of, read_file

CLEAR: Final = 0.05
"""p-value below which a figure is called clear, and an assumption is not passed."""
ODD: Final = 0.01
"""p-value below which an assumption fails. There are up to eight of them: at 0.05 one in five honest tables would fail one."""


@dataclass(frozen=True)
class Assumption:
    """``holds`` is True where data that could have spoken against it do not, False where they do, None where they cannot tell."""

    name: str
    holds: bool | None
    seen: str
    means: str


def passes(name: str, seen: str, means: str) -> Assumption:
    """An assumption that data could have spoken against, and do not."""
    return Assumption(name, holds=True, seen=seen, means=means)


def fails(name: str, seen: str, means: str) -> Assumption:
    """One that data speak against."""
    return Assumption(name, holds=False, seen=seen, means=means)


def unknown(name: str, seen: str, means: str) -> Assumption:
    """One that these data cannot tell."""
    return Assumption(name, holds=None, seen=seen, means=means)


def failing(assumptions: Sequence[Assumption]) -> list[Assumption]:
    """Those that data speak against."""
    return [one for one in assumptions if one.holds is False]


def conclusion_of(assumptions: Sequence[Assumption]) -> str:
    """What to make of the effect, given its assumptions."""
    if failed := failing(assumptions):
        names = "; ".join(one.name for one in failed)
        return f"do NOT take this for the effect of the treatment: {len(failed)} assumptions fail ({names})".replace(
            "1 assumptions fail", "1 assumption fails"
        )
    unknown = "; ".join(one.name for one in assumptions if one.holds is None)
    return (
        "no assumption fails. This is the effect of the treatment if what these data cannot tell holds too, which somebody who"
        f" knows the case has to say: {unknown}"
    )


def ends_of(effect: Effect) -> str:
    """A value with its interval."""
    return f"{effect.value:+.4g} ({effect.lower:+.4g} to {effect.upper:+.4g})"


def read_columns(path: Path, needed: Mapping[str, str]) -> pl.DataFrame:
    """A table with columns of given names, and whatever others it has.

    Args:
        path: Parquet, CSV or JSON lines.
        needed: the columns that it must have, each with what it holds.

    Raises:
        InputError: it is no file, of no kind that is known, empty, or has not these columns.
        SurroundingsError: it cannot be read.
    """
    expected = ", ".join(f"{name} ({what})" for name, what in needed.items())
    if not path.is_file():
        raise InputError(f"--table {path} is no file, expected Parquet, CSV or JSON lines with the columns {expected}")
    frame = read_file(path, kind_of(path))
    if missing := [name for name in needed if name not in frame.columns]:
        raise InputError(
            f"{path} has no column {' and no '.join(missing)}, it has {', '.join(frame.columns) or 'none'}; expected {expected};"
            " rename or add it"
        )
    if frame.is_empty():
        raise InputError(f"{path} has no rows, expected the columns {expected}, and a row for each observation")
    return frame
