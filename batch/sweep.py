"""Removing from the store what is served no more."""

import time
from collections.abc import Iterable

import redis

from bandit.snapshot import (
    PARTS_PATTERN,
    ROWS_PATTERN,
    digest_of_key,
    generation_of_key,
    meta_key,
    part_key,
)
from batch.flips import SCAN_COUNT, read_current, read_meta

_BATCH = 1000
_PAUSE_SECONDS = 0.002  # between batches, so that look-ups come through while the store frees memory


def sweep(client: redis.Redis) -> int:
    """Remove the rows of every generation older than the current one, but for the previous one; how many keys went.

    Generations with a number above the current one stay: another publisher may be at work on them. They are swept once a later
    one is current.
    """
    now = read_current(client)
    if now is None:
        return 0
    kept = {now.generation, now.previous}
    metas: set[int] = set()
    removed = 0
    batch: list[bytes] = []
    for key in client.scan_iter(match=ROWS_PATTERN, count=SCAN_COUNT):
        generation = generation_of_key(key.decode())
        if generation is None or generation > now.generation or generation in kept:
            continue
        metas.add(generation)
        if key.decode() != meta_key(generation):  # the meta goes last: a sweep that dies is taken up by the next
            batch.append(key)
        if len(batch) == _BATCH:
            removed += _unlink(client, batch)
            batch = []
    removed += _unlink(client, batch)
    removed += _unlink(client, [meta_key(generation).encode() for generation in sorted(metas)])
    return removed + _sweep_catalogues(client)


def generations_in_store(client: redis.Redis) -> list[int]:
    """The generations that have a meta in the store, in order."""
    keys = client.scan_iter(match="art:g:*:meta", count=SCAN_COUNT)
    return sorted({number for key in keys if (number := generation_of_key(key.decode())) is not None})


def _sweep_catalogues(client: redis.Redis) -> int:
    # The parts are listed before the metas are read: a publisher claims its meta before it writes parts, so parts
    # that are listed and needed are named by a meta that is seen here.
    listed = {digest_of_key(key.decode()) for key in client.scan_iter(match=PARTS_PATTERN, count=SCAN_COUNT)}
    metas = (read_meta(client, generation) for generation in generations_in_store(client))
    needed = {meta.catalogue_digest for meta in metas if meta is not None}
    return sum(_unlink(client, _part_keys(client, digest)) for digest in sorted(listed - needed))


def _part_keys(client: redis.Redis, digest: str) -> list[bytes]:
    return list(client.scan_iter(match=part_key(digest, 0)[:-1] + "*", count=SCAN_COUNT))


def _unlink(client: redis.Redis, keys: Iterable[bytes]) -> int:
    batch = list(keys)
    if not batch:
        return 0
    time.sleep(_PAUSE_SECONDS)
    return int(client.unlink(*batch))
