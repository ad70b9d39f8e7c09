"""How large a head is that may not be whole yet."""

from collections.abc import Sequence

from starlette.responses import Response

from service.http.problems import head_too_large, query_too_long, target_too_long, too_many_fields
from service.limits import MAX_FIELDS, MAX_TARGET_BYTES


class HeadSize:
    """The size of the head that arrives on a connection, or of the fields after a body in chunks, its *trailer*.

    A whole head is measured exactly. One without an end is too large with the first read that takes it beyond the limit. Of the
    read in which it began, only what surely belongs to it counts: the rest may have been an earlier request.

    Args:
        max_bytes: of a head.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._read_bytes = 0  # of this read
        self._first_bytes = 0  # of the read in which the head or trailer began
        self._later_bytes = 0  # of the reads since
        self._counted_fields = self._counted_bytes = 0  # of the header fields so far

    def read(self, length: int, *, is_begun: bool) -> None:
        """So many bytes are read, after the beginning of a head or trailer or not."""
        self._read_bytes = length
        if is_begun:
            self._later_bytes += length

    def head_begins(self) -> None:
        """In this read."""
        self.trailer_begins()
        self._counted_fields = self._counted_bytes = 0

    def trailer_begins(self) -> None:
        """In this read."""
        self._first_bytes, self._later_bytes = self._read_bytes, 0

    def whole_is_too_large(self, target: bytes, fields: Sequence[tuple[bytes, bytes]]) -> bool:
        """Whether a whole head is."""
        # Counted only where it may matter: adding up the header fields costs as much as the rest of the parser's events.
        if self._first_bytes + self._later_bytes <= self._max_bytes:
            return False
        return self._bytes(target, fields) > self._max_bytes or len(target) > MAX_TARGET_BYTES

    def is_already_too_large(self, target: bytes, fields: Sequence[tuple[bytes, bytes]], *, in_head: bool) -> bool:
        """Whether a head or trailer without an end is too large already."""
        return (
            len(fields) > MAX_FIELDS
            or self._later_bytes > self._max_bytes
            or (in_head and self._bytes(target, fields) > self._max_bytes)
        )

    def refusal(self, target: bytes, fields: Sequence[tuple[bytes, bytes]], max_query_bytes: int) -> Response:
        """The refusal that names the part of the head that is too large."""
        if len(target.partition(b"?")[2]) > max_query_bytes:
            return query_too_long(max_query_bytes)
        if len(target) > min(self._max_bytes, MAX_TARGET_BYTES):
            return target_too_long(min(self._max_bytes, MAX_TARGET_BYTES))
        if len(fields) > MAX_FIELDS:
            return too_many_fields(MAX_FIELDS)
        return head_too_large(self._max_bytes)

    def _bytes(self, target: bytes, fields: Sequence[tuple[bytes, bytes]]) -> int:
        # Each field once: a head may arrive byte by byte, and have thousands of them.
        more = fields[self._counted_fields :]
        self._counted_fields += len(more)
        self._counted_bytes += sum(len(name) + len(value) + len(b": \r\n") for name, value in more)
        return len(target) + self._counted_bytes
