"""One user's row: the picks of a generation, packed.

A row is a header of 16 bytes (magic, format, variant, flags, generation, count, checksum), then the titles of its picks where it
is a shortlist, then the picks, as ``bandit.snapshot.row_formats`` has them. So a row explains itself, and is read the same
whatever its generation's meta says. Format 1, which was written until November 2026, had its fields in another order and a
checksum that knew no identity.
"""

import struct
import sys
import zlib
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from bandit.errors import InputError, OldFormatError, RowError
from bandit.snapshot.catalogue import MAX_TITLES
from bandit.snapshot.row_formats import (
    FORMAT_2,
    GAP_MOVES,
    GAP_STEPS,
    HEADER_BYTES,
    INDEX_BYTES,
    MAX_ROW_BYTES,
    MOST_GAP,
    PICK,
    ROW_FORMATS,
    RowFormat,
    gap_code,
)

ROW_MAGIC: Final = b"AB"
SHORTLIST: Final = 1
"""Flag: the picks are preceded by their titles instead of covering the catalogue in order."""

BY_TITLE: Final = 4
"""Flag: the picks are of two variants, by title (``bandit.snapshot.splits``), and ``variant`` names the split of the user."""

_HEADER: Final = struct.Struct("<2sBBHIHI")  # magic, format, variant, flags, generation, count, checksum
_CRC: Final = struct.Struct("<I")
_SIGNED_BYTES: Final = HEADER_BYTES - _CRC.size
_KNOWN: Final = {
    known.number << 16 | known.flag | shortlist | by_title: (known, shortlist, bool(by_title))
    for known in ROW_FORMATS
    for shortlist in (0, SHORTLIST)
    for by_title in (0, BY_TITLE)
}
"""What format and flags of a header say: the row format, whether the row is a shortlist, and whether it is by title."""


class Pick(NamedTuple):
    """One pick of a row: the arm, and its weight out of the row's total (never 0)."""

    arm: int
    weight: int


class Row(NamedTuple):
    """A checked row: ``variant`` indexes the generation's variants, ``titles`` are None when the row is dense.

    ``titles`` are u16 indices in format 2, a gap code in format 3. Where ``by_title`` holds the picks are of two variants,
    and ``variant`` indexes the generation's splits.
    """

    variant: int
    n_picks: int
    titles: bytes | None
    picks: bytes
    row_format: RowFormat
    by_title: bool = False

    @property
    def total(self) -> int:
        """What the weights of a decision add up to: the propensity of a pick is its weight over it."""
        return self.row_format.total

    def pick(self, title_index: int) -> Pick | None:
        """The pick of a title by its place in the catalogue, or None where the row has none."""
        arm, weight = self.arm_and_weight(title_index)
        return Pick(arm, weight) if weight else None

    def arm_and_weight(self, title_index: int) -> tuple[int, int]:
        """(arm, weight) of a title, the weight 0 where the row has no pick."""
        place = title_index if self.titles is None else self._places((title_index,))[0]
        if place >= self.n_picks:
            return 0, 0
        picks, form = self.picks, self.row_format
        if form is FORMAT_2:
            return PICK.unpack_from(picks, PICK.size * place)
        word = picks[2 * place] | picks[2 * place + 1] << 8
        return word & form.arm_mask, word >> form.arm_bits

    def arms_and_weights(self, title_indices: Sequence[int]) -> list[tuple[int, int]]:
        """(arm, weight) of each title, the weight 0 where the row has no pick."""
        places = title_indices if self.titles is None else self._places(title_indices)
        picks, n_picks, form = self.picks, self.n_picks, self.row_format
        if form is FORMAT_2:
            unpack, size = PICK.unpack_from, PICK.size
            return [unpack(picks, size * place) if place < n_picks else (0, 0) for place in places]
        # As native words, which a big-endian machine has to turn: indexing bytes takes half as long again.
        words = memoryview(picks).cast("H") if sys.byteorder == "little" else struct.unpack(f"<{n_picks}H", picks)
        bits, mask = form.arm_bits, form.arm_mask
        return [((word := words[place]) & mask, word >> bits) if place < n_picks else (0, 0) for place in places]

    def _places(self, title_indices: Sequence[int]) -> list[int]:
        """Where the picks of titles stand in a shortlist; beyond all where it has none."""
        if self.row_format is FORMAT_2:
            return [self._place_by_index(title_index) for title_index in title_indices]
        if len(title_indices) == 1:
            return [self._place_by_gaps(title_indices[0])]
        assert self.titles is not None
        places: dict[int, int] = {}
        at = -1
        for code in self.titles:
            at += GAP_STEPS[code]
            if code < MOST_GAP:
                places[at] = len(places)
        if at >= MAX_TITLES:
            places = {title: place for title, place in places.items() if title < MAX_TITLES}
        return [places.get(title_index, self.n_picks) for title_index in title_indices]

    def _place_by_gaps(self, title_index: int) -> int:
        assert self.titles is not None
        at = -1
        for place, code in enumerate(self.titles):
            at += GAP_STEPS[code]
            if at >= title_index:
                if at == title_index < MAX_TITLES and code < MOST_GAP:
                    return len(self.titles[:place].translate(None, GAP_MOVES))
                break
        return self.n_picks

    def _place_by_index(self, title_index: int) -> int:
        place = bisect_left(range(self.n_picks), title_index, key=self._index)
        return place if place < self.n_picks and self._index(place) == title_index else self.n_picks

    def _index(self, place: int) -> int:
        assert self.titles is not None
        return self.titles[2 * place] | self.titles[2 * place + 1] << 8


