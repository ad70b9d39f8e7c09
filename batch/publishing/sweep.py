"""Removing from the store what is served no more."""

import time
from collections.abc import Iterable, Iterator
from itertools import islice

import redis

from bandit.errors import OldFormatError, RowError
from bandit.snapshot import (
    MAX_META_BYTES,
    METAS_PATTERN,
    PARTS_PATTERN,
    ROWS_PATTERN,
    Current,
    Meta,
    decode_meta,
    digest_of_key,
    meta_key,
    parse_key,
    parts_pattern,
    rows_pattern,
)
from batch.publishing.flips import SCAN_COUNT, published_current, read_value
from batch.store.client import primaries

_BATCH = 1000
_PAUSE_SECONDS = 0.002  # between batches, so that look-ups come through while the store frees memory


def sweep(client: redis.Redis) -> int:
    """Remove the rows of every generation older than the current one, but for the previous one; how many keys went.

    Generations with a number above the current one stay: another publisher may be at work on them. They are swept once a later
    one is current. What is of row format 1 goes whatever its number: nobody reads it.
    """
    now = published_current(client)
    metas = {generation for generation, meta in _metas(client) if isinstance(meta, OldFormatError)}
    with primaries(client) as nodes:
        removed = sum(_sweep_node(node, now, metas) for node in nodes)
    removed += _unlink(client, [meta_key(generation).encode() for generation in sorted(metas)])
    return removed + _sweep_catalogues(client)


def _sweep_node(node: redis.Redis, now: Current | None, metas: set[int]) -> int:
    """Remove the old rows that lie on a node, and add the generations of old metas to ``metas``; how many keys went."""
    removed, batch = 0, []
    for key in node.scan_iter(match=ROWS_PATTERN, count=SCAN_COUNT):
        parsed = parse_key(_text(key))
        if parsed is None or not (parsed.kind == "row of format 1" or _is_past(parsed.generation, now)):
            continue
        if parsed.kind == "meta":  # the meta goes last: a sweep that dies is taken up by the next
            metas.add(parsed.generation)
        else:
            batch.append(key)
        if len(batch) == _BATCH:
            removed += _unlink(node, batch)
            batch = []
    return removed + _unlink(node, batch)


def remove_unserved(client: redis.Redis, generation: int) -> int:
    """Remove what the store holds of a generation that is neither served nor the one before; how many keys went."""
    now = published_current(client)
    if now is not None and generation in (now.generation, now.previous):
        return 0
    removed = 0
    with primaries(client) as nodes:
        for node in nodes:
            keys = node.scan_iter(match=rows_pattern(generation), count=SCAN_COUNT)
            while batch := list(islice(keys, _BATCH)):
                removed += _unlink(node, batch)
    return removed + _unlink(client, [meta_key(generation).encode()])


def generations_in_store(client: redis.Redis) -> dict[int, str]:
    """The identity of every generation whose meta in the store can be read."""
    return {generation: meta.identity for generation, meta in _metas(client) if isinstance(meta, Meta)}


def _is_past(generation: int, now: Current | None) -> bool:
    """Whether a generation came before the current one and is not the previous one; next to one of format 1 none is."""
    return now is not None and now.identity != "" and generation < now.generation and generation != now.previous


def _metas(client: redis.Redis) -> Iterator[tuple[int, Meta | RowError]]:
    """The meta of every generation in the store, or what is wrong with it."""
    for key in client.scan_iter(match=METAS_PATTERN, count=SCAN_COUNT):
        parsed = parse_key(_text(key))
        if parsed is None or parsed.kind != "meta":
            continue
        try:
            yield parsed.generation, decode_meta(read_value(client, meta_key(parsed.generation), MAX_META_BYTES) or b"")
        except RowError as error:
            yield parsed.generation, error


def _sweep_catalogues(client: redis.Redis) -> int:
    # The parts are listed before the metas are read: a publisher claims its meta before it writes parts, so parts
    # that are listed and needed are named by a meta that is seen here.
    parts = client.scan_iter(match=PARTS_PATTERN, count=SCAN_COUNT)
    listed = {digest for key in parts if (digest := digest_of_key(_text(key))) is not None}
    needed: set[str] = set()
    for _, meta in _metas(client):
        if isinstance(meta, RowError):  # nobody knows which catalogue it names
            return 0
        needed.add(meta.catalogue_digest)
    unneeded = (parts_pattern(digest) for digest in sorted(listed - needed))
    return sum(_unlink(client, client.scan_iter(match=pattern, count=SCAN_COUNT)) for pattern in unneeded)


def _text(key: bytes) -> str:
    """A key for comparing with those that publishers write, which are ASCII."""
    return key.decode("ascii", "replace")


def _unlink(client: redis.Redis, keys: Iterable[bytes]) -> int:
    batch = list(keys)
    if not batch:
        return 0
    time.sleep(_PAUSE_SECONDS)
    with client.pipeline(transaction=False) as commands:  # a cluster takes no command on keys of several slots
        for key in batch:
            commands.unlink(key)
        return sum(commands.execute())
