"""The second stage of a generation: one pick for every user and title, drawn with a weight that is kept."""

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from bandit.errors import InputError
from bandit.hashing import U64, hash_ids, hash_title, hash_users
from bandit.policies import Decisions, Policy, draw_arms, parse_policy, quantise
from bandit.policies.deciding import U16
from bandit.posterior import BetaPosterior, BetaScores, LinearPosterior
from bandit.posterior.linear import LinearScorer
from bandit.snapshot import DRAW, MAX_DENSE_PICKS, MAX_SHORTLIST_PICKS
from batch.catalogue import Catalogue
from batch.executors import Executor
from batch.files import write_parquet
from batch.generations import Manifest, file_digest, folder_of, read_manifest, resolve, write_manifest
from batch.train import USERS_A_BLOCK, Report, context_matrix
from batch.workspace import Workspace

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Precomputed:
    """What precomputing made."""

    generation: int
    folder: Path
    policy: str
    users: int
    titles: int
    picks: int
    shards: int


class Chooser:
    """Everything that a generation chooses with, loaded once a process."""

    def __init__(self, workspace: Workspace, generation: int) -> None:
        self.manifest = read_manifest(workspace, generation)
        folder = folder_of(workspace, generation)
        self.catalogue = Catalogue.read(folder / "catalogue.parquet")
        self.users = pl.read_parquet(folder / "contexts" / "part-000000.parquet")
        self.titles_hashed = hash_ids(self.catalogue.title_ids)
        beta = BetaPosterior.load(folder / "posterior" / "beta.npz")
        self.new = beta.evidence.impressions < self.manifest.config.new_arm_impressions  # (a,)
        policy = parse_policy(self.manifest.config.policy)
        self.policies = [policy.for_title(count) for count in beta.title_impressions]  # (t,)
        arms = [self.catalogue.arms(title) for title in range(len(self.catalogue.title_ids))]
        if policy.contextual:
            linear = LinearPosterior.load(folder / "posterior" / "linear.npz")
            self.scorers: list[LinearScorer] | list[BetaScores] = [linear.scorer(rows) for rows in arms]
        else:
            self.scorers = [beta.scores(rows) for rows in arms]

    @property
    def n_titles(self) -> int:
        """Number of titles t."""
        return len(self.titles_hashed)

    def weights(self, title: int, contexts: F64) -> U16:
        """The weight vectors of a block of users for one title, (n, k); ``contexts`` (n, d)."""
        config = self.manifest.config
        probabilities = _probabilities(self.policies[title], self.scorers[title], contexts)
        return quantise(probabilities, None, self.new[self.catalogue.arms(title)], config.floor, config.new_floor)

    def decide_block(self, contexts: F64, user_states: U64) -> tuple[npt.NDArray[np.uint8], U16]:
        """Arms and weights of a block of users for every title, both (n, t).

        Users beyond ``user_states`` are padding: contexts always have ``USERS_A_BLOCK`` rows, because the sums inside a
        matrix product depend on its shape.
        """
        n = len(user_states)
        arms = np.empty((n, self.n_titles), dtype=np.uint8)
        chosen = np.empty((n, self.n_titles), dtype=np.uint16)
        for title, hashed in enumerate(self.titles_hashed):
            decisions: Decisions = draw_arms(self.weights(title, contexts)[:n], hash_title(user_states, hashed))
            arms[:, title], chosen[:, title] = decisions
        return arms, chosen


