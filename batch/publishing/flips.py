"""Which generation is served: reading and moving ``art:current``."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast
from zlib import crc32

import redis
from redis.client import Pipeline

from bandit.errors import InputError, OldFormatError, RowError, SurroundingsError
from bandit.snapshot import (
    CURRENT_KEY,
    MAX_CURRENT_BYTES,
    MAX_FLIP,
    MAX_META_BYTES,
    Current,
    Meta,
    decode_any_current,
    decode_current,
    decode_meta,
    encode_json,
    meta_key,
    part_key,
    rows_pattern,
)
from batch.publishing.row_writer import count_present
from batch.store.client import NotCopiedError, cluster_of, transact
from batch.workspace.generations import find_manifest
from batch.workspace.picks import RecordedPicks
from batch.workspace.workspace import Workspace

SCAN_COUNT = 2000
"""Keys that the store looks at in one step of a walk: large enough for few round trips, small enough not to stall look-ups."""


@dataclass(frozen=True)
class Flipped:
    """A change of the generation that is served."""

    generation: int
    previous: int | None
    flip: int


def read_value(client: redis.Redis, key: str, max_bytes: int) -> bytes | None:
    """The value of a key, None where there is none; of one that is too long, a byte more than is allowed.

    Raises:
        RowError: reason "type"; the key holds no string.
    """
    try:
        raw = client.getrange(key, 0, max_bytes)
    except redis.ResponseError as error:
        if str(error).startswith("WRONGTYPE"):
            raise RowError("type", f"the key {key} holds no string") from error
        raise
    return cast("bytes", raw) or None


def read_current(client: redis.Redis) -> Current | None:
    """What the store serves now; None when nothing was published yet.

    Raises:
        SurroundingsError: it is of a format that is not read any more.
    """
    raw = read_value(client, CURRENT_KEY, MAX_CURRENT_BYTES)
    try:
        return decode_current(raw) if raw else None
    except OldFormatError as error:
        raise SurroundingsError(str(error)) from error


def published_current(client: redis.Redis) -> Current | None:
    """The same for publishers and listings: its identity is empty where it is of a format that is not read any more."""
    raw = read_value(client, CURRENT_KEY, MAX_CURRENT_BYTES)
    return decode_any_current(raw) if raw else None


def read_meta(client: redis.Redis, generation: int) -> Meta | None:
    """The description of a generation in the store; None if it is not there.

    Raises:
        SurroundingsError: it is of a format that is not read any more.
        RowError: it is not what a publisher writes, or that of another generation.
    """
    raw = read_value(client, meta_key(generation), MAX_META_BYTES)
    try:
        meta = decode_meta(raw) if raw else None
    except OldFormatError as error:
        raise SurroundingsError(str(error)) from error
    if meta is not None and meta.generation != generation:
        raise RowError("meta", f"the meta of generation {generation} says that it is of {meta.generation}")
    return meta


def count_rows(client: redis.Redis, generation: int, expected: int = 0, *, most_held: int = 4_000_000) -> int:
    """The number of rows of a generation, in a walk over all keys for every ``most_held`` of those that are expected.

    SCAN may name a key twice while the table grows, so keys are told apart: in each walk those of a share of the users, which
    takes some 400 MB at most, however many there are.
    """
    walks = 1 + expected // most_held
    rows = 0
    for walk in range(walks):
        keys = client.scan_iter(match=rows_pattern(generation), count=SCAN_COUNT)
        rows += len({key for key in keys if walks == 1 or crc32(key) % walks == walk})
    return rows


def parts_by_key(meta: Meta, parts: Sequence[bytes]) -> dict[str, bytes]:
    """The parts of a generation's catalogue by the keys that they have in the store."""
    return {part_key(meta.catalogue_digest, place): part for place, part in enumerate(parts)}


def start_of(client: redis.Redis) -> str | None:
    """Names the start of the store since which it has lost nothing; None of a cluster, whose replicas have every row."""
    return None if cluster_of(client) is not None else str(cast("Any", client.info("server")).get("run_id"))


