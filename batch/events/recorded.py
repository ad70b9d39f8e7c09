"""A generation's files, as the join asks them: who and what is in it, what was picked, and with which weights."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import F64, I64, U32, U64
from bandit.hashing import hash_ids, hash_pairs, hash_users
from bandit.snapshot import FALLBACK
from batch.choosing.chooser import USERS_A_BLOCK, Chooser
from batch.workspace.catalogue import Catalogue
from batch.workspace.files import read_parquet, reading
from batch.workspace.generations import CATALOGUE, CONTEXTS, folder_of, picks_files, read_manifest
from batch.workspace.workspace import Workspace

_PART: Final = "part-"
_BEYOND: Final = (1 << 63) - 1


class Found(NamedTuple):
    """Where m impressions stand in a generation, -1 where they do not; ``picked`` and ``weight`` are those of their pick."""

    title: I64
    arm: I64
    user: I64
    picked: I64
    weight: I64
    policy: pl.Series


class RecordedGeneration:
    """A precomputed generation whose files are as they were made; titles, arms and users are places in its own order.

    ``weights`` are those of the fallback, (t, K) with K the largest title and 0 beyond a title's artworks; ``sizes`` (t,) counts
    the artworks; ``defaults`` (t,) are arms. ``total`` is what the weights of a pick's artworks add up to.
    """

    def __init__(self, workspace: Workspace, generation: int) -> None:
        self._workspace, self._number = workspace, generation
        self._folder = folder_of(workspace, generation)
        self._manifest = read_manifest(workspace, generation)
        self.total = self._manifest.row_format.total
        self._catalogue = Catalogue.read(self._folder / CATALOGUE)
        users = read_parquet(self._folder / CONTEXTS, columns=["user_id", "context"])
        self._users = users["user_id"]
        self.contexts = users["context"]
        self.sizes: I64 = np.diff(self._catalogue.starts)
        self.there = np.arange(self.sizes.max()) < self.sizes[:, None]  # (t, K)
        self.weights = self._by_title("popularity_weight")
        self.defaults: I64 = self._by_title("is_default").argmax(axis=1)

    def _by_title(self, column: str) -> I64:
        values = np.zeros(self.there.shape, dtype=np.int64)
        values[self.there] = self._catalogue.frame[column].to_numpy()
        return values

    def arms(self, title: int, artwork_ids: Iterable[str]) -> tuple[int, ...]:
        """The places of artworks in a title, ascending, of those that are in it."""
        rows = self._catalogue.arms(title)
        own = self._catalogue.frame["artwork_id"][int(rows[0]) : int(rows[-1]) + 1].to_list()
        return tuple(sorted(own.index(artwork_id) for artwork_id in set(artwork_ids).intersection(own)))

    def look_up(self, rows: pl.DataFrame) -> Found:
        """Where users, titles and artworks (m,) stand, and what was picked for them."""
        titles = pl.Series("title_id", self._catalogue.title_ids, dtype=pl.String).to_frame().with_row_index("title")
        artworks = self._catalogue.keys().select("title_id", "artwork_id", "arm")
        users = self._users.to_frame().with_row_index("user")
        users = users.join(rows.select("user_id").unique(), on="user_id", how="semi", maintain_order="left")
        users = users.with_row_index("own")
        frame = (
            rows.select("user_id", "title_id", "artwork_id")
            .join(titles, on="title_id", how="left", maintain_order="left")
            .join(artworks, on=["title_id", "artwork_id"], how="left", maintain_order="left")
            .join(users, on="user_id", how="left", maintain_order="left")
        )
        title, arm, user, own = (
            frame[name].cast(pl.Int64).fill_null(-1).to_numpy() for name in ("title", "arm", "user", "own")
        )
        keys, picks = self._picks(users)
        wanted = own * len(self.sizes) + title
        place = np.searchsorted(keys, wanted)
        has_pick = (own >= 0) & (title >= 0) & (keys[place] == wanted)
        columns = picks[place].select(pl.when(pl.Series(has_pick)).then(pl.all()))
        picked, weight = (columns[name].cast(pl.Int64).fill_null(-1).to_numpy() for name in ("arm", "weight"))
        return Found(title, arm, user, picked, weight, columns["policy"])

    def _picks(self, users: pl.DataFrame) -> tuple[I64, pl.DataFrame]:
        """The picks of some users: ascending keys own * t + title (n,), the last one beyond all; arm, weight and policy."""
        # Found by their place among all: a table of millions to join with takes six times as long.
        own, titles = pl.Enum(users["user_id"]), pl.Enum(self._catalogue.title_ids)
        schema = {"key": pl.Int64, "arm": pl.UInt8, "weight": pl.UInt16, "policy": pl.String}
        frames = [pl.DataFrame({"key": [_BEYOND], "arm": [None], "weight": [None], "policy": [None]}, schema=schema)]
        with reading(self._folder / "picks"):
            for path in self._files_of(users["user"].to_list()):
                frame = (
                    pl.read_parquet(path).with_columns(pl.col("user_id").cast(own, strict=False)).drop_nulls("user_id")
                )
                user = pl.col("user_id").to_physical().cast(pl.Int64)
                title = pl.col("title_id").cast(titles).to_physical().cast(pl.Int64)
                policy = pl.col("policy").cast(pl.String)
                frames.append(
                    frame.select(user * len(self.sizes) + title, "arm", "weight", policy).rename({"user_id": "key"})
                )
        picks = pl.concat(frames).sort("key")
        return picks["key"].to_numpy(), picks.drop("key")

    def _files_of(self, users: list[int]) -> list[Path]:
        """The files that hold the picks of some users, ascending: each is named after the first block of users in it."""
        files = self._picks_files
        starts = [int(path.stem.removeprefix(_PART)) * USERS_A_BLOCK for path in files]
        places = np.searchsorted(starts, users, side="right") - 1
        return [files[place] for place in np.unique(places).tolist()]

    @cached_property
    def _picks_files(self) -> list[Path]:
        return picks_files(self._workspace, self._manifest)

    def fallback_hashes(self, users: I64, titles: I64) -> U64:
        """The pinned random number of the fallback's draw for each user and title, (m,)."""
        own, places = np.unique(users, return_inverse=True)
        words = hash_ids(self._users.gather(own).to_list())
        states = hash_users(FALLBACK, self._manifest.config.seed, self._number, words)
        return hash_pairs(states[places], self._titles_hashed[titles])

    @cached_property
    def _titles_hashed(self) -> U64:
        return hash_ids(self._catalogue.title_ids)

    @cached_property
    def _chooser(self) -> Chooser:
        return Chooser(self._workspace, self._number)

    def pick_weights(self, users: I64, titles: I64) -> I64:
        """The weights that the pick of each user and title was drawn with, (m, K), computed again.

        Users are scored by whole blocks, as they were when the picks were drawn: the sums in a product depend on its shape.
        """
        out = np.zeros((len(users), self.there.shape[1]), dtype=np.int64)
        blocks = users // USERS_A_BLOCK
        for block in np.unique(blocks).tolist():
            rows = np.flatnonzero(blocks == block)
            first = block * USERS_A_BLOCK
            count = min(USERS_A_BLOCK, self._users.len() - first)
            contexts: F64 = self._chooser.padded_contexts(first, count)
            places: U32 = self._chooser.padded_places(first, count)
            for title in np.unique(titles[rows]).tolist():
                own = rows[titles[rows] == title]
                weights = self._chooser.weights(title, self._chooser.probabilities(title, contexts, places), places)
                out[own, : weights.shape[1]] = weights[users[own] - first]
        return out
