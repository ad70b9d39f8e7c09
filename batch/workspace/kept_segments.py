"""The segments of a generation as its files hold them: rules and contexts once it is trained, weights once it has picks."""

from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import F64, U16
from bandit.snapshot import Segment, Signals
from batch.workspace.files import read_parquet
from batch.workspace.generations import SEGMENT_WEIGHTS, SEGMENTS, Manifest, folder_of
from batch.workspace.tables import context_matrix
from batch.workspace.workspace import Workspace

WEIGHTS: Final = pl.List(pl.UInt16)


class KeptSegments(NamedTuple):
    """Segments in the order in which they are tried; ``frame`` has ``name``, rule, ``users`` and ``context`` of each."""

    frame: pl.DataFrame

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Their names and rules."""
        rules = self.frame.select(Signals._fields).rows()
        return tuple(Segment(name, Signals(*rule)) for name, rule in zip(self.frame["name"], rules, strict=True))

    @property
    def contexts(self) -> F64:
        """Their contexts, (s, d)."""
        return context_matrix(self.frame).astype(np.float64)


def read_segments(workspace: Workspace, manifest: Manifest) -> KeptSegments | None:
    """The segments of a trained generation; None where it has none."""
    if SEGMENTS not in manifest.checksums:
        return None
    return KeptSegments(read_parquet(folder_of(workspace, manifest.generation) / SEGMENTS))


def read_segment_weights(workspace: Workspace, manifest: Manifest) -> U16 | None:
    """The weight of every artwork of the catalogue for each segment of a precomputed generation, (s, a)."""
    if SEGMENT_WEIGHTS not in manifest.checksums:
        return None
    frame = read_parquet(folder_of(workspace, manifest.generation) / SEGMENT_WEIGHTS)
    return frame["weights"].explode().to_numpy().reshape(frame.height, -1)


def weights_frame(names: list[str], weights: U16) -> pl.DataFrame:
    """What ``read_segment_weights`` reads."""
    return pl.DataFrame(
        {"name": names, "weights": pl.Series(weights, dtype=pl.Array(pl.UInt16, weights.shape[1])).cast(WEIGHTS)}
    )
