"""The impressions of a workspace as a log: every day, in the order in which they were shown."""

from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from bandit.arrays import Bool
from bandit.errors import InputError
from bandit.impressions import ImpressionLog
from bandit.rewards import DIVERSITY, parse_reward
from batch.config import LOGGED
from batch.learning.day_rows import rewards_of
from batch.logs.cells import numbered
from batch.logs.least_propensity import least_propensity
from batch.logs.logged import LoggedData
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import folder_of
from batch.workspace.impressions import days, read_day, refuse_repeated
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

WORKSPACE: Final = "workspace"
_DAY_MICROSECONDS = 86_400_000_000
_DECISION = ("user_id", "title_id", "generation")
_ARM = ("title_id", "arm", "artwork_id")
_KEPT = (
    *_DECISION,
    "shown_at",
    "event_id",
    "artwork_id",
    "arm",
    "eligible",
    "propensity",
    "context",
    "policy",
    "source",
)


def read_workspace(workspace: Workspace, reward: str = "take", until: date | None = None) -> LoggedData:
    """All impressions; a decision is a user, a title and a generation, a batch of the logging policy is a generation.

    Args:
        workspace: with tables and impressions.
        reward: what counts, as for ``artwork train``.
        until: the last day that is read; None reads all.

    Raises:
        InputError: there are no impressions, or they are not as they should be.
    """
    there = days(workspace)
    wanted = [day for day in there if until is None or day <= until]
    if there and not wanted:
        raise InputError(f"{workspace.impressions} has no day until {until}; its first is {there[0]}")
    if not wanted:
        raise InputError(
            f"{workspace.impressions} holds no impressions; play some by `artwork demo`, append your own, or name another --log"
        )
    tables = read_tables(workspace)
    catalogue = Catalogue.of(tables)
    frames = []
    for day in wanted:
        logged = read_day(workspace, day, tables.n_features)
        frames.append(logged.select(*_KEPT, reward=pl.Series(rewards_of(logged, reward, workspace, day))))
    refuse_repeated(frames, workspace)
    everything = pl.concat(frames)
    known = everything.join(catalogue.keys(), on=["title_id", "artwork_id"], how="inner").sort("shown_at", "event_id")
    frame, eligible = _with_eligible(workspace, known, catalogue)
    if frame.is_empty():
        raise InputError(
            f"no impression of {workspace.impressions} had a choice of artworks that are all in the workspace's tables; are they"
            " of one catalogue?"
        )
    features = tables.artworks["features"].explode().to_numpy().reshape(catalogue.n_artworks, -1).astype(np.float64)
    span = f"{len(wanted)} days" if until is None else f"{len(wanted)} days until {until}"
    names = [f"{title}/{artwork}" for title, artwork in catalogue.frame.select("title_id", "artwork_id").rows()]
    return LoggedData(
        _log(frame, eligible, catalogue, tables.n_features),
        f"{frame.height:,} impressions of {workspace.root}, {span}, reward {reward}",
        names,
        features,
        (*_notes(frame, everything.height), *_notes_of(reward)),
        float(len(wanted)),
        least_propensity(workspace, frame),
        are_dated=True,
    )


def _log(frame: pl.DataFrame, eligible: Bool | None, catalogue: Catalogue, n_features: int) -> ImpressionLog:
    arms = frame["artwork_index"].to_numpy().astype(np.int64)
    starts = np.asarray(catalogue.starts, dtype=np.int64)
    return ImpressionLog(
        contexts=frame["context"].explode().to_numpy().reshape(frame.height, n_features),
        arms=arms,
        rewards=frame["reward"].to_numpy(),
        propensities=frame["propensity"].to_numpy(),
        n_arms=catalogue.n_artworks,
        starts=starts,
        eligible=eligible,
        clusters=_decisions(frame),
        times=frame["shown_at"].to_physical().to_numpy(),
        batches=frame["generation"].to_numpy().astype(np.int64),
        users=numbered(frame["user_id"]),
    )


def _decisions(frame: pl.DataFrame) -> npt.NDArray[np.int64]:
    """The number of each impression's decision, (m,)."""
    code = np.zeros(frame.height, dtype=np.int64)
    for name in _DECISION:
        values = frame[name] if name == "generation" else frame[name].cast(pl.Categorical).to_physical()
        levels, places = np.unique(values.to_numpy(), return_inverse=True)
        code = code * len(levels) + places
    return np.unique(code, return_inverse=True)[1].astype(np.int64)


