"""The second stage of a generation: one pick for every user and title, drawn with a weight that is kept."""

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import polars as pl

from bandit.errors import InputError
from batch.choosing.chooser import USERS_A_BLOCK, Chooser, Picks
from batch.executors import Executor, Progress
from batch.workspace.files import read_parquet, write_parquet
from batch.workspace.generations import (
    CANDIDATES,
    Manifest,
    digest_of,
    folder_of,
    read_manifest,
    resolve,
    verify_files,
    write_manifest,
)
from batch.workspace.workspace import Workspace


@dataclass(frozen=True)
class Precomputed:
    """What precomputing made; ``variants`` are the labels of the live ones."""

    generation: int
    folder: Path
    variants: tuple[str, ...]
    users: int
    titles: int
    picks: int
    shards: int


def precompute(
    workspace: Workspace, generation: int | None, executor: Executor, report: Progress, *, shard_size: int
) -> Precomputed:
    """Draw the picks of a trained generation: None takes the newest.

    Raises:
        InputError: there is no such trained generation, its files have changed, or a user has more titles than a row holds.
        SurroundingsError: the disk does not take it.
    """
    number = resolve(workspace, generation, "trained")
    manifest = read_manifest(workspace, number)
    if manifest.stage == "precomputed":
        raise InputError(
            f"generation {number} has its picks already; generations never change: run `artwork train` for a new one"
        )
    verify_files(workspace, manifest)
    folder = folder_of(workspace, number)
    _check_row_size(folder, manifest)
    blocks = -(-manifest.counts["users"] // USERS_A_BLOCK)
    shards = [range(start, min(start + shard_size, blocks)) for start in range(0, blocks, shard_size)]
    paths, picks, rows = [], 0, 0
    for done, (path, n_picks, n_users) in enumerate(executor.map(partial(_write_shard, workspace, number), shards)):
        paths.append(path)
        picks += n_picks
        rows += n_users
        report("choosing artworks", done + 1, len(shards))
    write_manifest(workspace, manifest.with_files(folder, paths, stage="precomputed", picks=picks, rows=rows))
    counts, labels = manifest.counts, tuple(variant.label for variant in manifest.config.variants)
    return Precomputed(number, folder, labels, counts["users"], counts["titles"], picks, len(shards))


def _check_row_size(folder: Path, manifest: Manifest) -> None:
    form = manifest.row_format
    if CANDIDATES not in manifest.checksums:
        longest, most = manifest.counts["titles"], form.most_dense_picks
        remedy = "give candidates.parquet with a shortlist per user"
    else:
        lengths = read_parquet(folder / CANDIDATES)["title_ids"].list.len()
        longest, most, remedy = int(lengths.max() or 0), form.most_shortlist_picks, "shorten the longest list"  # type: ignore[arg-type]
    if longest > most:
        raise InputError(f"a user has {longest} titles, a row holds at most {most}; {remedy}")


@lru_cache(maxsize=1)
def _chooser(workspace: Workspace, generation: int, manifest_digest: str) -> Chooser:  # noqa: ARG001 - part of the cache's key
    return Chooser(workspace, generation)


def _write_shard(workspace: Workspace, generation: int, blocks: range) -> tuple[Path, int, int]:
    """The file of a shard, its picks, and the users who have any."""
    folder = folder_of(workspace, generation)
    chooser = _chooser(workspace, generation, digest_of(folder / "manifest.json"))
    first = blocks.start * USERS_A_BLOCK
    users = chooser.users["user_id"][first : first + len(blocks) * USERS_A_BLOCK]
    frame = _frame(chooser, users, chooser.choose(first, len(users)))
    if CANDIDATES in chooser.manifest.checksums:
        frame = _only_candidates(frame, read_parquet(folder / CANDIDATES))
    path = folder / "picks" / f"part-{blocks.start:06d}.parquet"
    write_parquet(path, frame)
    return path, frame.height, frame["user_id"].n_unique()


def _frame(chooser: Chooser, user_ids: pl.Series, picks: Picks) -> pl.DataFrame:
    users, titles = np.indices(picks.arms.shape, dtype=np.uint32)
    title_ids, policies = pl.Enum(chooser.catalogue.title_ids), pl.Enum(chooser.config.names)
    return pl.DataFrame(
        {
            "user_id": user_ids.gather(users.ravel()),
            "title_id": pl.Series(titles.ravel()).cat.to(title_ids),
            "arm": picks.arms.ravel(),
            "weight": picks.weights.ravel(),
            "policy": pl.Series(picks.places).cat.to(policies).gather(users.ravel()),
        }
    )


def _only_candidates(frame: pl.DataFrame, candidates: pl.DataFrame) -> pl.DataFrame:
    wanted = candidates.explode("title_ids").select(
        "user_id", title_id=pl.col("title_ids").cast(frame["title_id"].dtype)
    )
    return frame.join(wanted.drop_nulls(), on=["user_id", "title_id"], how="semi", maintain_order="left")
