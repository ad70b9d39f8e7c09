"""What happens between many nodes and many workers, played with seeded random numbers: the tables of docs/scale.md.

    .venv/bin/python tests/benchmarks/scale.py

A publish goes round by round as ``batch.publishing.node_writer`` does it: 200 rows per node and round, each to the node of its
user's slot; four rounds are on the way at most, or one and a rest where a generation is served.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import numpy as np
from redis.crc import key_slot

from bandit.arrays import F64, I64

SEED: Final = 7
SLOTS: Final = 16_384
ROWS_PER_NODE: Final = 200
ON_THE_WAY: Final = 4
PUBLISHER_ROWS: Final = 1_000_000.0
"""Rows per second that one publisher reads, sorts, packs and sends."""
NODE_ROWS: Final = 500_000.0
"""Rows per second that one node takes."""
STALL_SHARE: Final = 0.001
STALL_SECONDS: Final = 0.02
"""Of the batches of a node, so many take so much longer: a fork, a slow disk, a busy network."""
ROUNDS: Final = 2_000


@dataclass(frozen=True)
class Published:
    """Rows per second of a publish to some nodes."""

    nodes: int
    free: float
    resting: float


def publish(nodes: int, *, stalls: bool, seed: int = SEED) -> Published:
    """Play ``ROUNDS`` rounds: into a cluster that serves nothing, and into one that look-ups share."""
    drawn = np.random.default_rng((seed, nodes))
    loads: I64 = drawn.multinomial(ROWS_PER_NODE * nodes, np.full(nodes, 1 / nodes), size=ROUNDS)
    took: F64 = loads / NODE_ROWS  # (rounds, nodes)
    if stalls:
        took = took + STALL_SECONDS * (drawn.random(took.shape) < STALL_SHARE)
    sending = ROWS_PER_NODE * nodes / PUBLISHER_ROWS
    rows = ROWS_PER_NODE * nodes * ROUNDS
    busy_until, done = np.zeros(nodes), np.zeros(ROUNDS)
    sent = 0.0
    for number in range(ROUNDS):
        waits_for = done[number - ON_THE_WAY] if number >= ON_THE_WAY else 0.0
        sent = max(sent, waits_for) + sending
        busy_until = np.maximum(busy_until, sent) + took[number]
        done[number] = busy_until.max()
    resting = 2 * float((sending + took.max(axis=1)).sum())
    return Published(nodes, rows / float(done.max()), rows / resting)


def fullest_node(nodes: int, users: int = 100_000) -> float:
    """How many times the average the fullest node has, by the slots of real ids."""
    slots = np.array([key_slot(b"u%09d" % user) for user in range(users)])
    bounds = [SLOTS * node // nodes for node in range(nodes + 1)]
    counts, _ = np.histogram(slots, bounds)
    return float(counts.max() * nodes / users)


def last_worker(workers: int, flips: int = 2_000, poll_seconds: float = 1.0) -> tuple[float, float]:
    """Seconds from a flip to the poll of the last worker, the median and the longest of some flips.

    Polls are ``poll_seconds`` ± 10 % apart, and a flip comes at any moment of that.
    """
    drawn = np.random.default_rng((SEED, workers))
    pause = poll_seconds * drawn.uniform(0.9, 1.1, (flips, workers))
    last = (pause * drawn.random((flips, workers))).max(axis=1)
    return float(np.median(last)), float(last.max())


def row_cache(sessions_at_once: int, rows: int, *, sticky: bool, workers: int = 20, requests: int = 100_000) -> float:
    """The share of requests whose row a worker would have, if it kept the last ``rows`` (it keeps none).

    So many users are there at a time, each for 8 requests on average; a balancer sends a user to one worker, or each request to
    any.
    """
    drawn = np.random.default_rng((SEED, sessions_at_once, rows, sticky))
    places = drawn.integers(sessions_at_once, size=requests).tolist()
    leaves = (drawn.random(requests) < 1 / 8).tolist()
    anywhere = drawn.integers(workers, size=requests).tolist()
    users, next_user, found = list(range(sessions_at_once)), sessions_at_once, 0
    caches: list[OrderedDict[int, None]] = [OrderedDict() for _ in range(workers)]
    for place, is_last, worker in zip(places, leaves, anywhere, strict=True):
        user = users[place]
        cache = caches[user % workers if sticky else worker]
        found += user in cache
        cache[user] = None
        cache.move_to_end(user)
        if len(cache) > rows:
            cache.popitem(last=False)
        if is_last:
            users[place], next_user = next_user, next_user + 1
    return found / requests


def report() -> str:
    """All tables, as docs/scale.md shows them."""
    lines = ["publish: rows/s      free, no stalls   free   while served   fullest node"]
    for nodes in (1, 3, 7, 20, 100):
        smooth, rough = publish(nodes, stalls=False), publish(nodes, stalls=True)
        rates = f"{smooth.free:>19,.0f} {rough.free:>9,.0f} {rough.resting:>11,.0f}"
        lines.append(f"{nodes:>5} primaries {rates} {fullest_node(nodes):>12.3f} x")
    lines += ["", "a flip: seconds until the last worker polls   median   longest of 2,000 flips"]
    for workers in (1, 20, 130, 2_600):
        middle, longest = last_worker(workers)
        lines.append(f"{workers:>5} workers {middle:>41.2f} {longest:>17.2f}")
    lines += ["", "rows that a worker would have had   by user   anywhere"]
    for rows in (100, 1_000, 10_000):
        shares = (row_cache(10_000, rows, sticky=sticky) for sticky in (True, False))
        lines.append(f"{rows:>6,} rows per worker " + "".join(f"{share:>17.1%}" for share in shares))
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())  # noqa: T201
