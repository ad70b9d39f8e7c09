"""Counts in memory that the workers of one service share: each worker adds in a block of its own, and any can read all.

A block is a run of doubles. Where there are several workers the blocks lie in one piece of shared memory, so that

* adding is ``values[slot] += 1``, without a lock, because a block has one writer: the event loop of its worker;
* a sum over the blocks is exact whichever worker makes it, and at any moment;
* the counts of a worker that died remain, and its successor goes on from them.

Doubles count exactly up to 2^53.
"""

import mmap
import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

DOUBLE_BYTES: Final = 8
NAME_BYTES: Final = 66
"""The longest name kept, in UTF-8; a longer one is cut."""
WORD_BYTES: Final = 6
"""Bytes of a name in one double: an integer below 2^48, which a double holds exactly (any 8 bytes might be a NaN)."""
NAME_WORDS: Final = NAME_BYTES // WORD_BYTES
NAMED_SLOTS: Final = NAME_WORDS + 2
"""Doubles of one named count: 1 + the length of its name (0 while it is free), the name, the count."""
OTHER: Final = "other"


class Values(Protocol):
    """Doubles by position: a list, or a ``memoryview`` of shared memory."""

    def __len__(self) -> int: ...

    def __getitem__(self, slot: int, /) -> float: ...

    def __setitem__(self, slot: int, value: float, /) -> None: ...


def shared_memory(doubles: int) -> int:
    """The file descriptor of zeroed memory for ``doubles``, to be handed to the workers (Linux).

    It is never a file on a disk: the kernel holds up writers of a mapped page while it is written back.
    """
    descriptor = os.memfd_create("artwork-metrics")
    os.ftruncate(descriptor, doubles * DOUBLE_BYTES)
    return descriptor


def mapped(descriptor: int) -> Values:
    """The doubles behind a file descriptor."""
    return memoryview(mmap.mmap(descriptor, 0)).cast("d")


class Histogram:
    """Counts by upper bound, and the sum. ``bounds`` are inclusive; values above the last have a bucket of their own."""

    def __init__(self, values: Values, first: int, bounds: Sequence[float]) -> None:
        self._values, self._first, self._bounds = values, first, bounds
        self._sum = first + len(bounds) + 1

    @staticmethod
    def slots(bounds: Sequence[float]) -> int:
        """Doubles that one takes."""
        return len(bounds) + 2

    def observe(self, value: float) -> None:
        """Count a value."""
        self._values[self._first + bisect_left(self._bounds, value)] += 1
        self._values[self._sum] += value

    def counts(self) -> list[float]:
        """One count per bucket, not cumulated; the last is of values above all bounds."""
        return [self._values[slot] for slot in range(self._first, self._sum)]

    def total(self) -> float:
        """The sum of the observed values."""
        return self._values[self._sum]


class NamedCounts:
    """Counts by labels that are not known in advance: a name takes a free slot with its first count.

    The number of names is bounded: once ``capacity`` is used up, every new name counts as "other".
    """

    def __init__(self, values: Values, first: int, capacity: int, labels: int = 1) -> None:
        self._values, self._labels = values, labels
        self._starts = range(first, first + capacity * NAMED_SLOTS, NAMED_SLOTS)
        self._slots = dict(self._named())

    @staticmethod
    def slots(capacity: int) -> int:
        """Doubles that one takes."""
        return capacity * NAMED_SLOTS

    def add(self, name: tuple[str, ...], count: float = 1) -> None:
        """Count under a name of as many strings as there are labels."""
        slot = self._slots.get(name)
        if slot is None:
            slot = self._take(name)
        self._values[slot] += count

    def counts(self) -> dict[tuple[str, ...], float]:
        """Every name that any process has counted, with its count."""
        counts: dict[tuple[str, ...], float] = {}
        for name, slot in self._named():
            counts[name] = counts.get(name, 0.0) + self._values[slot]
        return counts

    def _named(self) -> Iterator[tuple[tuple[str, ...], int]]:
        for start in self._starts:
            length = int(self._values[start]) - 1
            if length < 0:
                return
            words = range(start + 1, start + 1 + NAME_WORDS)
            name = b"".join(int(self._values[word]).to_bytes(WORD_BYTES, "big") for word in words)[:length]
            yield tuple(name.decode(errors="replace").split("\n", self._labels - 1)), start + NAMED_SLOTS - 1

    def _take(self, name: tuple[str, ...]) -> int:
        """A slot for a new name: a free one, or that of "other", for which the last is reserved."""
        other = (OTHER,) * self._labels
        if len(self._slots) < len(self._starts) - 1:
            return self._write(name)
        return self._slots.get(other) or self._write(other)

    def _write(self, name: tuple[str, ...]) -> int:
        start = self._starts[len(self._slots)]
        encoded = "\n".join(name).encode()[:NAME_BYTES]
        padded = encoded.ljust(NAME_BYTES, b"\0")
        for word in range(NAME_WORDS):
            piece = padded[word * WORD_BYTES : (word + 1) * WORD_BYTES]
            self._values[start + 1 + word] = float(int.from_bytes(piece, "big"))
        self._values[start] = 1.0 + len(encoded)  # last: a reader in another process sees a whole name or none
        self._slots[name] = start + NAMED_SLOTS - 1
        return self._slots[name]