def flip(
    client: redis.Redis,
    generation: int,
    identity: str,
    parts: Mapping[str, bytes] | None = None,
    *,
    forward_only: bool,
    start: str | None = None,
) -> Flipped:
    """Make a generation current, in one transaction on one key that gives way to other publishers.

    Where the store's answer is lost, what it holds is read before anything is said.

    Args:
        client: of the store.
        generation: whose rows are all there.
        identity: of that generation.
        parts: of its catalogue, by key, which are written once more with it: another publisher that swept meanwhile may have
            taken them for those of a catalogue that no generation names.
        forward_only: refuse if a newer generation is current: a publisher that was overtaken must not turn back time.
        start: of the store, in which rows were counted; None is not asked for.

    Raises:
        InputError: a newer generation is current.
        SurroundingsError: the generation's meta is not in the store any more: its rows are being removed. Or the store was
            started since the rows were counted, and may have lost the last of them. Or, in a cluster, the
            flip is made and no replica has it.
    """
    wanted: Current | None = None
    in_cluster = cluster_of(client) is not None
    if (
        in_cluster
    ):  # which has no transaction over several keys: before, so that they are there, and after, see ``sweep``
        _set_each(client, parts)

    def change(pipeline: Pipeline) -> Flipped:
        nonlocal wanted
        now = published_current(pipeline)
        if now is not None and forward_only and now.generation > generation:
            raise InputError(
                f"generation {now.generation} is served, which is newer than {generation} and was published meanwhile;"
                f" the rows of {generation} are in the store: serve it with `artwork generations activate {generation}`"
            )
        _require_meta(client, pipeline, generation, identity)
        if start is not None and start_of(pipeline) != start:
            raise SurroundingsError(
                f"the store was started again when the rows of generation {generation} had been counted, and may have lost some"
                f" of them; what is served has not changed: publish again, `artwork publish --generation {generation}`"
            )
        flipped = _after(now, generation)
        wanted = Current(generation, identity, flipped.flip, flipped.previous)
        pipeline.multi()
        if parts and not in_cluster:
            pipeline.mset(dict(parts))
        pipeline.set(CURRENT_KEY, encode_json(wanted))
        return flipped

    try:
        flipped = transact(client, CURRENT_KEY, change)
    except NotCopiedError as error:
        raise SurroundingsError(
            f"generation {generation} is served, but {error}: were that node lost now, the one before would be served again; see"
            f" to its replica, then run `artwork generations activate {generation}`"
        ) from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        # The answer may have been lost, and not the flip. Refusals that redis-py takes for losses are classes of their own.
        is_lost = type(error) in (redis.ConnectionError, redis.TimeoutError)
        if not is_lost or wanted is None or published_current(client) != wanted:
            raise
        flipped = Flipped(wanted.generation, wanted.previous, wanted.flip)
    if in_cluster:
        _set_each(client, parts)
    return flipped


def refuse_older(client: redis.Redis, generation: int) -> None:
    """Refuse to publish a generation that is older than the one served, before anything is written.

    Raises:
        InputError: a newer generation is current.
    """
    now = published_current(client)
    if now is not None and now.generation > generation:
        raise InputError(
            f"generation {now.generation} is served, which is newer than {generation}; nothing was written;"
            f" `artwork publish --generation {generation} --allow-older` returns to it"
        )


def activate(client: redis.Redis, generation: int, workspace: Workspace | None = None) -> Flipped:
    """Serve a generation that is whole in the store.

    A publisher or a sweep that died leaves a generation with its meta and some of its rows, hence the count.

    Args:
        client: of the store.
        generation: to serve.
        workspace: whose files name the rows, which are then asked for by their keys; where it does not hold this generation, or
            its files are damaged, keys are counted, in several walks over all of them where there are many.

    Raises:
        InputError: the store does not hold it, or not all of it.
    """
    start, meta = start_of(client), read_meta(client, generation)
    parts = [] if meta is None else [part_key(meta.catalogue_digest, part) for part in range(meta.catalogue_parts)]
    if meta is None or client.exists(*parts) != len(parts) or _count(client, meta, workspace) != meta.users:
        raise InputError(
            f"generation {generation} is not whole in the store, which keeps the current and the previous one;"
            f" see `artwork generations list`, or bring it back with `artwork publish --generation {generation} --allow-older`"
        )
    return flip(client, generation, meta.identity, forward_only=False, start=start)


def _count(client: redis.Redis, meta: Meta, workspace: Workspace | None) -> int:
    manifest = None if workspace is None else find_manifest(workspace, meta.generation)
    if workspace is not None and manifest is not None and manifest.identity == meta.identity:
        with suppress(
            InputError, SurroundingsError
        ):  # of files that are damaged: what the store has can be served for all that
            return count_present(client, meta.generation, RecordedPicks(workspace, manifest), rests=0.0)
    return count_rows(client, meta.generation, meta.users)


def rollback(client: redis.Redis, workspace: Workspace | None = None) -> Flipped:
    """Serve what was served before; ``workspace`` is as ``activate`` takes it.

    Raises:
        InputError: nothing was served before.
    """
    now = read_current(client)
    if now is None or now.previous is None:
        raise InputError("there is no previous generation to roll back to; publish twice first")
    return activate(client, now.previous, workspace)


def _require_meta(client: redis.Redis, pipeline: Pipeline, generation: int, identity: str) -> None:
    """Refuse to serve what another publisher has begun to remove, or begins to before the flip."""
    if cluster_of(client) is None:
        pipeline.watch(meta_key(generation))  # type: ignore[no-untyped-call]
        meta = read_meta(pipeline, generation)
    else:
        meta = read_meta(client, generation)
    if meta is None or meta.identity != identity:
        raise SurroundingsError(
            f"generation {generation} is not in the store any more, another publisher has removed it meanwhile; what is served"
            f" has not changed: publish again, `artwork publish --generation {generation}`"
        )


def _set_each(client: redis.Redis, parts: Mapping[str, bytes] | None) -> None:
    for key, part in (parts or {}).items():
        client.set(key, part)


def _after(now: Current | None, generation: int) -> Flipped:
    if now is None:
        return Flipped(generation, None, 1)
    if now.flip == MAX_FLIP:
        raise RowError("current", f"art:current counts {MAX_FLIP} flips, and no more are counted")
    before = now.generation if now.identity else None  # what is not read any more is nothing to roll back to
    previous = now.previous if now.generation == generation else before
    return Flipped(generation, previous, now.flip + 1)
