"""Logs of anybody: a Parquet or CSV file whose columns are named, or have the names that the field uses."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import PolarsError

from bandit.errors import InputError
from bandit.impressions import ImpressionLog
from batch.logs.arms import numbered_arms
from batch.logs.logged import LoggedData
from batch.logs.reading import read_any

KNOWN: Final = {
    "context": ("context", "x"),
    "title": ("title_id",),
    "action": ("action", "arm", "item_id", "artwork_id", "a"),
    "reward": ("reward", "click", "clicked", "r", "y"),
    "pscore": ("pscore", "propensity", "propensity_score", "action_prob", "prob"),
    "position": ("position",),
    "time": ("timestamp", "time", "shown_at", "date"),
    "decision": ("decision", "decision_id", "cluster"),
    "batch": ("batch", "generation"),
    "eligible": ("eligible",),
}
"""What a log has, and the names that its columns go by; contexts also as ``context_*``, ``x_*`` or ``feature_*``."""

_CONTEXT_PATTERNS = ("context_*", "x_*", "feature_*")
_NEEDED = ("action", "reward")
_MOST_LEVELS = 100
_DAY_MICROSECONDS = 86_400_000_000


@dataclass(frozen=True)
class Columns:
    """The column of each role; of contexts several."""

    named: dict[str, str] = field(default_factory=dict)
    context: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As on the command line."""
        parts = [f"{role}={name}" for role, name in self.named.items()]
        return ",".join([*parts, *([f"context={'+'.join(self.context)}"] if self.context else [])])


def parse_columns(text: str) -> Columns:
    """Roles from their text: ``action=item,reward=bought,pscore=p,context=age+price_*``.

    Raises:
        InputError: a role is not known, or one is given twice.

    >>> parse_columns("action=item,context=age+visits")
    Columns(named={'action': 'item'}, context=('age', 'visits'))
    """
    named: dict[str, str] = {}
    for item in filter(None, (each.strip() for each in text.split(","))):
        role, equals, column = (part.strip() for part in item.partition("="))
        if not equals or not column or role not in KNOWN:
            raise InputError(f"--columns has {item!r}, expected role=column with a role of {', '.join(KNOWN)}")
        if role in named:
            raise InputError(f"--columns names the role {role} twice, {named[role]} and {column}; name it once")
        named[role] = column
    context = tuple(filter(None, (each.strip() for each in named.pop("context", "").split("+"))))
    return Columns(named, context)


def read_columns(path: Path, given: Columns) -> LoggedData:
    """A log from a Parquet or CSV file, in the order of its times if it has any.

    Arms are numbered by the order of their names, within their titles where there is a column of titles. Without contexts every
    impression has a constant. ``eligible`` has the names of the arms that could be chosen: a list, or text with | between.

    Raises:
        InputError: a column is missing, or a value is not of its column; names it with the first such row of the file.
    """
    frame = read_any(path)
    roles = _roles(frame.columns, given, path)
    if frame.is_empty():
        raise InputError(f"{path} has no rows; expected impressions")
    for name in roles.values():
        if name != roles.get("pscore"):
            _refuse_null(frame, name, path)
    arms = numbered_arms(frame, roles, path)
    times = _times(frame, roles, path)
    names = _context_columns(frame, given, roles, path)
    contexts = _contexts(frame, names, path)
    rewards = _numbers(frame, roles["reward"], path)
    propensities = _numbers(frame, roles["pscore"], path) if "pscore" in roles else None
    try:
        log = ImpressionLog(
            contexts=contexts,
            arms=arms.shown,
            rewards=rewards,
            propensities=propensities,
            n_arms=len(arms.names),
            starts=arms.starts,
            eligible=arms.eligible,
            clusters=_numbered(frame, roles, "decision"),
            positions=_numbered(frame, roles, "position"),
            times=times,
            batches=_numbered(frame, roles, "batch"),
        )
    except InputError as error:
        raise InputError(f"{path}, rows counted from 0: {error}") from None
    if times is not None:
        log = log.take(np.argsort(times, kind="stable"))
    used = ", ".join(
        [*(f"{role}={name}" for role, name in roles.items()), *([f"context={'+'.join(names)}"] if names else [])]
    )
    rest = [name for name in frame.columns if name not in {*roles.values(), *names}]
    notes = [] if "pscore" in roles else ["there are no propensities: of all estimators dm alone works"]
    if not names:
        told = f" (not used: {', '.join(rest)})" if rest else ""
        notes.append(f"there are no contexts{told}: all users are the same to policies and models")
    spans = times is not None and not frame[roles["time"]].dtype.is_numeric()
    days = float(np.ptp(times)) / _DAY_MICROSECONDS if times is not None and spans else None
    return LoggedData(
        log, f"{path.name} ({used}): {frame.height:,} impressions", arms.names, notes=tuple(notes), days=days
    )


