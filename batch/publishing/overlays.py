"""The overlay in the store: the workspace's newest revision, under one key that gives way to other publishers."""

from dataclasses import replace
from typing import Final

import polars as pl
import redis
from redis.client import Pipeline

from bandit.errors import RowError
from bandit.snapshot import MAX_OVERLAY_BYTES, NO_OVERLAY, OVERLAY_KEY, Overlay, decode_overlay, encode_overlay
from batch.publishing.flips import read_value
from batch.store.client import transact
from batch.workspace.catalogue_changes import with_added
from batch.workspace.files import read_parquet
from batch.workspace.overlays import changing, newest_overlay, write_overlay
from batch.workspace.workspace import Workspace

_ARTWORKS: Final = ("title_id", "artwork_id", "is_default")


def stored_overlay(client: redis.Redis) -> Overlay | None:
    """What the store has; None where it has nothing, or what is there is none: then it is written over.

    Raises:
        redis.RedisError: the store fails.
    """
    try:
        raw = read_value(client, OVERLAY_KEY, MAX_OVERLAY_BYTES)
        return decode_overlay(raw) if raw else None
    except RowError:
        return None


def publish_overlay(workspace: Workspace, client: redis.Redis) -> Overlay:
    """Put the workspace's newest overlay into the store, unless it is there.

    A revision only grows, in a workspace and in a store, and services refuse a lower one. So where the store's is larger,
    or another under the same number, both get a new one above both. What the store has retired of this workspace's artwork
    stays retired: the workspace may have been brought back from a copy.

    Raises:
        InputError: the workspace's overlay is damaged.
        SurroundingsError: the disk does not take a new revision.
        redis.RedisError: the store fails.
    """
    if newest_overlay(workspace) == NO_OVERLAY and not client.exists(OVERLAY_KEY):
        return NO_OVERLAY

    def change(pipeline: Pipeline) -> Overlay:
        own, stored = newest_overlay(workspace), stored_overlay(pipeline)
        wanted = own if stored is None else _above(workspace, own, stored)
        if wanted != stored:
            if wanted != own:
                write_overlay(workspace, wanted)
            pipeline.multi()
            pipeline.set(OVERLAY_KEY, encode_overlay(wanted))
        return wanted

    with changing(workspace):
        return transact(client, OVERLAY_KEY, change)


def _above(workspace: Workspace, own: Overlay, stored: Overlay) -> Overlay:
    merged = _with_retired(workspace, own, stored)
    if merged == own and (own.revision > stored.revision or own == stored):
        return own
    return replace(merged, revision=max(own.revision, stored.revision) + 1)


def _with_retired(workspace: Workspace, own: Overlay, stored: Overlay) -> Overlay:
    """What is retired here, and what the store has retired of this workspace's artwork beside it."""
    missing = {
        title_id: sorted({*artworks} - {*own.retired.get(title_id, ())})
        for title_id, artworks in stored.retired.items()
    }
    if not any(missing.values()) or not workspace.artworks.is_file():
        return own
    artworks = read_parquet(workspace.artworks, columns=list(_ARTWORKS))
    for title_id, gone in missing.items():
        there = {*artworks.filter(pl.col("title_id") == title_id)["artwork_id"]}
        retired = {*own.retired.get(title_id, ()), *(there & {*gone})}
        if there & {*gone} and there - retired:  # the last artwork of a title cannot be retired
            own = replace(own, retired={**own.retired, title_id: tuple(sorted(retired))})
            own = with_added(own, artworks, title_id, lacking=False)
    return own
