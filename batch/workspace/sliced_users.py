"""The users of a workspace by slices of their file: checked, and copied into a generation, in the memory of some of them."""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import Bool
from bandit.errors import InputError, SurroundingsError
from bandit.files import replace_file
from batch.workspace.files import reading
from batch.workspace.kept_users import ROW_GROUP
from batch.workspace.table_checks import ROW, check_frame
from batch.workspace.table_schemas import USERS
from batch.workspace.tables import context_matrix
from batch.workspace.workspace import Workspace

_ROWS: Final = 65_536
KEPT: Final = ("user_id", "context", "sessions")
"""Columns of users that a generation keeps."""


class SlicedUsers(NamedTuple):
    """Users that lie in order in their file and are as they should be.

    ``head`` is the first of them, ``constant`` (d,) says which numbers of a context are 1 for everybody, ``state`` tells the file
    from one that was written since.
    """

    path: Path
    n_users: int
    head: pl.DataFrame
    constant: Bool
    state: tuple[int, int, int]

    def scan(self) -> pl.LazyFrame:
        """All of them, as ``Tables.users`` has them."""
        users = pl.scan_parquet(self.path, hive_partitioning=False)
        there = users.collect_schema().names()
        kinds = {column.name: column.kind.target for column in USERS.columns if column.name in there}
        return users.select(pl.col(name).cast(kind) for name, kind in kinds.items())

    def copy(self, to: Path) -> None:
        """Write the columns that a generation keeps.

        Raises:
            SurroundingsError: the disk does not take it, or the file is another than was checked.
        """
        kinds = {column.name: column.kind.target for column in USERS.columns if column.name in KEPT}
        columns = [pl.col(name).cast(kinds[name]) for name in KEPT]
        with replace_file(to) as temporary, reading(self.path):
            pl.scan_parquet(self.path, hive_partitioning=False).select(columns).sink_parquet(
                temporary, row_group_size=ROW_GROUP
            )
            if _state(self.path) != self.state:
                raise SurroundingsError(f"{self.path} changed while it was read; run again once nobody writes there")


def slice_users(workspace: Workspace) -> SlicedUsers | None:
    """The users of a workspace; None where they have to be read whole.

    They have where they are not in order, where shortlists name them, and where something is wrong with them, which is told by
    whoever reads them whole.
    """
    path = workspace.users
    if workspace.candidates.exists() or workspace.candidates.is_symlink() or not path.is_file():
        return None
    try:
        return _sliced(path)
    except (InputError, SurroundingsError):
        return None


def _sliced(path: Path) -> SlicedUsers | None:
    state = _state(path)
    users = pl.scan_parquet(path, hive_partitioning=False)
    with reading(path):
        count = int(users.select(pl.len()).collect().item())
    last, head, constant = "", None, np.empty(0, dtype=np.bool_)
    for first in range(0, count, _ROWS):
        with reading(path):
            frame = users.slice(first, _ROWS).collect()
        rows = check_frame(frame, USERS, str(path)).drop(ROW)
        ids = rows["user_id"]
        if not last < ids[0] or not (ids.head(-1) < ids.tail(-1)).all():
            return None
        contexts = context_matrix(rows)
        if head is None:
            head, constant = rows.head(1), np.ones(contexts.shape[1], dtype=np.bool_)
        if contexts.shape[1] != len(constant):
            return None
        constant &= (contexts == 1).all(axis=0)
        last = ids[-1]
    return None if head is None else SlicedUsers(path, count, head, constant, state)


def _state(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
