"""What a pick takes in the memory of a store, in every row format."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import redis

from artwork.bench.job.data import TITLES
from artwork.bench.job.results import Plan, Weighed
from artwork.bench.testbed.breakable_store import BreakableStore
from bandit.errors import SurroundingsError
from bandit.snapshot import ROW_FORMATS, RowFormat
from batch.executors import Progress
from batch.publishing.row_writer import write_rows
from batch.workspace.row_files import Packing, RowFile, pack

CATALOGUE: Final = 15_000
"""Titles, of which a shortlist has 100."""
SMALLEST: Final = "3, up to 16 artworks"
_NAMES: Final = {4: SMALLEST, 5: "3, up to 32 artworks", 8: "2"}
_START_SECONDS: Final = 20.0
_IDENTITY: Final = "0" * 32


def weigh(plan: Plan, progress: Progress) -> list[Weighed]:
    """Rows of drawn picks in every format, dense and shortlists, in every server that is installed.

    Raises:
        SurroundingsError: a server does not start.
    """
    kinds = [(form, is_shortlist) for form in reversed(ROW_FORMATS) for is_shortlist in (False, True)]
    servers = [("Valkey", _valkey), *([("Redis", _redis)] if shutil.which("redis-server") else [])]
    weighed: list[Weighed] = []
    for name, started in servers:
        with TemporaryDirectory() as folder, started(Path(folder)) as client:
            for form, is_shortlist in kinds:
                progress("row formats weighed", len(weighed), len(kinds) * len(servers))
                weighed.append(
                    _weighed(f"{name} {_version(client)}", client, form, plan.sized, is_shortlist=is_shortlist)
                )
    progress("row formats weighed", len(weighed), len(weighed))
    return weighed


def _weighed(server: str, client: redis.Redis, form: RowFormat, users: int, *, is_shortlist: bool) -> Weighed:
    # Else memory is freed later, as if the rows gave it back.
    client.execute_command("FLUSHALL", "SYNC")  # type: ignore[no-untyped-call]
    rows = drawn_rows(form, users, is_shortlist=is_shortlist)
    before, looks = _held(client), []
    for written in write_rows(client, 1, [rows], rests=True):
        if written.stop >= users // 2:
            taken = _held(client) - before
            looks.append(taken / written.stop / TITLES)
    picks = users * TITLES
    kind = f"{TITLES} of {CATALOGUE:,} titles" if is_shortlist else f"all of {TITLES} titles"
    return Weighed(
        server,
        _NAMES[form.arm_bits],
        kind,
        taken / picks,
        int(rows.row_lengths.sum(dtype=np.int64)) / picks,
        min(looks),
        max(looks),
    )


def _held(client: redis.Redis) -> int:
    """Bytes of everything that the store holds but for what its clients are sending."""
    memory = client.info("memory")
    return int(memory["used_memory"]) - int(memory["mem_clients_normal"])


def drawn_rows(form: RowFormat, users: int, *, is_shortlist: bool) -> RowFile:
    """Rows of so many users, with 100 picks each that are drawn at random, of all titles or as shortlists."""
    random = np.random.default_rng(7)
    count = users * TITLES
    titles = np.empty(0, dtype=np.uint16)
    if is_shortlist:
        chosen = (np.sort(random.choice(CATALOGUE, TITLES, replace=False)) for _ in range(users))
        titles = np.concatenate(list(chosen)).astype(np.uint16)
    return pack(
        Packing(1, _IDENTITY, is_shortlist, form),
        0,
        [f"u{user:09d}" for user in range(users)],
        np.arange(users),
        np.zeros(users, dtype=np.uint8),
        np.full(users, TITLES),
        random.integers(0, 10, count, dtype=np.uint8),
        random.integers(1, form.total, count, dtype=np.uint16),
        titles,
    )


@contextmanager
def _valkey(folder: Path) -> Iterator[redis.Redis]:
    with BreakableStore(folder, forgets=True) as store, store.client(30) as client:
        yield client


@contextmanager
def _redis(folder: Path) -> Iterator[redis.Redis]:
    """Redis itself, as Debian packages it."""
    path = folder / "s"
    words = ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)  # noqa: S603 - found on the path, no shell
    try:
        with redis.Redis(unix_socket_path=str(path)) as client:
            _wait(client, process)
            yield client
    finally:
        process.kill()
        process.wait()


def _wait(client: redis.Redis, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with suppress(redis.ConnectionError):
            client.ping()
            return
        time.sleep(0.02)
    raise SurroundingsError("redis-server does not start; run it by hand to see why, or take it off the path")


def _version(client: redis.Redis) -> str:
    info = client.info("server")
    return str(info.get("valkey_version") or info["redis_version"])
