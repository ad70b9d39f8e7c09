"""The first stage of a generation: posteriors from all impressions so far, and the catalogue with its fallback."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from bandit.files import replace_file
from bandit.policies import Popularity, quantise
from bandit.posterior import BetaPosterior, BetaScores
from bandit.posterior.base import Model
from batch.config import Config, ModelKey
from batch.executors import Executor, Progress
from batch.learning.evidence_sums import Learned, learn
from batch.learning.fitting import Fitting
from batch.learning.posteriors import fit_model, model_path
from batch.workspace.catalogue import Catalogue
from batch.workspace.files import write_parquet
from batch.workspace.generations import Manifest, claim, claimed, folder_of, write_manifest
from batch.workspace.overlays import newest_overlay, remaining_tables
from batch.workspace.tables import Tables, read_tables
from batch.workspace.workspace import Workspace


@dataclass(frozen=True)
class TrainedModel:
    """A posterior that was fitted to a reward, and the precisions that were estimated for it."""

    posterior: str
    reward: str
    prior_precision: tuple[float, ...]
    noise_precision: float | None


@dataclass(frozen=True)
class Trained:
    """What training made; ``variants`` are the labels of the live ones."""

    generation: int
    folder: Path
    variants: tuple[str, ...]
    models: tuple[TrainedModel, ...]
    days: int
    impressions: int
    unknown: int


def train(workspace: Workspace, config: Config, executor: Executor, report: Progress, *, shard_size: int) -> Trained:
    """Make a new generation's posteriors from the workspace's tables, without what is retired, and its impressions.

    Args:
        workspace: where tables and impressions lie and the generation goes.
        config: how to learn and choose.
        executor: runs the shards of titles.
        report: told of each day.
        shard_size: blocks a shard.

    Raises:
        InputError: a table, the impressions or the overlay are wrong, or a title has no artwork left; no generation is claimed.
        SurroundingsError: the disk does not take it.
    """
    overlay = newest_overlay(workspace)
    tables = remaining_tables(read_tables(workspace), overlay)
    catalogue = Catalogue.of(tables)
    models: dict[ModelKey, Model] = {}
    trained: list[TrainedModel] = []
    for reward in config.rewards:
        learned = learn(
            workspace, catalogue, tables.n_features, config, reward, executor, report, shard_size=shard_size
        )
        beta = BetaPosterior(catalogue.titles)
        beta.merge(learned.beta)
        if not models:
            published = _with_popularity(catalogue, learned, beta, config)
        fitting = Fitting(learned, beta, tables, catalogue, executor, report, shard_size)
        for key in [key for key in config.models if key.reward == reward]:
            models[key], estimated = fit_model(key.posterior, fitting)
            trained.append(TrainedModel(*key, *estimated))
    parent = max(claimed(workspace), default=None)
    manifest = replace(Manifest.new(claim(workspace), parent, config), rows=learned.days, revision=overlay.revision)
    _write(workspace, manifest, tables, published, models)
    return Trained(
        generation=manifest.generation,
        folder=folder_of(workspace, manifest.generation),
        variants=tuple(variant.label for variant in config.variants),
        models=tuple(trained),
        days=len(learned.days),
        impressions=learned.impressions,
        unknown=learned.unknown,
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
    workspace: Workspace, manifest: Manifest, tables: Tables, catalogue: Catalogue, models: Mapping[ModelKey, Model]
) -> None:
    folder = folder_of(workspace, manifest.generation)
    written = [model_path(folder, manifest.config, key) for key in models]
    for path, model in zip(written, models.values(), strict=True):
        with replace_file(path) as temporary:
            model.save(temporary)
    written += [folder / "catalogue.parquet", folder / "contexts" / "part-000000.parquet"]
    write_parquet(written[-2], catalogue.frame)
    write_parquet(written[-1], tables.users.select("user_id", "context", "sessions"))
    if tables.candidates is not None:
        written.append(folder / "candidates.parquet")
        write_parquet(written[-1], tables.candidates)
    counts = {"users": tables.users.height, "titles": len(catalogue.title_ids), "artworks": catalogue.n_artworks}
    write_manifest(workspace, manifest.with_files(folder, written, stage="trained", **counts))