def precompute(
    workspace: Workspace, generation: int | None, executor: Executor, report: Report, *, shard_size: int
) -> Precomputed:
    """Draw the picks of a trained generation: None takes the newest.

    Raises:
        InputError: there is no such trained generation, or a user has more titles than a row holds.
        SurroundingsError: the disk does not take it.
    """
    number = resolve(workspace, generation, "trained")
    manifest = read_manifest(workspace, number)
    if manifest.stage == "precomputed":
        raise InputError(
            f"generation {number} has its picks already; generations never change: run `artwork train` for a new one"
        )
    folder = folder_of(workspace, number)
    _check_row_size(folder, manifest)
    blocks = -(-manifest.counts["users"] // USERS_A_BLOCK)
    shards = [range(start, min(start + shard_size, blocks)) for start in range(0, blocks, shard_size)]
    paths, picks, rows = [], 0, 0
    for done, written in enumerate(executor.map(partial(_write_shard, workspace, number), shards)):
        paths.append(written.path)
        picks += written.picks
        rows += written.rows
        report("choosing artworks", done + 1, len(shards))
    write_manifest(workspace, manifest.with_files(folder, paths, stage="precomputed", picks=picks, rows=rows))
    return Precomputed(
        number, folder, manifest.config.policy, manifest.counts["users"], manifest.counts["titles"], picks, len(shards)
    )


def _check_row_size(folder: Path, manifest: Manifest) -> None:
    path = folder / "candidates.parquet"
    if not path.is_file():
        longest, most, remedy = (
            manifest.counts["titles"],
            MAX_DENSE_PICKS,
            "give candidates.parquet with a shortlist a user",
        )
    else:
        lengths = pl.read_parquet(path)["title_ids"].list.len()
        longest, most, remedy = int(lengths.max() or 0), MAX_SHORTLIST_PICKS, "shorten the longest list"  # type: ignore[arg-type]
    if longest > most:
        raise InputError(f"a user has {longest} titles, a row holds at most {most}; {remedy}")


@lru_cache(maxsize=1)
def _chooser(workspace: Workspace, generation: int, manifest_digest: str) -> Chooser:  # noqa: ARG001 - part of the cache's key
    return Chooser(workspace, generation)


class _Written(NamedTuple):
    """The file of a shard, its picks, and the users who have any."""

    path: Path
    picks: int
    rows: int


def _write_shard(workspace: Workspace, generation: int, blocks: range) -> _Written:
    folder = folder_of(workspace, generation)
    chooser = _chooser(workspace, generation, file_digest(folder / "manifest.json"))
    users = chooser.users.slice(blocks.start * USERS_A_BLOCK, len(blocks) * USERS_A_BLOCK)
    contexts = np.zeros((len(blocks) * USERS_A_BLOCK, len(users["context"][0])))
    contexts[: users.height] = context_matrix(users)
    states = hash_users(DRAW, chooser.manifest.config.seed, generation, hash_ids(users["user_id"]))
    cuts = range(0, users.height, USERS_A_BLOCK)
    decided = [
        chooser.decide_block(contexts[cut : cut + USERS_A_BLOCK], states[cut : cut + USERS_A_BLOCK]) for cut in cuts
    ]
    arms, weights = (np.concatenate([block[side] for block in decided]) for side in (0, 1))
    frame = _picks(chooser, users["user_id"], arms, weights)
    candidates = folder / "candidates.parquet"
    if candidates.is_file():
        frame = _only_candidates(frame, pl.read_parquet(candidates))
    path = folder / "picks" / f"part-{blocks.start:06d}.parquet"
    write_parquet(path, frame)
    return _Written(path, frame.height, frame["user_id"].n_unique())


def _probabilities(policy: Policy, scorer: LinearScorer | BetaScores, contexts: F64) -> F64:
    if isinstance(scorer, LinearScorer):
        return policy.probabilities(scorer.moments(contexts))
    shared = policy.probabilities(scorer)  # (1, k)
    return np.broadcast_to(shared, (len(contexts), shared.shape[1]))


def _picks(chooser: Chooser, user_ids: pl.Series, arms: npt.NDArray[np.uint8], weights: U16) -> pl.DataFrame:
    users, titles = np.indices(arms.shape, dtype=np.uint32)
    title_ids = pl.Enum(chooser.catalogue.title_ids)
    return pl.DataFrame(
        {
            "user_id": user_ids.gather(users.ravel()),
            "title_id": pl.Series(titles.ravel()).cat.to(title_ids),
            "arm": arms.ravel(),
            "weight": weights.ravel(),
        }
    ).with_columns(policy=pl.lit(chooser.policies[0].name, dtype=pl.Enum([chooser.policies[0].name])))


def _only_candidates(frame: pl.DataFrame, candidates: pl.DataFrame) -> pl.DataFrame:
    wanted = candidates.explode("title_ids").select(
        "user_id", title_id=pl.col("title_ids").cast(frame["title_id"].dtype)
    )
    return frame.join(wanted.drop_nulls(), on=["user_id", "title_id"], how="semi", maintain_order="left")
