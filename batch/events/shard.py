"""The second pass: the events of a shard's users become rows of impressions.

An impression is held against what its generation gave; a play joins the last impression of its user, title, artwork and
generation at or before it, within the window. What was set aside is no impression that a play could join.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from bandit.arrays import I64
from bandit.files import replace_file
from bandit.rewards import EngagedTake
from bandit.snapshot import Overlay
from batch.events.arrivals import JoinSettings
from batch.events.cutting import Counts, CutPiece, events_of, user_places
from batch.events.decisions import SEGMENT, judge
from batch.events.recorded import RecordedGeneration
from batch.events.scope import Scope
from batch.workspace.generations import digest_of, folder_of
from batch.workspace.impressions import IMPRESSIONS
from batch.workspace.overlays import read_overlay
from batch.workspace.table_schemas import FLOATS
from batch.workspace.workspace import Workspace

ROWS: Final = "rows"
OPEN_ROWS: Final = "open rows"
STANDS: Final = "fallback although the pick stands"
JOINED_PLAYS: Final = "joined plays"
ORPHAN_PLAYS: Final = "orphan plays"
LATE_PLAYS: Final = "late plays"
LATE_IMPRESSIONS: Final = "late impressions"
DUPLICATES: Final = "duplicates"
SET_ASIDE: Final = "set aside: "

_KEY: Final = ("user_id", "title_id", "artwork_id", "generation")
_SECOND: Final = 1_000_000
_ORDER: Final = ("stored", "number", "place", "event_id")
_LISTS: Final = ("eligible", "context")
_JUDGED: Final = {
    "arm": pl.UInt8(),
    "eligible": pl.List(pl.UInt8()),
    "policy": pl.String(),
    "propensity": pl.Float64(),
    "context": FLOATS,
    "previous": pl.UInt8(),
}


class JoinedShard(NamedTuple):
    """The rows of a shard's users on disk, by day, and what became of their events by day and outcome."""

    days: dict[int, Path]
    counts: Counts


