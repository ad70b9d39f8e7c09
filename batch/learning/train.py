"""The first stage of a generation: posteriors from all impressions so far, and the catalogue with its fallback."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from bandit.errors import InputError
from bandit.files import replace_file
from bandit.policies import Popularity, quantise
from bandit.posterior import BetaPosterior, BetaScores
from bandit.posterior.base import Model
from bandit.posterior.registry import POSTERIORS
from bandit.snapshot import FORMAT_2, ROW_FORMATS, RowFormat, most_segments
from batch.config import Config, ModelKey
from batch.datasets.segments import FormedSegments, form_segments
from batch.executors import Executor, Progress
from batch.learning.evidence import ROWS
from batch.learning.evidence_sums import Learned, LearnedFrom, Stock, learn, take_stock
from batch.learning.fitting import Fitting
from batch.learning.posteriors import fit_model, model_path
from batch.workspace.catalogue import Catalogue
from batch.workspace.day_digests import day_digests
from batch.workspace.files import reading, write_parquet
from batch.workspace.generations import (
    SEGMENTS,
    LearnedDay,
    Manifest,
    claim,
    finished,
    folder_of,
    write_manifest,
)
from batch.workspace.kept_users import ROW_GROUP
from batch.workspace.overlays import newest_overlay, remaining_tables
from batch.workspace.previous_picks import previous_of
from batch.workspace.sliced_users import KEPT, SlicedUsers, slice_users
from batch.workspace.tables import Tables, context_matrix, read_tables
from batch.workspace.workspace import Workspace

_LEAST_MEAN: Final = 1e-6
"""Of a reward over all impressions, below which it is as good as none: ages of some twenty half-lives, say."""


@dataclass(frozen=True)
class TrainedModel:
    """A posterior that was fitted to a reward, and the precisions that were estimated for it."""

    posterior: str
    reward: str
    prior_precision: tuple[float, ...]
    noise_precision: float | None


@dataclass(frozen=True)
class Trained:
    """What training made; ``variants`` are the labels of the live ones.

    ``parent`` is the generation that it came after. ``refit_days`` is the window of days of a posterior that is refitted to
    rows, and None where there is none; ``days_left_out`` are those before it. ``row_format`` is the number
    of the format of rows. ``segments`` counts those that answer for users without a row. ``previous`` is the generation whose
    picks stickiness keeps; where variants are sticky and there is none, ``nothing_kept`` says why. ``without_reward`` are the
    rewards of which next to nothing was earned in all that was learned from: they tell no artwork from another.
    """

    generation: int
    parent: int | None
    folder: Path
    variants: tuple[str, ...]
    models: tuple[TrainedModel, ...]
    days: int
    impressions: int
    unknown: int
    refit_days: int | None = None
    days_left_out: int = 0
    row_format: int = FORMAT_2.number
    segments: int = 0
    previous: int | None = None
    nothing_kept: str = ""
    without_reward: tuple[str, ...] = ()


def train(
    workspace: Workspace,
    config: Config,
    executor: Executor,
    report: Progress,
    *,
    shard_size: int,
    parent: int | None = None,
    verify: bool = False,
    row_format: int | None = None,
    experiments: Mapping[str, str] | None = None,
) -> Trained:
    """Make a new generation's posteriors from the workspace's tables, without what is retired, and its impressions.

    What it is about to learn is on disk, day by day, before any of it is learned: the manifest of a number that was claimed.

    Args:
        workspace: where tables and impressions lie and the generation goes.
        config: how to learn and choose.
        executor: runs the shards of titles.
        report: told of each day.
        shard_size: blocks a shard.
        parent: the generation that it comes after, whose picks stickiness keeps; None is the newest on disk that has its picks.
        verify: read every file of the log, also those of old days that the file system says have not changed.
        row_format: the number of the format of rows; None is the smallest that the catalogue fits.
        experiments: the digests of the plans that the generation is made under, by name.

    Raises:
        InputError: a table, the impressions or the overlay are wrong, a title has no artwork left, or one has more than the row
            format takes; no generation is claimed.
        SurroundingsError: the disk does not take it, or a day changed while it was being learned from.
    """
    overlay = newest_overlay(workspace)
    users = slice_users(workspace)
    tables = remaining_tables(read_tables(workspace, None if users is None else users.head), overlay)
    catalogue = Catalogue.of(tables)
    config = replace(config, total=_row_format(catalogue, row_format).total)
    log = LearnedFrom(workspace, day_digests(workspace, verify=verify), catalogue, tables.n_features)
    stocks = [take_stock(log, reward, config, executor, report, shard_size=shard_size) for reward in config.rewards]
    parent = parent or max(finished(workspace, "precomputed"), default=None)
    previous, nothing_kept = previous_of(workspace, parent) if config.is_sticky else (None, "")
    new = replace(
        Manifest.new(claim(workspace), parent, config),
        revision=overlay.revision,
        experiments=dict(experiments or {}),
        previous=previous,
    )
    manifest = _with_days(new, stocks[0])
    write_manifest(workspace, manifest)
    models: dict[ModelKey, Model] = {}
    trained: list[TrainedModel] = []
    for reward, stock in zip(config.rewards, stocks, strict=True):
        learned = learn(stock)
        beta = BetaPosterior(catalogue.titles)
        beta.merge(learned.beta)
        if not models:
            published = _with_popularity(catalogue, learned, beta, config)
        constant = (context_matrix(tables.users) == 1).all(axis=0) if users is None else users.constant
        fitting = Fitting(learned, beta, tables, catalogue, executor, report, shard_size, constant)
        for key in [key for key in config.models if key.reward == reward]:
            models[key], estimated = fit_model(key.posterior, fitting)
            trained.append(TrainedModel(*key, *estimated))
    with reading(workspace.users):
        room = most_segments(len(catalogue.title_ids), catalogue.n_artworks, catalogue.id_bytes)
        segments = form_segments(tables.users.lazy() if users is None else users.scan(), catalogue.n_artworks, room)
    _write(workspace, manifest, tables, users, published, models, segments)
    is_refitted = any(POSTERIORS[key.posterior].evidence.kind == ROWS for key in config.models)
    return Trained(
        generation=manifest.generation,
        parent=parent,
        folder=folder_of(workspace, manifest.generation),
        variants=tuple(variant.label for variant in config.variants),
        models=tuple(trained),
        days=len(manifest.rows),
        impressions=sum(manifest.rows.values()),
        unknown=sum(counts.unknown for counts in stocks[0].counts),
        refit_days=config.refit_days if is_refitted else None,
        days_left_out=len(manifest.rows) - max(len(stock.window) for stock in stocks) if is_refitted else 0,
        row_format=config.row_format.number,
        segments=0 if segments is None else len(segments.segments),
        previous=None if previous is None else previous.generation,
        nothing_kept=nothing_kept,
        without_reward=tuple(
            reward for reward, stock in zip(config.rewards, stocks, strict=True) if _earned_nothing(stock)
        ),
    )


def _earned_nothing(stock: Stock) -> bool:
    impressions = sum(counts.impressions for counts in stock.counts)
    return impressions > 0 and sum(counts.rewards for counts in stock.counts) < _LEAST_MEAN * impressions


def _row_format(catalogue: Catalogue, number: int | None) -> RowFormat:
    """The smallest format that the catalogue fits, of those with a number where one is asked for."""
    sizes = np.diff(catalogue.starts)
    largest = int(sizes.argmax())
    known = [form for form in ROW_FORMATS if number in {None, form.number}]
    if not known:
        numbers = " or ".join(map(str, sorted({form.number for form in ROW_FORMATS})))
        raise InputError(f"there is no row format {number}; expected {numbers}")
    for form in known:
        if sizes[largest] <= form.most_arms:
            return form
    raise InputError(
        f"row format {number} takes {known[-1].most_arms} artworks of a title, and title {catalogue.title_ids[largest]} has"
        f" {sizes[largest]}; leave --row-format out, or retire artworks"
    )


def _with_days(manifest: Manifest, stock: Stock) -> Manifest:
    """The manifest with what of each day is about to be learned."""
    days = {
        source.day.isoformat(): (source.files, counts)
        for source, counts in zip(stock.sources, stock.counts, strict=True)
    }
    return replace(
        manifest,
        rows={day: counts.read for day, (_, counts) in days.items()},
        days={day: LearnedDay(files, counts.impressions, counts.rewards) for day, (files, counts) in days.items()},
    )


def _with_popularity(catalogue: Catalogue, learned: Learned, beta: BetaPosterior, config: Config) -> Catalogue:
    """The catalogue with the impressions and takes of every artwork, undiscounted, and its weight in the fallback."""
    new = learned.seen.impressions < config.new_arm_impressions
    return Catalogue(
        catalogue.frame.with_columns(
            pl.Series("impressions", learned.seen.impressions),
            pl.Series("takes", learned.seen.takes),
            pl.Series("popularity_weight", fallback_weights(beta, catalogue, new, config)),
        )
    )


def fallback_weights(
    beta: BetaPosterior, catalogue: Catalogue, new: npt.NDArray[np.bool_], config: Config
) -> npt.NDArray[np.uint16]:
    """The weights of every artwork in the popularity fallback of its title, (a,); ``new`` (a,) have few impressions."""
    weights, floors = np.empty(catalogue.n_artworks, dtype=np.uint16), config.floors[0]
    scores = beta.scores(
        None, np.arange(catalogue.n_artworks)
    )  # (1, a); by title they would be as slow as there are titles
    for title in range(len(catalogue.title_ids)):
        arms = catalogue.arms(title)
        probabilities = Popularity().probabilities(BetaScores(scores.successes[:, arms], scores.failures[:, arms]))
        weights[arms] = quantise(probabilities, None, new[arms], floors.floor, floors.new_floor)[0]
    return weights


def _write(
    workspace: Workspace,
    manifest: Manifest,
    tables: Tables,
    users: SlicedUsers | None,
    catalogue: Catalogue,
    models: Mapping[ModelKey, Model],
    segments: FormedSegments | None,
) -> None:
    folder = folder_of(workspace, manifest.generation)
    written = [model_path(folder, manifest.config, key) for key in models]
    for path, model in zip(written, models.values(), strict=True):
        with replace_file(path) as temporary:
            model.save(temporary)
    written += [folder / "catalogue.parquet", folder / "contexts" / "part-000000.parquet"]
    write_parquet(written[-2], catalogue.frame)
    if users is None:
        write_parquet(written[-1], tables.users.select(KEPT), row_group=ROW_GROUP)
    else:
        users.copy(written[-1])
    if tables.candidates is not None:
        written.append(folder / "candidates.parquet")
        write_parquet(written[-1], tables.candidates, row_group=ROW_GROUP)
    if segments is not None:
        written.append(folder / SEGMENTS)
        write_parquet(written[-1], segments.frame())
    n_users = tables.users.height if users is None else users.n_users
    counts = {"users": n_users, "titles": len(catalogue.title_ids), "artworks": catalogue.n_artworks}
    write_manifest(workspace, manifest.with_files(folder, written, stage="trained", **counts))
