"""What a row takes in the memory of a store, and on its way there."""

from collections.abc import Sequence
from typing import Final

from artwork.size.estimates import Estimate
from artwork.size.measured import Weighed
from artwork.size.wanted import Wanted

ALIKE: Final = 0.03
"""Rows whose lengths differ by less have the same overhead."""
STEP: Final = 0.2
"""Allocators round lengths up: jemalloc by a fifth at most, glibc by 16 bytes."""
MEASURED_ID: Final = 10
"""The length of the ids that rows were weighed with."""


def held(weighed: Sequence[Weighed], wanted: Wanted) -> Estimate:
    """Bytes per user in the store: row, key, the store's tables, what the allocator leaves free.

    The overhead is that of the row that was weighed and is nearest in length, from the least to the most while the store's table
    doubled. Where no row of that length was weighed, it reaches over those of all rows in the same store, and a step of the
    allocator further.
    """
    own = [one for one in weighed if one.server == weighed[0].server]
    row, more_key = wanted.row_bytes, max(0, wanted.id_length - MEASURED_ID)
    nearest = min(own, key=lambda one: (abs(one.row_bytes - row), one.is_shortlist == wanted.is_dense))
    is_measured = abs(nearest.row_bytes - row) <= ALIKE * row
    overheads = nearest.overheads
    if not is_measured or len(overheads) == 1:
        overheads = [overhead for one in own for overhead in one.overheads]
    return Estimate(
        row + nearest.overheads[0] + more_key,
        row + min(overheads) + more_key,
        row + max(overheads) + more_key + (0.0 if is_measured else STEP * row),
        1.0 if is_measured else max(row / nearest.row_bytes, nearest.row_bytes / row),
    )


def set_bytes(wanted: Wanted) -> float:
    """Of the command that writes a row to a node of a cluster, and of its answer."""
    row = round(wanted.row_bytes)
    frame = b"*3\r\n$3\r\nSET\r\n$%d\r\n\r\n$%d\r\n\r\n+OK\r\n" % (wanted.key_bytes, row)
    return len(frame) + wanted.key_bytes + wanted.row_bytes
