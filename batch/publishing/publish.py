"""The last stage of a generation: its rows into the store, checked, then one flip that makes it current."""

import time
from dataclasses import dataclass, replace

import polars as pl
import redis

from bandit import snapshot
from bandit.errors import InputError, RowError, SurroundingsError
from bandit.urls import show_url
from batch.executors import Progress
from batch.publishing.flips import count_rows, flip, published_current, read_meta, refuse_older
from batch.publishing.gate import RefusedError, Verdict, judge
from batch.publishing.overlays import publish_overlay
from batch.publishing.row_bytes import encoded_rows, published_meta
from batch.publishing.row_writer import write_rows
from batch.publishing.sweep import remove_unserved, sweep
from batch.store.client import primaries, read_bytes, store_errors
from batch.workspace.catalogue import Catalogue
from batch.workspace.files import read_parquet, write_json
from batch.workspace.generations import (
    Manifest,
    find_manifest,
    folder_of,
    read_manifest,
    resolve,
    verify_files,
    write_manifest,
)
from batch.workspace.workspace import Workspace

_SAMPLE = 200
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
                remove_unserved(client, number)
                raise RefusedError(verdict)
            manifest = replace(manifest, forced=refused)
            write_manifest(workspace, manifest)
        swept = sweep(client)
        _check_room(client, manifest)
        meta = _claim(client, manifest, catalogue)
        rows, row_bytes, sample = _write_rows(client, workspace, manifest, catalogue, report)
        _verify(client, meta, rows, sample)
        flipped = flip(client, number, meta.identity, forward_only=forward_only)
    _write_targets(workspace, number, catalogue)
    return Published(
        flipped.generation,
        flipped.previous,
        flipped.flip,
        rows,
        row_bytes,
        swept,
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
        snapshot.PICK_BYTES + snapshot.INDEX_BYTES
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


def _claim(client: redis.Redis, manifest: Manifest, catalogue: Catalogue) -> snapshot.Meta:
    meta, parts = published_meta(manifest, catalogue)
    claimed = client.set(snapshot.meta_key(meta.generation), snapshot.encode_json(meta), nx=True)
    if not claimed:
        taken = read_meta(client, meta.generation)
        if taken is not None and taken.identity != meta.identity:
            raise InputError(
                f"the store holds another generation {meta.generation}, published from another workspace;"
                " point ARTWORK_REDIS_URL at a store of its own, or remove its keys art:*"
            )
        client.set(
            snapshot.meta_key(meta.generation), snapshot.encode_json(meta)
        )  # the same picks, made at another time
    for place, part in enumerate(parts):
        client.set(snapshot.part_key(meta.catalogue_digest, place), part)
    return meta


def _write_rows(
    client: redis.Redis, workspace: Workspace, manifest: Manifest, catalogue: Catalogue, report: Progress
) -> tuple[int, int, dict[str, bytes]]:
    """How many rows and bytes were written, and some of the rows by user, to compare with what arrived."""
    rows = encoded_rows(workspace, manifest.generation, catalogue)
    every = max(1, manifest.counts["rows"] // _SAMPLE)
    count = total_bytes = 0
    sample: dict[str, bytes] = {}
    rest = time.sleep if published_current(client) else None  # nobody looks up in a store that serves nothing
    for batch in write_rows(client, manifest.generation, rows, rest):
        sample |= dict(batch[-count % every :: every])  # rows 0, every, 2 · every, ... of all batches together
        count += len(batch)
        total_bytes += sum(len(row) for _, row in batch)
        report("publishing rows", count, manifest.counts["rows"])
    return count, total_bytes, sample


def _verify(client: redis.Redis, meta: snapshot.Meta, rows: int, sample: dict[str, bytes]) -> None:
    """Compare what the store holds with what was written: the count, a sample of rows, and the catalogue."""
    held = count_rows(client, meta.generation)
    if held != rows:
        remedy = (
            "publish again" if held < rows else f"remove {snapshot.rows_pattern(meta.generation)}, then publish again"
        )
        raise SurroundingsError(
            f"the store holds {held} rows of generation {meta.generation}, {rows} were written; {remedy}"
        )
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
    users = read_parquet(folder_of(workspace, generation) / "contexts" / "part-000000.parquet")
    active = users.sort(["sessions", "user_id"], descending=[True, False])["user_id"].head(_TARGET_USERS)
    shown = catalogue.frame.group_by("title_id").agg(pl.col("impressions").sum())
    titles = shown.sort(["impressions", "title_id"], descending=[True, False])["title_id"]
    write_json(workspace.targets, {"generation": generation, "users": active.to_list(), "titles": titles.to_list()})
