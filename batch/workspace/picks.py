"""The picks of a generation, as its files hold them: the one reader, whatever their layout."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import I64, U64
from bandit.errors import InputError, RowError
from bandit.hashing import absorb_users, hash_ids, hash_pairs
from bandit.snapshot import Splits, decode_row, id64, threshold64, title_base
from batch.workspace.catalogue import Catalogue
from batch.workspace.files import read_parquet
from batch.workspace.generations import (
    CANDIDATES,
    CATALOGUE,
    Manifest,
    finished,
    folder_of,
    picks_names,
    read_manifest,
    verified_file,
)
from batch.workspace.kept_users import KeptUsers
from batch.workspace.row_files import Packing, PickTable, RowFile, pack, read_row_file
from batch.workspace.workspace import Workspace

SUFFIX: Final = ".rows"
_PART: Final = "part-"
_USERS_A_BLOCK: Final = 256
"""Of the folders of Parquet files that releases until November 2026 wrote: the number of a file counts such blocks."""


@dataclass(frozen=True)
class RecordedPick:
    """What was drawn for a user and a title in a generation, under which policy, with what weight."""

    generation: int
    policy: str
    artwork_id: str
    arm: int
    weight: int
    propensity: float


def packing_of(manifest: Manifest) -> Packing:
    """How the rows of a generation are packed."""
    return Packing(manifest.generation, manifest.identity, CANDIDATES in manifest.checksums, manifest.row_format)


def row_file_path(folder: Path, first: int) -> Path:
    """The file of the shard of a generation that starts with the user at a place."""
    return folder / "picks" / f"{_PART}{first:010d}{SUFFIX}"


class _Part(NamedTuple):
    """The name of a file of picks, and the places of the first of its users and of the first after them."""

    name: str
    first: int
    stop: int


class RecordedPicks:
    """The picks of a precomputed generation. Each file is compared with its checksum when it is first read.

    Raises:
        InputError: the manifest names a file that is none of picks; or, from any method, a file is missing or has changed.
    """

    def __init__(self, workspace: Workspace, manifest: Manifest) -> None:
        self._workspace, self._manifest = workspace, manifest
        self._users = KeptUsers(workspace, manifest)
        self.packing = packing_of(manifest)
        names = picks_names(manifest)
        firsts = [_first_user(Path(name)) for name in names]
        stops = [*firsts[1:], self._users.count]
        self._parts = [_Part(*part) for part in zip(names, firsts, stops, strict=True)]
        self._path = lru_cache(maxsize=None)(partial(verified_file, workspace, manifest))

    def __iter__(self) -> Iterator[RowFile]:
        """The rows of each shard, in user order."""
        return map(self._read, self._parts)

    def __len__(self) -> int:
        """The number of files."""
        return len(self._parts)

    def files(self, numbers: Iterable[int]) -> Iterator[RowFile]:
        """The rows of some shards, by their places among all."""
        return (self._read(self._parts[number]) for number in numbers)

    def tables(self, places: I64 | None = None, rows_a_table: int = 1 << 32) -> Iterator[PickTable]:
        """The picks of the users at some places, ascending, or of all: tables of so many rows at most, each of one file."""
        for part in self._parts:
            own = (
                None
                if places is None
                else places[np.searchsorted(places, part.first) : np.searchsorted(places, part.stop)]
            )
            if own is not None and not len(own):
                continue
            file = self._read(part)
            rows = np.arange(len(file.places)) if own is None else np.flatnonzero(np.isin(file.places, own))
            for first in range(0, max(len(rows), 1), rows_a_table):
                yield self._with_variants(file.picks(self.packing, rows[first : first + rows_a_table]))

    def _with_variants(self, table: PickTable) -> PickTable:
        """Picks with the places of their variants, also where their rows are by title."""
        if not table.by_title.any():
            return table
        config = self._manifest.config
        if int(table.variants[table.by_title].max()) >= len(config.splits):
            raise self._changed(Path("picks"), f"a row names split {table.variants.max()} of {len(config.splits)}")
        own, places = np.unique(table.users, return_inverse=True)
        states = absorb_users(title_base(config.seed, config.salt), hash_ids(self._users.ids().gather(own).to_list()))
        hashed = hash_pairs(states[places], self._titles_hashed[table.titles])
        thresholds = np.array([threshold64(share) for share in config.splits], dtype=np.uint64)
        is_second = hashed < thresholds[np.where(table.by_title, table.variants, 0)]
        return table._replace(variants=np.where(table.by_title, is_second, table.variants).astype(np.uint8))

    def frame(self) -> pl.DataFrame:
        """All picks by user and title: ``user_id``, ``title_id``, ``arm``, ``weight`` and ``policy``."""
        ids, titles = self._users.ids(), pl.Series(self._titles, dtype=pl.String)
        names = pl.Series(self._manifest.config.names, dtype=pl.String)
        frames = [
            pl.DataFrame(
                {
                    "user_id": ids.gather(table.users),
                    "title_id": titles.gather(table.titles),
                    "arm": table.arms,
                    "weight": table.weights,
                    "policy": names.gather(table.variants),
                }
            )
            for table in self.tables()
        ]
        return pl.concat(frames)

    def row(self, user_id: str) -> bytes | None:
        """The row of a user; None where they have none."""
        place = self._users.place(user_id)
        part = None if place is None else next((part for part in self._parts if part.first <= place < part.stop), None)
        if place is None or part is None:
            return None
        rows = self._read(part)
        row = rows.row_of(place)
        return None if row is None else rows.record(row)[1]

    def _read(self, part: _Part) -> RowFile:
        path = self._path(part.name)
        if path.suffix != SUFFIX:
            return self._packed(path, part)
        rows = read_row_file(path)
        if len(rows.places):  # the manifest says how all are read: were it another one's, they would be misread
            user_id, raw = rows.record(0)
            try:
                decode_row(raw, user_id, self._manifest.generation, self._manifest.identity)
            except RowError as error:
                raise self._changed(path, str(error)) from error
        return rows

    def _changed(self, path: Path, why: str) -> InputError:
        return InputError(
            f"{path} holds picks of other settings than its manifest.json says ({why}); generations never change: run"
            " `artwork train` for a new one"
        )

    def _packed(self, path: Path, part: _Part) -> RowFile:
        """A Parquet file of an earlier release, packed."""
        frame = read_parquet(path)
        users = frame["user_id"].cast(pl.String)
        is_first = (users != users.shift(1)).fill_null(value=True).to_numpy()
        starts = np.flatnonzero(is_first)
        own = users.gather(starts)
        places = own.cast(pl.Enum(self._users.ids(part.first, part.stop - part.first))).to_physical().to_numpy()
        names = pl.Enum(self._manifest.config.names)
        variants = frame["policy"].gather(starts).cast(pl.String).cast(names).to_physical().to_numpy()
        titles = frame["title_id"].cast(pl.String).cast(pl.Enum(self._titles)).to_physical().to_numpy()
        arms, weights, form = frame["arm"].to_numpy().copy(), frame["weight"].to_numpy().copy(), self.packing.form
        if arms.max(initial=0) >= form.most_arms or weights.max(initial=0) > form.total:
            raise self._changed(path, f"an arm is {arms.max(initial=0)}, a weight {weights.max(initial=0)}")
        return pack(
            self.packing,
            part.first,
            own.to_list(),
            part.first + places.astype(np.int64),
            variants.astype(np.uint8),
            np.diff([*starts.tolist(), frame.height]),
            arms,
            weights,
            titles.astype(np.uint16) if self.packing.is_shortlist else np.empty(0, dtype=np.uint16),
        )

    @cached_property
    def _titles_hashed(self) -> U64:
        return hash_ids(self._titles)

    @cached_property
    def _titles(self) -> list[str]:
        return Catalogue.read(folder_of(self._workspace, self._manifest.generation) / CATALOGUE).title_ids


def recorded_pick(workspace: Workspace, generation: int, user_id: str, title_id: str) -> RecordedPick | None:
    """The pick in a generation's files; None where the user or the title was not in it.

    Raises:
        InputError: there is no such generation, or its files have changed.
    """
    manifest = read_manifest(workspace, generation)
    raw = RecordedPicks(workspace, manifest).row(user_id)
    catalogue = Catalogue.read(folder_of(workspace, generation) / CATALOGUE)
    if raw is None or title_id not in catalogue.title_ids:
        return None
    try:
        row = decode_row(raw, user_id, generation, manifest.identity)
    except RowError as error:
        raise InputError(
            f"the files of generation {generation} hold a row of user {user_id} that cannot be read: {error}"
        ) from error
    title = catalogue.title_ids.index(title_id)
    pick = row.pick(title)
    if pick is None:
        return None
    artwork = catalogue.frame["artwork_id"][int(catalogue.starts[title]) + pick.arm]
    place, config = row.variant, manifest.config
    if row.by_title:
        splits = Splits.of(config.seed, config.salt, config.splits)
        place = splits.variant(row.variant, splits.user_state(user_id), id64(title_id))
    policy = config.names[place]
    return RecordedPick(generation, policy, artwork, pick.arm, pick.weight, pick.weight / row.total)


def recorded_picks(workspace: Workspace, user_id: str, title_id: str, most: int) -> list[RecordedPick]:
    """The picks of the last ``most`` generations that have any and are as they were made, the newest first."""
    picks = []
    for number in reversed(finished(workspace, "precomputed")[-most:]):
        with suppress(InputError):  # it is told to whoever asks for that generation
            picks.append(recorded_pick(workspace, number, user_id, title_id))
    return [pick for pick in picks if pick is not None]


def _first_user(path: Path) -> int:
    number = path.stem.removeprefix(_PART)
    if path.suffix not in (SUFFIX, ".parquet") or not (number.isascii() and number.isdigit()):
        raise InputError(
            f"{path} is no file of picks; expected {_PART}<number>{SUFFIX}, or of earlier releases .parquet"
        )
    return int(number) if path.suffix == SUFFIX else int(number) * _USERS_A_BLOCK
