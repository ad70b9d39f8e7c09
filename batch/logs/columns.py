"""Logs of anybody: files whose columns are named, or have the names that the field uses."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from bandit.arrays import F64, I64
from bandit.errors import InputError
from bandit.impressions import ImpressionLog, checked_propensities
from batch.logs.arms import numbered_arms
from batch.logs.cells import names, numbered, numbers, times
from batch.logs.contexts import REFUSE, USUAL, context_columns, contexts
from batch.logs.logged import LoggedData
from batch.logs.reading import Table, is_glob, read_table

KNOWN: Final = {
    "context": USUAL,
    "title": ("title_id",),
    "action": ("action", "arm", "item_id", "artwork_id", "a"),
    "reward": ("reward", "click", "clicked", "r", "y"),
    "pscore": ("pscore", "propensity", "propensity_score", "action_prob", "prob"),
    "position": ("position",),
    "time": ("timestamp", "time", "shown_at", "date"),
    "decision": ("decision", "decision_id", "cluster"),
    "batch": ("batch", "generation"),
    "eligible": ("eligible",),
    "user": ("user_id", "user"),
}
"""What a log has, and the names that its columns go by; contexts also as ``context_*``, ``x_*`` or ``feature_*``."""

_NEEDED = ("action", "reward")
_LABELS = frozenset(("time", "decision", "batch", "user", "position"))  # which may be told by one column
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
        InputError: a role is not known, or one is given twice, or a column has two roles that exclude each other.

    >>> parse_columns("action=item,context=age+visits")
    Columns(named={'action': 'item'}, context=('age', 'visits'))
    """
    named: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        role, equals, column = (part.strip() for part in item.partition("="))
        if not equals or not column or role not in KNOWN:
            raise InputError(f"--columns has {item!r}, expected role=column with a role of {', '.join(KNOWN)}")
        if role in named:
            raise InputError(f"--columns names the role {role} twice, {named[role]} and {column}; name it once")
        named[role] = column
    context = tuple(filter(None, (part.strip() for part in named.pop("context", "").split("+"))))
    if twice := [name for name in context if context.count(name) > 1]:
        raise InputError(f"--columns names the context {twice[0]} twice; name it once")
    roles = {name: [role for role in named if named[role] == name] for name in named.values()}
    for name, both in roles.items():
        if len(both) > 1 and not _LABELS.issuperset(both):
            raise InputError(f"--columns has {name} as {' and as '.join(both)}; a column has one of these roles")
    return Columns(named, context)


def read_columns(path: Path, given: Columns, *, time_format: str | None = None, missing: str = REFUSE) -> LoggedData:
    """A log from a file, a folder or a glob of files, in the order of its times if it has any.

    Arms are numbered by the order of their names, within their titles where there is a column of titles. Without contexts every
    impression has a constant. ``eligible`` has the names of the arms that could be chosen: a list, or text with | between.

    Args:
        path: Parquet, JSON lines, or text with a header and commas, semicolons, tabs or bars between.
        given: the columns of roles that have other than their usual names.
        time_format: how times are written that are not ISO 8601: as for strptime, or a word of ``cells.EPOCHS``.
        missing: ``mean`` to put a context's mean over the log where it is missing, or ``refuse``.

    Raises:
        InputError: a column is missing, or a value is not of its column; names it with the first such row of the file.
    """
    table = read_table(path)
    roles = _roles(table.frame.columns, given, path)
    if table.frame.is_empty():
        raise InputError(f"{path} has no rows; expected impressions")
    if time_format is not None and "time" not in roles:
        raise InputError(
            f"--time-format {time_format} has no effect: {path} has no column for time; name it by --columns time=..."
        )
    arms = numbered_arms(table, roles)
    shown_at, are_times = times(table, roles["time"], time_format) if "time" in roles else (None, False)
    columns, left_out = context_columns(table, given.context, roles)
    values, filled = contexts(table, columns, missing)
    try:
        log = ImpressionLog(
            contexts=values,
            arms=arms.shown,
            rewards=_rewards(table, roles["reward"]),
            propensities=_propensities(table, roles["pscore"]) if "pscore" in roles else None,
            n_arms=len(arms.names),
            starts=arms.starts,
            eligible=arms.eligible,
            clusters=_labels(table, roles, "decision"),
            positions=_labels(table, roles, "position"),
            times=shown_at,
            batches=_labels(table, roles, "batch"),
            users=_labels(table, roles, "user"),
        )
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}, rows counted from 0: {error}") from None
    if shown_at is not None:
        log = log.take(np.argsort(shown_at, kind="stable"))
    used = [f"{role}={name}" for role, name in roles.items()]
    used += [f"context={'+'.join(columns)}"] if columns else []
    rest = [name for name in table.frame.columns if name not in {*roles.values(), *columns}]
    notes = [*table.notes, *left_out, *filled]
    notes += [] if "pscore" in roles else ["there are no propensities: of all estimators dm alone works"]
    if not columns:
        unused = f" (not used: {', '.join(rest)})" if rest else ""
        notes.append(f"there are no contexts{unused}: all users are the same to policies and models")
    days = float(np.ptp(shown_at)) / _DAY_MICROSECONDS if shown_at is not None and are_times else None
    files = f", {len(table.parts)} files" if len(table.parts) > 1 else ""
    called = path if is_glob(str(path)) else path.name
    about = f"{called}{files} ({', '.join(used)}): {len(log):,} impressions"
    return LoggedData(log, about, arms.names, notes=tuple(notes), days=days, are_dated=are_times)


def _roles(columns: Sequence[str], given: Columns, path: Path) -> dict[str, str]:
    """The column of each role that the file has, but for contexts; what is named has no usual role beside."""
    roles: dict[str, str] = {}
    named = set(given.named.values())
    for role, usual in KNOWN.items():
        if role == "context":
            continue
        wanted = (given.named[role],) if role in given.named else usual
        column = next((name for name in wanted if name in columns and (role in given.named or name not in named)), None)
        if column is not None:
            roles[role] = column
        elif role in given.named or role in _NEEDED:
            one = "; are its separators other than , ; tab or |?" if len(columns) == 1 else ""
            raise InputError(
                f"{path} has no column for {role}: looked for {', '.join(wanted)}, it has {', '.join(columns)}{one}; name it by"
                f" --columns {role}=..."
            )
    return roles


def _rewards(table: Table, column: str) -> F64:
    """Finite numbers of any size, (m,)."""
    rewards = numbers(table, column)
    wrong = ~np.isfinite(rewards)
    if wrong.any():
        row = int(wrong.argmax())
        what = "no reward" if np.isnan(rewards[row]) else f"the reward {rewards[row]}"
        raise InputError(f"{table.at(row)} has {what}, expected a finite number; fill {column} or leave the row out")
    return rewards


def _propensities(table: Table, column: str) -> F64:
    propensities = numbers(table, column)
    for path, rows in table.spans():
        try:
            checked_propensities(propensities[rows], rows.stop - rows.start)
        except InputError as error:
            raise InputError(f"{path}, rows counted from 0: {error}") from None
    return propensities


def _labels(table: Table, roles: dict[str, str], role: str) -> I64 | None:
    """Each value of a column as its place among all, in their order."""
    return numbered(names(table, roles[role])) if role in roles else None
