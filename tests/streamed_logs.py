"""Drawn logs in the streams of a store, as the service appends them."""

from collections.abc import Iterable
from datetime import datetime

import polars as pl
import redis
from event_logs import Event, draw_events, in_streams
from streamed_events import fields

from bandit.snapshot import decode_row, event_stream_key, row_key
from batch.publishing.flips import read_current
from batch.workspace.overlays import newest_overlay
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

Entries = list[tuple[int, list[Event]]]


def draw_entries(workspace: Workspace, count: int, seed: int) -> Entries:
    """Entries that a service would have let in; every title keeps an artwork, so that a run can learn."""
    overlay, artworks = newest_overlay(workspace), pl.read_parquet(workspace.artworks)
    for title, artwork in overlay.added.items():
        like = artworks.filter(pl.col("title_id") == title).head(1)
        artworks = pl.concat([artworks, like.with_columns(artwork_id=pl.lit(artwork), is_default=pl.lit(False))])
    artworks.unique(["title_id", "artwork_id"], maintain_order=True).write_parquet(workspace.artworks)
    return in_streams([one for one in draw_events(workspace, count, seed) if one["source"] != "rumour"], seed)


def append(client: redis.Redis, entries: Entries) -> None:
    """Add entries to the streams under ids of their own."""
    for partition, events in entries:
        entry = fields(*map(_stored, events), received=_microseconds(events[0]["received_at"]))
        client.xadd(event_stream_key(partition), entry, id=events[0]["stream_id"])


def ids_of(entries: Iterable[tuple[int, list[Event]]]) -> list[str]:
    """The ids of all events, sorted."""
    return sorted(event["event_id"] for _, events in entries for event in events)


def assert_whole(workspace: Workspace, client: redis.Redis) -> None:
    """What is served, if anything, has a row of its own for every user."""
    current = read_current(client)
    if current is None:
        return
    for user in read_tables(workspace).users["user_id"].to_list():
        raw = client.get(row_key(current.generation, user))
        assert isinstance(raw, bytes), (current, user)
        decode_row(raw, user, current.generation, current.identity)


def _stored(event: Event) -> Event:
    left_out = {"stream_id", "place", "received_at"} | ({"watch_fraction"} if event["type"] != "play" else set())
    return {name: value for name, value in event.items() if name not in left_out} | {"at": _microseconds(event["at"])}


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000
