"""Whether take rates are as they were expected: the posterior's means of what was shown, against what came of it."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from artwork.web.days import Days
from artwork.web.kept import Kept, stamps
from bandit.arrays import F64
from bandit.errors import InputError
from batch.choosing.chooser import Chooser
from batch.choosing.explain import link_of, reward_moments
from batch.learning.day_rows import rewards_of
from batch.linear_algebra import in_one_thread
from batch.workspace.files import reading
from batch.workspace.impressions import day_files, scan_impressions
from batch.workspace.workspace import Workspace

BINS: Final = 10
MOST_IMPRESSIONS: Final = 20_000
"""Of a day: every so many-th, so that an interval is 0.3 % wide and the figures come within a second."""
_Z: Final = 1.959964  # of a 95 % interval
_COLUMNS: Final = (
    "user_id", "title_id", "artwork_id", "shown_at", "policy", "context", "clicked", "watch_fraction", "reward",
)  # fmt: skip


@dataclass(frozen=True)
class Bin:
    """Impressions that were expected to do alike: the means of what was expected and of what came, with its 95 % interval."""

    predicted: float
    observed: float
    lower: float
    upper: float
    impressions: int


@dataclass(frozen=True)
class CalibrationOfDay:
    """The newest day that picks of one generation were shown on, in bins of equal size by what was expected."""

    generation: int | None
    day: str | None
    bins: Sequence[Bin]


class Calibration:
    """The calibration of the newest day, worked out when it is asked for."""

    def __init__(self, workspace: Workspace, days: Days) -> None:
        self._workspace, self._days = workspace, days
        self._kept = Kept(self._stamp, self._made)

    def get(self) -> CalibrationOfDay:
        """As it is now, or was when it could be worked out last.

        Raises:
            NotReadyError: it could not be worked out yet.
        """
        return self._kept.get()

    def _stamp(self) -> Hashable:
        days = self._days.get()
        return (days[-1].day, days[-1].totals, stamps([self._workspace.artworks])) if days else None

    def _made(self) -> CalibrationOfDay:
        days = self._days.get()
        if not days:
            return CalibrationOfDay(None, None, [])
        picks = days[-1].counts.filter(pl.col("source") == "personalized")
        if picks.is_empty():
            return CalibrationOfDay(None, days[-1].day.isoformat(), [])
        generation = int(
            picks.group_by("generation").agg(pl.col("impressions").sum()).sort("impressions")["generation"][-1]
        )
        wanted = (pl.col("source") == "personalized") & (pl.col("generation") == generation)
        with reading(self._workspace.impressions):
            rows = scan_impressions(day_files(self._workspace, days[-1].day)).filter(wanted)
            shown = rows.select(_COLUMNS).collect()
        shown = shown.gather_every(-(-shown.height // MOST_IMPRESSIONS))
        with in_one_thread():
            predicted, observed = _expected_and_seen(self._workspace, generation, days[-1].day, shown)
        return CalibrationOfDay(generation, days[-1].day.isoformat(), _bins(predicted, observed))


def _expected_and_seen(workspace: Workspace, generation: int, day: date, shown: pl.DataFrame) -> tuple[F64, F64]:
    """The mean reward that each impression's artwork was expected to have, and its reward, (m,) each."""
    chooser = Chooser(workspace, generation)
    catalogue, names = chooser.catalogue, chooser.config.names
    titles = pl.DataFrame({"title_id": catalogue.title_ids, "title": range(len(catalogue.title_ids))})
    keys = catalogue.keys().select("title_id", "artwork_id", catalogue_arm=pl.col("arm").cast(pl.Int64))
    known = shown.join(keys, on=["title_id", "artwork_id"], how="inner").join(titles, on="title_id", how="inner")
    known = known.with_row_index("row")
    rewards = {word: rewards_of(known, word, workspace, day) for word in chooser.config.rewards}
    predicted, seen = [], []
    for (title, policy), rows in known.group_by("title", "policy"):
        if policy not in names:
            continue
        place = names.index(str(policy))
        reward = chooser.config.variants[min(place, len(chooser.config.variants) - 1)].reward
        contexts = rows["context"].explode().to_numpy().astype(np.float64).reshape(rows.height, -1)
        scores = chooser.variants[place].scoring.scores(int(str(title)), contexts)
        means, _ = reward_moments(scores.expected, scores.deviations, link_of(scores))
        arms = rows["catalogue_arm"].to_numpy()
        predicted.append(np.broadcast_to(means, (rows.height, means.shape[1]))[np.arange(rows.height), arms])
        seen.append(rewards[reward][rows["row"].to_numpy()].astype(np.float64))
    if not predicted:
        raise InputError("none of the day's impressions is of an artwork and policy that the generation has")
    return np.concatenate(predicted), np.concatenate(seen)


def _bins(predicted: F64, observed: F64) -> list[Bin]:
    """Bins of equal size by what was expected, with the intervals of Wilson (1927)."""
    order = np.argsort(predicted, kind="stable")
    bins = []
    for rows in np.array_split(order, min(BINS, len(order))):
        n, rate = len(rows), float(observed[rows].mean())
        centre = (rate + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z / (1 + _Z**2 / n) * float(np.sqrt(rate * (1 - rate) / n + _Z**2 / (4 * n**2)))
        bins.append(Bin(float(predicted[rows].mean()), rate, max(0.0, centre - half), min(1.0, centre + half), n))
    return bins
