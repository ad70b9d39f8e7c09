"""Publishers that are killed, overtaken, or at work at the same time: readers see whole generations only."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import pytest
import redis
from make_impressions import Served, make_generation, served, silent, stored_rows
from shell import artwork_started, environment

from bandit.errors import InputError, RowError
from bandit.snapshot import decode_row, row_key
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.publishing.flips import activate, count_rows, read_current
from batch.publishing.publish import publish
from batch.publishing.row_bytes import encoded_rows
from batch.store.client import connect, read_bytes
from batch.workspace.workspace import Workspace

pytestmark = pytest.mark.faults

USERS = 10_000
HANG_SECONDS = 60.0
MOMENTS = [0, 1, 1250, 4500, 8000, USERS]
"""Rows that a publisher has written when it is killed; at the last one it is checking them, or has just flipped."""

STANDS_STILL = """
import os, signal, sys
from pathlib import Path
from batch.publishing.publish import publish
from batch.store.client import connect
from batch.workspace.workspace import Workspace

def stand_still(what, done, total):
    if done == int(rows):
        os.kill(os.getpid(), signal.SIGSTOP)

root, generation, url, rows = sys.argv[1:]
publish(Workspace(Path(root)), int(generation), connect(url), url, stand_still)
"""
"""A publisher that stops itself in the midst of its work, until it is told to go on."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with three generations whose publishing takes a while."""
    made = Workspace(tmp_path_factory.mktemp("large"))
    write(made, synthetic.build(n_users=USERS, n_titles=12, seed=3))
    for seed in range(3):
        make_generation(made, seed=seed)
    return made


def wait_until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + HANG_SECONDS
    while not reached():
        assert time.monotonic() < end, "what the test waits for did not come about"
        time.sleep(0.0005)  # a publisher writes some ten rows meanwhile, and needs the processor


def publisher_of(workspace: Workspace, generation: int, store: str) -> subprocess.Popen[str]:
    words = ("publish", "--generation", str(generation), "--workspace", str(workspace.root), "--json")
    return artwork_started(*words, ARTWORK_REDIS_URL=store)


