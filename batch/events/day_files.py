"""Files of joined rows: one a day, put together from what the shards wrote, the same bytes however they were cut."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from bandit.files import replace_file
from batch.workspace.generations import digest_of

NAME: Final = "events.parquet"
_ROWS_A_GROUP: Final = 65_536


class DayParts(NamedTuple):
    """What becomes the file of a day; ``scratch`` is a path that is free: beside it the day is put together."""

    path: Path
    parts: Sequence[Path]
    scratch: Path


def write_day(day: DayParts) -> bool:
    """Put parts together in their order, unless that is what the file holds already. Memory holds a group of rows.

    Returns:
        Whether the file changed, now or when the same was done before by a process that died before it could say so.

    Raises:
        SurroundingsError: the disk does not take it.
    """
    path, parts, scratch = day
    made, is_changed = scratch.with_name(f"{token_hex(8)}-{scratch.name}"), scratch.with_suffix(".changed")

    def batches(*_pushed_down: Any) -> Iterator[pl.DataFrame]:
        yield from _groups(parts)

    schema = pl.read_parquet_schema(parts[0])
    register_io_source(batches, schema=schema, is_pure=True).sink_parquet(
        made, row_group_size=_ROWS_A_GROUP, maintain_order=True, engine="streaming"
    )
    if not (path.is_file() and path.stat().st_size == made.stat().st_size and digest_of(path) == digest_of(made)):
        is_changed.touch()
        with replace_file(path) as temporary:
            shutil.copyfile(made, temporary)
    made.unlink()
    return is_changed.exists()


def _groups(parts: Sequence[Path]) -> Iterator[pl.DataFrame]:
    """All rows, so many at a time, whatever the parts are."""
    waiting: list[pl.DataFrame] = []
    rows = 0
    for part in parts:
        frame = pl.read_parquet(part)
        while frame.height:
            taken = frame.head(_ROWS_A_GROUP - rows)
            waiting.append(taken)
            rows, frame = rows + taken.height, frame.slice(taken.height)
            if rows == _ROWS_A_GROUP:
                yield _gathered(waiting)
                waiting, rows = [], 0
    if rows:
        yield _gathered(waiting)


def _gathered(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    # Gathering lays lists out anew. As they were read, their place in a buffer would decide the bytes of their pages.
    frame = pl.concat(frames)
    return frame[np.arange(frame.height)]
