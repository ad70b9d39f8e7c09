"""Evidence on disk: one file per day and kind, each with the digest of what it was made from."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import polars as pl

from bandit.errors import InputError
from bandit.files import replace_file
from batch.workspace.files import reading

_ROW_GROUP = 16_384  # rows: a shard of titles reads the groups that hold its artworks, and no others


Arrays = dict[str, Any]
"""What a file of sums holds, by name."""


def load_sums(path: Path, digest: str, names: Sequence[str] | None = None) -> Arrays | None:
    """The arrays of a file, or those of some names; None if it is not there or was made from something else.

    Raises:
        InputError: the file is damaged.
    """
    if not path.is_file():
        return None
    # Opened here, because np.load leaves a damaged archive open.
    with _made_again(path), path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        if str(file["source"]) != digest:
            return None
        return {name: file[name] for name in (file.files if names is None else names) if name != "source"}


def source_of(path: Path) -> str:
    """What a file of sums was made from; empty where there is none.

    Raises:
        InputError: the file is damaged.
    """
    if not path.is_file():
        return ""
    with _made_again(path), path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        return str(file["source"])


def write_sums(path: Path, arrays: Arrays, digest: str) -> None:
    """Write arrays and what they were made from."""
    with replace_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, source=digest, **arrays)


def has_rows(path: Path, digest: str) -> bool:
    """Whether a file of rows is there and was made from this.

    Raises:
        InputError: the file is damaged.
    """
    if not path.is_file():
        return False
    with _made_again(path), reading(path):
        return pl.read_parquet_metadata(path).get("source") == digest


def write_rows(path: Path, frame: pl.DataFrame, digest: str) -> None:
    """Write rows by (artwork, event), and what they were made from."""
    with replace_file(path) as temporary:
        frame.write_parquet(temporary, metadata={"source": digest}, row_group_size=_ROW_GROUP, statistics=True)


def read_rows(path: Path, wanted: pl.Expr) -> pl.DataFrame:
    """The rows of a file that are wanted.

    Raises:
        InputError: the file is damaged.
    """
    with _made_again(path), reading(path):
        return pl.scan_parquet(path).filter(wanted).collect()


@contextmanager
def _made_again(path: Path) -> Iterator[None]:
    """Say of a damaged file that it can be deleted."""
    try:
        yield
    except (InputError, ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read ({error}); delete it, it is made again from the impressions"
        ) from error
