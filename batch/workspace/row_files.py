"""Files of packed rows: what a shard of users is published as, byte for byte, and what is read of it afterwards.

All numbers are little-endian. A file has

- 8 bytes ``ARTROWS1``;
- four u64: the place of the shard's first user among the users of the generation, the number of rows n, of picks, and of bytes in
  the records;
- n u32: the places of the users who have a row, ascending;
- n u16: the length of each row;
- n u8: the length of each user id;
- n records ``user_id, row``, one after the other. The row is that of ``bandit.snapshot.encode_row``.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit import snapshot
from bandit.arrays import I64, U8, U16, U32, Bool
from bandit.errors import InputError, SurroundingsError
from bandit.files import replace_file
from bandit.kernels.packing import MOST_MOVES, checksum_tables, pack_rows, unpack_rows

MAGIC: Final = b"ARTROWS1"
_SIZES: Final = np.dtype([("first", "<u8"), ("rows", "<u8"), ("picks", "<u8"), ("bytes", "<u8")])
_LARGEST_PICK: Final = snapshot.FORMAT_2.pick_bytes + snapshot.INDEX_BYTES
_ALIKE: Final = np.array([0, 1, 2, 4, 5, 6, 7, 8, 9])
"""Bytes of a header that all rows of a generation share: magic, format, flags but that of rows by title, generation."""
_FLAGS: Final = 4
_LIKE_HEADER: Final = np.where(_ALIKE == _FLAGS, 255 - snapshot.BY_TITLE, 255).astype(np.uint8)
_NO_TITLES: Final = np.empty(0, dtype=np.uint16)


class Packing(NamedTuple):
    """What the rows of a generation have in common.

    ``header`` is a row's of no picks under variant 0; ``seed`` what its checksum starts from.
    """

    generation: int
    identity: str
    is_shortlist: bool
    form: snapshot.RowFormat

    @property
    def header(self) -> U8:
        """The header of a row, without variant, count and checksum."""
        pick, title = self.form.pack([(0, 1)]), b"\0\0" if self.is_shortlist else b""
        row = snapshot.encode_row("", self.generation, self.identity, 0, pick, title, self.form)
        return np.frombuffer(bytearray(row[: snapshot.HEADER_BYTES]), dtype=np.uint8)

    @property
    def seed(self) -> np.uint32:
        """The checksum of what comes before a user's id in the seed of their row's checksum."""
        return np.uint32(zlib.crc32(f"{self.identity}:".encode()))


class PickTable(NamedTuple):
    """Picks of some users, by user and title, (m,) each: places of users and titles, arms, weights, places of the variants.

    Where ``by_title`` holds, ``variants`` as a row has them are places of splits; ``batch.workspace.picks`` finds the variants.
    """

    users: I64
    titles: U16
    arms: U8
    weights: U16
    variants: U8
    by_title: Bool


@dataclass(frozen=True, eq=False)
class RowFile:
    """The rows of a shard: ``first`` is the place of its first user; ``places``, ``row_lengths`` and ``id_lengths`` are (n,)."""

    first: int
    n_picks: int
    places: U32
    row_lengths: U16
    id_lengths: U8
    records: U8

    @cached_property
    def starts(self) -> I64:
        """Where each record starts, and where the last one ends, (n + 1,)."""
        starts = np.zeros(len(self.places) + 1, dtype=np.int64)
        np.cumsum(self.row_lengths.astype(np.int64) + self.id_lengths, out=starts[1:])
        return starts

    def record(self, row: int) -> tuple[str, bytes]:
        """The user's id and the bytes of a row."""
        start, stop, length = int(self.starts[row]), int(self.starts[row + 1]), int(self.id_lengths[row])
        return self.records[start : start + length].tobytes().decode(), self.records[start + length : stop].tobytes()

    @property
    def user_ids(self) -> list[str]:
        """The ids of the users who have a row."""
        return [self.record(row)[0] for row in range(len(self.places))]

    def row_of(self, place: int) -> int | None:
        """Which row is that of the user at a place among those of the generation; None where there is none."""
        row = int(np.searchsorted(self.places, place))
        return row if row < len(self.places) and self.places[row] == place else None

    def picks(self, packing: Packing, rows: I64 | None = None) -> PickTable:
        """The picks of some rows, ascending, or of all.

        Raises:
            InputError: a row is of another generation or format.
        """
        rows = np.arange(len(self.places)) if rows is None else rows
        begins = self.starts[rows] + self.id_lengths[rows]
        off = (self.records[begins[:, None] + _ALIKE] & _LIKE_HEADER != packing.header[_ALIKE]).any(axis=1)
        if off.any():
            raise InputError(
                f"row {int(rows[off.argmax()])} of a file of picks of generation {packing.generation} is of another generation or"
                " format; generations never change: make a new one"
            )
        counts = self._byte(begins, 10) | self._byte(begins, 11) << 8
        starts = np.cumsum(counts) - counts
        total = int(counts.sum())
        titles, weights = np.empty(total, dtype=np.uint16), np.empty(total, dtype=np.uint16)
        arms = np.empty(total, dtype=np.uint8)
        unpack_rows(
            self.records,
            begins,
            starts,
            packing.is_shortlist,
            packing.form.arm_bits,
            packing.form.pick_bytes,
            titles,
            arms,
            weights,
        )
        users = np.repeat(self.places[rows].astype(np.int64), counts)
        variants = np.repeat(self._byte(begins, 3).astype(np.uint8), counts)
        by_title = np.repeat(self._byte(begins, _FLAGS) & snapshot.BY_TITLE != 0, counts)
        return PickTable(users, titles, arms, weights, variants, by_title)

    def _byte(self, begins: I64, offset: int) -> I64:
        return self.records[begins + offset].astype(np.int64)


