"""Dead letters: entries that are no events, kept in a stream of their own with the reason, until somebody looks at them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import redis

from bandit.errors import InputError
from bandit.snapshot import DEAD_EVENTS_KEY, partition_of_key, shown
from batch.events.segments import StreamId
from batch.store.client import connect, store_errors, together

PAGE: Final = 100
_COUNT_SECONDS: Final = 2.0
REASON: Final = b"reason"
STREAM: Final = b"stream"
ID: Final = b"id"
_ADDED: Final = (REASON, STREAM, ID)
_is_stream_id: Final = re.compile(r"[0-9]{1,19}-[0-9]{1,19}").fullmatch
_ENTRY: Final = b"entry:"
"""What the names of the entry's own fields begin with: whatever they are, they cannot stand in for the reason."""


@dataclass(frozen=True)
class DeadLetter:
    """One entry that was put aside: why, when, and where it stood; ``fields`` are its own, as text."""

    id: str
    reason: str
    stream: str
    stream_id: str
    put_aside_at: str
    fields: dict[str, str]


@dataclass(frozen=True)
class DeadCount:
    """How many dead letters there are, and the one that was put aside last."""

    count: int
    newest: DeadLetter | None


@dataclass(frozen=True)
class Requeued:
    """How many dead letters went back to their streams, and how many are left."""

    requeued: int
    left: int


def letter(stream: str, stream_id: str, fields: Mapping[bytes, bytes], reason: str) -> dict[Any, Any]:
    """The fields of a dead letter."""
    own = {_ENTRY + name: value for name, value in fields.items()}
    return {REASON: reason, STREAM: stream, ID: stream_id, **own}


def dead_letters(url: str) -> Iterator[DeadLetter]:
    """Every dead letter, the oldest first.

    Raises:
        SurroundingsError: the store cannot be asked.
    """
    with store_errors(url), connect(url) as client:
        for raw_id, fields in _pages(client):
            yield _shown(raw_id, fields)


def count_dead_letters(url: str) -> DeadCount:
    """How many dead letters there are, and the newest of them; a store that is slow is waited for two seconds.

    Raises:
        SurroundingsError: the store cannot be asked.
    """
    with store_errors(url), connect(url, _COUNT_SECONDS) as client:
        newest: Any = client.xrevrange(DEAD_EVENTS_KEY, count=1)
        count = int(client.xlen(DEAD_EVENTS_KEY))
    return DeadCount(count, _shown(*newest[0]) if newest else None)


def requeue(url: str, only: str | None = None) -> Requeued:
    """Put a dead letter, or all of them, back at the end of the streams that they came from.

    An entry goes back and its letter goes away at once, so that none is lost and none counts twice.

    Raises:
        InputError: there is no such letter, or it did not come from a stream of events.
        SurroundingsError: the store cannot be asked.
    """
    with store_errors(url), connect(url) as client:
        if only is not None and not _is_stream_id(only):
            raise InputError(f"{shown(only)} is no id of a dead letter, expected one such as 1795858200000-0")
        letters: list[Any] = list(client.xrange(DEAD_EVENTS_KEY, only, only)) if only else []
        if only and not letters:
            raise InputError(f"there is no dead letter {only}; `artwork events dead` shows those that there are")
        count = 0
        # Only those that stand there now: an ingest may put the same ones aside again meanwhile.
        for raw_id, fields in letters or _pages(client):
            stream = _decoded(fields.get(STREAM, b""))
            own = {name.removeprefix(_ENTRY): value for name, value in fields.items() if name.startswith(_ENTRY)}
            if partition_of_key(stream) is None or not own:
                if only:
                    raise InputError(f"dead letter {only} does not say which stream it came from; it stays")
                continue
            # In a cluster an entry may stand in both for a moment, or after a crash: its events count once, by their ids.
            with together(client) as both:
                both.xadd(stream, own)
                both.xdel(DEAD_EVENTS_KEY, raw_id)
            count += 1
        return Requeued(count, int(client.xlen(DEAD_EVENTS_KEY)))


def _pages(client: redis.Redis) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
    """The letters that are there at the beginning, in pages."""
    newest: Any = client.xrevrange(DEAD_EVENTS_KEY, count=1)
    if not newest:
        return
    last = newest[0][0]
    first: str | bytes = "-"
    while True:
        page: Any = client.xrange(DEAD_EVENTS_KEY, first, last, count=PAGE)
        if not page:
            return
        yield from page
        first = b"(" + page[-1][0]


def _shown(raw_id: bytes, fields: Mapping[bytes, bytes]) -> DeadLetter:
    own = {_decoded(name.removeprefix(_ENTRY)): _decoded(value) for name, value in fields.items() if name not in _ADDED}
    reason, stream, stream_id = (_decoded(fields.get(name, b"")) for name in _ADDED)
    stamp = StreamId.of(raw_id.decode()).milliseconds / 1000
    return DeadLetter(raw_id.decode(), reason, stream, stream_id, _time(stamp), own)


def _time(stamp: float) -> str:
    try:
        return datetime.fromtimestamp(stamp, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):  # an id that somebody chose
        return ""


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
