"""Days of visits without a service: answers from the files of a generation, and events as the impressions that they say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from hdrh.histogram import HdrHistogram
from learned_workspace import silent

from artwork.demo.answers import LONGEST_US, Answers, Event
from artwork.demo.days import DayResult
from artwork.demo.loop import Loop
from artwork.demo.visits import Visits
from bandit.rewards import EngagedTake
from batch.choosing.precompute import precompute
from batch.datasets.refreshing import refresh_contexts
from batch.executors import Progress, SerialExecutor
from batch.learning.train import train
from batch.workspace.catalogue import Catalogue
from batch.workspace.files import read_parquet
from batch.workspace.generations import folder_of, read_manifest
from batch.workspace.impressions import append_impressions
from batch.workspace.picks import RecordedPicks
from batch.workspace.workspace import Workspace


def explore(loop: Loop, day: int) -> DayResult:
    """A day of visits that are shown uniform picks, taken from a generation that is not published."""
    refresh_contexts(loop.workspace)
    made = train(loop.workspace, loop.exploring, SerialExecutor(), silent, shard_size=4)
    precompute(loop.workspace, made.generation, SerialExecutor(), silent, shard_size=4)
    return loop.live(day, OnDisk(loop.workspace, made.generation), silent)


@dataclass(frozen=True)
class OnDisk:
    """Stands in for the client of a service: answers from the files of a generation, and events become impressions at once."""

    workspace: Workspace
    generation: int

    def ask(self, visits: Visits, report: Progress) -> Answers:  # noqa: ARG002 - nothing takes long
        """One look-up of each visit."""
        return read_picks(self.workspace, self.generation, visits)

    def post(self, batches: Sequence[list[Event]], progress: Progress) -> None:  # noqa: ARG002
        """The impressions of a day, each with the play that follows it."""
        events = [event for batch in batches for event in batch]
        plays = {event["event_id"].removesuffix("p"): event for event in events if event["type"] == "play"}
        shown = pl.DataFrame([event for event in events if event["type"] == "impression"])
        watched = [plays.get(event_id, {}).get("watch_fraction", 0.0) for event_id in shown["event_id"]]
        clicked = shown["event_id"].is_in(list(plays))
        folder = folder_of(self.workspace, self.generation)
        manifest = read_manifest(self.workspace, self.generation)
        picks = RecordedPicks(self.workspace, manifest).frame()
        catalogue = Catalogue.read(folder / "catalogue.parquet").keys()
        sizes = catalogue.group_by("title_id").agg(eligible=pl.col("arm").cast(pl.UInt8))
        frame = (
            shown.with_columns(
                pl.col("occurred_at").map_elements(datetime.fromisoformat, pl.Datetime("us", "UTC")).alias("shown_at"),
                segment=pl.col("segment").cast(pl.String),
                clicked=clicked,
                watch_fraction=pl.Series(watched, dtype=pl.Float64),
                reward=EngagedTake().rewards(clicked.to_numpy(), np.array(watched)),
            )
            .join(catalogue, on=["title_id", "artwork_id"], how="left", maintain_order="left")
            .join(sizes, on="title_id", how="left", maintain_order="left")
            .join(
                picks.with_columns(pl.col("title_id", "policy").cast(pl.String)).select(
                    "user_id", "title_id", "policy", propensity=pl.col("weight") / manifest.row_format.total
                ),
                on=["user_id", "title_id"],
                how="left",
                maintain_order="left",
            )
            .join(
                read_parquet(folder / "contexts" / "part-000000.parquet").select("user_id", "context"),
                on="user_id",
                how="left",
                maintain_order="left",
            )
        )
        append_impressions(
            self.workspace, frame["shown_at"][0].date(), frame.drop("type", "occurred_at", "artwork_index")
        )


def read_picks(workspace: Workspace, generation: int, visits: Visits) -> Answers:
    """The picks of a generation on disk, as a service would have answered them; nothing is timed."""
    manifest = read_manifest(workspace, generation)
    frame = RecordedPicks(workspace, manifest).frame().with_columns(pl.col("policy").cast(pl.String))
    shape = manifest.counts["users"], manifest.counts["titles"]
    arms, weights, policies = (frame[name].to_numpy().reshape(shape) for name in ("arm", "weight", "policy"))
    at = visits.flat_users, visits.flat_titles
    count = len(visits.flat_users)
    return Answers(
        arms[at].astype(np.int64),
        weights[at] / np.float64(manifest.row_format.total),
        np.full(count, generation, dtype=np.int64),
        np.zeros(count, dtype=np.int64),
        policies[at].tolist(),
        ["personalized"] * count,
        HdrHistogram(1, LONGEST_US, 3),
        [None] * count,
    )
