"""What the days of a workspace came to, read from its impressions: each file once, into counts that stay small."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import polars as pl

from artwork.web.kept import Kept, stamps
from artwork.web.stage import Day
from bandit.rewards import EngagedTake
from bandit.snapshot import is_id
from batch.workspace.files import reading
from batch.workspace.impressions import day_files, days, scan_impressions
from batch.workspace.workspace import Workspace

NEWEST_DAYS: Final = 60
"""How far charts go back."""
NEWEST_FOR_USER: Final = 3
_KEYS: Final = ("title_id", "artwork_id", "source", "policy", "generation")
_TAKE: Final = pl.col("clicked") & (pl.col("watch_fraction") >= EngagedTake().engaged_fraction)


@dataclass(frozen=True)
class ArtworkDay:
    """An artwork on a day: its impressions, their take rate, and its share of the title's impressions."""

    impressions: int
    take_rate: float | None
    share: float


@dataclass(frozen=True)
class TitleDay:
    """A title on a day: the generation that answered most, and its artworks."""

    day: date
    generation: int
    artworks: Mapping[str, ArtworkDay]


@dataclass(frozen=True, eq=False)
class DayCounts:
    """A day's impressions, clicks and takes by title, artwork, source, policy and generation."""

    day: date
    counts: pl.DataFrame

    @cached_property
    def takes(self) -> Mapping[str, int]:
        """Takes of each title that was shown."""
        return dict(self.counts.group_by("title_id").agg(pl.col("takes").sum()).iter_rows())

    @cached_property
    def totals(self) -> tuple[int, int, int]:
        """Impressions, clicks and takes."""
        return self.counts.select(pl.col("impressions", "clicks", "takes").sum()).row(0)

    def title(self, title_id: str) -> TitleDay | None:
        """One title; None where it was not shown."""
        own = self.counts.filter(pl.col("title_id") == title_id)
        if own.is_empty():
            return None
        total = int(own["impressions"].sum())
        by_artwork = own.group_by("artwork_id").agg(pl.col("impressions", "takes").sum()).sort("artwork_id")
        artworks = {
            artwork_id: ArtworkDay(impressions, takes / impressions, impressions / total)
            for artwork_id, impressions, takes in by_artwork.iter_rows()
        }
        return TitleDay(self.day, _most(own, "generation"), artworks)

    def as_day(self, number: int) -> Day:
        """The day as a player tells of its own."""
        impressions, clicks, takes = self.totals
        sources = self.counts.group_by("source").agg(pl.col("impressions").sum()).sort("source")
        picks = self.counts.filter(pl.col("source") == "personalized").group_by("policy")
        rates = picks.agg(pl.col("takes").sum() / pl.col("impressions").sum()).sort("policy")
        return Day(
            day=number,
            generation=_most(self.counts, "generation"),
            policy=_most(self.counts, "policy"),
            impressions=impressions,
            take_rate=takes / impressions,
            click_through_rate=clicks / impressions,
            uniform=None,
            best=None,
            closed=None,
            p50_ms=None,
            p99_ms=None,
            sources=dict(sources.iter_rows()),
            rates=dict(rates.iter_rows()),
        )


class Days:
    """The newest days of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._files: dict[Path, tuple[Hashable, pl.DataFrame]] = {}
        self._kept = Kept(self._stamp, self._read)

    def get(self) -> Sequence[DayCounts]:
        """The newest ``NEWEST_DAYS`` that have impressions, in order, as they are or were when they could be read last.

        Raises:
            NotReadyError: they could not be read yet.
        """
        return self._kept.get()

    def title(self, title_id: str) -> list[TitleDay]:
        """A title on each day that showed it.

        Raises:
            NotReadyError: as ``get``.
        """
        return [own for day in self.get() if (own := day.title(title_id)) is not None]

    def taken_by(self, user_id: str) -> list[str]:
        """The titles that a user took on the newest days, the last first."""
        newest = [day.day for day in self.get()[-NEWEST_FOR_USER:]]
        files = [path for day in newest for path in day_files(self._workspace, day)]
        if not files or not is_id(user_id):
            return []
        with reading(self._workspace.impressions):
            own = scan_impressions(files).filter((pl.col("user_id") == user_id) & _TAKE)
            taken = own.select("title_id", "shown_at").collect().sort("shown_at", descending=True)["title_id"].to_list()
        return list(dict.fromkeys(taken))

    def _stamp(self) -> Hashable:
        return stamps(sorted(self._workspace.impressions.glob("day=*/*.parquet")))

    def _read(self) -> list[DayCounts]:
        newest = days(self._workspace)[-NEWEST_DAYS:]
        read: dict[Path, tuple[Hashable, pl.DataFrame]] = {}
        counted = []
        for day in newest:
            frames = []
            for path in day_files(self._workspace, day):
                stamp = stamps([path])
                kept = self._files.get(path)
                read[path] = kept if kept is not None and kept[0] == stamp else (stamp, _counts(path))
                frames.append(read[path][1])
            if not all(frame.is_empty() for frame in frames):
                counted.append(DayCounts(day, pl.concat(frames)))
        self._files = read
        return counted


def _counts(path: Path) -> pl.DataFrame:
    with reading(path):
        return (
            pl.scan_parquet(path, hive_partitioning=False)
            .with_columns(pl.col("generation").cast(pl.Int64))
            .group_by(_KEYS)
            .agg(
                impressions=pl.len().cast(pl.Int64),
                clicks=pl.col("clicked").sum().cast(pl.Int64),
                takes=_TAKE.sum().cast(pl.Int64),
            )
            .collect()
        )


def _most(counts: pl.DataFrame, column: str) -> Any:
    """The value of a column that most impressions have."""
    ordered = counts.group_by(column).agg(pl.col("impressions").sum()).sort("impressions", column)
    return ordered[column][-1]
