"""What changed between two days for whoever came on both, what that is expected to be worth, and what keeping picks costs."""

from dataclasses import dataclass
from datetime import date
from math import sqrt
from typing import Final

import numpy as np
import polars as pl

from bandit.arrays import F64
from batch.monitoring.days import read_pairs
from batch.monitoring.decisions import Decided, probabilities_of, read_decisions, sampled_titles, sampled_users
from batch.monitoring.nights import open_chooser, usual_generation
from batch.workspace.files import reading
from batch.workspace.impressions import day_files, day_folder
from batch.workspace.workspace import Workspace

_PAIRS: Final = 200_000


@dataclass(frozen=True)
class Flips:
    """Users and titles of whom a pick was seen on both days: how many, and how many saw another artwork.

    ``value`` is what the model of the generation that chose expects of the new artwork, less what it expects of the one before,
    over the ``valued`` flips that are looked at, with its standard error; None where there are none. ``sample_kept`` is the
    effective sample for judging uniform choice as a share of what it would be without stickiness; None where nothing is kept.
    """

    pairs: int
    flipped: int
    valued: int = 0
    value: float | None = None
    value_error: float | None = None
    sample_kept: float | None = None


def flips_between(workspace: Workspace, day: date, day_before: date) -> Flips:
    """Compare two days of a log.

    Raises:
        InputError: a file cannot be read.
    """
    now, then = (read_pairs(workspace, own, _PAIRS) for own in (day, day_before))
    both = now.join(then, on=["user_id", "title_id"], how="inner")
    counted = Flips(both.height, int((both["artwork_id"] != both["artwork_id_right"]).sum()))
    files = day_files(workspace, day)
    with reading(day_folder(workspace, day)):
        generation = usual_generation(files)
    chooser = None if generation is None else open_chooser(workspace, generation)
    if chooser is None:
        return counted
    users, _ = sampled_users(chooser, chooser.config.seed)
    with reading(day_folder(workspace, day)):
        rows = read_decisions(files, users, sampled_titles(chooser), ("artwork_id",), generation)
    decided = probabilities_of(chooser, rows, users)
    arms = chooser.catalogue.keys().select("title_id", "artwork_id", arm=pl.col("arm").cast(pl.Int64))
    known = (
        rows[decided.rows]
        .select("user_id", "title_id", "artwork_id", row=pl.int_range(pl.len(), dtype=pl.Int64))
        .join(then.rename({"artwork_id": "before"}), on=["user_id", "title_id"], how="inner")
        .filter(pl.col("artwork_id") != pl.col("before"))
        .join(arms, on=["title_id", "artwork_id"], how="inner")
        .join(arms.rename({"artwork_id": "before", "arm": "arm_before"}), on=["title_id", "before"], how="inner")
        .sort("row")
    )
    sample_kept = _sample_kept(decided) if chooser.manifest.previous is not None and len(decided.rows) else None
    if known.is_empty():
        return Flips(counted.pairs, counted.flipped, sample_kept=sample_kept)
    row, arm, before = (known[name].to_numpy() for name in ("row", "arm", "arm_before"))
    gained = decided.expected[row, arm] - decided.expected[row, before]
    error = float(gained.std(ddof=1)) / sqrt(len(gained)) if len(gained) > 1 else None
    return Flips(counted.pairs, counted.flipped, len(gained), float(gained.mean()), error, sample_kept)


def _sample_kept(decided: Decided) -> float:
    """Kish's effective sample for uniform choice, by what was drawn by and by what was not: a ratio of E[1 / Σ 1/(k² p)].

    A decision among k artworks has the weight 1/(k p) with probability p: one on average, and Σ 1/(k² p) is that of its square.
    """

    def square(shares: F64) -> float:
        there = shares > 0
        sizes = there.sum(axis=1)
        return float((np.where(there, 1 / np.where(there, shares, 1.0), 0.0).sum(axis=1) / sizes**2).mean())

    return square(decided.unkept) / square(decided.probabilities)
