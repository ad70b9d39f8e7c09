"""Rows into the store, in commands that are short enough for the look-ups that wait behind them.

Commands are packed by a kernel and sent as they are over a connection that redis-py has made; its parser reads the answers.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import numpy as np
import redis

from bandit.kernels.packing import pack_commands
from bandit.snapshot import ROW_END, row_prefix
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
        sleep: how to wait so many seconds.

    Raises:
        redis.RedisError: the store refuses a command, or is lost; the rows of earlier commands are in it.
    """
    cluster = cluster_of(client)
    if cluster is not None:
        yield from write_to_nodes(
            cluster, generation, files, rests=rests, most_bytes_a_second=most_bytes_a_second, sleep=sleep
        )
        return
    began, sent = time.perf_counter(), 0
    waiting: deque[Written] = deque()
    with raw_connection(client) as connection:
        for rows in files:
            for command, written in _commands(generation, rows, b"MSET", ROWS_A_WRITE, with_rows=True):
                before = time.perf_counter()
                connection.send_packed_command([command], check_health=False)
                waiting.append(written)
                sent += len(command)
                if rests or len(waiting) > _ON_THE_WAY:
                    connection.read_response()
                    took = time.perf_counter() - before
                    yield waiting.popleft()
                    if rests:
                        sleep(rests * took)
                if most_bytes_a_second:
                    ahead = sent / most_bytes_a_second - (time.perf_counter() - began)
                    if ahead > 0:
                        sleep(ahead)
        while waiting:
            connection.read_response()
            yield waiting.popleft()


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