def pack(
    packing: Packing,
    first: int,
    user_ids: Sequence[str],
    places: npt.NDArray[np.integer],
    variants: U8,
    counts: npt.NDArray[np.integer],
    arms: U8,
    weights: U16,
    titles: U16 = _NO_TITLES,
    by_title: Bool | None = None,
) -> RowFile:
    """Pack the picks of a shard.

    Args:
        packing: of the generation.
        first: the place of the shard's first user.
        user_ids: of the n users who have a row, by place.
        places: of these users, (n,).
        variants: of these users, (n,).
        counts: picks of each of these users, (n,).
        arms: of each pick, (m,), by user and title.
        weights: of each pick, (m,).
        titles: of each pick, (m,), where users have shortlists.
        by_title: of these users, (n,), whether their picks are of two variants; ``variants`` are then places of splits.

    Raises:
        InputError: a row is longer than rows may be, or an arm or a weight is more than the format takes.
    """
    form = packing.form
    if int(arms.max(initial=0)) >= form.most_arms or int(weights.max(initial=0)) > form.total:
        raise InputError(
            f"the picks have arms up to {arms.max()} and weights up to {weights.max()}, row format {form.number} takes arms below"
            f" {form.most_arms} and weights up to {form.total}; generations never change: run `artwork train` for a new one"
        )
    ids = bytearray("".join(user_ids).encode())
    id_lengths = np.fromiter(map(len, user_ids), dtype=np.uint8, count=len(user_ids))
    starts = np.zeros(len(user_ids) + 1, dtype=np.int64)
    np.cumsum(counts, out=starts[1:])
    room = snapshot.HEADER_BYTES + (MOST_MOVES if len(titles) else 0)
    out = np.empty(len(ids) + room * len(user_ids) + _LARGEST_PICK * len(arms), dtype=np.uint8)
    lengths = np.empty(len(user_ids), dtype=np.int64)
    if len(counts) and int(np.max(counts)) > np.iinfo(np.uint16).max:
        raise _too_long(packing, user_ids, int(np.argmax(counts)), int(np.max(counts)))
    n_bytes = pack_rows(
        np.frombuffer(ids, dtype=np.uint8),
        np.cumsum(id_lengths, dtype=np.int64),
        variants,
        np.zeros_like(variants) if by_title is None else by_title.astype(np.uint8) * np.uint8(snapshot.BY_TITLE),
        starts,
        titles,
        arms,
        weights,
        packing.form.arm_bits,
        packing.form.pick_bytes,
        packing.header,
        packing.seed,
        _tables(),
        out,
        lengths,
    )
    if len(lengths) and int(lengths.max()) > snapshot.MAX_ROW_BYTES:
        raise _too_long(packing, user_ids, int(lengths.argmax()), int(counts[lengths.argmax()]))
    return RowFile(
        first, len(arms), places.astype(np.uint32), lengths.astype(np.uint16), id_lengths, out[:n_bytes].copy()
    )


