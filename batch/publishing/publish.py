"""The last stage of a generation: its rows into the store, checked, then one flip that makes it current."""

import time
from contextlib import suppress
from dataclasses import dataclass, replace

import polars as pl
import redis
from redis.client import Pipeline

from bandit import snapshot
from bandit.errors import InputError, RowError, SurroundingsError
from bandit.urls import show_url
from batch.executors import Executor, Progress
from batch.publishing.flips import flip, parts_by_key, published_current, read_meta, refuse_older, start_of
from batch.publishing.gate import RefusedError, Verdict, judge
from batch.publishing.overlays import publish_overlay
from batch.publishing.row_bytes import published_meta
from batch.publishing.row_tasks import RowWriter, Stored, TaskWriter
from batch.publishing.sweep import LeftRows, remove_unserved, sweep
from batch.store.client import NotCopiedError, primaries, read_bytes, store_errors, transact
from batch.workspace.catalogue import Catalogue
from batch.workspace.files import write_json
from batch.workspace.generations import (
    Manifest,
    find_manifest,
    folder_of,
    read_manifest,
    resolve,
    verify_files,
    write_manifest,
)
from batch.workspace.kept_users import KeptUsers
from batch.workspace.workspace import Workspace

_OVERHEAD_BYTES = 120  # of a key and its value in the store, beside the row itself
_TARGET_USERS = 10_000


@dataclass(frozen=True)
class Published:
    """What a publish did; ``revision`` is that of the overlay which the store has now."""

    generation: int
    previous: int | None
    flip: int
    rows: int
    row_bytes: int
    swept: int
    seconds: float
    store: str
    gate: Verdict
    revision: int = 0


def publish(
    workspace: Workspace,
    generation: int | None,
    client: redis.Redis,
    url: str,
    report: Progress,
    *,
    forward_only: bool = True,
    force: bool = False,
    most_mb_a_second: float | None = None,
    executor: Executor | None = None,
    writers: int = 1,
) -> Published:
    """Write a precomputed generation to the store and make it current; None takes the newest.

    A publisher that dies at any step leaves the current generation as it was; running it again takes up its work.

    Args:
        workspace: that holds the generation.
        generation: its number.
        client: of the store.
        url: of the store, for messages.
        report: told of the rows.
        forward_only: refuse a generation that is older than the one served.
        force: publish it though the gate refuses it, which its manifest then says.
        most_mb_a_second: megabytes of rows that are sent per second; None is as many as the store takes.
        executor: whose tasks write and count rows, where there are several writers.
        writers: how many write at a time; 1 is this process alone.

    Raises:
        RefusedError: the gate refuses it; nothing was changed, and none of its rows is left in the store.
        InputError: there is no such generation, its files have changed, its number is taken in the store by another, or a newer
            generation is served.
        SurroundingsError: the store fails, evicts keys, lacks memory, or does not hold what was written.
    """
    began = time.perf_counter()
    number = resolve(workspace, generation, "precomputed")
    manifest = read_manifest(workspace, number)
    verify_files(workspace, manifest)
    catalogue = Catalogue.read(folder_of(workspace, number) / "catalogue.parquet")
    with store_errors(url):
        if forward_only:
            refuse_older(client, number)
        overlay = publish_overlay(workspace, client)  # first: what is retired waits neither for rows nor for the gate
        verdict = judge(workspace, number, _parent(workspace, client, number))
        refused = tuple(check.name for check in verdict.refused)
        if not set(refused) <= set(manifest.forced):
            if not force:
                remove_unserved(client, number, manifest.identity)
                raise RefusedError(verdict)
            manifest = replace(manifest, forced=refused)
            write_manifest(workspace, manifest)
        swept = sweep(client, LeftRows(number, KeptUsers(workspace, manifest)))
        _check_room(client, manifest)
        meta, parts = published_meta(workspace, manifest, catalogue)
        _claim(client, meta, parts)
        if swept.strangers:
            raise SurroundingsError(
                f"the store holds {swept.strangers:,} rows of generation {number} of users that it does not have; remove"
                f" {snapshot.rows_pattern(number)}, then publish again"
            )
        writer = (
            RowWriter(client, workspace, manifest, most_mb_a_second)
            if executor is None or writers == 1
            else TaskWriter(client, workspace, manifest, most_mb_a_second, url=url, executor=executor, writers=writers)
        )
        stored = _write_all(writer, manifest, report)
        start = start_of(client)
        _count_all(writer, manifest, stored)
        _verify(client, meta, stored.sample)
        flipped = flip(client, number, meta.identity, parts_by_key(meta, parts), forward_only=forward_only, start=start)
    _write_targets(workspace, number, catalogue)
    return Published(
        flipped.generation,
        flipped.previous,
        flipped.flip,
        stored.rows,
        stored.row_bytes,
        swept.removed,
        round(time.perf_counter() - began, 3),
        show_url(url),
        verdict,
        overlay.revision,
    )


