"""Rows of many users at once: packed to the bytes of ``bandit.snapshot.encode_row``, written as commands, and unpacked again.

A row format comes as ``(arm_bits, pick_bytes)``: (8, 3) is format 2, whose pick is a u8 arm and a u16 weight. In format 3 a pick
is ``weight << arm_bits | arm`` in a u16, and the titles of a shortlist are coded by their gaps (``bandit.snapshot.rows``).
"""

import numpy as np

from bandit.arrays import I64, U8, U16, U32
from bandit.kernels.jit import kernel

_HEADER = 16
_CHECKSUM = 12  # where it starts
_VARIANT, _FLAGS, _COUNT = 3, 4, 10
_LOW = np.uint32(255)
_S8 = np.uint32(8)
_NOT = np.uint32(0xFFFFFFFF)
_STAR, _DOLLAR, _CR, _LF, _COLON, _ZERO = 42, 36, 13, 10, 58, 48
_MOST_GAP = 240  # the largest gap of one byte; larger bytes move on by so many places, and by multiples
_MOVES = 16
MOST_MOVES = 65_536 // _MOST_GAP + 1
"""Bytes of a gap code that are no pick, at most: each one moves on by at least 240 of the 65,536 places that a u16 has."""


def checksum_tables() -> U32:
    """Tables of the checksum of zip files for eight bytes at a time, (8, 256): "slicing by 8" of Kounavis and Berry (2005)."""
    tables = np.zeros((8, 256), dtype=np.uint32)
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
        tables[0, byte] = value
    for table in range(1, 8):
        tables[table] = (tables[table - 1] >> 8) ^ tables[0, tables[table - 1] & 255]
    return tables


@kernel
def checksum(data: U8, start: int, stop: int, before: np.uint32, tables: U32) -> np.uint32:
    """``zlib.crc32(data[start:stop], before)``, by ``checksum_tables``."""
    value = np.uint32(before) ^ _NOT
    place = start
    while place + 8 <= stop:
        low = value ^ (
            np.uint32(data[place])
            | np.uint32(data[place + 1]) << _S8
            | np.uint32(data[place + 2]) << np.uint32(16)
            | np.uint32(data[place + 3]) << np.uint32(24)
        )
        value = (
            tables[7, low & _LOW]
            ^ tables[6, (low >> _S8) & _LOW]
            ^ tables[5, (low >> np.uint32(16)) & _LOW]
            ^ tables[4, low >> np.uint32(24)]
            ^ tables[3, data[place + 4]]
            ^ tables[2, data[place + 5]]
            ^ tables[1, data[place + 6]]
            ^ tables[0, data[place + 7]]
        )
        place += 8
    while place < stop:
        value = (value >> _S8) ^ tables[0, (value ^ np.uint32(data[place])) & _LOW]
        place += 1
    return np.uint32(value ^ _NOT)


