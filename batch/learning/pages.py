"""What some rewards look at beside what the user did: the age of an artwork, and what else its user was shown that day."""

from collections.abc import Hashable
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from bandit.arrays import F64
from bandit.rewards import AGES, DIVERSITY, Reward, page_diversity, parse_reward
from batch.config import LOGGED
from batch.workspace.files import read_parquet, reading
from batch.workspace.impressions import day_files, day_folder, scan_impressions
from batch.workspace.table_schemas import INSTANT
from batch.workspace.workspace import Workspace

_ARTWORK: Final = ["title_id", "artwork_id"]
_PLACE: Final = ["user_id", *_ARTWORK]
_DAY_MICROSECONDS: Final = 86_400_000_000


def more_columns(reward: str) -> tuple[str, ...]:
    """The columns of a log that a reward reads beside ids and plays.

    >>> more_columns("take"), more_columns("weighted_sum:take=0.9,freshness=0.1")
    ((), ('shown_at',))
    """
    return ("shown_at",) if reward != LOGGED and AGES in parse_reward(reward).needs else ()


def artworks_digest(workspace: Workspace, reward: str) -> str:
    """Digest of what a reward reads of the table of artworks; empty where it reads nothing.

    Raises:
        InputError: the table cannot be read.
    """
    if reward == LOGGED or not parse_reward(reward).needs:
        return ""
    needs = parse_reward(reward).needs
    read = [column for column, need in (("theme", DIVERSITY), ("added_at", AGES)) if need in needs]
    told = _artworks(workspace).sort(_ARTWORK).with_columns(pl.col("added_at").to_physical())
    lines = "\n".join(map(repr, told.select(*_ARTWORK, *read).iter_rows()))
    return blake2b(lines.encode(), digest_size=16).hexdigest()


def beside_plays(rows: pl.DataFrame, reward: Reward, workspace: Workspace, day: date) -> dict[str, F64]:
    """What a reward needs of some impressions of a day, by the argument of ``Reward.rewards``, (m,) each.

    An artwork's age counts from its ``added_at`` to ``shown_at`` and is at least 0. A page is all that a user was shown on the
    day. Artworks that are not in the workspace's table are infinitely old, and have a theme like no other.

    Args:
        rows: with user_id, title_id, artwork_id and shown_at; some or all of the day.
        reward: that needs something.
        workspace: with artworks and impressions.
        day: whose folder the rows are from.

    Raises:
        InputError: the artworks, or the impressions of the day, cannot be read.
    """
    made: dict[str, F64] = {}
    if AGES in reward.needs:
        table = _artworks(workspace).select(*_ARTWORK, "added_at")
        shown = rows.select(pl.col(_ARTWORK).cast(pl.String), pl.col("shown_at").cast(INSTANT))
        known = shown.join(table, on=_ARTWORK, how="left", maintain_order="left")
        microseconds = (known["shown_at"] - known["added_at"]).dt.total_microseconds()
        days = np.maximum(microseconds.cast(pl.Float64).to_numpy() / _DAY_MICROSECONDS, 0.0)
        made[AGES] = np.where(np.isnan(days), np.inf, days)
    if DIVERSITY in reward.needs:
        files = day_files(workspace, day)
        stamps = tuple((path, *_stamp(path)) for path in (*files, workspace.artworks))
        places = _places(workspace, day, stamps)
        own = rows.select(pl.col(_PLACE).cast(pl.String)).join(places, on=_PLACE, how="left", maintain_order="left")
        made[DIVERSITY] = own[DIVERSITY].to_numpy()
    return made


def _artworks(workspace: Workspace) -> pl.DataFrame:
    told = read_parquet(workspace.artworks, columns=[*_ARTWORK, "theme", "added_at"])
    return told.with_columns(pl.col(*_ARTWORK, "theme").cast(pl.String), pl.col("added_at").cast(INSTANT)).unique(
        _ARTWORK, keep="first", maintain_order=True
    )


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return 0, 0  # what reads it says so
    return stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=2)  # a day is asked for block by block, and for several rewards
def _places(workspace: Workspace, day: date, stamps: Hashable) -> pl.DataFrame:  # noqa: ARG001 - of the files that are read
    """The diversity at each artwork that a day showed to a user: user_id, title_id, artwork_id and diversity."""
    with reading(day_folder(workspace, day)):
        log = scan_impressions(day_files(workspace, day))
        places = log.select(pl.col(_PLACE).cast(pl.String)).unique().sort(_PLACE).collect()
    themes = _artworks(workspace).select(*_ARTWORK, theme=pl.col("theme").rank("dense").cast(pl.Int64))
    codes = places.join(themes, on=_ARTWORK, how="left", maintain_order="left")
    users, titles, artworks = (codes[name].rank("dense").cast(pl.Int64).to_numpy() for name in _PLACE)
    diversity = page_diversity(users, titles, artworks, codes["theme"].fill_null(-1).to_numpy())
    return places.with_columns(pl.Series(DIVERSITY, diversity))