def served_from(workspace: Workspace, client: redis.Redis) -> int | None:
    """The generation that the store serves, where it comes from this workspace."""
    now = published_current(client)
    manifest = None if now is None else find_manifest(workspace, now.generation)
    return now.generation if now is not None and manifest is not None and manifest.identity == now.identity else None


def _parent(workspace: Workspace, client: redis.Redis, generation: int) -> int | None:
    """What a generation is compared with: the one that is served, unless this one is older or the same."""
    served = served_from(workspace, client)
    return served if served is not None and served < generation else None


def _check_room(client: redis.Redis, manifest: Manifest) -> None:
    counts = manifest.counts
    needed = counts["rows"] * (_OVERHEAD_BYTES + snapshot.HEADER_BYTES) + counts["picks"] * (
        manifest.row_format.pick_bytes + snapshot.INDEX_BYTES
    )
    with primaries(client) as nodes:
        for node in nodes:
            _check_room_of(node, manifest.generation, -(-needed // len(nodes)))


def _check_room_of(node: redis.Redis, generation: int, needed: int) -> None:
    memory = node.info("memory")
    limit, policy = int(memory.get("maxmemory", 0)), str(memory.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        raise SurroundingsError(
            f"the store's maxmemory-policy is {policy}, expected noeviction: it would drop rows silently;"
            " run `CONFIG SET maxmemory-policy noeviction` on it"
        )
    free = limit - int(memory["used_memory"])
    if limit and needed > free:
        raise SurroundingsError(
            f"generation {generation} needs about {needed:,} bytes, the store has {free:,} left of its maxmemory"
            f" {limit:,}; raise maxmemory"
        )


def _claim(client: redis.Redis, meta: snapshot.Meta, parts: list[bytes]) -> None:
    """Say that the generation is being published, in a transaction: a claim that another one has made meanwhile stays."""
    key = snapshot.meta_key(meta.generation)

    def change(pipeline: Pipeline) -> None:
        taken = read_meta(pipeline, meta.generation)
        if taken is not None and taken.identity != meta.identity:
            raise InputError(
                f"the store holds another generation {meta.generation}, published from another workspace;"
                " point ARTWORK_REDIS_URL at a store of its own, or remove its keys art:*"
            )
        pipeline.multi()
        pipeline.set(key, snapshot.encode_json(meta))  # also over the same picks, made at another time

    with suppress(NotCopiedError):  # were the claim lost with its node, no row would be written after it
        transact(client, key, change)
    for part_key, part in parts_by_key(meta, parts).items():
        client.set(part_key, part)


def _write_all(writer: RowWriter | TaskWriter, manifest: Manifest, report: Progress) -> Stored:
    """Write every row.

    Raises:
        SurroundingsError: the store stops taking rows.
    """
    number, total = manifest.generation, manifest.counts["rows"]
    stored = writer.write(lambda rows: report("publishing rows", rows, total))
    if stored.trouble:
        raise SurroundingsError(
            f"the store stopped taking rows of generation {number} when it had {stored.rows:,} of {total:,}: {stored.trouble}"
        )
    return stored


def _count_all(writer: RowWriter | TaskWriter, manifest: Manifest, stored: Stored) -> None:
    """See that the store holds every row.

    Raises:
        SurroundingsError: it does not.
    """
    number, total, held = manifest.generation, manifest.counts["rows"], writer.count()
    if held != stored.rows or stored.rows != total:
        raise SurroundingsError(
            f"the store holds {held} rows of generation {number}, {stored.rows} were written of the {total} of its files;"
            " publish again"
        )


def _verify(client: redis.Redis, meta: snapshot.Meta, sample: dict[str, bytes]) -> None:
    """Compare a sample of the rows that the store holds, and its catalogue, with what was written."""
    stored = read_bytes(client, [snapshot.row_key(meta.generation, user_id) for user_id in sample])
    parts = read_bytes(client, [snapshot.part_key(meta.catalogue_digest, part) for part in range(meta.catalogue_parts)])
    try:
        for user_id, raw in zip(sample, stored, strict=True):
            snapshot.decode_row(raw or b"", user_id, meta.generation, meta.identity)
            if raw != sample[user_id]:
                raise RowError("differs", f"the row of user {user_id} differs from what was written")
        snapshot.decode_catalogue([part or b"" for part in parts], meta.catalogue_digest, meta.counts)
    except RowError as error:
        raise SurroundingsError(f"generation {meta.generation} did not arrive whole: {error}; publish again") from error


def _write_targets(workspace: Workspace, generation: int, catalogue: Catalogue) -> None:
    """Users and titles for the load test, the most active and the most shown first."""
    active = KeptUsers(workspace, read_manifest(workspace, generation)).most_active(_TARGET_USERS)
    shown = catalogue.frame.group_by("title_id").agg(pl.col("impressions").sum())
    titles = shown.sort(["impressions", "title_id"], descending=[True, False])["title_id"]
    write_json(workspace.targets, {"generation": generation, "users": active, "titles": titles.to_list()})
