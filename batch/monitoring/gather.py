"""All figures of a report, read from a workspace: two days, what is watched, and what is known of the newest generation."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from bandit.errors import InputError
from batch.events.join import report_path
from batch.executors import Progress
from batch.learning.day_rows import rewards_of
from batch.monitoring.change import Change, change_since
from batch.monitoring.checks import (
    Artwork,
    Bin,
    Moved,
    Ratio,
    UserClass,
    calibration,
    class_rates,
    clickbait,
    moved_contexts,
    one_sided,
    propensity_ratios,
    starved,
)
from batch.monitoring.days import DayFacts, effective_number, read_facts
from batch.monitoring.decisions import probabilities_of, read_decisions, sampled_titles, sampled_users
from batch.monitoring.drift import Drift, timely, watch_workspace
from batch.monitoring.flips import Flips, flips_between
from batch.monitoring.nights import classes_of, open_chooser, usual_generation
from batch.workspace.files import read_parquet, reading
from batch.workspace.generations import CATALOGUE, CONTEXTS, Manifest, find_manifest, finished, folder_of, read_manifest
from batch.workspace.impressions import day_files, day_folder, days
from batch.workspace.overlays import newest_overlay
from batch.workspace.workspace import Workspace

NEW_DAYS: Final = 14
"""For which it is told how an artwork does that came to a title of others."""


@dataclass(frozen=True)
class NewArtworks:
    """Artworks of few impressions, their share of the day's, and how those do that came to a title of others lately.

    ``came`` within ``days`` of the newest day; of them ``known`` have as many impressions as makes them not new any more, and
    ``leading`` are shown more than any other of their title on the newest day.
    """

    new: int
    share: float
    least: int
    days: int
    came: int
    known: int
    leading: int


@dataclass(frozen=True)
class Arrivals:
    """What the join says: counts by outcome of the newest day and of all, and the time of the newest event."""

    watermark: str | None
    newest: dict[str, int]
    total: dict[str, Any]


@dataclass(frozen=True)
class Figures:
    """What a report is made of; None and empty lists where something is not known.

    ``day`` is the newest day of the log, ``on`` the day on which it is looked at, ``generation`` the newest that has picks,
    ``picks_since`` when the first that is still here was made, ``unfinished`` a newer one that has no picks, ``reward`` the word
    of what is learned from. ``one_sided`` says which classes explore more or less than others, as users who are drawn do not.
    ``in_time`` is the share of a day's rewards that the night's generation knew, of the newest day for which that can be said.
    """

    workspace: str
    day: str | None
    made_at: str
    on: str
    generation: int | None
    generation_made_at: str | None
    picks_since: str | None
    unfinished: tuple[int, str] | None
    reward: str
    explore_share: float
    floor: float
    today: DayFacts | None
    before: DayFacts | None
    drift: Drift
    change: Change | None
    propensities: list[Ratio]
    contexts: list[Moved]
    bins: list[Bin]
    baits: list[Artwork]
    starving: list[Artwork]
    classes: list[UserClass]
    one_sided: list[tuple[str, float, float]]
    flips: Flips | None
    new_artworks: NewArtworks | None
    themes: tuple[float, int] | None
    new_users: int | None
    in_time: tuple[str, float] | None
    arrivals: Arrivals | None


def gather(workspace: Workspace, report: Progress, on: date | None = None) -> Figures:
    """Read everything.

    Args:
        workspace: whose health it is.
        report: told how far it is.
        on: the day on which it is looked at; None is today.

    Raises:
        InputError: there is no workspace, or a file of it cannot be read.
    """
    if not workspace.root.is_dir():
        raise InputError(f"{workspace.root} is not a folder; expected a workspace")
    logged = days(workspace)
    finished_ones = finished(workspace, "precomputed")
    newest = read_manifest(workspace, finished_ones[-1]) if finished_ones else None
    reward = newest.config.rewards[0] if newest else "take"
    drift, nights = watch_workspace(workspace, report)
    report("reading days", 0, 4)
    today = read_facts(workspace, logged[-1], reward) if logged else None
    report("reading days", 1, 4)
    before = read_facts(workspace, logged[-2], reward) if len(logged) > 1 else None
    report("reading days", 2, 4)
    change = change_since(workspace, logged[-1], logged[-2], reward) if len(logged) > 1 else None
    report("reading days", 3, 4)
    catalogue = None if newest is None else read_parquet(folder_of(workspace, newest.generation) / CATALOGUE)
    floor = min((floors.floor for floors in newest.config.floors), default=0.0) if newest else 0.0
    figures = Figures(
        workspace=str(workspace.root),
        day=logged[-1].isoformat() if logged else None,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        on=(on or datetime.now(UTC).date()).isoformat(),
        generation=newest.generation if newest else None,
        generation_made_at=newest.created_at if newest else None,
        picks_since=read_manifest(workspace, finished_ones[0]).created_at if finished_ones else None,
        unfinished=_unfinished(workspace, newest),
        reward=reward,
        explore_share=newest.config.explore_share if newest else 0.0,
        floor=floor,
        today=today,
        before=before,
        drift=drift,
        change=change,
        propensities=propensity_ratios(nights),
        contexts=moved_contexts(nights),
        bins=_bins(workspace, logged[-1], reward) if logged else [],
        baits=clickbait(today) if today else [],
        starving=_starving(workspace, today) if today else [],
        classes=class_rates(today, classes_of(workspace)) if today else [],
        one_sided=one_sided(today, classes_of(workspace)) if today else [],
        flips=flips_between(workspace, logged[-1], logged[-2]) if len(logged) > 1 else None,
        new_artworks=_new_artworks(workspace, today, catalogue, newest.config.new_arm_impressions)
        if today and newest and catalogue is not None
        else None,
        themes=_themes(workspace, today) if today else None,
        new_users=_new_users(workspace, newest, today) if today and newest else None,
        in_time=_in_time(workspace),
        arrivals=_arrivals(workspace),
    )
    report("reading days", 4, 4)
    return figures


def _starving(workspace: Workspace, today: DayFacts) -> list[Artwork]:
    """Of the artworks that the day's own generation could show: those of a newer one were not there, nor were retired ones."""
    generation = usual_generation(day_files(workspace, date.fromisoformat(today.day)))
    manifest = None if generation is None else find_manifest(workspace, generation)
    if manifest is None or manifest.stage == "claimed":
        return []
    retired = newest_overlay(workspace).retired
    gone = [(title_id, artwork_id) for title_id, artworks in retired.items() for artwork_id in artworks]
    schema = {"title_id": pl.String, "artwork_id": pl.String}
    catalogue = read_parquet(folder_of(workspace, manifest.generation) / CATALOGUE).select(*schema)
    left = catalogue.join(pl.DataFrame(gone, schema=schema, orient="row"), on=list(schema), how="anti")
    return starved(today, left, min(floors.floor for floors in manifest.config.floors))


