"""Removing from the store what is served no more, in one walk over its keys.

While a walk goes on, others publish and activate. So rows go together with the meta of their generation, in a transaction that
finds the generation served neither now nor before, and a flip to a generation whose meta is gone is refused.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

import polars as pl
import redis
from redis.client import Pipeline
from redis.exceptions import AskError

from bandit.errors import OldFormatError, RowError
from bandit.snapshot import (
    CURRENT_KEY,
    KEYS_PATTERN,
    MAX_META_BYTES,
    METAS_PATTERN,
    Current,
    Meta,
    decode_meta,
    digest_of_key,
    meta_key,
    parse_key,
    rows_pattern,
)
from batch.publishing.flips import SCAN_COUNT, published_current, read_value
from batch.store.client import cluster_of, primaries, transact
from batch.workspace.kept_users import KeptUsers

_BATCH = 500
_PAUSE_SECONDS = 0.002  # between batches, so that look-ups come through while the store frees memory
_LEFT_BATCH: Final = 100_000


class Swept(NamedTuple):
    """How many keys went, and how many rows of the generation that is about to be published are of users that it lacks."""

    removed: int
    strangers: int = 0


class LeftRows:
    """Rows that the store holds already of a generation that is about to be published, as a publisher that died leaves them."""

    def __init__(self, generation: int, users: KeptUsers) -> None:
        self.generation = generation
        self.strangers = 0
        self._users = users
        self._waiting: list[str] = []

    def see(self, user_id: str) -> None:
        """A user whose row is there."""
        self._waiting.append(user_id)
        if len(self._waiting) == _LEFT_BATCH:
            self.finish()

    def finish(self) -> None:
        """Compare the last users with those of the generation."""
        if self._waiting:
            left = pl.Series("user_id", self._waiting, dtype=pl.String).unique()
            self.strangers += self._users.places(left).null_count()
        self._waiting = []


class _Keys:
    """What a walk over the keys has seen: metas, parts of catalogues, and rows that are served no more, which it removes."""

    def __init__(self, client: redis.Redis, now: Current | None, left: LeftRows | None) -> None:
        self._client, self._now, self._left = client, now, left
        self.removed = 0
        self.metas: set[int] = set()
        self.past: set[int] = set()
        self.parts: dict[str, list[bytes]] = defaultdict(list)
        self._batch: list[tuple[int, bytes]] = []
        self._old_batch: list[bytes] = []

    def walk(self) -> None:
        """See every key."""
        with primaries(self._client) as nodes:
            for node in nodes:
                self._walk(node)
        if self._left is not None:
            self._left.finish()

    def _walk(self, node: redis.Redis) -> None:
        for key in node.scan_iter(match=KEYS_PATTERN, count=SCAN_COUNT):
            self._see(key)
            if len(self._batch) + len(self._old_batch) == _BATCH:
                self._remove(node)
        self._remove(node)

    def _see(self, key: bytes) -> None:
        text = _text(key)
        parsed = parse_key(text)
        if parsed is None:
            if (digest := digest_of_key(text)) is not None:
                self.parts[digest].append(key)
            return
        is_past = _is_past(parsed.generation, self._now)
        if parsed.kind == "meta":
            (self.past if is_past else self.metas).add(parsed.generation)
        elif parsed.kind == "row of format 1":
            self._old_batch.append(key)
        elif is_past:
            self._batch.append((parsed.generation, key))
        elif self._left is not None and parsed.generation == self._left.generation:
            self._left.see(parsed.user_id)

    def _remove(self, node: redis.Redis) -> None:
        self.removed += _unlink(self._client, node, self._old_batch)
        self.removed += _unlink_past(self._client, node, self._batch, _is_past)
        self._batch, self._old_batch = [], []


def sweep(client: redis.Redis, left: LeftRows | None = None) -> Swept:
    """Remove the rows of every generation older than the current one, but for the previous one; how many keys went.

    Generations with a number above the current one stay: another publisher may be at work on them. They are swept once a later
    one is current. What is of row format 1 goes whatever its number: nobody reads it.
    """
    keys = _Keys(client, published_current(client), left)
    keys.walk()
    metas = {generation: _meta(client, generation) for generation in sorted(keys.metas)}
    old = {generation for generation, meta in metas.items() if isinstance(meta, OldFormatError)}
    removed = keys.removed + _unlink(client, client, [meta_key(number).encode() for number in sorted(old)])
    removed += _unlink_past(client, client, [(number, b"") for number in sorted(keys.past)], _is_past)
    removed += _sweep_catalogues(client, keys, [meta for number, meta in metas.items() if number not in old])
    return Swept(removed, 0 if left is None else left.strangers)


def remove_unserved(client: redis.Redis, generation: int, identity: str) -> int:
    """Remove what the store holds of a generation that is neither served nor the one before; how many keys went.

    What another workspace publishes under the same number stays.
    """
    meta = _meta(client, generation)
    if not _is_unserved(generation, published_current(client)) or (
        isinstance(meta, Meta) and meta.identity != identity
    ):
        return 0
    removed = 0
    with primaries(client) as nodes:
        for node in nodes:
            keys = node.scan_iter(match=rows_pattern(generation), count=SCAN_COUNT)
            while batch := list(islice(keys, _BATCH)):
                removed += _unlink_past(client, node, [(generation, key) for key in batch], _is_unserved)
    return removed + _unlink_past(client, client, [(generation, b"")], _is_unserved)


def generations_in_store(client: redis.Redis) -> dict[int, str]:
    """The identity of every generation whose meta in the store can be read."""
    return {generation: meta.identity for generation, meta in _metas(client) if isinstance(meta, Meta)}


def _is_past(generation: int, now: Current | None) -> bool:
    """Whether a generation came before the current one and is not the previous one; next to one of format 1 none is."""
    return now is not None and now.identity != "" and generation < now.generation and generation != now.previous


def _is_unserved(generation: int, now: Current | None) -> bool:
    return now is None or generation not in (now.generation, now.previous)


def _metas(client: redis.Redis) -> Iterator[tuple[int, Meta | RowError]]:
    """The meta of every generation in the store, or what is wrong with it."""
    for key in client.scan_iter(match=METAS_PATTERN, count=SCAN_COUNT):
        parsed = parse_key(_text(key))
        if parsed is not None and parsed.kind == "meta":
            yield parsed.generation, _meta(client, parsed.generation)


def _meta(client: redis.Redis, generation: int) -> Meta | RowError:
    """The meta of a generation, or what is wrong with it."""
    try:
        return decode_meta(read_value(client, meta_key(generation), MAX_META_BYTES) or b"")
    except RowError as error:
        return error


def _sweep_catalogues(client: redis.Redis, keys: _Keys, metas: list[Meta | RowError]) -> int:
    """Remove the catalogues that no generation names.

    A publisher that began meanwhile may name one. It writes its parts once more when it becomes current; where it did so before
    they are removed, ``art:current`` has changed, and they are not.
    """
    if any(isinstance(meta, RowError) for meta in metas):  # nobody knows which catalogue it names
        return 0
    needed = {meta.catalogue_digest for meta in metas if isinstance(meta, Meta)}
    removed = 0
    for digest in sorted(keys.parts.keys() - needed):
        removed += _unlink_unless_served(client, digest, keys.parts[digest])
    return removed


def _unlink_unless_served(client: redis.Redis, digest: str, parts: list[bytes]) -> int:
    if cluster_of(client) is not None:
        return _unlink_on_nodes(client, digest, parts)

    def change(pipeline: Pipeline) -> int:
        if _is_served(pipeline, digest):
            return 0
        pipeline.multi()
        pipeline.unlink(*parts)
        return len(parts)

    return transact(client, CURRENT_KEY, change)


def _unlink_on_nodes(client: redis.Redis, digest: str, parts: list[bytes]) -> int:
    """The same in a cluster, which has no transaction over several keys.

    A publisher sets its parts before and after its flip. If its last ones were removed here, then its flip is seen here.
    """
    if _is_served(client, digest):
        return 0
    kept = {key: client.get(key) for key in parts}
    removed = _unlink(client, client, parts)
    if not _is_served(client, digest):
        return removed
    for key, part in kept.items():
        if part is not None:
            client.set(key, part)
    return 0


def _is_served(client: redis.Redis, digest: str) -> bool:
    """Whether a catalogue is that of the current generation, or of the one before."""
    now = published_current(client)
    served = [] if now is None else [now.generation, *([] if now.previous is None else [now.previous])]
    named = [_meta(client, generation) for generation in served]
    return any(isinstance(meta, Meta) and meta.catalogue_digest == digest for meta in named)


def _text(key: bytes) -> str:
    """A key for comparing with those that publishers write, which are ASCII."""
    return key.decode("ascii", "replace")


def _unlink_past(
    client: redis.Redis,
    node: redis.Redis,
    rows: list[tuple[int, bytes]],
    is_past: Callable[[int, Current | None], bool],
) -> int:
    """Remove rows of a node, each with its generation, and the metas of the generations; how many keys went.

    A key may be empty, for the meta alone. Those of a generation that has been made current meanwhile stay. A cluster has no
    transaction over several keys: there the metas go first, and the rows once the generations are seen not to be served.
    """
    if not rows:
        return 0
    if cluster_of(client) is not None:
        numbers = _still_past(client, rows, is_past)
        removed = _unlink(client, client, [meta_key(number).encode() for number in numbers])
        numbers = _still_past(client, rows, is_past)
        return removed + _unlink(client, node, [key for number, key in rows if key and number in numbers])

    def change(pipeline: Pipeline) -> int:
        numbers = _still_past(pipeline, rows, is_past)
        metas = [meta_key(number).encode() for number in numbers]
        keys = [*{key for number, key in rows if key and number in numbers}, *metas]
        if not keys:
            return 0
        there = int(pipeline.exists(*keys))
        pipeline.multi()
        pipeline.unlink(*keys)
        return there

    time.sleep(_PAUSE_SECONDS)
    return transact(client, CURRENT_KEY, change)


def _still_past(
    client: redis.Redis, rows: list[tuple[int, bytes]], is_past: Callable[[int, Current | None], bool]
) -> list[int]:
    now = published_current(client)
    return sorted(number for number in {number for number, _ in rows} if is_past(number, now))


def _unlink(client: redis.Redis, node: redis.Redis, keys: Iterable[bytes]) -> int:
    """Remove keys of a node; in a cluster, those of slots that are on their way to another one where they are by now."""
    batch = list(keys)
    if not batch:
        return 0
    time.sleep(_PAUSE_SECONDS)
    with node.pipeline(transaction=False) as commands:  # a cluster takes no command on keys of several slots
        for key in batch:
            commands.unlink(key)
        answers = commands.execute(raise_on_error=False)
    removed = 0
    for key, answer in zip(batch, answers, strict=True):
        if isinstance(answer, AskError) and cluster_of(client) is not None:  # MOVED as well
            removed += int(client.unlink(key))
        elif isinstance(answer, Exception):
            raise answer
        else:
            removed += int(answer)
    return removed
