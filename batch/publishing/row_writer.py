"""Rows into the store, in commands that are short enough for the look-ups that wait behind them."""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

import redis

from bandit import snapshot

ROWS_A_WRITE: Final = 200
"""The store does one command at a time, and look-ups wait for it: 1,000 rows hold it for some 2 ms, of the 3 that a look-up
has. 200 cost the publisher a tenth of its speed, 100 a third."""

Row = tuple[str, bytes]
"""A user's id and the bytes of their row."""


def write_rows(
    client: redis.Redis, generation: int, rows: Iterator[Row], rest: Callable[[float], object] | None
) -> Iterator[list[Row]]:
    """Write the rows of a generation; yields what each command wrote, once the store has it.

    ``rest`` is called after each command with the seconds that it took. ``time.sleep`` leaves the store to look-ups for half
    of the time: where it shares a core with publisher and client, their p99 is 4 ms with it and 6 without (docs/performance.md).
    """
    while batch := list(islice(rows, ROWS_A_WRITE)):
        began = time.perf_counter()
        with client.pipeline(transaction=False) as p:
            for user_id, row in batch:
                p.set(snapshot.row_key(generation, user_id), row)
            p.execute()
        took = time.perf_counter() - began
        yield batch
        if rest:
            rest(took)
