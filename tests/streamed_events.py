"""Entries of the streams as the service writes them."""

import json
from typing import Any

import redis

from bandit.snapshot import event_stream_key
from batch.events.segments import scan_segments
from batch.workspace.workspace import Workspace

RECEIVED = 1_795_858_200_000_000


def stored(event_id: str = "e1", **changes: Any) -> dict[str, Any]:
    """An impression as it is stored, with changes."""
    return {
        "event_id": event_id,
        "type": "impression",
        "user_id": "ann",
        "title_id": "t0",
        "artwork_id": "t0-b",
        "generation": 5,
        "revision": 0,
        "source": "personalized",
        "segment": None,
        "at": RECEIVED,
    } | changes


def fields(*events: Any, received: int = RECEIVED) -> dict[Any, Any]:
    """The fields of an entry."""
    return {"v": "1", "received": str(received), "events": json.dumps(events)}


def add(client: redis.Redis, *event_ids: str, partition: int = 0, stream_id: str = "*") -> str:
    """Append one entry with events of these ids; its id."""
    entry: Any = fields(*(stored(event_id) for event_id in event_ids))
    added: Any = client.xadd(event_stream_key(partition), entry, id=stream_id)
    return str(added.decode())


def event_ids(workspace: Workspace) -> list[str]:
    """The ids of all events in segments, sorted."""
    return sorted(scan_segments(workspace).collect()["event_id"])
