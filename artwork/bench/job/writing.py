"""Rows into an empty store as fast as it takes them: as the publisher writes them, and by a writer that only sends."""

import select
import socket
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from artwork.bench.job.results import Plan, Writing
from artwork.bench.targets import WrongAnswerError
from artwork.bench.testbed.breakable_store import BreakableStore
from bandit.snapshot import row_key
from batch.executors import Progress
from batch.publishing.row_writer import count_present, write_rows
from batch.workspace.generations import read_manifest
from batch.workspace.picks import RecordedPicks
from batch.workspace.row_files import RowFile
from batch.workspace.workspace import Workspace

_GENERATION: Final = 1
_AT_ONCE: Final = 1 << 18
_ANSWER: Final = b"+OK\r\n"


def measure_writing(workspace: Workspace, plan: Plan, progress: Progress) -> Writing:
    """Write the rows of some shards by turns, each time into a store that is empty.

    Raises:
        WrongAnswerError: the store has not the rows that were written.
        SurroundingsError: the store fails.
    """
    files = _some(workspace, plan.rows)
    count = sum(len(rows.places) for rows in files)
    _timed(files[:1], len(files[0].places), raw=False)  # whose kernels are compiled or loaded
    ours, raw, counted = [], [], []
    for number in range(plan.rounds):
        progress("rounds of writing", number, plan.rounds)
        writing, counting = _timed(files, count, raw=False)
        ours.append(count / writing)
        counted.append(count / counting)
        raw.append(count / _timed(files, count, raw=True)[0])
    progress("rounds of writing", plan.rounds, plan.rounds)
    return Writing(count, ours, raw, counted)


def _some(workspace: Workspace, most: int) -> list[RowFile]:
    """The first shards that have so many rows together, at least one."""
    files: list[RowFile] = []
    for rows in RecordedPicks(workspace, read_manifest(workspace, _GENERATION)):
        files.append(rows)
        if sum(len(own.places) for own in files) >= most:
            break
    return files


def _timed(files: Sequence[RowFile], count: int, *, raw: bool) -> tuple[float, float]:
    """Seconds that writing takes, of the raw writer without what is made before; and that counting takes, 0 of the raw writer."""
    counting = 0.0
    with TemporaryDirectory() as folder, BreakableStore(Path(folder), forgets=True) as store:
        if raw:
            seconds = sum(_send(store.socket, _commands(rows), len(rows.places)) for rows in files)
        else:
            with store.client() as client:
                began = time.perf_counter()
                written = sum(one.stop - one.first for one in write_rows(client, _GENERATION, files, rests=False))
                wrote = time.perf_counter()
                present = count_present(client, _GENERATION, files, rests=False)
                seconds, counting = wrote - began, time.perf_counter() - wrote
            if (written, present) != (count, count):
                raise WrongAnswerError(f"{written:,} of {count:,} rows were written, {present:,} were counted")
        with store.client() as client:
            held: int = client.dbsize()
    if held != count:
        raise WrongAnswerError(f"the store has {held:,} keys after {count:,} rows")
    return seconds, counting


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