def _roles(found: Sequence[str], given: Columns, path: Path) -> dict[str, str]:
    """The column of each role that the file has, but for contexts."""
    roles: dict[str, str] = {}
    for role, usual in KNOWN.items():
        if role == "context":
            continue
        wanted = (given.named[role],) if role in given.named else usual
        column = next((name for name in wanted if name in found), None)
        if column is not None:
            roles[role] = column
        elif role in given.named or role in _NEEDED:
            raise InputError(
                f"{path} has no column for {role}: looked for {', '.join(wanted)}, it has {', '.join(found)}; name it by"
                f" --columns {role}=..."
            )
    return roles


def _context_columns(frame: pl.DataFrame, given: Columns, roles: dict[str, str], path: Path) -> list[str]:
    usual = [name for name in KNOWN["context"] if name in frame.columns][:1]
    patterns = given.context or usual or _CONTEXT_PATTERNS
    taken = set(roles.values())
    found = [name for name in frame.columns if name not in taken and any(fnmatchcase(name, each) for each in patterns)]
    for pattern in given.context:
        if pattern in taken:
            role = next(role for role, name in roles.items() if name == pattern)
            raise InputError(f"--columns has {pattern} as context, which is the log's {role}; a policy cannot know it")
        if not any(fnmatchcase(name, pattern) for name in found):
            rest = ", ".join(name for name in frame.columns if name not in taken)
            raise InputError(f"{path} has no column like {pattern} that has no other role; it has {rest or 'none'}")
    return found


def _contexts(frame: pl.DataFrame, names: Sequence[str], path: Path) -> npt.NDArray[np.floating]:
    """A constant, then the numbers of the columns; a list column brings all of its numbers, text its dummies."""
    parts: list[npt.NDArray[np.floating]] = [np.ones((frame.height, 1), dtype=np.float32)]
    for name in names:
        _refuse_null(frame, name, path)
        column = frame[name]
        if isinstance(column.dtype, pl.List | pl.Array):
            parts.append(_listed(column, path))
        elif column.dtype.is_numeric() or column.dtype == pl.Boolean():
            parts.append(column.cast(pl.Float64).to_numpy()[:, None])
        elif column.dtype.is_temporal():
            raise InputError(
                f"{path}: column {name} is a time and cannot be a context; turn it into numbers or text first"
            )
        else:
            parts.append(_dummies(column, path))
    joined: npt.NDArray[np.floating] = np.concatenate(parts, axis=1)
    return joined


def _listed(column: pl.Series, path: Path) -> npt.NDArray[np.float64]:
    column = column.arr.to_list() if isinstance(column.dtype, pl.Array) else column
    lengths = column.list.len()
    if lengths.n_unique() != 1:
        raise InputError(
            f"{path}: lists of {column.name} have lengths from {lengths.min()!r} to {lengths.max()!r}, expected one"
        )
    try:
        return column.explode().cast(pl.Float64).to_numpy().reshape(len(column), -1)
    except PolarsError as error:
        raise InputError(f"{path}: lists of {column.name} are not of numbers; a context is") from error


def _dummies(column: pl.Series, path: Path) -> npt.NDArray[np.float32]:
    """A column for each level of a text but the first."""
    text = column.cast(pl.String)
    levels = text.unique().sort()
    if len(levels) > _MOST_LEVELS:
        raise InputError(
            f"{path}: the context {column.name} is text of {len(levels):,} different values, such as {levels[0]!r}, expected at"
            f" most {_MOST_LEVELS}; is it an id? Name the contexts by --columns context=..., or turn it into numbers"
        )
    codes: npt.NDArray[np.integer] = text.cast(pl.Enum(levels)).to_physical().to_numpy()
    return np.asarray(codes[:, None] == np.arange(1, len(levels)), dtype=np.float32)


def _numbers(frame: pl.DataFrame, name: str, path: Path) -> npt.NDArray[np.float64]:
    column = frame[name]
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean()):
        raise InputError(f"{path}: column {name} is {column.dtype}, expected numbers")
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _refuse_null(frame: pl.DataFrame, name: str, path: Path) -> None:
    missing = frame[name].is_null()
    if missing.any():
        raise InputError(
            f"{path}, rows counted from 0: row {missing.arg_max()} has no {name}; fill it or leave the row out"
        )


def _times(frame: pl.DataFrame, roles: dict[str, str], path: Path) -> npt.NDArray[np.int64] | None:
    """Microseconds, or places in order where times are numbers; None where there are none."""
    if "time" not in roles:
        return None
    column = frame[roles["time"]]
    if column.dtype == pl.String():
        try:
            column = column.str.to_datetime(time_unit="us")
        except PolarsError as error:
            raise InputError(
                f"{path}: column {roles['time']} is text that is no time: {error}; write it as ISO 8601"
            ) from error
    if isinstance(column.dtype, pl.Date | pl.Datetime):
        return column.cast(pl.Datetime("us")).to_physical().to_numpy()
    if column.dtype.is_temporal():
        raise InputError(
            f"{path}: column {roles['time']} is {column.dtype}, which has no day; expected a date and a time"
        )
    values = _numbers(frame, roles["time"], path)
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _numbered(frame: pl.DataFrame, roles: dict[str, str], role: str) -> npt.NDArray[np.int64] | None:
    """Each value of a column as its place among all, in their order."""
    if role not in roles:
        return None
    return frame[roles[role]].rank("dense").to_numpy().astype(np.int64) - 1
