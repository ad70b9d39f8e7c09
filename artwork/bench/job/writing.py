"""Rows into an empty store as fast as it takes them: as the publisher writes them, and by a writer that only sends."""

import select
import socket
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import redis

from artwork.bench.job.results import Plan, Writing
from artwork.bench.targets import WrongAnswerError
from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.store_fixture import StoreFixture, identity_of, make_current
from bandit.snapshot import meta_key, row_key
from batch.executors import Progress
from batch.publishing.claims import Claim
from batch.publishing.row_writer import count_present, write_rows
from batch.publishing.sweep import sweep
from batch.workspace.generations import read_manifest
from batch.workspace.picks import RecordedPicks
from batch.workspace.row_files import RowFile
from batch.workspace.workspace import Workspace

_GENERATION: Final = 1
_AT_ONCE: Final = 1 << 18
_ANSWER: Final = b"+OK\r\n"
_LONG_SECONDS: Final = 30.0


class _Took(NamedTuple):
    """Seconds of the publisher's steps that grow with rows."""

    writing: float
    counting: float
    walking: float
    removing: float


def measure_writing(workspace: Workspace, plan: Plan, progress: Progress) -> Writing:
    """Write the rows of some shards by turns, each time into a store that is empty.

    Raises:
        WrongAnswerError: the store has not the rows that were written.
        SurroundingsError: the store fails.
    """
    files = _some(workspace, plan.rows)
    count = sum(len(rows.places) for rows in files)
    _ours(files[:1], len(files[0].places))  # whose kernels are compiled or loaded
    ours: list[_Took] = []
    raw: list[float] = []
    for number in range(plan.rounds):
        progress("rounds of writing", number, plan.rounds)
        ours.append(_ours(files, count))
        raw.append(_raw(files, count))
    progress("rounds of writing", plan.rounds, plan.rounds)
    writing, counting, walking, removing = ([count / seconds for seconds in step] for step in zip(*ours, strict=True))
    return Writing(count, writing, [count / seconds for seconds in raw], counting, walking, removing)


def _some(workspace: Workspace, most: int) -> list[RowFile]:
    """The first shards that have so many rows together, at least one."""
    files: list[RowFile] = []
    for rows in RecordedPicks(workspace, read_manifest(workspace, _GENERATION)):
        files.append(rows)
        if sum(len(own.places) for own in files) >= most:
            break
    return files


def _ours(files: Sequence[RowFile], count: int) -> _Took:
    """Write and count rows as the publisher does, then sweep twice: while they are served, and when they no longer are."""
    with (
        TemporaryDirectory() as folder,
        BreakableStore(Path(folder), forgets=True) as store,
        store.client(_LONG_SECONDS) as client,
    ):
        key, claim = meta_key(_GENERATION), Claim(_GENERATION, identity_of(_GENERATION))
        client.set(key, StoreFixture(1, 1).described(_GENERATION)[key])
        began = time.perf_counter()
        written = sum(one.stop - one.first for one in write_rows(client, _GENERATION, files, rests=False, claim=claim))
        wrote = time.perf_counter()
        client.delete(key)
        present = count_present(client, _GENERATION, files, rests=False)
        counted = time.perf_counter()
        if (written, present) != (count, count):
            raise WrongAnswerError(f"{written:,} of {count:,} rows were written, {present:,} were counted")
        _check(client, count)
        walking, removing = _swept(client, _GENERATION, 0), _swept(client, _GENERATION + 2, count)
        return _Took(wrote - began, counted - wrote, walking, removing)


def _swept(client: redis.Redis, served: int, expected: int) -> float:
    """Seconds of a sweep while a generation is served, which has to remove so many keys."""
    make_current(client, served, served)
    began = time.perf_counter()
    removed = sweep(client).removed
    if removed != expected:
        raise WrongAnswerError(f"a sweep removed {removed:,} keys, expected {expected:,}")
    return time.perf_counter() - began


def _raw(files: Sequence[RowFile], count: int) -> float:
    """Seconds that writing takes without what is made before."""
    with TemporaryDirectory() as folder, BreakableStore(Path(folder), forgets=True) as store:
        seconds = sum(_send(store.socket, _commands(rows), len(rows.places)) for rows in files)
        with store.client() as client:
            _check(client, count)
    return seconds


def _check(client: redis.Redis, count: int) -> None:
    held: int = client.dbsize()
    if held != count:
        raise WrongAnswerError(f"the store has {held:,} keys after {count:,} rows")


def _commands(rows: RowFile) -> bytes:
    """One SET per row, ready to be sent."""
    pairs = (
        (row_key(_GENERATION, user_id).encode(), row) for user_id, row in map(rows.record, range(len(rows.places)))
    )
    commands = (
        (b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n" % (len(key), key, len(row)), row, b"\r\n") for key, row in pairs
    )
    return b"".join(chain.from_iterable(commands))


def _send(path: Path, commands: bytes, count: int) -> float:
    """Send commands and read their answers, both as they can be; how long it takes."""
    view, expected = memoryview(commands), count * len(_ANSWER)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.setblocking(False)
        began = time.perf_counter()
        sent = received = 0
        while received < expected:
            readable, writable, _ = select.select([connection], [connection] if sent < len(view) else [], [], 30)
            if not readable and not writable:
                raise WrongAnswerError("the store does not answer SET commands")
            if readable:
                answers = connection.recv(1 << 16)
                if not answers or answers.startswith(b"-"):
                    raise WrongAnswerError(f"the store answers SET with {answers[:100]!r}")
                received += len(answers)
            if writable:
                sent += connection.send(view[sent : sent + _AT_ONCE])
        return time.perf_counter() - began