@kernel
def pack_rows(
    ids: U8,
    id_stops: I64,
    variants: U8,
    flags: U8,
    starts: I64,
    titles: U16,
    arms: U8,
    weights: U16,
    arm_bits: int,
    pick_bytes: int,
    header: U8,
    seed: np.uint32,
    tables: U32,
    out: U8,
    lengths: I64,
) -> int:
    """Write ``user_id, row`` of n users one after the other; how many bytes that are.

    Args:
        ids: of all users, joined; ``id_stops`` (n,) are where each one ends.
        id_stops: see ``ids``.
        variants: of each user, (n,).
        flags: of each user, beside those of ``header``, (n,).
        starts: the first pick of each user and the number of picks, (n + 1,).
        titles: of each pick, (m,), ascending within a user; empty where rows are dense.
        arms: of each pick, (m,).
        weights: of each pick, (m,).
        arm_bits: of the row format.
        pick_bytes: of the row format.
        header: the 16 bytes that every row starts with, without variant, count and checksum.
        seed: the checksum of what comes before the user in the seed of a row's checksum.
        tables: ``checksum_tables``.
        out: overwritten; large enough.
        lengths: of each row, (n,); overwritten.
    """
    place, first = 0, 0
    colon = np.full(1, _COLON, dtype=np.uint8)
    for user in range(id_stops.shape[0]):
        for byte in range(first, id_stops[user]):
            out[place] = ids[byte]
            place += 1
        own = checksum(colon, 0, 1, checksum(ids, first, id_stops[user], seed, tables), tables)
        first = id_stops[user]
        row = place
        for byte in range(_HEADER):
            out[place + byte] = header[byte]
        count = starts[user + 1] - starts[user]
        out[row + _VARIANT] = variants[user]
        out[row + _FLAGS] |= flags[user]
        out[row + _COUNT], out[row + _COUNT + 1] = count & 255, count >> 8
        place += _HEADER
        if titles.shape[0]:
            place = _put_titles(titles, starts[user], starts[user + 1], pick_bytes, out, place)
        for pick in range(starts[user], starts[user + 1]):
            if pick_bytes == 3:
                out[place] = arms[pick]
                out[place + 1], out[place + 2] = weights[pick] & 255, weights[pick] >> 8
            else:
                value = int(weights[pick]) << arm_bits | int(arms[pick])
                out[place], out[place + 1] = value & 255, value >> 8
            place += pick_bytes
        own = checksum(out, row, row + _CHECKSUM, own, tables)
        own = checksum(out, row + _HEADER, place, own, tables)
        for byte in range(4):
            out[row + _CHECKSUM + byte] = own >> np.uint32(8 * byte) & _LOW
        lengths[user] = place - row
    return place


@kernel
def _put_titles(titles: U16, start: int, stop: int, pick_bytes: int, out: U8, place: int) -> int:
    """The titles of a shortlist: two bytes per title in format 2, a code of their gaps in format 3; where they end."""
    before = -1
    for pick in range(start, stop):
        title = int(titles[pick])
        if pick_bytes == 3:
            out[place], out[place + 1] = title & 255, title >> 8
            place += 2
        else:
            moves, last = (title - before - 1) // _MOST_GAP, (title - before - 1) % _MOST_GAP
            while moves > 0:
                step = min(_MOVES, moves)
                out[place] = _MOST_GAP - 1 + step
                place += 1
                moves -= step
            out[place] = last
            place += 1
        before = title
    return place


@kernel
def unpack_rows(
    records: U8,
    rows: I64,
    starts: I64,
    has_titles: bool,  # noqa: FBT001
    arm_bits: int,
    pick_bytes: int,
    titles: U16,
    arms: U8,
    weights: U16,
) -> None:
    """The picks of n rows that start at ``rows`` (n,), written from ``starts`` (n,) on; the last three are overwritten.

    Rows have been checked: what a row says of itself is believed.
    """
    for row in range(rows.shape[0]):
        place = rows[row]
        count = int(records[place + _COUNT]) | int(records[place + _COUNT + 1]) << 8
        place += _HEADER
        before = -1
        for pick in range(starts[row], starts[row] + count):
            if not has_titles:
                before += 1
            elif pick_bytes == 3:
                before = int(records[place]) | int(records[place + 1]) << 8
                place += 2
            else:
                while records[place] >= _MOST_GAP:
                    before += _MOST_GAP * (int(records[place]) - _MOST_GAP + 1)
                    place += 1
                before += 1 + int(records[place])
                place += 1
            titles[pick] = before
        for pick in range(starts[row], starts[row] + count):
            if pick_bytes == 3:
                arms[pick] = records[place]
                weights[pick] = int(records[place + 1]) | int(records[place + 2]) << 8
            else:
                value = int(records[place]) | int(records[place + 1]) << 8
                arms[pick], weights[pick] = value & ((1 << arm_bits) - 1), value >> arm_bits
            place += pick_bytes


