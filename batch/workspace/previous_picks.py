"""What users were shown before: the picks of the generation before, as artworks of this one's catalogue.

Titles and artworks are matched by their ids, because catalogues change. A user, a title or an artwork that only one of the two
knows has no previous pick; whose pick another variant drew, or explore data, has one all the same.
"""

from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from bandit.arrays import I16, I32, I64, U8, U16, U32
from bandit.errors import InputError
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import (
    CATALOGUE,
    Manifest,
    PreviousGeneration,
    find_manifest,
    folder_of,
    read_manifest,
    verify_files,
)
from batch.workspace.kept_users import KeptUsers
from batch.workspace.picks import RecordedPicks
from batch.workspace.row_files import PickTable
from batch.workspace.workspace import Workspace

_NO_TITLES: Final[U16] = np.empty(0, dtype=np.uint16)
_NO_USERS: Final[U32] = np.empty(0, dtype=np.uint32)
_NO_ARMS: Final[U8] = np.empty(0, dtype=np.uint8)

NONE: Final = -1
"""The arm of a user who was shown nothing of a title before."""

_ROWS_A_TABLE: Final = 2048
"""Rows that are unpacked at a time: 14 bytes per pick, until they are placed in this catalogue by 5."""


class PreviousArms(NamedTuple):
    """The arms that n users were shown before, by title: those of title t are at ``starts[t]`` to before ``starts[t + 1]``.

    ``users`` are places among the n users, ``arms`` are of this generation's catalogue, (m,) each.
    """

    starts: I64
    users: U32
    arms: U8

    @classmethod
    def none(cls, n_titles: int) -> Self:
        """Nobody was shown anything."""
        return cls(np.zeros(n_titles + 1, dtype=np.int64), _NO_USERS, _NO_ARMS)

    def of(self, title: int, count: int) -> I64 | None:
        """The previous arm of a title for the first ``count`` users, and for padding behind them; None where nobody has any."""
        own = slice(int(self.starts[title]), int(self.starts[title + 1]))
        if own.start == own.stop:
            return None
        out = np.full(count, NONE, dtype=np.int64)
        out[self.users[own]] = self.arms[own]
        return out

    def at(self, users: npt.NDArray[np.integer], titles: npt.NDArray[np.integer]) -> I64:
        """The previous arm of users and titles, places (m,) each, of which -1 is nowhere: (m,)."""
        out = np.full(len(users), NONE, dtype=np.int64)
        if not len(self.users):
            return out
        most = int(self.users.max()) + 1
        keys = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts)) * most + self.users
        order = np.argsort(keys)
        is_place = (users >= 0) & (users < most) & (titles >= 0)
        wanted = np.where(is_place, titles * np.int64(most) + users, NONE)
        places = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
        found = keys[places] == wanted
        out[found] = self.arms[places[found]]
        return out


class PreviousPicks:
    """The picks that a generation follows, for users by their ids.

    Args:
        workspace: of both generations.
        previous: the one before.
        catalogue: of the one that follows.

    Raises:
        InputError: the generation before is not here any more, is another one, or its files have changed; also from ``of``.
    """

    def __init__(self, workspace: Workspace, previous: PreviousGeneration, catalogue: Catalogue) -> None:
        manifest = _same(workspace, previous)
        before = Catalogue.read(folder_of(workspace, manifest.generation) / CATALOGUE)
        self._n_titles, self._starts = len(catalogue.title_ids), before.starts
        self._titles, self._arms = _places(before, catalogue)
        self._users, self._picks = KeptUsers(workspace, manifest), RecordedPicks(workspace, manifest)

    def of(self, user_ids: pl.Series) -> PreviousArms:
        """The previous arms of some users, each named once, who are numbered as they are given."""
        places = self._users.places(user_ids)
        own = np.flatnonzero(places.is_not_null().to_numpy())
        at = places.drop_nulls().to_numpy()
        order = np.argsort(at)
        own, at = own[order], at[order]
        tables = self._picks.tables(at, rows_a_table=_ROWS_A_TABLE)
        parts = [self._matched(table, own[np.searchsorted(at, table.users)]) for table in tables]
        titles = np.concatenate([_NO_TITLES, *(part[0] for part in parts)])
        users = np.concatenate([_NO_USERS, *(part[1] for part in parts)])
        arms = np.concatenate([_NO_ARMS, *(part[2] for part in parts)])
        by_title = np.argsort(titles, kind="stable")  # of 16 bits: by digits, 10 times as fast as by comparing
        starts = np.zeros(self._n_titles + 1, dtype=np.int64)
        np.cumsum(np.bincount(titles, minlength=self._n_titles), out=starts[1:])
        return PreviousArms(starts, users[by_title], arms[by_title])

    def _matched(self, table: PickTable, users: I64) -> tuple[U16, U32, U8]:
        """Titles, users and arms of the picks whose artwork is in this catalogue."""
        arms = self._arms[self._starts[table.titles] + table.arms]
        own = arms >= 0
        titles = self._titles[table.titles[own]].astype(np.uint16)
        return titles, users[own].astype(np.uint32), arms[own].astype(np.uint8)


def previous_of(workspace: Workspace, parent: int | None) -> tuple[PreviousGeneration | None, str]:
    """The generation whose picks are kept by one that comes after ``parent``, or None and why there is none."""
    if parent is None:
        return None, "no generation comes before it"
    manifest = find_manifest(workspace, parent)
    if manifest is None or manifest.stage != "precomputed":
        return None, f"generation {parent} has no picks here"
    try:
        verify_files(workspace, manifest)
    except InputError as error:
        return None, str(error)
    return PreviousGeneration(parent, manifest.identity), ""


def _same(workspace: Workspace, previous: PreviousGeneration) -> Manifest:
    """The manifest of the generation before."""
    manifest = read_manifest(workspace, previous.generation)
    if manifest.stage != "precomputed" or manifest.identity != previous.identity:
        raise InputError(
            f"generation {previous.generation} has the identity {manifest.identity}, and the picks of {previous.identity} are to"
            " be kept: its folder is another one's; bring back the folder, or run `artwork train` for a new generation"
        )
    verify_files(workspace, manifest, but_picks=True)  # of which each is verified when it is first read
    return manifest


def _places(before: Catalogue, now: Catalogue) -> tuple[I32, I16]:
    """Where the titles (t,) and the artworks (a,) of the catalogue before stand now: place of the title, and arm; -1 nowhere."""
    titles = pl.DataFrame({"title_id": now.title_ids}).with_row_index("place")
    there = pl.DataFrame({"title_id": before.title_ids}).join(titles, on="title_id", how="left", maintain_order="left")
    arms = (
        before.frame.select("title_id", "artwork_id")
        .join(
            now.keys().select("title_id", "artwork_id", "arm"),
            on=["title_id", "artwork_id"],
            how="left",
            maintain_order="left",
        )["arm"]
        .cast(pl.Int16)
    )
    return (
        there["place"].cast(pl.Int32).fill_null(NONE).to_numpy(),
        arms.fill_null(NONE).to_numpy(),
    )
