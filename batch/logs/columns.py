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
from batch.logs.logged import LoggedData
from batch.table_checks import read_frame

KNOWN: Final = {
    "context": ("context", "x"),
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
_DAY_MICROSECONDS = 86_400_000_000


@dataclass(frozen=True)
class Columns:
    """The column of each role; of contexts several."""

    named: dict[str, str] = field(default_factory=dict)
    context: tuple[str, ...] = ()


def parse_columns(text: str) -> Columns:
    """Roles from their text: ``action=item,reward=bought,pscore=p,context=age+price_*``.

    Raises:
        InputError: a role is not known, or one is given twice.

    >>> parse_columns("action=item,context=age+visits")
    Columns(named={'action': 'item'}, context=('age', 'visits'))
    """
    named: dict[str, str] = {}
    for item in filter(None, text.split(",")):
        role, equals, column = item.partition("=")
        if not equals or role not in KNOWN:
            raise InputError(f"--columns has {item!r}, expected role=column with a role of {', '.join(KNOWN)}")
        if role in named:
            raise InputError(f"--columns names the role {role} twice, {named[role]} and {column}; name it once")
        named[role] = column
    context = tuple(filter(None, named.pop("context", "").split("+")))
    return Columns(named, context)


def read_columns(path: Path, given: Columns) -> LoggedData:
    """A log from a Parquet or CSV file.

    Arms are numbered by the order of their names. Without contexts every impression has a constant. ``eligible`` is a list of the
    names of the arms that could be chosen.

    Raises:
        InputError: a column is missing, or a value is not of its column; names it with the first such row.
    """
    frame = _read(path)
    roles = _roles(frame.columns, given, path)
    if frame.is_empty():
        raise InputError(f"{path} has no rows; expected impressions")
    for name in roles.values():
        if name != roles.get("pscore"):
            _refuse_null(frame, name, path)
    order = _times(frame, roles, path)
    if order is not None:
        frame, order = frame[np.argsort(order, kind="stable")], np.sort(order, kind="stable")
    names = _arm_names(frame, roles)
    arms = _codes(frame[roles["action"]].cast(pl.String), names)
    log = ImpressionLog(
        contexts=_contexts(frame, _context_columns(frame, given, path), path),
        arms=arms,
        rewards=_numbers(frame, roles["reward"], path),
        propensities=_numbers(frame, roles["pscore"], path) if "pscore" in roles else None,
        n_arms=len(names),
        eligible=_eligible(frame, roles, names) if "eligible" in roles else None,
        clusters=_numbered(frame, roles, "decision"),
        positions=_numbered(frame, roles, "position"),
        times=order,
        batches=_numbered(frame, roles, "batch"),
    )
    used = ", ".join(f"{role}={name}" for role, name in roles.items())
    notes = () if "pscore" in roles else ("there are no propensities: of all estimators dm alone works",)
    days = float(order[-1] - order[0]) / _DAY_MICROSECONDS if order is not None and _is_time(frame, roles) else None
    return LoggedData(log, f"{path.name} ({used}): {frame.height:,} impressions", names, notes=notes, days=days)


def _read(path: Path) -> pl.DataFrame:
    if path.suffix.lower() not in {".csv", ".gz"}:
        return read_frame(path)
    if not path.is_file():
        raise InputError(f"{path} is missing; expected a CSV file with a header")
    try:
        return pl.read_csv(path, infer_schema_length=10_000, try_parse_dates=True)
    except PolarsError as error:
        raise InputError(f"{path} is not CSV with a header: {error}; write it again") from error


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


def _context_columns(frame: pl.DataFrame, given: Columns, path: Path) -> list[str]:
    usual = [name for name in KNOWN["context"] if name in frame.columns][:1]
    patterns = given.context or usual or _CONTEXT_PATTERNS
    found = [name for name in frame.columns if any(fnmatchcase(name, pattern) for pattern in patterns)]
    if given.context and not found:
        raise InputError(f"{path} has no column like {', '.join(given.context)}; it has {', '.join(frame.columns)}")
    return found


def _contexts(frame: pl.DataFrame, names: Sequence[str], path: Path) -> npt.NDArray[np.floating]:
    """A constant, then the numbers of the columns; a list column brings all of its numbers, text its dummies."""
    parts: list[npt.NDArray[np.floating]] = [np.ones((frame.height, 1), dtype=np.float32)]
    for name in names:
        _refuse_null(frame, name, path)
        column = frame[name]
        if isinstance(column.dtype, pl.List | pl.Array):
            lengths = column.list.len() if isinstance(column.dtype, pl.List) else pl.Series([column.dtype.size])
            if lengths.n_unique() != 1:
                raise InputError(
                    f"{path}: lists of {name} have lengths from {lengths.min()!r} to {lengths.max()!r}, expected one"
                )
            parts.append(column.explode().cast(pl.Float64).to_numpy().reshape(frame.height, -1))
        elif column.dtype.is_numeric() or column.dtype == pl.Boolean():
            parts.append(column.cast(pl.Float64).to_numpy()[:, None])
        else:
            levels = column.cast(pl.String).unique().sort()
            codes = _codes(column.cast(pl.String), levels.to_list())
            parts.append((codes[:, None] == np.arange(1, len(levels))).astype(np.float32))
    joined: npt.NDArray[np.floating] = np.concatenate(parts, axis=1)
    return joined


def _numbers(frame: pl.DataFrame, name: str, path: Path) -> npt.NDArray[np.float64]:
    column = frame[name]
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean()):
        raise InputError(f"{path}: column {name} is {column.dtype}, expected numbers")
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _refuse_null(frame: pl.DataFrame, name: str, path: Path) -> None:
    missing = frame[name].is_null()
    if missing.any():
        raise InputError(f"{path}: row {missing.arg_max()} has no {name}; fill it or leave the row out")


