"""Evidence on disk: one file per day and kind, each with the digest of what it was made from."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import polars as pl

from bandit.errors import InputError
from bandit.files import replace_file
from batch.workspace.files import reading

_ROW_GROUP = 16_384  # rows: a shard of titles reads the groups that hold its artworks, and no others


def load_sums(path: Path, digest: str) -> dict[str, Any] | None:
    """The arrays of a file, or None if it is not there or was made from something else.

    Raises:
        InputError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        # Opened here, because np.load leaves a damaged archive open.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if str(file["source"]) != digest:
                return None
            return {name: file[name] for name in file.files if name != "source"}
    except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise _unreadable(path, error) from error


def write_sums(path: Path, arrays: dict[str, Any], digest: str) -> None:
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
    try:
        with reading(path):
            return pl.read_parquet_metadata(path).get("source") == digest
    except InputError as error:
        raise _unreadable(path, error) from error


def write_rows(path: Path, frame: pl.DataFrame, digest: str) -> None:
    """Write rows by (artwork, event), and what they were made from."""
    with replace_file(path) as temporary:
        frame.write_parquet(temporary, metadata={"source": digest}, row_group_size=_ROW_GROUP, statistics=True)


def read_rows(path: Path, wanted: pl.Expr) -> pl.DataFrame:
    """The rows of a file that are wanted.

    Raises:
        InputError: the file is damaged.
    """
    try:
        with reading(path):
            return pl.scan_parquet(path).filter(wanted).collect()
    except InputError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} cannot be read ({error}); delete it, it is made again from the impressions")
