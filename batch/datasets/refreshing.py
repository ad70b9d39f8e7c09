"""Contexts of users made anew from what they have played and stated, where they were made here and nobody has changed them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from bandit.arrays import F64, I64
from batch.datasets.contexts import (
    FEATURES,
    PLAY_WEIGHT,
    SECONDS_A_DAY,
    History,
    Plays,
    as_lists,
    contexts,
    with_plays,
)
from batch.datasets.ratings import genre_flags
from batch.datasets.surveys import answered
from batch.datasets.tastes import ENGAGED
from batch.workspace.files import read_parquet, reading, write_json, write_parquet
from batch.workspace.impressions import day_files, day_folder, days, scan_impressions
from batch.workspace.tables import context_matrix, read_tables
from batch.workspace.workspace import Workspace

WINDOW_DAYS: Final = 90
"""Newest days whose plays are looked at: each night costs the same."""

KEPT: Final = "as was asked"
"""Why contexts are left alone with ``--contexts keep``."""

_COLUMNS: Final = ("affinities", "ratings", "idle_days", "ages", "genders")
_KEPT: Final = 2  # digests: of the contexts as they are, and of those before, which a write that died has left


@dataclass(frozen=True)
class Refreshed:
    """What became of the contexts: ``users`` have new ones, made of ``plays``; ``kept`` says why they were left alone.

    Where users answered a survey, ``answers`` counts them.
    """

    users: int
    plays: int
    kept: str = ""
    answers: int = 0


def history_writers(
    workspace: Workspace, users: pl.DataFrame, history: History
) -> dict[Path, Callable[[Path], object]]:
    """What writes the history that contexts were made of beside the table of users that has them."""
    columns = {
        name: pl.Series(getattr(history, name).tolist()) if name == "affinities" else getattr(history, name)
        for name in _COLUMNS
    }
    frame = pl.DataFrame({"user_id": users["user_id"], "context": users["context"], **columns})
    record = json.dumps(_record([_digest(users.sort("user_id"))]))
    return {workspace.history: frame.write_parquet, workspace.made_contexts: lambda path: path.write_text(record)}


def refresh_contexts(workspace: Workspace) -> Refreshed:
    """Make the contexts of users anew, a function of their history, a survey and the log.

    Who has neither played nor answered a survey has the first one.

    Raises:
        InputError: a table or the log is not as it should be.
        SurroundingsError: the disk does not take it.
    """
    if not (workspace.history.is_file() and workspace.made_contexts.is_file()):
        return Refreshed(0, 0, "users.parquet has contexts of its owner's")
    tables = read_tables(workspace)
    kept = _history(workspace, tables.users)
    if kept is None or tables.n_features != len(FEATURES) or _digest(tables.users) not in _digests(workspace):
        return Refreshed(0, 0, "users.parquet has been changed since its contexts were made")
    plays = _plays(workspace, tables.users, tables.titles)
    has_played = np.zeros(tables.users.height, dtype=np.bool_)
    has_played[plays.users] = True
    history, first = kept
    sessions = tables.users["sessions"].to_numpy() + _days_of(plays, tables.users.height)
    since = with_plays(history, plays)
    weighed = history.ratings + PLAY_WEIGHT * (since.ratings - history.ratings)
    made = contexts(since, tables.users, sessions, weighed)
    has_answered = answered(tables.users)
    is_new = has_played | has_answered
    users = tables.users.with_columns(context=as_lists(np.where(is_new[:, None], made, first)))
    if not users.equals(tables.users):
        write_json(workspace.made_contexts, _record([_digest(users), _digest(tables.users)]))
        write_parquet(workspace.users, users)
    return Refreshed(int(is_new.sum()), len(plays.users), answers=int(has_answered.sum()))


def _history(workspace: Workspace, users: pl.DataFrame) -> tuple[History, npt.NDArray[np.float32]] | None:
    """The history of the users in their order, and the contexts that were made of it first, (n, d).

    None where it lacks some of the users, or is of another form.
    """
    frame = read_parquet(workspace.history)
    if not {"user_id", "context", *_COLUMNS} <= set(frame.columns) or frame["user_id"].is_duplicated().any():
        return None
    own = users.select("user_id").join(frame, on="user_id", how="inner", maintain_order="left")
    if own.height != users.height:
        return None
    values = {name: own[name].to_numpy() for name in _COLUMNS[1:]}
    affinities: F64 = np.array(own["affinities"].to_list(), dtype=np.float64)
    return History(affinities, *(values[name] for name in _COLUMNS[1:])), context_matrix(own)


def _plays(workspace: Workspace, users: pl.DataFrame, titles: pl.DataFrame) -> Plays:
    logged = days(workspace)
    recent = [day for day in logged if logged[-1] - day < timedelta(days=WINDOW_DAYS)]
    frames = [_of_day(day_files(workspace, day), day_folder(workspace, day), users, titles) for day in recent]
    played = pl.concat(frames) if frames else pl.DataFrame(schema=dict.fromkeys(_NAMES, pl.Float64))
    rows, of_titles = (played[name].to_numpy().astype(np.int64) for name in ("user", "title"))
    taken = played["watched"].to_numpy() >= ENGAGED
    return Plays(rows, genre_flags(titles)[of_titles], taken, played["at"].to_numpy() / SECONDS_A_DAY)


def _days_of(plays: Plays, n_users: int) -> I64:
    """On how many days each user has played, (n,)."""
    days = np.unique(np.column_stack([plays.users, plays.days.astype(np.int64)]), axis=0)
    return np.bincount(days[:, 0], minlength=n_users)


_NAMES: Final = ("user", "title", "watched", "at")


def _of_day(files: list[Path], folder: Path, users: pl.DataFrame, titles: pl.DataFrame) -> pl.DataFrame:
    rows = users.lazy().select("user_id", user=pl.int_range(pl.len()))
    places = titles.lazy().select("title_id", title=pl.int_range(pl.len()))
    with reading(folder):
        return (
            scan_impressions(files)
            .filter("clicked")
            .join(rows, on="user_id")
            .join(places, on="title_id")
            .select(
                pl.col("user", "title").cast(pl.Float64),
                watched=pl.col("watch_fraction").cast(pl.Float64),
                at=pl.col("shown_at").dt.epoch("s").cast(pl.Float64),
            )
            .collect()
        )


def _record(digests: list[str]) -> dict[str, object]:
    return {"features": list(FEATURES), "contexts": digests[:_KEPT]}


def _digests(workspace: Workspace) -> list[str]:
    try:
        record = json.loads(workspace.made_contexts.read_bytes())
        return list(map(str, record["contexts"])) if record["features"] == list(FEATURES) else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _digest(users: pl.DataFrame) -> str:
    """Digest of who has which context."""
    digest = blake2b("\n".join(users["user_id"].to_list()).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(context_matrix(users)).tobytes())
    return digest.hexdigest()
