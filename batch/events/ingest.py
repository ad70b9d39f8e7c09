"""Ingesting: entries of the streams become segments on disk, and only then are acknowledged and trimmed.

What is on disk is the record. Whatever the store gives a second time (after a crash between writing and acknowledging, for a
group that was lost, from a store that was restored) is looked for there and not written again. What the store holds below the
group's place without being on disk is taken as well, so a group that was made or moved by hand loses nothing.
"""

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

import redis

from bandit.errors import InputError, SurroundingsError
from bandit.snapshot import MAX_EVENT_PARTITIONS, event_stream_key
from batch.events.partitions import Partition
from batch.events.segments import Segment, segments, segments_folder
from batch.executors import Progress
from batch.store.client import connect, store_errors
from batch.workspace.lock import opened_lock, sign
from batch.workspace.workspace import Workspace

EVERY_SECONDS: Final = 30.0
"""Between two looks at streams that were empty, under ``--follow``: each look writes at most one small segment per stream."""
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
"""Between two tries where store or disk are in trouble."""
_READING: Final = "entries ingested"


class AlreadyIngestingError(SurroundingsError):
    """Another process ingests into this workspace."""


@dataclass(frozen=True)
class Ingested:
    """What was taken from the streams.

    ``dead`` entries were put aside; ``again`` were on disk already and were only acknowledged; ``gone`` had been read and not
    acknowledged when somebody removed them from the stream.
    """

    entries: int = 0
    events: int = 0
    dead: int = 0
    segments: int = 0
    again: int = 0
    gone: int = 0

    def plus(self, **counts: int) -> "Ingested":
        """With more of each."""
        return replace(self, **{name: getattr(self, name) + count for name, count in counts.items()})


def ingest(
    workspace: Workspace,
    url: str,
    report: Progress,
    *,
    follow: bool = False,
    every: float = EVERY_SECONDS,
    tell: Callable[[str], object] = lambda _text: None,
) -> Ingested:
    """Take what the streams hold into segments; with ``follow``, until the process is told to end.

    Args:
        workspace: where segments are written.
        url: of the store of events.
        report: called with the number of entries so far.
        follow: whether to go on for new entries, and through troubles of store and disk.
        every: seconds between two looks at the streams.
        tell: called with a line about each trouble that is waited out.

    Raises:
        InputError: there is no workspace.
        AlreadyIngestingError: another process ingests into this workspace.
        SurroundingsError: the store or the disk failed, unless ``follow``; nothing was acknowledged that is not on disk.
    """
    if not workspace.root.is_dir():
        raise InputError(f"{workspace.root} is not a folder; expected a workspace")
    with _alone(workspace):
        _sweep_temporary(workspace)
        ingesting = _Ingesting(workspace, url, report)
        failures = 0
        while True:
            pause = every
            try:
                ingesting.everything()
                failures = 0
            except SurroundingsError as error:
                if not follow:
                    raise
                pause = min(FIRST_PAUSE_SECONDS * 2**failures, LONGEST_PAUSE_SECONDS)
                failures = min(failures + 1, 10)
                ingesting.start_anew()
                tell(f"{error}; trying again in {pause:g} s")
            if not follow:
                return ingesting.done
            time.sleep(pause)


@contextmanager
def _alone(workspace: Workspace) -> Iterator[None]:
    """Hold the lock of a workspace's segments; the system lets it go however this process ends."""
    path = workspace.events / "ingest.lock"
    with opened_lock(path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read(20).decode(errors="replace").strip() or "unknown"
            raise AlreadyIngestingError(
                f"process {holder} ingests into {workspace.root} already; let it work, or stop it"
            ) from None
        sign(lock, path, str(os.getpid()))
        yield


def _sweep_temporary(workspace: Workspace) -> None:
    """Remove what an ingest left that was killed while it wrote; nobody else writes here."""
    for path in segments_folder(workspace).glob(".p*.tmp"):
        path.unlink(missing_ok=True)


def _consumer(workspace: Workspace) -> str:
    """The name of this workspace's consumer, the same each time."""
    place = f"{socket.gethostname()}:{workspace.root.resolve()}"
    return f"ingest-{blake2b(place.encode(), digest_size=6).hexdigest()}"


class _Ingesting:
    """One process's work; ``done`` counts what is acknowledged."""

    def __init__(self, workspace: Workspace, url: str, report: Progress) -> None:
        self._workspace = workspace
        self._url = url
        self._report = report
        self._consumer = _consumer(workspace)
        self._client: redis.Redis | None = None
        self._partitions: dict[int, Partition] = {}
        self._refused: redis.ResponseError | None = None
        self.done = Ingested()

    def start_anew(self) -> None:
        """Connect anew, and look again at what was read and not acknowledged."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
        self._partitions = {}

    def everything(self) -> None:
        """Take in what all streams hold."""
        if self._client is None:
            self._client = connect(self._url)
        client = self._client
        with store_errors(self._url):
            strange = self._discover(client)
            self._refused = None
            waiting = list(self._partitions.values())
            while waiting:
                waiting = [partition for partition in waiting if self._one_segment(partition)]
            if self._refused is not None:  # after the other streams: one in trouble does not keep them waiting
                raise self._refused
        if strange:
            raise SurroundingsError(
                f"the store has {', '.join(strange)} of another kind than a stream, so no events can be appended there;"
                " remove or rename what is there"
            )

    def _one_segment(self, partition: Partition) -> bool:
        """Take at most one segment of a stream; whether there may be more."""
        try:
            done, more = partition.one_segment()
        except redis.ResponseError as error:
            # Whatever it was, the next look begins anew; without a group or a key, the store was emptied meanwhile.
            del self._partitions[partition.number]
            if not str(error).startswith(("NOGROUP", "ERR no such key")):
                self._refused = error
            return False
        self.done = self.done.plus(**done)
        if done:
            self._report(_READING, self.done.entries, self.done.entries)
        return more

    def _discover(self, client: redis.Redis) -> list[str]:
        """Open the streams that are new; the keys that are no streams."""
        keys = [event_stream_key(number) for number in range(MAX_EVENT_PARTITIONS)]
        with client.pipeline(transaction=False) as asking:
            for key in keys:
                asking.type(key)
            kinds = asking.execute()
        streams = {number for number, kind in enumerate(kinds) if kind == b"stream"}
        on_disk = _segments_by_partition(self._workspace) if streams - self._partitions.keys() else {}
        for number, (key, kind) in enumerate(zip(keys, kinds, strict=True)):
            if kind == b"stream" and number not in self._partitions:
                self._partitions[number] = Partition(
                    client, number, key, self._consumer, self._workspace, on_disk.get(number, [])
                )
            elif kind == b"none":
                self._partitions.pop(number, None)
        return [key for key, kind in zip(keys, kinds, strict=True) if kind not in (b"stream", b"none")]


def _segments_by_partition(workspace: Workspace) -> dict[int, list[Segment]]:
    by_partition: dict[int, list[Segment]] = {}
    for segment in segments(workspace):
        by_partition.setdefault(segment.partition, []).append(segment)
    return by_partition
