"""The catalogue of a generation: titles and artworks in the order that rows, posteriors and picks follow."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from bandit.arrays import I64
from batch.workspace.files import read_parquet
from batch.workspace.tables import Tables

_NAMES = ("title_id", "artwork_id", "is_default")


@dataclass(frozen=True, eq=False)
class Catalogue:
    """``frame`` has one row per artwork (title_id, artwork_id, is_default, ...), sorted; an arm is a place in its title."""

    frame: pl.DataFrame

    @classmethod
    def of(cls, tables: Tables) -> Self:
        """The catalogue of checked tables."""
        return cls(tables.artworks.select(_NAMES))

    @classmethod
    def read(cls, path: Path) -> Self:
        """The catalogue that a generation was made for."""
        return cls(read_parquet(path))

    @cached_property
    def title_ids(self) -> list[str]:
        """Titles in catalogue order, (t,)."""
        return self.frame["title_id"].unique(maintain_order=True).to_list()

    @cached_property
    def starts(self) -> I64:
        """First artwork of each title, and the number of artworks at the end, (t + 1,)."""
        counts = self.frame.group_by("title_id", maintain_order=True).len()["len"].to_numpy()
        return np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))

    @cached_property
    def titles(self) -> I64:
        """Title of each artwork as an index, (a,)."""
        return np.repeat(np.arange(len(self.title_ids)), np.diff(self.starts))

    @cached_property
    def digest(self) -> str:
        """Digest of the ids in their order: evidence by catalogue row is valid for this digest only."""
        ids = "\n".join((self.frame["title_id"] + ":" + self.frame["artwork_id"]).to_list())
        return blake2b(ids.encode(), digest_size=16).hexdigest()

    @property
    def n_artworks(self) -> int:
        """Number of artworks a."""
        return self.frame.height

    @property
    def id_bytes(self) -> int:
        """Characters of all artworks' ids together."""
        return int(self.frame["artwork_id"].str.len_bytes().sum())

    def arms(self, title: int) -> I64:
        """Catalogue rows of a title's artworks, (k,)."""
        return np.arange(self.starts[title], self.starts[title + 1])

    def keys(self) -> pl.DataFrame:
        """(title_id, artwork_id, artwork_index, arm) to join impressions with."""
        return self.frame.select(
            "title_id",
            "artwork_id",
            artwork_index=pl.int_range(pl.len(), dtype=pl.Int64),
            arm=pl.int_range(pl.len(), dtype=pl.Int64)
            .over("title_id")
            .cast(pl.UInt8),  # 256 arms do not fit a count of u8
        )