def _with_eligible(workspace: Workspace, frame: pl.DataFrame, catalogue: Catalogue) -> tuple[pl.DataFrame, Bool | None]:
    """The impressions whose eligible arms are all artworks of today, and the mask (m, K); None where all were, always.

    Arms are places among a title's artworks as they were; where artworks have come or gone since, the catalogue of the generation
    says which they were. Impressions that could have shown an artwork that is gone are left out whatever they showed: without
    those that did show it, the others would be a biased sample. So are those of generations whose catalogue is gone.
    """
    starts = np.asarray(catalogue.starts, dtype=np.int64)
    index = frame["artwork_index"].to_numpy().astype(np.int64)
    titles = np.searchsorted(starts, index, side="right") - 1
    sizes = np.diff(starts)
    moved = frame["arm"].to_numpy() != index - starts[titles]
    counts = frame["eligible"].list.len().to_numpy()
    then = [_arms_of(workspace, generation) for generation in frame["generation"].unique().to_list()]
    now = catalogue.keys().select(
        pl.col("title_id", "artwork_id").cast(pl.String),
        pl.int_range(pl.len()).over("title_id").cast(pl.UInt8).alias("arm"),
        pl.col("artwork_index").cast(pl.Int64),
    )
    are_same = not moved.any() and (counts == sizes[titles]).all()
    if are_same and all(arms.join(now, on=_ARM, how="anti").is_empty() for arms in then):
        return frame, None
    listed = frame.select(
        "generation",
        "title_id",
        row=pl.int_range(pl.len()),
        arm=pl.col("eligible"),
        own=pl.col("artwork_index").cast(pl.Int64),
    ).explode("arm")
    able = listed.join(pl.concat(then), on=["generation", "title_id", "arm"], how="inner").join(
        now.drop("arm"), on=["title_id", "artwork_id"], how="inner"
    )
    rows, artworks = able["row"].to_numpy(), able["artwork_index"].to_numpy()
    mask = np.zeros((frame.height, int(sizes.max())), dtype=np.bool_)
    mask[rows, artworks - starts[titles[rows]]] = True
    usable = (np.bincount(rows, minlength=frame.height) == counts) & mask[
        np.arange(frame.height), index - starts[titles]
    ]
    return frame.filter(pl.Series(usable)), mask[usable]


def _arms_of(workspace: Workspace, generation: int) -> pl.DataFrame:
    """generation, title_id, arm and artwork_id as a generation had them; empty where it is gone."""
    path = folder_of(workspace, generation) / "catalogue.parquet"
    shape = {"generation": pl.UInt32(), "title_id": pl.String(), "arm": pl.UInt8(), "artwork_id": pl.String()}
    if not path.is_file():
        return pl.DataFrame(schema=shape)
    frame = Catalogue.read(path).frame
    return frame.select(
        pl.lit(generation, pl.UInt32()).alias("generation"),
        pl.col("title_id").cast(pl.String),
        pl.int_range(pl.len()).over("title_id").cast(pl.UInt8).alias("arm"),
        pl.col("artwork_id").cast(pl.String),
    )


def _notes_of(reward: str) -> tuple[str, ...]:
    """What is to be known of a reward before a policy is judged by it."""
    if reward == LOGGED or DIVERSITY not in parse_reward(reward).needs:
        return ()
    note = (
        "diversity is that beside what else was logged on the user's day: a policy is judged as if it chose one title, and the"
        " logging policy the others"
    )
    return (note,)


def _notes(frame: pl.DataFrame, read: int) -> tuple[str, ...]:
    notes = []
    if read > frame.height:
        notes.append(
            f"{read - frame.height:,} impressions could have shown artworks that are gone, or of generations that are, and"
            " are left out"
        )
    made = frame.group_by("policy").agg(pl.len()).sort("len", descending=True)
    shares = ", ".join(f"{policy} {count / frame.height:.0%}" for policy, count in made.rows())
    notes.append(f"logged under {shares}, in {frame['generation'].n_unique()} generations")
    return tuple(notes)
