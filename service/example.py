"""A look-up worth trying: a user and a title that the store really has."""

from dataclasses import dataclass
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bandit.snapshot import CURRENT_KEY, decode_current, decode_meta, meta_key, open_catalogue, part_key, row_prefix

PATIENCE_SECONDS: Final = 1.0
TRIES: Final = 50
"""Random keys looked at: most of a store's keys are rows, about half of them of the current generation."""


@dataclass(frozen=True)
class Example:
    """A user and a title; place holders where the store does not quickly tell."""

    user_id: str = "USER_ID"
    title_id: str = "TITLE_ID"


def find_example(url: str) -> Example:
    """Look into the store behind a URL; never fails, because an example is not worth a failed start."""
    # Any: the client's types allow for a coroutine and for text, and this one gives neither.
    store: Any = Redis.from_url(url, socket_timeout=PATIENCE_SECONDS, retry=Retry(NoBackoff(), 0))
    try:
        with store:
            return _example(store)
    except Exception:  # noqa: BLE001 - a server that is no store makes its client raise whatever it likes
        return Example()


def _example(store: Any) -> Example:
    generation = decode_current(store.get(CURRENT_KEY) or b"").generation
    meta = decode_meta(store.get(meta_key(generation)) or b"")
    parts = [store.get(part_key(meta.catalogue_digest, part)) or b"" for part in range(meta.catalogue_parts)]
    title = next(open_catalogue(parts, meta.catalogue_digest).titles)
    prefix = row_prefix(generation)
    keys = ((store.randomkey() or b"").decode() for _ in range(TRIES))
    user_id = next((key.removeprefix(prefix) for key in keys if key.startswith(prefix)), Example.user_id)
    return Example(user_id, title.title_id)
