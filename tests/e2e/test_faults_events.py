"""Events while everything is killed: what was answered 202 is in a segment once, and what is in the store is never lost."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import polars as pl
import pytest
from faults import new_store, running_service
from posted_events import body, event
from shell import artwork, environment
from streamed_events import add, event_ids
from visitors import HANG_SECONDS

from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.store_fixture import StoreFixture, publish
from bandit.snapshot import event_stream_key
from batch.events.segments import scan_segments
from batch.workspace.workspace import Workspace

POSTERS = 4
REQUESTS = 250
"""Of each poster."""


@pytest.fixture
def store() -> Iterator[BreakableStore]:
    with new_store() as store, store.client() as client:
        publish(client, StoreFixture(users=20, titles=4), 1, flip=1)
        yield store


@contextmanager
def killed_again_and_again(store: BreakableStore, folder: Path, chance: random.Random) -> Iterator[list[int]]:
    """An ingest that follows, killed at random moments and started again until the block ends; its exit codes."""
    codes: list[int] = []
    over = threading.Event()
    command = [sys.executable, "-m", "artwork.cli", "ingest", "--follow", "--every", "0.1", "-w", str(folder)]

    def run() -> None:
        while not over.is_set():
            process = subprocess.Popen(command, env=environment(ARTWORK_REDIS_URL=store.url))
            with suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0.8, 2.5))  # its start takes most of a second
            process.kill()
            codes.append(process.wait())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield codes
    finally:
        over.set()
        thread.join()


def posted(address: str, poster: int) -> set[str]:
    """Post until every request is answered 202, with the same ids each time; some are sent twice. The ids."""
    chance = random.Random(poster)
    sent: set[str] = set()
    give_up = time.monotonic() + HANG_SECONDS * 4
    with httpx.Client(base_url=address, timeout=HANG_SECONDS) as client:
        for number in range(REQUESTS):
            ids = [f"p{poster}-{number}-{place}" for place in range(chance.randint(1, 20))]
            content = body(*(event(event_id=one, user_id=f"u{chance.randrange(50)}") for one in ids))
            for _ in range(chance.choice([1, 1, 1, 2])):
                while not _accepted(client, content):
                    assert time.monotonic() < give_up
            sent.update(ids)
    return sent


def _accepted(client: httpx.Client, content: bytes) -> bool:
    try:
        status = client.post("/v1/events", content=content).status_code
    except httpx.TransportError:  # the service was killed
        status = 503
    assert status in {202, 503}
    if status == 503:
        time.sleep(0.05)
    return status == 202


@pytest.mark.faults
def test_every_accepted_event_is_in_a_segment_though_ingest_store_and_service_are_killed(
    store: BreakableStore, tmp_path: Path
) -> None:
    chance = random.Random(11)
    with (
        running_service(tmp_path, store.url, event_partitions="3", events_deadline_ms="2000") as service,
        ThreadPoolExecutor(POSTERS) as pool,
    ):
        with killed_again_and_again(store, tmp_path, chance) as codes:
            waiting = [pool.submit(posted, service.address, poster) for poster in range(POSTERS)]
            while not all(poster.done() for poster in waiting):
                time.sleep(chance.uniform(0.5, 2.0))
                store.kill()
                store.start()
        accepted = set().union(*(poster.result() for poster in waiting))
    assert codes
    done = artwork("ingest", "-w", str(tmp_path), ARTWORK_REDIS_URL=store.url)
    assert done.returncode == 0, done.stderr
    rows = scan_segments(Workspace(tmp_path)).collect()
    assert set(rows["event_id"]) == accepted
    assert rows.select(pl.struct("stream_id", "place", pl.col("received_at")).is_duplicated().any()).item() is False
    with store.client() as client:
        assert sum(int(client.xlen(event_stream_key(partition))) for partition in range(3)) == 0


@pytest.mark.faults
def test_an_ingest_that_is_killed_at_random_moments_writes_every_entry_once(
    store: BreakableStore, tmp_path: Path
) -> None:
    workspace, count = Workspace(tmp_path), 0
    with store.client() as client, killed_again_and_again(store, tmp_path, random.Random(5)) as codes:
        while len(codes) < 4:
            add(client, f"e{count}", partition=count % 4)
            count += 1
    done = artwork("ingest", "-w", str(tmp_path), ARTWORK_REDIS_URL=store.url)
    assert done.returncode == 0, done.stderr
    assert event_ids(workspace) == sorted(f"e{n}" for n in range(count))


@pytest.mark.skipif(os.geteuid() != 0, reason="a file system of its own needs root")
def test_on_a_full_disk_nothing_is_acknowledged_that_is_not_on_it(store: BreakableStore) -> None:
    with TemporaryDirectory() as folder, _small_disk(Path(folder)) as disk, store.client() as client:
        for n in range(2000):
            add(client, *(f"e{n}-{m}-{os.urandom(12).hex()}" for m in range(20)))
        before = client.xlen(event_stream_key(0))
        failed = artwork("ingest", "-w", str(disk), ARTWORK_REDIS_URL=store.url)
        assert (failed.returncode, client.xlen(event_stream_key(0))) == (3, before)
        assert "No space left" in failed.stderr
        assert list((disk / "events" / "segments").iterdir()) == []
        (disk / "ballast").unlink()
        assert artwork("ingest", "-w", str(disk), ARTWORK_REDIS_URL=store.url).returncode == 0
        assert len(set(event_ids(Workspace(disk)))) == 40_000


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 16 MB that is full but for some 100 kB as long as its ballast is there."""
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        free = os.statvfs(folder)
        (folder / "ballast").write_bytes(bytes(free.f_bavail * free.f_frsize - 100_000))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