@kernel
def pack_commands(
    records: U8,
    id_lengths: U8,
    row_lengths: U16,
    start: int,
    first: int,
    count: int,
    command: U8,
    prefix: U8,
    end: U8,
    with_rows: bool,  # noqa: FBT001
    out: U8,
) -> int:
    """One command about ``count`` rows from row ``first`` on, whose record is at byte ``start``; how many bytes it has.

    Args:
        records: ``user_id, row`` one after the other.
        id_lengths: of every record.
        row_lengths: of every record.
        start: where the first record is.
        first: which one it is.
        count: of records.
        command: its name, with its length before it.
        prefix: what a key starts with.
        end: what a key ends with.
        with_rows: each key is followed by its row; else there are keys alone.
        out: overwritten; large enough.
    """
    out[0] = _STAR
    place = _put_end(_put_number(out, 1, 1 + count * (2 if with_rows else 1)), out)
    place = _put(command, 0, command.shape[0], out, place)
    record = start
    for row in range(first, first + count):
        n_id, n_row = int(id_lengths[row]), int(row_lengths[row])
        place = _put_record(records, record, n_id, n_row, prefix, end, with_rows, out, place)
        record += n_id + n_row
    return place


@kernel
def pack_each(
    records: U8,
    starts: I64,
    id_lengths: U8,
    row_lengths: U16,
    rows: I64,
    command: U8,
    prefix: U8,
    end: U8,
    with_rows: bool,  # noqa: FBT001
    out: U8,
) -> int:
    """A command of its own about each of some ``rows`` (m,), as a node of a cluster takes them; how many bytes they have.

    ``starts`` (n + 1,) are where records start; ``command`` is its beginning, with the number of its words; for the rest, see
    ``pack_commands``.
    """
    place = 0
    for row in rows:
        place = _put(command, 0, command.shape[0], out, place)
        n_id, n_row = int(id_lengths[row]), int(row_lengths[row])
        place = _put_record(records, starts[row], n_id, n_row, prefix, end, with_rows, out, place)
    return place


@kernel
def find_slots(records: U8, starts: I64, id_lengths: U8, table: U16, out: U16) -> None:
    """The slot of each record's user in a cluster, ``out`` (n,): CRC-16/XMODEM of the id modulo 16,384 (Redis Cluster).

    ``table`` is ``slot_table()``. Keys have the user's id in braces, which is all that counts.
    """
    for row in range(out.shape[0]):
        value = 0
        for place in range(starts[row], starts[row] + int(id_lengths[row])):
            value = (value << 8) & 0xFFFF ^ int(table[(value >> 8) ^ int(records[place])])
        out[row] = value & 0x3FFF


def slot_table() -> U16:
    """The table of CRC-16/XMODEM (polynomial 0x1021), (256,)."""
    table = np.zeros(256, dtype=np.uint16)
    for byte in range(256):
        value = byte << 8
        for _ in range(8):
            value = (value << 1) ^ (0x1021 if value & 0x8000 else 0)
        table[byte] = value & 0xFFFF
    return table


@kernel
def _put_record(
    records: U8,
    record: int,
    n_id: int,
    n_row: int,
    prefix: U8,
    end: U8,
    with_row: bool,  # noqa: FBT001
    out: U8,
    place: int,
) -> int:
    """A key, and its row where that is wanted, as words of a command; where they end."""
    out[place] = _DOLLAR
    place = _put_end(_put_number(out, place + 1, prefix.shape[0] + n_id + end.shape[0]), out)
    place = _put(prefix, 0, prefix.shape[0], out, place)
    place = _put(records, record, record + n_id, out, place)
    place = _put_end(_put(end, 0, end.shape[0], out, place), out)
    if with_row:
        out[place] = _DOLLAR
        place = _put_end(_put_number(out, place + 1, n_row), out)
        place = _put_end(_put(records, record + n_id, record + n_id + n_row, out, place), out)
    return place


@kernel
def _put(data: U8, start: int, stop: int, out: U8, place: int) -> int:
    for byte in range(stop - start):
        out[place + byte] = data[start + byte]
    return place + stop - start


@kernel
def _put_end(place: int, out: U8) -> int:
    out[place], out[place + 1] = _CR, _LF
    return place + 2


@kernel
def _put_number(out: U8, place: int, number: int) -> int:
    digits, rest = 1, number
    while rest >= 10:
        rest //= 10
        digits += 1
    rest = number
    for digit in range(digits):
        out[place + digits - 1 - digit] = _ZERO + rest % 10
        rest //= 10
    return place + digits