@dataclass(frozen=True)
class Joining:
    """What every shard is joined with; ``refused`` generations have the reason why nothing of theirs is learned."""

    workspace: Workspace
    folder: Path
    settings: JoinSettings
    scope: Scope
    watermark: int
    revisions: frozenset[int]
    refused: Mapping[int, str]
    pieces: Sequence[CutPiece]
    repeated: Mapping[int, I64]

    def join_shard(self, shard: int) -> JoinedShard:
        """Join the events of a shard's users, and write the rows of each day."""
        events = events_of(self.pieces, self.repeated, shard)
        judged, lists = self._judged(events.filter(pl.col("type") == "impression"))
        counts: Counter[tuple[int, str]] = Counter()
        aside = judged.filter((pl.col("reason") != "") & self.scope.on_days("day"))
        _count(counts, aside, SET_ASIDE + pl.col("reason"))
        shown = judged.filter(pl.col("reason") == "").drop("reason").with_row_index("impression")
        plays = self._placed(events.filter(pl.col("type") == "play"), shown)
        _count(counts, plays.filter(self.scope.on_days("day")), pl.col("outcome"))
        rows = self._rows(shown.filter(self.scope.on_days("day")), plays)
        _count(counts, rows.filter("is_open"), pl.lit(OPEN_ROWS))
        if self.settings.open_rows == "wait":
            rows = rows.filter(~pl.col("is_open"))
        _count(counts, rows, pl.lit(ROWS))
        _count(counts, rows.filter("stands"), pl.lit(STANDS))
        return JoinedShard(self._write(rows, lists, shard), dict(counts))

    def _judged(self, impressions: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Impressions in the order that they were shown in, those that count with what their generation says of them.

        Their lists stand apart, in the rows that ``lists`` names: to sort and to join them over and over takes long.
        """
        frames = [self._of_generation(int(number), rows) for (number,), rows in impressions.group_by("generation")]
        if not frames:
            frames = [self._without_judgement(impressions, "")]
        judged = pl.concat(frames).with_row_index("lists")
        return judged.drop(_LISTS).sort("at", *_ORDER), judged.select(_LISTS)

    def _of_generation(self, generation: int, rows: pl.DataFrame) -> pl.DataFrame:
        if generation in self.refused:
            return self._without_judgement(rows, self.refused[generation])
        named = self.revisions.intersection(rows["revision"].unique().to_list())
        overlays = {number: _overlay(self.workspace, number) for number in sorted(named)}
        judged = judge(_recorded(self.workspace, generation, _digest(self.workspace, generation)), rows, overlays)
        return rows.with_columns(
            **{name: series.cast(_JUDGED.get(name, series.dtype)) for name, series in judged._asdict().items()}
        )

    def _without_judgement(self, rows: pl.DataFrame, reason: str) -> pl.DataFrame:
        nothing = {name: pl.lit(None, dtype) for name, dtype in _JUDGED.items()}
        return rows.with_columns(reason=pl.lit(reason), **nothing, stands=pl.lit(value=False))

    def _placed(self, plays: pl.DataFrame, shown: pl.DataFrame) -> pl.DataFrame:
        """Plays with the impression that they join, which is null where they join none, and what became of them."""
        candidates = shown.select(*_KEY, "impression", shown_at="at", shown_day="day").with_columns(at="shown_at")
        placed = plays.sort("at", *_ORDER).join_asof(
            candidates, on="at", by=list(_KEY), strategy="backward", check_sortedness=False
        )
        in_window = (
            pl.col("at") - pl.col("shown_at")
        ).dt.total_microseconds() <= self.settings.window_seconds * _SECOND
        is_late = pl.col("arrived") > pl.col("shown_day") + self.settings.horizon_days
        outcome = (
            pl.when(~in_window.fill_null(value=False))
            .then(pl.lit(ORPHAN_PLAYS))
            .when(is_late)
            .then(pl.lit(LATE_PLAYS))
            .otherwise(pl.lit(JOINED_PLAYS))
        )
        return placed.with_columns(outcome=outcome)

    def _rows(self, shown: pl.DataFrame, plays: pl.DataFrame) -> pl.DataFrame:
        """Impressions with what came of them: of several plays of one, the longest counts."""
        watched = (
            plays.filter(pl.col("outcome") == JOINED_PLAYS)
            .group_by("impression")
            .agg(pl.col("watch_fraction").max().alias("watched"))
        )
        closes = pl.col("at").dt.epoch("us") + (self.settings.window_seconds + self.settings.grace_seconds) * _SECOND
        rows = shown.join(watched, on="impression", how="left").with_columns(
            clicked=pl.col("watched").is_not_null(),
            watch_fraction=pl.col("watched").fill_null(0.0),
            is_open=closes > self.watermark,
            shown_at="at",
            segment=pl.when(pl.col("source") == SEGMENT).then("segment"),
        )
        rewards = EngagedTake().rewards(rows["clicked"].to_numpy(), rows["watch_fraction"].to_numpy())
        return rows.with_columns(reward=pl.Series(rewards, dtype=pl.Float64))

    def _write(self, rows: pl.DataFrame, lists: pl.DataFrame, shard: int) -> dict[int, Path]:
        """Write the rows of each day by (user, time, event): shards that follow each other are then in this order."""
        paths = {}
        columns = [column.name for column in IMPRESSIONS.columns]
        rows = rows.sort(user_places(rows), "shown_at", "event_id")
        for (day,), own in rows.group_by("day", maintain_order=True):
            path = self.folder / f"rows-{day}-{shard:06d}.parquet"
            with replace_file(path, synced=False) as temporary:
                frame = own.hstack(lists[own["lists"]]).select(columns)
                frame.write_parquet(temporary, compression="lz4", statistics=False)
            paths[int(day)] = path
        return paths


def _count(counts: "Counter[tuple[int, str]]", rows: pl.DataFrame, outcome: pl.Expr) -> None:
    for day, name, count in rows.group_by("day", outcome.alias("outcome")).len().rows():
        counts[day, name] += count


def _digest(workspace: Workspace, generation: int) -> str:
    return digest_of(folder_of(workspace, generation) / "manifest.json")


@lru_cache(maxsize=4)
def _recorded(workspace: Workspace, generation: int, manifest_digest: str) -> RecordedGeneration:  # noqa: ARG001 - part of the cache's key
    return RecordedGeneration(workspace, generation)


@lru_cache(maxsize=1024)
def _overlay(workspace: Workspace, revision: int) -> Overlay:
    return read_overlay(workspace, revision)
