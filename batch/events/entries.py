"""One entry of a stream: what the service writes, checked before a row is made of it.

An entry is one request, so it is taken whole or put aside whole. The service checks what clients send; here it is checked that
the service wrote it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import compress, repeat
from typing import Any, Final

import orjson
import polars as pl

from bandit.snapshot import (
    EVENTS_VERSION,
    LAST_MICROSECOND,
    MAX_EVENTS,
    MAX_GENERATION,
    MAX_REVISION,
    SOURCES,
    is_id,
    shown,
)
from batch.events.segments import SEGMENT_SCHEMA, StreamId

_FIELDS: Final = {b"v", b"received", b"events"}
_TIMES: Final = ("received_at", "at")


class PoisonError(Exception):
    """An entry that is none of the service's; the message is the reason."""


def _integer(low: int, high: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _one_of(*values: str) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and value in values


def _is_id(value: object) -> bool:
    return isinstance(value, str) and is_id(value) is not None


def _is_fraction(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1  # type: ignore[operator]


_CHECKS: Final[dict[str, Callable[[object], bool]]] = {
    "event_id": _is_id,
    "type": _one_of("impression", "play"),
    "user_id": _is_id,
    "title_id": _is_id,
    "artwork_id": _is_id,
    "generation": _integer(1, MAX_GENERATION),
    "revision": _integer(0, MAX_REVISION),
    "source": _one_of(*SOURCES),
    "segment": lambda value: value is None or _is_id(value),
    "at": _integer(0, LAST_MICROSECOND),
}
_IMPRESSION: Final = _CHECKS.keys()
_PLAY: Final = _CHECKS.keys() | {"watch_fraction"}
_SETTLED: Final[tuple[set[type], ...]] = ({str}, {int}, {type(None)}, {str, type(None)})
"""Types of values that stand side by side: those that are equal are then right or wrong alike, as 1, 1.0 and True are not."""
_NUMBERS: Final[set[type]] = {int, float}

Columns = dict[str, list[Any]]
"""Of some events, each field's values."""


@dataclass(frozen=True)
class Entry:
    """An entry as it was read: its id, when the service received it, and its events by field."""

    id: StreamId
    received: int
    columns: Columns
    n_bytes: int

    @property
    def rows(self) -> int:
        """How many events it has."""
        return len(self.columns["event_id"])

    @property
    def mark(self) -> tuple[int, tuple[str, ...]]:
        """What tells it from another entry that was given the same id by a store that was emptied."""
        return self.received, tuple(self.columns["event_id"])


def read_entry(stream_id: StreamId, fields: Mapping[bytes, bytes]) -> Entry:
    """An entry of a stream.

    Raises:
        PoisonError: the service did not write it, or a later version did.
    """
    if b"v" in fields and fields[b"v"] != EVENTS_VERSION.encode():
        raise PoisonError(f"version: it has v {_text(fields[b'v'])}, expected {EVENTS_VERSION}")
    if fields.keys() != _FIELDS:
        raise PoisonError(f"fields: it has {', '.join(sorted(map(_text, fields)))[:200]}, expected v, received, events")
    received, raw = fields[b"received"], fields[b"events"]
    if not (received.isdigit() and len(received) <= len(str(LAST_MICROSECOND)) and int(received) <= LAST_MICROSECOND):
        raise PoisonError(f"received: it is {_text(received)}, expected microseconds since 1970")
    try:
        events = orjson.loads(raw)
    except ValueError as error:
        raise PoisonError(f"events: not JSON: {shown(str(error))}") from None
    if not isinstance(events, list) or not 1 <= len(events) <= MAX_EVENTS:
        raise PoisonError(f"events: expected an array of 1 to {MAX_EVENTS}")
    columns = _columns_if_right(events)
    if columns is None:  # one event after the other, which takes longer, and says what is wrong
        for place, event in enumerate(events):
            _check(event, place)
        columns = _columns(events)
    return Entry(stream_id, int(received), columns, len(raw))


def _columns(events: list[Any]) -> Columns:
    return {name: [event[name] for event in events] for name in _IMPRESSION} | {
        "watch_fraction": [event.get("watch_fraction") for event in events]
    }


def _columns_if_right(events: list[Any]) -> Columns | None:
    """The events by field where every value of every field is right, each distinct value being checked once.

    None where one is wrong, or where only ``_check`` can tell.
    """
    if set(map(type, events)) != {dict}:
        return None
    try:
        columns = _columns(events)
    except KeyError:
        return None
    for name, is_right in _CHECKS.items():
        values = columns[name]
        if set(map(type, values)) not in _SETTLED or not all(map(is_right, set(values))):
            return None
    is_play = [kind == "play" for kind in columns["type"]]
    watched = list(compress(columns["watch_fraction"], is_play))
    sizes = [len(_PLAY) if play else len(_IMPRESSION) for play in is_play]
    if not (
        set(map(type, watched)) <= _NUMBERS and all(map(_is_fraction, watched)) and sizes == list(map(len, events))
    ):
        return None
    return columns


def _check(event: object, place: int) -> None:
    if not isinstance(event, dict):
        raise PoisonError(f"events[{place}]: it is {shown(event)}, expected an object")
    is_play = event.get("type") == "play"
    expected = _PLAY if is_play else _IMPRESSION
    if event.keys() != expected:
        wrong = min(map(str, event.keys() ^ expected))
        raise PoisonError(f"events[{place}].{shown(wrong)}: it is {'unknown' if wrong in event else 'missing'}")
    for name, is_right in _CHECKS.items():
        if not is_right(event[name]):
            raise PoisonError(f"events[{place}].{name}: it is {shown(event[name])}")
    if is_play and not _is_fraction(event["watch_fraction"]):
        raise PoisonError(f"events[{place}].watch_fraction: it is {shown(event['watch_fraction'])}")


def frame_of(entries: list[Entry]) -> pl.DataFrame:
    """The rows of some entries."""
    columns: dict[str, list[Any]] = {
        "stream_id": [text for entry in entries for text in repeat(str(entry.id), entry.rows)],
        "place": [place for entry in entries for place in range(entry.rows)],
        "received_at": [received for entry in entries for received in repeat(entry.received, entry.rows)],
    }
    for name in SEGMENT_SCHEMA:
        if name not in columns:
            columns[name] = [value for entry in entries for value in entry.columns[name]]
    plain = pl.Schema({name: pl.Int64() if name in _TIMES else kind for name, kind in SEGMENT_SCHEMA.items()})
    return pl.DataFrame(columns, schema=plain).cast(SEGMENT_SCHEMA)


def _text(raw: bytes) -> str:
    return shown(raw.decode("utf-8", "backslashreplace"))
