"""The users of a generation, as its files hold them: read by slices, so that a million of them need no more memory than some."""

from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from bandit.arrays import F64, I64, Bool
from batch.workspace.files import reading
from batch.workspace.generations import CANDIDATES, CONTEXTS, Manifest, folder_of
from batch.workspace.tables import context_matrix
from batch.workspace.workspace import Workspace

ROW_GROUP: Final = 16_384
"""Users of a row group in the files that are read by slices: a slice reads the groups that it touches, whole."""

_SLICES_KEPT: Final = 2


class KeptUsers:
    """Contexts and candidates of the users of a generation, in its order; a place is that of a user in it."""

    def __init__(self, workspace: Workspace, manifest: Manifest) -> None:
        self._folder = folder_of(workspace, manifest.generation)
        self._has_candidates = CANDIDATES in manifest.checksums
        self.count = manifest.counts["users"]
        self.slice = lru_cache(maxsize=_SLICES_KEPT)(self._slice)

    def _slice(self, first: int, count: int) -> pl.DataFrame:
        """``user_id`` and ``context`` of users from a place on."""
        return self._collect(CONTEXTS, self._scan(CONTEXTS).select("user_id", "context").slice(first, count))

    def ids(self, first: int = 0, count: int | None = None) -> pl.Series:
        """The ids of users from a place on; of all, without arguments."""
        return self._collect(CONTEXTS, self._scan(CONTEXTS).select("user_id").slice(first, count))["user_id"]

    def contexts(self, first: int, count: int) -> F64:
        """The contexts of users from a place on, (n, d)."""
        return context_matrix(self.slice(first, count)).astype(np.float64)

    def contexts_at(self, places: I64) -> F64:
        """The contexts of the users at some places, in any order, (n, d)."""
        wanted = pl.LazyFrame({"place": places}, schema={"place": pl.UInt32})
        known = self._scan(CONTEXTS).select("user_id", "context").with_row_index("place")
        own = self._collect(CONTEXTS, known.join(wanted, on="place", how="semi"))
        return context_matrix(wanted.collect().join(own, on="place", how="left", maintain_order="left")).astype(
            np.float64
        )

    @cached_property
    def constant(self) -> Bool:
        """Which numbers of a context are 1 for everybody, (d,)."""
        blocks = range(0, self.count, ROW_GROUP)
        return np.asarray(
            np.vstack([(self.contexts(first, ROW_GROUP) == 1).all(axis=0) for first in blocks]).all(axis=0)
        )

    def place(self, user_id: str) -> int | None:
        """The place of a user; None where the generation does not know them."""
        places = self.places(pl.Series("user_id", [user_id], dtype=pl.String))
        return None if places[0] is None else int(places[0])

    def places(self, user_ids: pl.Series) -> pl.Series:
        """The places of users, null where the generation does not know them."""
        wanted = pl.DataFrame({"user_id": user_ids.cast(pl.String)})
        known = self._scan(CONTEXTS).select("user_id").with_row_index("place")
        own = self._collect(CONTEXTS, known.join(wanted.lazy().unique(), on="user_id", how="semi"))
        return wanted.join(own, on="user_id", how="left", maintain_order="left")["place"].cast(pl.Int64)

    def most_active(self, most: int) -> list[str]:
        """The ids of the users with the most sessions, at most so many, the most active first."""
        active = (
            self._scan(CONTEXTS)
            .select("user_id", "sessions")
            .top_k(most, by=["sessions", "user_id"], reverse=[False, True])
        )
        return (
            self._collect(CONTEXTS, active).sort(["sessions", "user_id"], descending=[True, False])["user_id"].to_list()
        )

    def candidates(self, first: int, count: int) -> pl.DataFrame | None:
        """``user_id`` and ``title_ids`` of those users from a place on who have a shortlist; None where nobody has any."""
        if not self._has_candidates:
            return None
        ids = self.slice(first, count)["user_id"]
        own = self._scan(CANDIDATES).filter(pl.col("user_id").is_between(pl.lit(ids[0]), pl.lit(ids[-1])))
        return self._collect(CANDIDATES, own)

    def longest_shortlist(self) -> int:
        """The most titles that a user has."""
        longest = self._scan(CANDIDATES).select(pl.col("title_ids").list.len().max())
        return int(self._collect(CANDIDATES, longest).item() or 0)

    def _scan(self, name: str) -> pl.LazyFrame:
        return pl.scan_parquet(self._folder / name, hive_partitioning=False)

    def _collect(self, name: str, frame: pl.LazyFrame) -> pl.DataFrame:
        with reading(Path(self._folder / name)):
            return frame.collect(engine="streaming")
