"""Whether what the log shows agrees with the propensities that it states."""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.policies import Popularity
from batch.publishing.gate_weights import Figure
from batch.workspace.files import reading
from batch.workspace.generations import Manifest
from batch.workspace.impressions import day_files, day_folder, days, scan_impressions
from batch.workspace.workspace import Workspace

ENOUGH: Final = 5_000
"""Decisions that are judged at least: of fewer, the rare artworks that make up most of the mean are too few to count."""

MOST_ROWS: Final = 500_000
"""Impressions that are looked at; of more, those of a share of the users."""

_DRAWN: Final = ("personalized", "segment", Popularity.name)


class LogDraws(NamedTuple):
    """The mean of 1 / (propensity x artworks) over decisions, which is 1 where artworks are drawn with what is stated."""

    decisions: int
    figure: Figure
    is_enough: bool = False


def log_draws(workspace: Workspace, manifest: Manifest, parent: Manifest | None) -> LogDraws:
    """Compare stated propensities with what was drawn, in the days that the parent did not learn from as they are.

    However often a decision is shown, it counts once. Where an artwork may be drawn without a floor, one that is drawn once in
    65,535 times is missing from most logs: the mean is then below 1 without anything being wrong, and is judged from above only.
    Answers of the fallback count as well: where artworks of a title are retired, picks that stand and the answers in place of
    those that do not have the stated propensity together; the mean over the picks alone would be off without anything being
    wrong.

    Raises:
        InputError, SurroundingsError: the impressions cannot be read.
    """
    before = {} if parent is None else parent.days
    there = {day.isoformat(): day for day in days(workspace)}
    changed = [
        there[day]
        for day, own in manifest.days.items()
        if day in there and (day not in before or before[day].digest != own.digest)
    ]
    every = -(-sum(manifest.rows[day.isoformat()] for day in changed) // MOST_ROWS)
    parts = []
    for day in changed:
        with reading(day_folder(workspace, day)):
            parts.append(_decisions(day_files(workspace, day), every))
    if not parts:
        return LogDraws(0, Figure())
    frame = pl.concat(parts).unique(["user_id", "title_id", "generation"], keep="first", maintain_order=True)
    values = frame["value"].to_numpy()
    if len(values) < 2:
        return LogDraws(len(values), Figure())
    figure = Figure(float(values.mean()), 1.0, float(values.std(ddof=1) / np.sqrt(len(values))))
    has_floors = min(floors.floor for floors in manifest.config.floors) > 0
    return LogDraws(len(values), figure, len(values) >= ENOUGH and (has_floors or figure.ratio > 1))


def _decisions(files: list[Path], every: int) -> pl.DataFrame:
    """What a day's log shows that was drawn among several artworks, one row a decision."""
    own = pl.col("user_id").hash(seed=0) % max(every, 1) == 0
    return (
        scan_impressions(files)
        .filter(own)
        .filter(pl.col("source").is_in(_DRAWN) & (pl.col("eligible").list.len() > 1))
        .sort("user_id", "title_id", "generation", "event_id")
        .unique(["user_id", "title_id", "generation"], keep="first", maintain_order=True)
        .select(
            "user_id",
            "title_id",
            pl.col("generation").cast(pl.Int64),
            value=1 / (pl.col("propensity").cast(pl.Float64) * pl.col("eligible").list.len()),
        )
        .collect()
    )
