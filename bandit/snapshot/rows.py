"""One user's row: the picks of a generation, packed.

Format 2 is a header of 16 bytes (magic, format, variant, flags, generation, count, checksum), then 3 bytes per pick. Format 1,
which was written until November 2026, had its fields in another order and a checksum that knew no identity.
"""

import struct
import zlib
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

from bandit.errors import InputError, OldFormatError, RowError

ROW_MAGIC: Final = b"AB"
ROW_FORMAT: Final = 2
SHORTLIST: Final = 1
"""Flag: the picks are preceded by sorted u16 title indices instead of covering the catalogue in order."""

MAX_ROW_BYTES: Final = 8192
_HEADER: Final = struct.Struct("<2sBBHIHI")  # magic, format, variant, flags, generation, count, checksum
_PICK: Final = struct.Struct("<BH")
_CRC: Final = struct.Struct("<I")
HEADER_BYTES: Final = _HEADER.size
_SIGNED_BYTES: Final = HEADER_BYTES - _CRC.size
PICK_BYTES: Final = _PICK.size
INDEX_BYTES: Final = 2
MAX_DENSE_PICKS: Final = (MAX_ROW_BYTES - HEADER_BYTES) // PICK_BYTES
MAX_SHORTLIST_PICKS: Final = (MAX_ROW_BYTES - HEADER_BYTES) // (PICK_BYTES + INDEX_BYTES)


class Pick(NamedTuple):
    """One pick of a row: the arm, and its weight out of ``TOTAL_WEIGHT`` (never 0)."""

    arm: int
    weight: int


class Row(NamedTuple):
    """A checked row: ``variant`` indexes the generation's variants, ``indices`` are None when the row is dense."""

    variant: int
    n_picks: int
    indices: memoryview | None
    picks: memoryview

    def pick(self, title_index: int) -> Pick | None:
        """The pick of a title by its place in the catalogue, or None where the row has none."""
        place = title_index
        if self.indices is not None:
            place = bisect_left(range(self.n_picks), title_index, key=self._index)
            if place < self.n_picks and self._index(place) != title_index:
                return None
        if place >= self.n_picks:
            return None
        arm, weight = _PICK.unpack_from(self.picks, place * PICK_BYTES)
        return Pick(arm, weight) if weight else None

    def arms_and_weights(self, title_indices: Sequence[int]) -> list[tuple[int, int]]:
        """(arm, weight) of each title, the weight 0 where the row has no pick: ``pick`` for a page, at a third of the time."""
        if self.indices is not None:
            return [self.pick(title_index) or (0, 0) for title_index in title_indices]
        unpack, picks, n_picks = _PICK.unpack_from, self.picks, self.n_picks
        return [unpack(picks, PICK_BYTES * place) if place < n_picks else (0, 0) for place in title_indices]

    def _index(self, place: int) -> int:
        assert self.indices is not None
        return self.indices[2 * place] | self.indices[2 * place + 1] << 8


def encode_row(user_id: str, generation: int, identity: str, variant: int, picks: bytes, indices: bytes = b"") -> bytes:
    """One user's row: the 16-byte header, then ``indices`` (u16 little-endian, sorted), then ``picks`` (u8 arm, u16 weight).

    Without ``indices`` the row is dense: one pick per title, in catalogue order; a pick of weight 0 stands for none.

    Raises:
        InputError: the row would be longer than ``MAX_ROW_BYTES``.
    """
    count = len(picks) // PICK_BYTES
    length = HEADER_BYTES + len(indices) + len(picks)
    if length > MAX_ROW_BYTES:
        raise InputError(
            f"the row of user {user_id} has {count} picks and {length} bytes, at most {MAX_ROW_BYTES} bytes are allowed;"
            f" give candidates.parquet with at most {MAX_SHORTLIST_PICKS} titles per user"
        )
    header = _HEADER.pack(ROW_MAGIC, ROW_FORMAT, variant, SHORTLIST if indices else 0, generation, count, 0)
    body = indices + picks
    return header[:_SIGNED_BYTES] + _CRC.pack(_checksum(header, body, user_id, identity)) + body


def decode_row(raw: bytes, user_id: str, generation: int, identity: str) -> Row:
    """Check a row against who and what was asked for, and open it.

    Raises:
        OldFormatError: it is of format 1.
        RowError: with ``reason`` size, truncated, magic, format, generation or checksum. The checksum is seeded with user
            and identity, so the row of another user fails it, and that of another workspace under the same number.
    """
    if len(raw) < HEADER_BYTES:
        raise RowError("truncated", f"the row has {len(raw)} bytes, its header alone has {HEADER_BYTES}")
    magic, form, variant, flags, stated, count, checksum = _HEADER.unpack_from(raw)
    if magic != ROW_MAGIC:
        raise RowError("magic", f"the row starts with {magic!r}, expected {ROW_MAGIC!r}")
    if form == 1:
        raise OldFormatError("the row has format 1, which is not read any more; run `artwork publish` or `artwork run`")
    if form != ROW_FORMAT or flags > SHORTLIST:
        raise RowError("format", f"the row has format {form}, flags {flags}; this reader knows format {ROW_FORMAT}")
    if len(raw) > MAX_ROW_BYTES:
        raise RowError("size", f"the row has {len(raw)} bytes, at most {MAX_ROW_BYTES} are written")
    if stated != generation:
        raise RowError("generation", f"the row is of generation {stated}, asked for {generation}")
    indices_end = HEADER_BYTES + (count * INDEX_BYTES if flags & SHORTLIST else 0)
    if len(raw) != indices_end + count * PICK_BYTES:
        raise RowError(
            "truncated", f"the row has {len(raw)} bytes, {count} picks need {indices_end + count * PICK_BYTES}"
        )
    view = memoryview(raw)
    if checksum != _checksum(view, view[HEADER_BYTES:], user_id, identity):
        raise RowError("checksum", "the row's checksum does not fit its bytes, its user and its generation's identity")
    indices = view[HEADER_BYTES:indices_end] if flags & SHORTLIST else None
    return Row(variant, count, indices, view[indices_end:])


def _checksum(header: bytes | memoryview, body: bytes | memoryview, user_id: str, identity: str) -> int:
    seed = zlib.crc32(f"{identity}:{user_id}:".encode())
    return zlib.crc32(body, zlib.crc32(header[:_SIGNED_BYTES], seed))