def listed_rows(rows: Iterable[tuple[str, bytes]]) -> RowFile:
    """Rows that were packed one by one, (user_id, row), as those of one shard."""
    pairs = [(user_id.encode(), row) for user_id, row in rows]
    records = np.frombuffer(bytearray(b"".join(part for pair in pairs for part in pair)), dtype=np.uint8)
    id_lengths = np.array([len(user_id) for user_id, _ in pairs], dtype=np.uint8)
    row_lengths = np.array([len(row) for _, row in pairs], dtype=np.uint16)
    return RowFile(0, 0, np.arange(len(pairs), dtype=np.uint32), row_lengths, id_lengths, records)


def write_row_file(path: Path, rows: RowFile) -> None:
    """Write a file of rows, whole or not at all."""
    sizes = np.array([(rows.first, len(rows.places), rows.n_picks, len(rows.records))], dtype=_SIZES)
    with replace_file(path) as temporary, temporary.open("wb") as file:
        file.write(MAGIC + sizes.tobytes())
        for array, kind in _parts(rows):
            file.write(np.ascontiguousarray(array, dtype=kind).data)


def read_row_file(path: Path) -> RowFile:
    """Read a file of rows.

    Raises:
        InputError: it is none.
        SurroundingsError: it cannot be read.
    """
    try:
        raw = np.fromfile(path, dtype=np.uint8)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); expected a file of rows") from error
    except OSError as error:
        raise SurroundingsError(f"cannot read {path}: {error}; check the disk and the file's permissions") from error
    head = len(MAGIC) + _SIZES.itemsize
    if len(raw) < head or raw[: len(MAGIC)].tobytes() != MAGIC:
        raise InputError(f"{path} is no file of rows: it does not start with {MAGIC.decode()}; run `artwork run` again")
    first, n_rows, n_picks, n_bytes = (int(value) for value in raw[len(MAGIC) : head].view(_SIZES)[0])
    expected = head + n_rows * 7 + n_bytes
    if len(raw) != expected:
        raise InputError(
            f"{path} has {len(raw):,} bytes, expected {expected:,} for its {n_rows:,} rows; it is not whole"
        )
    cuts = [head, *(head + np.cumsum([4 * n_rows, 2 * n_rows, n_rows, n_bytes])).tolist()]
    places, row_lengths, id_lengths, records = (raw[start:stop] for start, stop in pairwise(cuts))
    rows = RowFile(
        first, n_picks, places.copy().view("<u4"), row_lengths.copy().view("<u2"), id_lengths.copy(), records
    )
    if int(rows.starts[-1]) != n_bytes:
        raise InputError(f"{path} has records of {int(rows.starts[-1]):,} bytes, expected {n_bytes:,}; it is not whole")
    return rows


def _parts(rows: RowFile) -> list[tuple[npt.NDArray[np.integer], str]]:
    return [(rows.places, "<u4"), (rows.row_lengths, "<u2"), (rows.id_lengths, "u1"), (rows.records, "u1")]


def _too_long(packing: Packing, user_ids: Sequence[str], user: int, count: int) -> InputError:
    return InputError(
        f"the row of user {user_ids[user]} has {count} picks, which is more than {snapshot.MAX_ROW_BYTES} bytes hold;"
        f" give candidates.parquet with at most {packing.form.most_shortlist_picks} titles per user"
    )


@lru_cache(maxsize=1)
def _tables() -> U32:
    return checksum_tables()
