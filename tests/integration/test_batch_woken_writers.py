"""Writers that are frozen and wake when the store is another publisher's: they write nothing more, and end with a word."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import redis
from make_impressions import Served, make_generation, served, silent, stored_rows
from shell import artwork_started
from writer_processes import HANG_SECONDS, is_there, wait_until, writers_of

from batch.choosing.chooser import USERS_A_BLOCK
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.publishing.publish import publish
from batch.publishing.row_bytes import encoded_rows
from batch.workspace.workspace import Workspace

pytestmark = pytest.mark.faults

USERS = 2 * USERS_A_BLOCK + 100
BY_TASKS = ("--executor", "processes", "--writers", "2")
WAYS = pytest.mark.parametrize("words", [(), BY_TASKS], ids=["one", "tasks"])


def filed(root: Workspace, seed: int, generations: int) -> Workspace:
    """A workspace with generations in three files each."""
    write(root, synthetic.build(n_users=USERS, n_titles=5, seed=3))
    for number in range(generations):
        make_generation(root, seed=10 * seed + number, shard_size=1)
    return root


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with three generations."""
    return filed(Workspace(tmp_path_factory.mktemp("ours")), 0, 3)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Another workspace, whose generation of the same number has other rows for the same users."""
    return filed(Workspace(tmp_path_factory.mktemp("others")), 1, 1)


@dataclass
class Woken:
    """How a publisher ended that was frozen."""

    code: int = 0
    err: str = ""


@contextmanager
def frozen(
    workspace: Workspace, generation: int, words: tuple[str, ...], client: redis.Redis, store: str
) -> Iterator[Woken]:
    """A publisher that has written some rows of a generation, frozen with its writers; it wakes when the block ends."""
    before, ended = client.dbsize(), Woken()
    line = ("publish", "--workspace", str(workspace.root), "--generation", str(generation), *words)
    with artwork_started(*line, "--max-mb-per-second", "0.04", ARTWORK_REDIS_URL=store) as started:
        try:
            wait_until(lambda: client.dbsize() > before + 400 and (not words or len(writers_of(started.pid)) == 2))
            with asleep(started.pid, *writers_of(started.pid)):
                yield ended
            _, ended.err = started.communicate(timeout=HANG_SECONDS)
            ended.code = started.returncode
        finally:
            started.kill()


@contextmanager
def asleep(*processes: int) -> Iterator[None]:
    """Processes that stand still until the end of the block, and those of them that are left go on."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in filter(is_there, reversed(processes)):
            os.kill(process, signal.SIGCONT)


@WAYS
def test_a_publisher_that_wakes_in_a_store_which_was_emptied_and_is_another_s_changes_no_row_there(
    words: tuple[str, ...], ours: Workspace, others: Workspace, client: redis.Redis, store: str
) -> None:
    with frozen(ours, 1, words, client, store) as old:
        client.flushall()
        publish(others, 1, client, store, silent)
    rows = dict(encoded_rows(others, 1))
    held = stored_rows(client, others, 1)
    assert sum(held[user] != rows[user] for user in rows) == 0
    assert (old.code, old.err.count("\n")) == (3, 1), old.err
    assert "expected the identity" in old.err
    assert served(client) == Served(1, 1)


@WAYS
def test_a_publisher_that_wakes_when_its_generation_was_swept_leaves_no_row_of_it(
    words: tuple[str, ...], ours: Workspace, client: redis.Redis, store: str
) -> None:
    with frozen(ours, 1, words, client, store) as old:
        for number in (2, 3, 3):
            publish(ours, number, client, store, silent)
        assert list(client.scan_iter("art:g:1:*")) == []
    assert list(client.scan_iter("art:g:1:*")) == []
    assert (old.code, old.err.count("\n")) == (3, 1), old.err
    assert "nothing of generation 1" in old.err
    assert served(client) == Served(3, 3, 2)
    assert stored_rows(client, ours, 3) == dict(encoded_rows(ours, 3))


def test_a_publisher_ends_with_a_writer_that_is_killed_while_another_one_is_frozen(
    ours: Workspace, client: redis.Redis, store: str
) -> None:
    line = ("publish", "--workspace", str(ours.root), *BY_TASKS, "--max-mb-per-second", "0.02")
    with artwork_started(*line, ARTWORK_REDIS_URL=store) as started:
        try:
            wait_until(lambda: client.dbsize() > 400 and len(writers_of(started.pid)) == 2)
            stopped, killed = writers_of(started.pid)
            with asleep(stopped):
                os.kill(killed, signal.SIGKILL)
                _, err = started.communicate(timeout=20)
                assert (started.returncode, err.count("\n")) == (3, 1), err
                wait_until(lambda: not is_there(stopped))
        finally:
            started.kill()
