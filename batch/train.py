"""The first stage of a generation: posteriors from all impressions so far, and the catalogue with its fallback."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from threadpoolctl import threadpool_limits

from bandit.policies import Popularity, parse_policy, quantise
from bandit.posterior import BetaPosterior, Hyperparameters, LinearEvidence, LinearPosterior, estimate_hyperparameters
from batch.catalogue import Catalogue
from batch.evidence import DaySource, Evidence, day_evidence
from batch.executors import Executor
from batch.files import replace_file, write_parquet
from batch.generations import Config, Manifest, claim, claimed, folder_of, write_manifest
from batch.impressions import days
from batch.tables import Tables, read_tables
from batch.workspace import Workspace

Report = Callable[[str, int, int], None]
"""Called with (what, done, total) as a job goes on."""

USERS_A_BLOCK = 256
"""Users scored by one matrix product; blocks are fixed by the users' order, so that shards do not change a sum."""

_START = Hyperparameters(np.array([1.0]), 20.0)


@dataclass(frozen=True)
class Trained:
    """What training made."""

    generation: int
    folder: Path
    policy: str
    days: int
    impressions: int
    unknown: int
    prior_precision: tuple[float, ...]
    noise_precision: float | None


def train(
    workspace: Workspace,
    config: Config,
    executor: Executor,
    report: Report,
    *,
    shard_size: int,
    today: date | None = None,
) -> Trained:
    """Make a new generation's posteriors from the workspace's tables and the impressions before ``today``.

    Args:
        workspace: where tables and impressions lie and the generation goes.
        config: how to choose.
        executor: runs the shards of titles.
        report: told of each day.
        shard_size: blocks a shard.
        today: impressions of this day and later are left out; None takes all.

    Raises:
        InputError: a table or the impressions are wrong; no generation is claimed.
        SurroundingsError: the disk does not take it.
    """
    tables = read_tables(workspace)
    catalogue = Catalogue.of(tables)
    evidence, rows = _evidence(workspace, catalogue, tables.n_features, executor, report, shard_size, today)
    beta = BetaPosterior(catalogue.titles)
    beta.merge(evidence.beta)
    linear = _linear(evidence.linear, beta, tables, catalogue) if parse_policy(config.policy).contextual else None
    parent = max(claimed(workspace), default=None)
    manifest = replace(Manifest.new(claim(workspace), parent, config), rows=rows)
    _write(workspace, manifest, tables, catalogue, beta, linear)
    return Trained(
        generation=manifest.generation,
        folder=folder_of(workspace, manifest.generation),
        policy=config.policy,
        days=len(rows),
        impressions=evidence.impressions,
        unknown=evidence.unknown,
        prior_precision=() if linear is None else tuple(linear.prior_precision.tolist()),
        noise_precision=None if linear is None else linear.noise_precision,
    )


def _evidence(
    workspace: Workspace,
    catalogue: Catalogue,
    n_features: int,
    executor: Executor,
    report: Report,
    shard_size: int,
    today: date | None,
) -> tuple[Evidence, dict[str, int]]:
    wanted = [day for day in days(workspace) if today is None or day < today]
    total = Evidence.empty(catalogue.n_artworks, n_features)
    rows: dict[str, int] = {}
    for place, day in enumerate(wanted):
        made = day_evidence(DaySource(workspace, day, catalogue, n_features), executor, shard_size)
        total.merge(made)
        rows[day.isoformat()] = made.impressions
        report("learning from days", place + 1, len(wanted))
    return total, rows


def _linear(evidence: LinearEvidence, beta: BetaPosterior, tables: Tables, catalogue: Catalogue) -> LinearPosterior:
    mean = np.zeros(evidence.shape)
    constant = _constant_feature(tables)
    if constant is not None:
        mean[:, constant] = beta.title_rates[catalogue.titles]
    start = Hyperparameters(np.full(tables.n_features, _START.prior_precision[0]), _START.noise_precision)
    with threadpool_limits(limits=1, user_api="blas"):  # for the same bytes on any number of cores
        found = estimate_hyperparameters(evidence, mean, start)
    posterior = LinearPosterior(*evidence.shape, found.prior_precision, found.noise_precision, mean)
    posterior.merge(evidence)
    return posterior


def _constant_feature(tables: Tables) -> int | None:
    """The feature that is 1 for every user, whose weight is the level of an arm; None if there is none."""
    contexts = context_matrix(tables.users)
    constant = np.flatnonzero((contexts == 1).all(axis=0))
    return int(constant[0]) if len(constant) else None


def context_matrix(users: pl.DataFrame) -> npt.NDArray[np.float32]:
    """The contexts of a users table, (n, d)."""
    return users["context"].explode().to_numpy().reshape(users.height, -1)


def fallback_weights(beta: BetaPosterior, catalogue: Catalogue, config: Config) -> npt.NDArray[np.uint16]:
    """The weights of every artwork in the popularity fallback of its title, (a,)."""
    new = beta.evidence.impressions < config.new_arm_impressions
    weights = np.empty(catalogue.n_artworks, dtype=np.uint16)
    for title in range(len(catalogue.title_ids)):
        arms = catalogue.arms(title)
        probabilities = Popularity().probabilities(beta.scores(arms))
        weights[arms] = quantise(probabilities, None, new[arms], config.floor, config.new_floor)[0]
    return weights


def _write(
    workspace: Workspace,
    manifest: Manifest,
    tables: Tables,
    catalogue: Catalogue,
    beta: BetaPosterior,
    linear: LinearPosterior | None,
) -> None:
    folder = folder_of(workspace, manifest.generation)
    paths = {name: folder / "posterior" / f"{name}.npz" for name in ("beta", "linear")}
    with replace_file(paths["beta"]) as temporary:
        beta.save(temporary)
    if linear is None:
        del paths["linear"]
    else:
        with replace_file(paths["linear"]) as temporary:
            linear.save(temporary)
    shown = pl.Series("impressions", beta.evidence.impressions)
    weights = pl.Series("popularity_weight", fallback_weights(beta, catalogue, manifest.config))
    written = [*paths.values(), folder / "catalogue.parquet", folder / "contexts" / "part-000000.parquet"]
    write_parquet(written[-2], catalogue.frame.with_columns(shown, pl.Series("takes", beta.evidence.takes), weights))
    write_parquet(written[-1], tables.users.select("user_id", "context", "sessions"))
    if tables.candidates is not None:
        written.append(folder / "candidates.parquet")
        write_parquet(written[-1], tables.candidates)
    counts = {"users": tables.users.height, "titles": len(catalogue.title_ids), "artworks": catalogue.n_artworks}
    write_manifest(workspace, manifest.with_files(folder, written, stage="trained", **counts))
