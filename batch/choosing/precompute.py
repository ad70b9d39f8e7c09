"""The second stage of a generation: one pick for every user and title, drawn with a weight that is kept."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import I64
from bandit.errors import InputError
from bandit.files import remove_temporaries
from batch.choosing.chooser import USERS_A_BLOCK, Chooser, ChooserOf, blocks_a_group
from batch.choosing.segment_weights import weigh_segments
from batch.executors import Executor, Progress
from batch.workspace.files import write_parquet
from batch.workspace.generations import (
    CANDIDATES,
    SEGMENT_WEIGHTS,
    Manifest,
    digest_of,
    folder_of,
    read_manifest,
    resolve,
    verify_files,
    write_manifest,
)
from batch.workspace.kept_segments import read_segments, weights_frame
from batch.workspace.kept_users import KeptUsers
from batch.workspace.picks import packing_of, row_file_path
from batch.workspace.row_files import pack, write_row_file
from batch.workspace.workspace import Workspace

_USERS_READ: Final = 16 * USERS_A_BLOCK
"""Whose shortlists are held at once as their file has them."""


@dataclass(frozen=True)
class Precomputed:
    """What precomputing made; ``variants`` are the labels of the live ones.

    ``previous`` is the generation whose picks stickiness keeps, None where there is none. Of the picks that a user had in it,
    of an artwork that is still there, ``kept`` are the same now and ``changed`` are not.
    """

    generation: int
    folder: Path
    variants: tuple[str, ...]
    users: int
    titles: int
    picks: int
    shards: int
    previous: int | None = None
    kept: int = 0
    changed: int = 0

    @property
    def flip_rate(self) -> float | None:
        """The share of the previous picks that are another artwork now; None where there are none."""
        had = self.kept + self.changed
        return self.changed / had if had else None


def precompute(
    workspace: Workspace, generation: int | None, executor: Executor, report: Progress, *, shard_size: int
) -> Precomputed:
    """Draw the picks of a trained generation: None takes the newest.

    Raises:
        InputError: there is no such trained generation, its files or those of the generation whose picks it keeps have changed
            or are gone, or a user has more titles than a row holds.
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
    _check_row_size(workspace, manifest)
    blocks = -(-manifest.counts["users"] // USERS_A_BLOCK)
    shard_size = _whole_groups(workspace, manifest, shard_size)
    shards = [range(start, min(start + shard_size, blocks)) for start in range(0, blocks, shard_size)]
    paths, picks, rows, kept, changed = [], 0, 0, 0, 0
    users = manifest.counts["users"]
    chooser_of = ChooserOf(workspace, number, digest_of(folder / "manifest.json"))
    made = executor.map(partial(_write_shard, chooser_of), shards)
    for shard, written in zip(shards, made, strict=True):
        paths.append(written.path)
        picks += written.picks
        rows += written.rows
        kept, changed = kept + written.kept, changed + written.changed
        report("choosing artworks", min(shard.stop * USERS_A_BLOCK, users), users)
    paths += _weigh_segments(workspace, manifest, chooser_of, executor, report)
    remove_temporaries(row_file_path(folder, 0).parent)
    made_of = {"picks": picks, "rows": rows}
    if manifest.previous is not None:
        made_of |= {"kept": kept, "changed": changed}
    write_manifest(workspace, manifest.with_files(folder, paths, stage="precomputed", **made_of))
    before = None if manifest.previous is None else manifest.previous.generation
    counts, labels = manifest.counts, tuple(variant.label for variant in manifest.config.variants)
    return Precomputed(
        number, folder, labels, counts["users"], counts["titles"], picks, len(shards), before, kept, changed
    )


def _whole_groups(workspace: Workspace, manifest: Manifest, shard_size: int) -> int:
    """As many blocks as were asked for, or the next number that parts no users of shortlists who are scored together."""
    if CANDIDATES not in manifest.checksums:
        return shard_size
    users, titles = manifest.counts["users"], manifest.counts["titles"]
    group = blocks_a_group(users, titles, KeptUsers(workspace, manifest).longest_shortlist())
    return max(1, shard_size // group) * group


def _check_row_size(workspace: Workspace, manifest: Manifest) -> None:
    form = manifest.row_format
    if CANDIDATES not in manifest.checksums:
        longest, most = manifest.counts["titles"], form.most_dense_picks
        remedy = "give candidates.parquet with a shortlist per user"
    else:
        longest = KeptUsers(workspace, manifest).longest_shortlist()
        most, remedy = form.most_shortlist_picks, "shorten the longest list"
    if longest > most:
        raise InputError(f"a user has {longest} titles, a row holds at most {most}; {remedy}")


def _weigh_segments(
    workspace: Workspace, manifest: Manifest, chooser_of: ChooserOf, executor: Executor, report: Progress
) -> list[Path]:
    """Write the weights of segments, where there are any."""
    kept = read_segments(workspace, manifest)
    if kept is None:
        return []
    users = kept.frame["users"].to_numpy()
    weights = weigh_segments(chooser_of, kept.contexts, users, manifest.counts["titles"], executor, report)
    path = folder_of(workspace, manifest.generation) / SEGMENT_WEIGHTS
    write_parquet(path, weights_frame(kept.frame["name"].to_list(), weights))
    return [path]


class _Shard(NamedTuple):
    """The file of a shard, its picks, the users who have any, and how many picks are and are not what they were before."""

    path: Path
    picks: int
    rows: int
    kept: int
    changed: int


def _write_shard(chooser_of: ChooserOf, blocks: range) -> _Shard:
    """Draw and write the picks of a shard."""
    chooser, folder = chooser_of(), folder_of(chooser_of.workspace, chooser_of.generation)
    first = blocks.start * USERS_A_BLOCK
    count = min(len(blocks) * USERS_A_BLOCK, chooser.users.count - first)
    pairs = read_pairs(chooser, first, count)
    picks = chooser.choose(first, count) if pairs is None else chooser.choose_among(first, count, *pairs)
    user_ids = chooser.users.slice(first, count)["user_id"]
    have = np.flatnonzero(picks.counts)
    rows = pack(
        packing_of(chooser.manifest),
        first,
        user_ids.gather(have).to_list(),
        first + have,
        picks.places.rows[have].astype(np.uint8),
        picks.counts[have],
        picks.arms,
        picks.weights,
        picks.titles,
        picks.places.by_title[have],
    )
    path = row_file_path(folder, first)
    write_row_file(path, rows)
    return _Shard(path, rows.n_picks, len(have), *picks.kept_and_changed.tolist())


def read_pairs(chooser: Chooser, first: int, count: int, step: int = _USERS_READ) -> tuple[I64, I64] | None:
    """Who of some users may be shown which title, by user and title, (m,) each: places among these users and all titles.

    None where nobody has a shortlist. Shortlists of ``step`` users are held at once: the ids of their titles take several times
    what the places do.
    """
    title_ids = chooser.catalogue.title_ids
    titles, n_titles, keys = pl.Enum(title_ids), max(1, len(title_ids)), []
    for cut in range(0, count, step):
        own = first + cut, min(step, count - cut)
        candidates = chooser.users.candidates(*own)
        if candidates is None:
            return None
        users = pl.DataFrame({"user_id": chooser.users.slice(*own)["user_id"]}).with_row_index("user", offset=cut)
        lists = candidates.join(users, on="user_id").select("user", "title_ids").explode("title_ids").drop_nulls()
        places = lists.select(pl.col("user").cast(pl.Int64), pl.col("title_ids").cast(titles).to_physical())
        key = places["user"].to_numpy() * n_titles + places["title_ids"].to_numpy()
        key.sort()
        keys.append(key[np.diff(key, prepend=-1) > 0])  # a title that a list names twice is one
    return np.divmod(np.concatenate(keys), n_titles)
