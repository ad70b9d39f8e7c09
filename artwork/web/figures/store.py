"""What the store says: which generation it serves, how much memory it takes, and which events wait in it."""

import os
import time
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import redis

from bandit.errors import InputError, SurroundingsError
from bandit.snapshot import MAX_EVENT_PARTITIONS, event_stream_key
from bandit.urls import EVENTS_URL_VARIABLE
from batch.publishing.flips import read_current
from batch.store.client import connect, primaries, store_errors
from batch.store.embedded import store_url
from batch.workspace.workspace import Workspace

_TIMEOUT_SECONDS: Final = 0.5
_FAILURES: Final = 2
"""In a row, after which the store counts as away: one may be a slow moment."""


@dataclass(frozen=True)
class StoreFigures:
    """The store at a moment; ``lag_seconds`` is the age of the oldest entry that waits."""

    answers: bool
    current: int | None = None
    previous: int | None = None
    memory_bytes: int | None = None
    waiting: int = 0
    lag_seconds: float | None = None


class StoreReader:
    """Asks the store of a workspace; never starts one."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._clients: dict[str, redis.Redis] = {}
        self._failures = 0
        self.figures = StoreFigures(answers=True)
        """The newest figures; what a store that is away said last, but that it does not answer."""

    def read(self) -> None:
        """Ask; blocks for a second or two at most."""
        try:
            self.figures, self._failures = self._read(), 0
        except (InputError, SurroundingsError):
            self._disconnect()
            self._failures += 1
            if self._failures >= _FAILURES:
                self.figures = replace(self.figures, answers=False, memory_bytes=None)

    def _read(self) -> StoreFigures:
        picks = store_url(self._workspace.root, start=False)
        events = os.environ.get(EVENTS_URL_VARIABLE) or picks
        with store_errors(picks):
            client = self._client(picks)
            now = read_current(client)
            with primaries(client) as nodes:
                memory = sum(int(cast("Any", node.info("memory"))["used_memory"]) for node in nodes)
        with store_errors(events):
            waiting, oldest = _waiting(self._client(events))
        return StoreFigures(
            answers=True,
            current=None if now is None else now.generation,
            previous=None if now is None else now.previous,
            memory_bytes=memory,
            waiting=waiting,
            lag_seconds=None if oldest is None else max(0.0, time.time() - oldest / 1000),
        )

    def _client(self, url: str) -> redis.Redis:
        if url not in self._clients:
            self._clients[url] = connect(url, _TIMEOUT_SECONDS)
        return self._clients[url]

    def _disconnect(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients = {}


def _waiting(client: redis.Redis) -> tuple[int, int | None]:
    """How many entries wait in the streams, and when the oldest came, in ms since 1970."""
    keys = [event_stream_key(number) for number in range(MAX_EVENT_PARTITIONS)]
    with client.pipeline(transaction=False) as asking:
        for key in keys:
            asking.xlen(key)
        lengths: list[Any] = asking.execute(raise_on_error=False)
    held = {key: length for key, length in zip(keys, lengths, strict=True) if isinstance(length, int) and length}
    if not held:
        return 0, None
    with client.pipeline(transaction=False) as asking:
        for key in held:
            asking.xrange(key, count=1)
        firsts: list[Any] = asking.execute(raise_on_error=False)
    times = [int(first[0][0].partition(b"-")[0]) for first in firsts if isinstance(first, list) and first]
    return sum(held.values()), min(times, default=None)
