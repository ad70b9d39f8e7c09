"""An example look-up for the start of the service: a user and a title that the store really has."""

from dataclasses import dataclass
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bandit.snapshot import (
    CURRENT_KEY,
    MAX_CURRENT_BYTES,
    MAX_META_BYTES,
    PART_BYTES,
    decode_current,
    decode_meta,
    meta_key,
    open_catalogue,
    parse_key,
    part_key,
)
from bandit.urls import read_store_url

PATIENCE_SECONDS: Final = 1.0
MOST_PARTS: Final = 64
"""Of a catalogue; a larger one is not read for an example."""
TRIES: Final = 50
"""Random keys looked at: most of a store's keys are rows, about half of them of the current generation."""


@dataclass(frozen=True)
class Example:
    """A user and a title; placeholders if the store does not answer quickly."""

    user_id: str = "USER_ID"
    title_id: str = "TITLE_ID"


def find_example(url: str) -> Example:
    """An example from the store behind a URL; never fails, because an example is not worth a failed start."""
    # Any: the client's types allow for a coroutine and for text, and this one gives neither.
    options = read_store_url(url).client_options
    store: Any = Redis(**options, socket_timeout=PATIENCE_SECONDS, retry=Retry(NoBackoff(), 0))
    try:
        with store:
            return _example(store)
    except Exception:  # noqa: BLE001 - a server that is no store makes its client raise whatever it likes
        return Example()


def _example(store: Any) -> Example:
    generation = decode_current(store.getrange(CURRENT_KEY, 0, MAX_CURRENT_BYTES)).generation
    meta = decode_meta(store.getrange(meta_key(generation), 0, MAX_META_BYTES))
    if meta.catalogue_parts > MOST_PARTS:
        return Example()
    keys = [part_key(meta.catalogue_digest, part) for part in range(meta.catalogue_parts)]
    parts = [store.getrange(key, 0, PART_BYTES) for key in keys]
    title = next(open_catalogue(parts, meta.catalogue_digest, meta.counts).titles)
    keys_seen = (parse_key((store.randomkey() or b"").decode("ascii", "replace")) for _ in range(TRIES))
    users = (key.user_id for key in keys_seen if key is not None and (key.generation, key.kind) == (generation, "row"))
    return Example(next(users, Example.user_id), title.title_id)
