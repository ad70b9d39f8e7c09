"""Rows into the store, in commands that are short enough for the look-ups that wait behind them.

Commands are packed by a kernel and sent as they are over a connection that redis-py has made; its parser reads the answers.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np
import redis

from bandit.kernels.packing import pack_commands
from bandit.snapshot import ROW_END, row_prefix
from batch.publishing.claims import Claim, Guarded
from batch.publishing.node_writer import count_on_nodes, write_to_nodes
from batch.publishing.row_commands import ROWS_A_WRITE, Written, as_bytes, raw_connection, room_for
from batch.store.client import cluster_of
from batch.workspace.row_files import RowFile

_ON_THE_WAY: Final = 8
"""Commands that are sent before the first one's answer is read, where nobody looks up: some 600 KB."""


def write_rows(
    client: redis.Redis,
    generation: int,
    files: Iterable[RowFile],
    *,
    rests: float,
    most_bytes_a_second: float | None = None,
    claim: Claim | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Written]:
    """Write the rows of a generation; yields what each command wrote, once the store has it.

    Args:
        client: of the store.
        generation: whose rows they are.
        files: of rows.
        rests: after each command, so many times as long as it took. 1 leaves the store to look-ups for half of the time: where it
            shares a core with publisher and client, their p99 is 4 ms with it and 6 without (docs/performance.md).
        most_bytes_a_second: that are sent, on average from the start on; None is as many as the store takes.
        claim: by which they are written, and without which no more are. One store refuses every row that comes after it is lost;
            a cluster, which has no transaction over several nodes, is asked before each round of rows. None is for
            rows that no publisher writes.
        sleep: how to wait so many seconds.

    Raises:
        SurroundingsError: the claim does not hold any more.
        redis.RedisError: the store refuses a command, or is lost; the rows of earlier commands are in it.
    """
    cluster = cluster_of(client)
    if cluster is not None:
        yield from write_to_nodes(
            cluster, generation, files, rests=rests, most_bytes_a_second=most_bytes_a_second, claim=claim, sleep=sleep
        )
        return
    began, sent = time.perf_counter(), 0
    waiting: deque[Written] = deque()
    with raw_connection(client) as connection:
        line = _Plain(connection) if claim is None else Guarded(connection, claim)
        most_waiting = _ON_THE_WAY if claim is None and not rests else 0
        for rows in files:
            for command, written in _commands(generation, rows, b"MSET", ROWS_A_WRITE, with_rows=True):
                before = time.perf_counter()
                line.send(command)
                waiting.append(written)
                sent += len(command)
                if len(waiting) > most_waiting:
                    while not line.was_done():  # another publisher of the same generation has claimed it as well
                        line.send(command)
                    took = time.perf_counter() - before
                    yield waiting.popleft()
                    if rests:
                        sleep(rests * took)
                if most_bytes_a_second:
                    ahead = sent / most_bytes_a_second - (time.perf_counter() - began)
                    if ahead > 0:
                        sleep(ahead)
        while waiting:
            line.was_done()
            yield waiting.popleft()
        line.release()


def count_present(
    client: redis.Redis,
    generation: int,
    files: Iterable[RowFile],
    *,
    rests: float,
    sleep: Callable[[float], object] = time.sleep,
) -> int:
    """How many of the rows in some files the store holds, by their keys."""
    cluster = cluster_of(client)
    if cluster is not None:
        return count_on_nodes(cluster, generation, files, rests=rests, sleep=sleep)
    present = 0
    with raw_connection(client) as connection:
        for rows in files:
            for command, _ in _commands(generation, rows, b"EXISTS", ROWS_A_WRITE, with_rows=False):
                before = time.perf_counter()
                connection.send_packed_command([command], check_health=False)
                present += int(connection.read_response())
                if rests:
                    sleep(rests * (time.perf_counter() - before))
    return present


class _Plain:
    """A connection whose commands are carried out whatever happens meanwhile; several may be on the way."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def send(self, command: memoryview) -> None:
        """Send a command."""
        self._connection.send_packed_command([command], check_health=False)

    def was_done(self) -> bool:
        """Read an answer."""
        self._connection.read_response()
        return True

    def release(self) -> None:
        """Nothing has changed."""


def _commands(
    generation: int, rows: RowFile, name: bytes, rows_a_command: int, *, with_rows: bool
) -> Iterator[tuple[memoryview, Written]]:
    """Commands about the rows of a file; each one's bytes are those of the one before it."""
    verb, prefix, end = (
        as_bytes(b"$%d\r\n%s\r\n" % (len(name), name)),
        as_bytes(row_prefix(generation).encode()),
        as_bytes(ROW_END.encode()),
    )
    out = room_for(generation, rows_a_command)
    starts = rows.starts
    ends = np.concatenate([[0], np.cumsum(rows.row_lengths, dtype=np.int64)])
    for first in range(0, len(rows.places), rows_a_command):
        stop = min(first + rows_a_command, len(rows.places))
        size = pack_commands(
            rows.records,
            rows.id_lengths,
            rows.row_lengths,
            int(starts[first]),
            first,
            stop - first,
            verb,
            prefix,
            end,
            with_rows,
            out,
        )
        yield out.data[:size], Written(rows, first, stop, int(ends[stop] - ends[first]))
