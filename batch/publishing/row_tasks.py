"""Rows of a generation on their way into the store: by the publisher itself, or by tasks of an executor, some files each.

A task claims, sweeps and flips nothing. It writes where the store says that the generation is being published, and nowhere else.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

import redis

from bandit.errors import SurroundingsError
from bandit.urls import show_url
from batch.executors import Executor
from batch.publishing.claims import Claim
from batch.publishing.flips import published_current, read_meta
from batch.publishing.row_commands import Written
from batch.publishing.row_writer import count_present, write_rows
from batch.store.client import connect, primaries, said, store_errors
from batch.workspace.generations import Manifest, read_manifest
from batch.workspace.picks import RecordedPicks
from batch.workspace.row_files import RowFile
from batch.workspace.workspace import Workspace

_SAMPLE: Final = 200
_FILES_A_TASK: Final = 64
"""Of 8,192 users with 100 picks each, some 3 MB: a task takes more than a second, and one that is lost costs as much."""

_REMEDIES: Final = (
    (redis.OutOfMemoryError, "raise its maxmemory"),
    (redis.ReadOnlyError, "point ARTWORK_REDIS_URL at the primary, not at a replica"),
    (
        redis.exceptions.NoPermissionError,
        "let its user run MULTI, EXEC, WATCH, UNWATCH, GETRANGE, MSET, EXISTS and UNLINK on keys art:*",
    ),
    (redis.ConnectionError, "see that it runs and can be reached"),
    (redis.TimeoutError, "see why it takes longer than 30 s for a command"),
)
"""What to do about a store that stops taking rows, by what redis-py raises."""

Told = Callable[[int], object]
"""Called with how many rows are there so far."""


@dataclass
class Stored:
    """Rows that the store took: how many, their bytes, some of them by user, and why it took no more, if it did not."""

    rows: int = 0
    row_bytes: int = 0
    sample: dict[str, bytes] = field(default_factory=dict)
    trouble: str = ""

    def add(self, written: Written, every: int) -> None:
        """Count what a command wrote; rows 0, every, 2 · every, ... of all of them go into the sample."""
        first = written.first + -self.rows % every
        self.sample |= dict(written.rows.record(row) for row in range(first, written.stop, every))
        self.rows += written.stop - written.first
        self.row_bytes += written.row_bytes

    def merge(self, other: "Stored") -> None:
        """Add what another task wrote."""
        self.rows += other.rows
        self.row_bytes += other.row_bytes
        self.sample |= other.sample
        self.trouble = self.trouble or other.trouble


class _Pace(NamedTuple):
    """How long to rest after a command, in times of what it took, and bytes per second at most; of one writer."""

    rests: float
    most_bytes_a_second: float | None


class RowWriter:
    """Writes and counts the rows of a generation.

    Args:
        client: of the store.
        workspace: that holds the generation.
        manifest: of the generation.
        most_mb_a_second: of all that write at a time together; None is as many as the store takes.
    """

    def __init__(
        self, client: redis.Redis, workspace: Workspace, manifest: Manifest, most_mb_a_second: float | None
    ) -> None:
        self._client, self._claim = client, Claim(manifest.generation, manifest.identity)
        self._picks = RecordedPicks(workspace, manifest)
        self._every = max(1, manifest.counts["rows"] // _SAMPLE)
        self._pace = pace_of(client, 1, most_mb_a_second)

    def write(self, told: Told) -> Stored:
        """Write all rows."""
        return _write(self._client, self._claim, self._picks, self._pace, self._every, told)

    def count(self) -> int:
        """How many of the rows the store holds."""
        return count_present(self._client, self._claim.generation, self._picks, rests=self._pace.rests)


class TaskWriter:
    """The same by tasks, of which at most ``writers`` are at work at a time.

    ``workspace`` and ``url`` are as all machines of the executor know them.
    """

    def __init__(
        self,
        client: redis.Redis,
        workspace: Workspace,
        manifest: Manifest,
        most_mb_a_second: float | None,
        *,
        url: str,
        executor: Executor,
        writers: int,
    ) -> None:
        self._executor, self._every = executor, max(1, manifest.counts["rows"] // _SAMPLE)
        n_files = len(RecordedPicks(workspace, manifest))
        self._writers = max(1, min(writers, n_files))
        pace = pace_of(client, self._writers, most_mb_a_second)
        self._rows = _Rows(workspace, manifest.generation, manifest.identity, url, pace)
        n_tasks = self._writers * -(-n_files // (_FILES_A_TASK * self._writers))
        self._tasks = [tuple(range(n_files)[task::n_tasks]) for task in range(n_tasks)]

    def write(self, told: Told) -> Stored:
        """Write all rows; where the store takes no more of one task, no others are begun."""
        stored = Stored()
        for some in self._waves():
            for one in self._executor.map(partial(_write_files, self._rows, self._every), some):
                stored.merge(one)
                told(stored.rows)
            if stored.trouble:
                break
        return stored

    def count(self) -> int:
        """How many of the rows the store holds."""
        return sum(
            present for some in self._waves() for present in self._executor.map(partial(_count_files, self._rows), some)
        )

    def _waves(self) -> Iterator[list[tuple[int, ...]]]:
        """As many tasks at a time as may be at work, whatever the executor has room for: their pace is a share of the whole."""
        for first in range(0, len(self._tasks), self._writers):
            yield self._tasks[first : first + self._writers]


def pace_of(client: redis.Redis, writers: int, most_mb_a_second: float | None) -> _Pace:
    """The pace of each of some writers, so that all of them together leave the store to look-ups for half of the time.

    A single writer rests as long as a command took. Of n that take turns at one store, each would find it busy with the others'
    commands while it rests: each rests (2n - 1) times as long. In a cluster of m primaries a writer sends to all of them and then
    reads an answer for each row, in which time a node works for an m-th: so what counts is writers per primary.
    Nobody looks up in a store that serves nothing.
    """
    share = None if most_mb_a_second is None else most_mb_a_second * 1e6 / writers
    if published_current(client) is None:
        return _Pace(0.0, share)
    with primaries(client) as nodes:
        return _Pace(2.0 * -(-writers // len(nodes)) - 1.0, share)


class _Rows(NamedTuple):
    """Which rows a task writes, and where."""

    workspace: Workspace
    generation: int
    identity: str
    url: str
    pace: _Pace


def _write_files(rows: _Rows, every: int, files: Sequence[int]) -> Stored:
    with store_errors(rows.url), connect(rows.url) as client:
        picks = _claimed(rows, client)
        return _write(
            client, Claim(rows.generation, rows.identity), picks.files(files), rows.pace, every, lambda _: None
        )


def _count_files(rows: _Rows, files: Sequence[int]) -> int:
    with store_errors(rows.url), connect(rows.url) as client:
        picks = _claimed(rows, client)
        return count_present(client, rows.generation, picks.files(files), rests=rows.pace.rests)


def _claimed(rows: _Rows, client: redis.Redis) -> RecordedPicks:
    """The picks of the generation, if it is this one that the store was told of.

    Raises:
        SurroundingsError: it is another store, or the publisher was overtaken.
    """
    meta = read_meta(client, rows.generation)
    if meta is None or meta.identity != rows.identity:
        found = "nothing" if meta is None else f"the identity {meta.identity}"
        raise SurroundingsError(
            f"the store at {show_url(rows.url)}, as a task reaches it, has {found} of generation {rows.generation}, expected the"
            f" identity {rows.identity}; every machine has to reach the same store by ARTWORK_REDIS_URL, and nobody may remove"
            " what is being published: see to both, then publish again"
        )
    return RecordedPicks(rows.workspace, read_manifest(rows.workspace, rows.generation))


def _write(client: redis.Redis, claim: Claim, files: Iterable[RowFile], pace: _Pace, every: int, told: Told) -> Stored:
    stored = Stored()
    try:
        for written in write_rows(
            client,
            claim.generation,
            files,
            rests=pace.rests,
            most_bytes_a_second=pace.most_bytes_a_second,
            claim=claim,
        ):
            stored.add(written, every)
            told(stored.rows)
    except redis.RedisError as error:
        remedy = next((remedy for kind, remedy in _REMEDIES if isinstance(error, kind)), "see the log of the store")
        stored.trouble = f"{said(error)}; what is served has not changed; {remedy}, then publish again"
    return stored