@contextmanager
def stopped_after(rows: int, workspace: Workspace, generation: int, store: str) -> Iterator[subprocess.Popen[str]]:
    """A publisher that stands still, having written some rows of its generation; it goes on when the block ends."""
    words = [str(workspace.root), str(generation), store, str(rows)]
    with subprocess.Popen(
        [sys.executable, "-c", STANDS_STILL, *words], stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        try:
            assert process.poll() is None
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.wait(HANG_SECONDS)


def kill_after(rows: int, workspace: Workspace, generation: int, client: redis.Redis, store: str) -> None:
    """Kill ``artwork publish`` as soon as the store holds some rows of its generation."""
    keys = client.dbsize() + rows
    with publisher_of(workspace, generation, store) as process:
        wait_until(lambda: client.dbsize() > keys)
        process.kill()


@cache
def rows_on_disk(workspace: Workspace, generation: int) -> dict[str, bytes]:
    """What a publisher has to write; the generations of ``large`` never change."""
    return dict(encoded_rows(workspace, generation))


def assert_whole(client: redis.Redis, workspace: Workspace, generation: int) -> None:
    assert stored_rows(client, workspace, generation) == rows_on_disk(workspace, generation)


class Reader:
    """Reads rows of the current generation again and again, as the service does, and keeps what was wrong."""

    def __init__(self, store: str) -> None:
        self.users = [f"u{number:05d}" for number in range(1, USERS, 199)]
        self.store = store
        self.seen: set[int] = set()
        self.wrong: list[str] = []
        self.done = threading.Event()

    @contextmanager
    def reading(self) -> Iterator[None]:
        thread = threading.Thread(target=self._read)
        thread.start()
        try:
            yield
        finally:
            self.done.set()
            thread.join()

    def _read(self) -> None:
        with connect(self.store) as client:
            while not self.done.wait(0.002):
                now = read_current(client)
                if now is not None:
                    self.seen.add(now.generation)
                    self._read_rows(client, now.generation, now.identity)

    def _read_rows(self, client: redis.Redis, generation: int, identity: str) -> None:
        rows = read_bytes(client, [row_key(generation, user_id) for user_id in self.users])
        for user_id, raw in zip(self.users, rows, strict=True):
            try:
                decode_row(raw or b"", user_id, generation, identity)
            except RowError as error:
                self.wrong.append(f"generation {generation}, user {user_id}: {error}")


@pytest.mark.faults
@pytest.mark.parametrize("rows", MOMENTS)
def test_a_publisher_killed_at_any_moment_leaves_a_whole_generation_and_another_takes_up_its_work(
    rows: int, large: Workspace, client: redis.Redis, store: str
) -> None:
    publish(large, 1, client, store, silent)
    kill_after(rows, large, 2, client, store)
    left = served(client)
    assert left in {Served(1, 1), Served(2, 2, 1)}
    assert left is not None
    assert_whole(client, large, left.generation)
    assert publish(large, 2, client, store, silent).previous == 1
    assert_whole(client, large, 2)


@pytest.mark.parametrize("rows", [1000, USERS])
def test_a_publisher_killed_before_its_flip_has_changed_nothing_that_is_served(
    rows: int, large: Workspace, client: redis.Redis, store: str
) -> None:
    publish(large, 1, client, store, silent)
    with stopped_after(rows, large, 2, store) as process:
        assert count_rows(client, 2) == rows
        process.kill()
    assert served(client) == Served(1, 1)
    assert_whole(client, large, 1)


def test_what_a_killed_publisher_left_cannot_be_activated(large: Workspace, client: redis.Redis, store: str) -> None:
    publish(large, 1, client, store, silent)
    with stopped_after(3000, large, 2, store) as process:
        process.kill()
    with pytest.raises(InputError, match=r"generation 2 is not whole in the store"):
        activate(client, 2)
    assert served(client) == Served(1, 1)


def test_what_a_killed_publisher_left_is_swept_once_a_later_generation_is_current(
    large: Workspace, client: redis.Redis, store: str
) -> None:
    publish(large, 1, client, store, silent)
    with stopped_after(3000, large, 2, store) as process:
        process.kill()
    publish(large, 3, client, store, silent)
    assert count_rows(client, 2) == 3000
    publish(large, 3, client, store, silent)
    assert list(client.scan_iter("art:g:2:*")) == []
    assert_whole(client, large, 3)


def test_a_publisher_that_is_overtaken_is_refused_and_flips_nothing(
    large: Workspace, client: redis.Redis, store: str
) -> None:
    publish(large, 1, client, store, silent)
    reader = Reader(store)
    with reader.reading(), stopped_after(3000, large, 2, store) as slow:
        publish(large, 3, client, store, silent)
        slow.send_signal(signal.SIGCONT)
        _, complaint = slow.communicate(timeout=HANG_SECONDS)
    assert "InputError: generation 3 is served, which is newer than 2" in complaint
    assert slow.returncode == 1
    assert served(client) == Served(3, 2, 1)
    assert_whole(client, large, 3)
    assert reader.seen <= {1, 3}
    assert reader.wrong == []


def test_a_newer_publisher_that_is_slow_flips_last(large: Workspace, client: redis.Redis, store: str) -> None:
    publish(large, 1, client, store, silent)
    reader = Reader(store)
    with reader.reading():
        with stopped_after(3000, large, 3, store) as slow:
            publish(large, 2, client, store, silent)
        assert slow.returncode == 0
    assert served(client) == Served(3, 3, 2)
    assert_whole(client, large, 2)
    assert_whole(client, large, 3)
    assert reader.seen <= {1, 2, 3}
    assert reader.wrong == []


def test_two_publishers_at_once_end_with_the_newer_generation_whole(
    large: Workspace, client: redis.Redis, store: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each from a copy of the workspace: in one workspace, one job is at work at a time."""
    copied = Workspace(tmp_path_factory.mktemp("copy") / "workspace")
    shutil.copytree(large.root, copied.root)
    publish(large, 1, client, store, silent)
    reader = Reader(store)
    with reader.reading():
        both = [publisher_of(copied, 2, store), publisher_of(large, 3, store)]
        for process in both:
            process.communicate(timeout=HANG_SECONDS)
    older, newer = (process.returncode for process in both)
    assert newer == 0
    assert older in {0, 2}  # 2: overtaken
    current = read_current(client)
    assert current is not None
    assert current.generation == 3
    assert_whole(client, large, 3)
    assert reader.wrong == []