def _unfinished(workspace: Workspace, newest: Manifest | None) -> tuple[int, str] | None:
    """The newest generation that was trained and has no picks, where it is newer than all that have, and when it was made."""
    trained = finished(workspace, "trained")
    if not trained or trained[-1] == (newest.generation if newest else None):
        return None
    return trained[-1], read_manifest(workspace, trained[-1]).created_at


def _bins(workspace: Workspace, day: date, reward: str) -> list[Bin]:
    """What the generation of the day had expected of the artworks that it showed, and what came."""
    files = day_files(workspace, day)
    with reading(day_folder(workspace, day)):
        generation = usual_generation(files)
    chooser = None if generation is None else open_chooser(workspace, generation)
    if chooser is None:
        return []
    users, _ = sampled_users(chooser, chooser.config.seed)
    columns = ("artwork_id", "shown_at", "arm", "clicked", "watch_fraction", "reward")
    with reading(day_folder(workspace, day)):
        rows = read_decisions(files, users, sampled_titles(chooser), columns)
    rows = rows.filter(pl.col("generation") == generation)
    decided = probabilities_of(chooser, rows, users)
    rows = rows[decided.rows]
    arms = rows["arm"].to_numpy().astype(np.int64)
    own = arms < decided.expected.shape[1]
    rewards = rewards_of(rows, reward, workspace, day)
    return calibration(decided.expected[np.flatnonzero(own), arms[own]], rewards[own])


def _new_artworks(workspace: Workspace, today: DayFacts, catalogue: pl.DataFrame, least: int) -> NewArtworks:
    keys = ["title_id", "artwork_id"]
    artworks = catalogue.select(*keys, is_new=pl.col("impressions") < least).join(
        today.artworks.select(*keys, "shown"), on=keys, how="left"
    )
    shown = artworks.filter("is_new")["shown"].sum()
    share = float(shown) / today.impressions if today.impressions else 0.0
    since = date.fromisoformat(today.day) - timedelta(days=NEW_DAYS)
    came = pl.col("added_at").dt.date() > since
    if not workspace.artworks.is_file():
        lately = artworks.clear()
    else:
        added = read_parquet(workspace.artworks, columns=[*keys, "added_at"])
        lately = (
            artworks.join(added, on=keys, how="inner")
            .with_columns(
                is_late=came & (pl.col("added_at") > pl.col("added_at").min().over("title_id")),
                leads=(pl.col("shown") > 0) & (pl.col("shown").rank("min", descending=True).over("title_id") == 1),
            )
            .filter("is_late")
        )
    return NewArtworks(
        new=int(artworks["is_new"].sum()),
        share=share,
        least=least,
        days=NEW_DAYS,
        came=lately.height,
        known=lately.filter(~pl.col("is_new")).height,
        leading=lately.filter("leads").height if "leads" in lately.columns else 0,
    )


def _themes(workspace: Workspace, today: DayFacts) -> tuple[float, int] | None:
    """How many themes the day showed, as if evenly, and how many there are."""
    if not workspace.artworks.is_file():
        return None
    themes = read_parquet(workspace.artworks, columns=["title_id", "artwork_id", "theme"])
    shown = (
        today.artworks.join(themes, on=["title_id", "artwork_id"], how="inner")
        .group_by("theme")
        .agg(pl.col("shown").sum())
    )
    return (effective_number(shown["shown"].to_numpy()), themes["theme"].n_unique()) if shown.height else None


def _new_users(workspace: Workspace, newest: Manifest, today: DayFacts) -> int:
    """Users of the day whom the newest generation does not know."""
    path = folder_of(workspace, newest.generation) / CONTEXTS
    known = pl.scan_parquet(path, hive_partitioning=False).select("user_id")
    came = today.by_user.select("user_id").unique().lazy()
    with reading(path):
        return came.join(known, on="user_id", how="anti").collect(engine="streaming").height


def _in_time(workspace: Workspace) -> tuple[str, float] | None:
    known = {day: ratio for day, ratio in timely(workspace).items() if ratio.expected > 0}
    if not known:
        return None
    newest = max(known)
    return newest.isoformat(), known[newest].seen / known[newest].expected


def _arrivals(workspace: Workspace) -> Arrivals | None:
    """What the join wrote last; None where nothing was joined, or what it wrote cannot be read."""
    try:
        document = json.loads(report_path(workspace).read_bytes())
        by_day = document["by_day"]
        newest = {str(name): int(count) for name, count in by_day[max(by_day)].items()} if by_day else {}
        return Arrivals(document["watermark"], newest, dict(document["total"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