def _times(frame: pl.DataFrame, roles: dict[str, str], path: Path) -> npt.NDArray[np.int64] | None:
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
    if column.dtype.is_temporal():
        return column.cast(pl.Datetime("us")).to_physical().to_numpy()
    values = _numbers(frame, roles["time"], path)
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _is_time(frame: pl.DataFrame, roles: dict[str, str]) -> bool:
    dtype = frame[roles["time"]].dtype
    return dtype.is_temporal() or dtype == pl.String()


def _numbered(frame: pl.DataFrame, roles: dict[str, str], role: str) -> npt.NDArray[np.int64] | None:
    """Each value of a column as its place among all, in their order."""
    if role not in roles:
        return None
    return frame[roles[role]].rank("dense").to_numpy().astype(np.int64) - 1


def _arm_names(frame: pl.DataFrame, roles: dict[str, str]) -> list[str]:
    """All arms by name: numbers in their order, text in its own; those that were eligible and never shown too."""
    arms = frame[roles["action"]].unique()
    if "eligible" in roles:
        arms = pl.concat([arms, frame[roles["eligible"]].explode().cast(arms.dtype)]).unique()
    return arms.sort().cast(pl.String).to_list()


def _codes(names: pl.Series, levels: Sequence[str]) -> npt.NDArray[np.int64]:
    places = {name: place for place, name in enumerate(levels)}
    return names.replace_strict(places, return_dtype=pl.Int64).to_numpy()


def _eligible(frame: pl.DataFrame, roles: dict[str, str], names: Sequence[str]) -> npt.NDArray[np.bool_]:
    lists = frame[roles["eligible"]]
    rows = np.repeat(np.arange(frame.height), lists.list.len().to_numpy())
    mask = np.zeros((frame.height, len(names)), dtype=np.bool_)
    mask[rows, _codes(lists.explode().cast(pl.String), names)] = True
    return mask
