"""How the picks of a row are packed, and what the weights of a decision add up to.

Format 2 has 3 bytes per pick: u8 arm, u16 weight; the titles of a shortlist are sorted u16 indices. Format 3 has 2 bytes per
pick, a u16 of which the low bits are the arm and the others the weight: 4 and 12, or 5 and 11, which the row's flags say. All
numbers are little-endian.

Titles of a shortlist in format 3 are coded by the gaps between them. Reading starts before the first title of the catalogue. A
byte c below 240 is a pick of the title c + 1 places further on; from 240 on it moves on by 240 · (c - 239) places, and the pick
comes later. So a gap of up to 4,080 titles takes one byte or two, titles cannot come out unsorted or twice, and the code
ends with its last pick: 120 bytes for 100 of 15,000 titles.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from bandit.errors import InputError
from bandit.snapshot.catalogue import MAX_ARMS, MAX_TITLES
from bandit.snapshot.keyed_hash import TOTAL_WEIGHT

MAX_ROW_BYTES: Final = 8192
HEADER_BYTES: Final = 16
INDEX_BYTES: Final = 2
FIVE_BITS: Final = 2
"""Flag of format 3: arms take 5 bits, not 4."""

MOST_GAP: Final = 240
"""The largest gap of one byte."""

GAP_STEPS: Final = (*range(1, MOST_GAP + 1), *(MOST_GAP * times for times in range(1, 257 - MOST_GAP)))
"""How many titles each byte of a gap code moves on."""

GAP_MOVES: Final = bytes(range(MOST_GAP, 256))
"""The bytes of a gap code that are no pick."""

_MOST_MOVES: Final = MAX_TITLES // (MOST_GAP + 1)  # where every gap needs one


PICK: Final = struct.Struct("<BH")
"""Of format 2."""


@dataclass(frozen=True)
class RowFormat:
    """How a generation's picks are packed.

    ``number`` is that in the header, ``flag`` what the flags say beside ``SHORTLIST``. ``arm_bits`` bound a title's artworks, and
    ``total`` is what the weights of a decision add up to: the propensity of a pick is its weight over it.
    """

    number: int
    arm_bits: int
    total: int
    pick_bytes: int
    flag: int = 0

    @cached_property
    def arm_mask(self) -> int:
        """The bits of the arm in a word of format 3."""
        return self.most_arms - 1

    @property
    def most_arms(self) -> int:
        """The most artworks that a title can have."""
        return 1 << self.arm_bits

    @property
    def most_dense_picks(self) -> int:
        """The most titles of a catalogue that a row can cover."""
        return (MAX_ROW_BYTES - HEADER_BYTES) // self.pick_bytes

    @property
    def most_shortlist_picks(self) -> int:
        """The most titles of a shortlist, whichever they are."""
        if self.number == FORMAT_2.number:
            return (MAX_ROW_BYTES - HEADER_BYTES) // (self.pick_bytes + INDEX_BYTES)
        return (MAX_ROW_BYTES - HEADER_BYTES - _MOST_MOVES) // (self.pick_bytes + 1)

    def pack(self, picks: Iterable[tuple[int, int]]) -> bytes:
        """(arm, weight) pairs as the bytes of a row's picks; a weight of 0 stands for no pick.

        Raises:
            InputError: an arm or a weight is out of range.
        """
        pairs = list(picks)
        for arm, weight in pairs:
            if not (0 <= arm < self.most_arms and 0 <= weight <= self.total):
                raise InputError(
                    f"a pick is of arm {arm} with weight {weight}; row format {self.number} takes arms below {self.most_arms} and"
                    f" weights up to {self.total}"
                )
        if self.number == FORMAT_2.number:
            return b"".join(PICK.pack(*pair) for pair in pairs)
        return struct.pack(f"<{len(pairs)}H", *(weight << self.arm_bits | arm for arm, weight in pairs))


FORMAT_2: Final = RowFormat(number=2, arm_bits=8, total=TOTAL_WEIGHT, pick_bytes=3)
FORMAT_3_OF_16: Final = RowFormat(number=3, arm_bits=4, total=4095, pick_bytes=2)
FORMAT_3_OF_32: Final = RowFormat(number=3, arm_bits=5, total=2047, pick_bytes=2, flag=FIVE_BITS)
ROW_FORMATS: Final = (FORMAT_3_OF_16, FORMAT_3_OF_32, FORMAT_2)
"""All that are read, the smallest first."""

_BY_TOTAL: Final = {known.total: known for known in ROW_FORMATS}


def row_format(most_arms: int) -> RowFormat:
    """The smallest format for a catalogue whose largest title has so many artworks.

    Raises:
        InputError: no format takes them.

    >>> row_format(10).total, row_format(17).total, row_format(33).total
    (4095, 2047, 65535)
    """
    for known in ROW_FORMATS:
        if 1 <= most_arms <= known.most_arms:
            return known
    raise InputError(f"the largest title has {most_arms} artworks, expected 1 to {MAX_ARMS}")


def format_of_total(total: int) -> RowFormat:
    """The format in which the weights of a decision add up to ``total``.

    Raises:
        InputError: there is none.
    """
    known = _BY_TOTAL.get(total)
    if known is None:
        raise InputError(
            f"weights that add up to {total} have no row format; expected {', '.join(map(str, _BY_TOTAL))}"
        )
    return known


def gap_code(title_indices: Iterable[int]) -> bytes:
    """The titles of a shortlist, ascending, as format 3 has them.

    Raises:
        InputError: they are not ascending.

    >>> gap_code([0, 240, 241, 1000]).hex()
    '00ef00f226'
    """
    codes, at = bytearray(), -1
    for title_index in title_indices:
        if title_index <= at:
            raise InputError(f"title {title_index} of a shortlist comes after {at}, expected ascending places")
        moves, last = divmod(title_index - at - 1, MOST_GAP)
        far, near = divmod(moves, len(GAP_MOVES))
        codes += GAP_MOVES[-1:] * far
        if near:
            codes.append(GAP_MOVES[near - 1])
        codes.append(last)
        at = title_index
    return bytes(codes)
