"""What writers of rows share: what a command wrote, a connection for its bytes, and room for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import numpy as np
import redis
from redis._parsers.hiredis import NOT_ENOUGH_DATA

from bandit.arrays import U8
from bandit.snapshot import MAX_ROW_BYTES, row_prefix
from batch.workspace.row_files import RowFile

ROWS_A_WRITE: Final = 200
"""The store does one command at a time, and look-ups wait for it: 1,000 rows hold it for some 2 ms, of the 3 that a look-up
has. 200 cost the publisher a tenth of its speed, 100 a third."""

_LARGEST_ID: Final = 64
_LARGEST_FRAME: Final = (
    96  # of a key and its row beside their bytes: command, lengths, ends of lines, the end of the key
)


class Written(NamedTuple):
    """What a command wrote: rows from ``first`` to before ``stop`` of a file, and the bytes of the rows."""

    rows: RowFile
    first: int
    stop: int
    row_bytes: int


def room_for(generation: int, rows: int) -> U8:
    """Room for commands about so many rows."""
    return np.empty(
        64 + rows * (len(row_prefix(generation)) + _LARGEST_ID + _LARGEST_FRAME + MAX_ROW_BYTES), dtype=np.uint8
    )


def as_bytes(text: bytes) -> U8:
    """Bytes as an array that kernels take."""
    return np.frombuffer(bytearray(text), dtype=np.uint8)


def next_reply(connection: Any) -> Any:
    """The next reply on a connection, which redis-py's parser has already or reads from the socket.

    ``read_response`` spends 8 us on each reply, on deadlines and checks that matter where it may have to wait; here as many
    replies as rows come, most of them with the one before.

    Raises:
        redis.RedisError: the reply is an error, or the connection is lost.
    """
    reader = getattr(connection._parser, "_reader", None)
    reply = NOT_ENOUGH_DATA if reader is None else reader.gets()
    if reply is NOT_ENOUGH_DATA:
        return connection.read_response()
    if isinstance(reply, Exception):
        raise reply
    return reply


@contextmanager
def raw_connection(client: redis.Redis) -> Iterator[Any]:
    """A connection of the client for bytes; closed where its answers were not all read."""
    pool = client.connection_pool
    connection = pool.get_connection()
    is_done = False
    try:
        yield connection
        is_done = True
    finally:
        if not is_done:
            connection.disconnect()  # type: ignore[no-untyped-call]
        pool.release(connection)