def encode_row(
    user_id: str,
    generation: int,
    identity: str,
    variant: int,
    picks: bytes,
    indices: bytes = b"",
    row_format: RowFormat = FORMAT_2,
    *,
    by_title: bool = False,
) -> bytes:
    """One user's row: the 16-byte header, then the titles of a shortlist, then ``picks`` as ``RowFormat.pack`` packs them.

    Without ``indices`` (u16 little-endian, sorted) the row is dense: one pick per title, in catalogue order; a pick of weight 0
    stands for none. ``by_title`` marks picks of two variants; ``variant`` is then the place of the user's split.

    Raises:
        InputError: the row would be longer than ``MAX_ROW_BYTES``, or indices are not ascending.
    """
    count = len(picks) // row_format.pick_bytes
    titles = indices if row_format is FORMAT_2 else gap_code(struct.unpack(f"<{len(indices) // INDEX_BYTES}H", indices))
    length = HEADER_BYTES + len(titles) + len(picks)
    if length > MAX_ROW_BYTES:
        raise InputError(
            f"the row of user {user_id} has {count} picks and {length} bytes, at most {MAX_ROW_BYTES} bytes are allowed;"
            f" give candidates.parquet with at most {row_format.most_shortlist_picks} titles per user"
        )
    flags = row_format.flag | (SHORTLIST if indices else 0) | (BY_TITLE if by_title else 0)
    header = _HEADER.pack(ROW_MAGIC, row_format.number, variant, flags, generation, count, 0)
    body = titles + picks
    return header[:_SIGNED_BYTES] + _CRC.pack(_checksum(header, body, user_id.encode(), identity)) + body


def decode_row(raw: bytes, user_id: str | bytes, generation: int, identity: str) -> Row:
    """Check a row against who and what was asked for, and open it; the user's id may be bytes, as it stands in a URL.

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
    known = _KNOWN.get(form << 16 | flags)
    if known is None:
        raise RowError(
            "format", f"the row has format {form}, flags {flags}; this reader knows formats 2 and 3; upgrade it"
        )
    if len(raw) > MAX_ROW_BYTES:
        raise RowError("size", f"the row has {len(raw)} bytes, at most {MAX_ROW_BYTES} are written")
    if stated != generation:
        raise RowError("generation", f"the row is of generation {stated}, asked for {generation}")
    row_format, is_shortlist, by_title = known
    picks_start = len(raw) - count * row_format.pick_bytes
    titles = raw[HEADER_BYTES : max(picks_start, HEADER_BYTES)] if is_shortlist else None
    if not (_are_titles(titles, count, row_format) if titles is not None and count else picks_start == HEADER_BYTES):
        raise RowError(
            "truncated",
            f"the row has {len(raw)} bytes, which are not those of {count} picks{' and their titles' * is_shortlist}",
        )
    body = raw[HEADER_BYTES:]
    user = user_id if isinstance(user_id, bytes) else user_id.encode()
    if checksum != _checksum(raw, body, user, identity):
        raise RowError("checksum", "the row's checksum does not fit its bytes, its user and its generation's identity")
    return Row(variant, count, titles, body if titles is None else raw[picks_start:], row_format, by_title)


def _are_titles(titles: bytes, count: int, row_format: RowFormat) -> bool:
    """Whether these are the titles of a shortlist of ``count``, no more and no less."""
    if row_format is FORMAT_2:
        return len(titles) == count * INDEX_BYTES
    return len(titles.translate(None, GAP_MOVES)) == count and titles[-1] < MOST_GAP


def _checksum(header: bytes, body: bytes, user: bytes, identity: str) -> int:
    # One piece each, because a call of crc32 costs as much as a hundred bytes of it.
    return zlib.crc32(body, zlib.crc32(b"%b:%b" % (user, header[:_SIGNED_BYTES]), _seed(identity)))


@lru_cache(maxsize=16)
def _seed(identity: str) -> int:
    return zlib.crc32(f"{identity}:".encode())
