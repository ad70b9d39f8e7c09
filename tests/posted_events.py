"""Events as clients post them."""

import json
from typing import Any

ANN: dict[str, Any] = {
    "event_id": "e1",
    "type": "impression",
    "user_id": "ann",
    "title_id": "t0",
    "artwork_id": "t0-b",
    "generation": 5,
    "revision": 0,
    "source": "personalized",
    "segment": None,
    "occurred_at": "2026-11-28T09:30:00.250Z",
}


def event(**changes: Any) -> dict[str, Any]:
    """An impression, with changes; a field that is changed to ``LEFT_OUT`` is not there."""
    return {name: value for name, value in (ANN | changes).items() if value is not LEFT_OUT}


def play(**changes: Any) -> dict[str, Any]:
    """A play, with changes."""
    return event(**{"type": "play", "watch_fraction": 0.5} | changes)


def body(*events: Any) -> bytes:
    """A body of events."""
    return json.dumps(events or [ANN]).encode()


LEFT_OUT = object()
"""The value of a field that is not to be there."""
