"""Publishing by processes, of which one is killed: what is served stays whole, and the next publish takes up the work."""

import os
import signal
import subprocess
from collections.abc import Iterator

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


@pytest.fixture(scope="module")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with two generations, in three files each."""
    made = Workspace(tmp_path_factory.mktemp("filed"))
    write(made, synthetic.build(n_users=USERS, n_titles=5, seed=3))
    for seed in range(2):
        make_generation(made, seed=seed, shard_size=1)
    return made


@pytest.fixture
def job(filed: Workspace, client: redis.Redis, store: str) -> Iterator[subprocess.Popen[str]]:
    """Generation 1 is served, and two processes write the rows of 2, slowly: each has begun."""
    publish(filed, 1, client, store, silent)
    words = ("publish", "--workspace", str(filed.root), "--executor", "processes", "--writers", "2")
    before = client.dbsize()
    with artwork_started(*words, "--max-mb-per-second", "0.02", ARTWORK_REDIS_URL=store) as started:
        try:
            wait_until(lambda: client.dbsize() > before + 400 and len(writers_of(started.pid)) == 2)
            yield started
        finally:
            started.kill()


def assert_taken_up(filed: Workspace, client: redis.Redis, store: str) -> None:
    """What was served is whole, and so is the next one once it is published again."""
    assert served(client) == Served(1, 1)
    assert stored_rows(client, filed, 1) == dict(encoded_rows(filed, 1))
    assert publish(filed, 2, client, store, silent).previous == 1
    assert stored_rows(client, filed, 2) == dict(encoded_rows(filed, 2))


def test_a_writer_that_is_killed_ends_the_publish_and_changes_nothing_that_is_served(
    job: subprocess.Popen[str], filed: Workspace, client: redis.Redis, store: str
) -> None:
    os.kill(writers_of(job.pid)[0], signal.SIGKILL)
    _, err = job.communicate(timeout=HANG_SECONDS)
    assert (job.returncode, err.count("\n")) == (3, 1), err
    assert err.startswith("error: a worker process died at its work")
    assert_taken_up(filed, client, store)


def test_writers_end_with_a_publisher_that_is_killed(
    job: subprocess.Popen[str], filed: Workspace, client: redis.Redis, store: str
) -> None:
    writers = writers_of(job.pid)
    job.kill()
    wait_until(lambda: not any(map(is_there, writers)))
    assert_taken_up(filed, client, store)


def test_ctrl_c_ends_writers_without_a_word(
    job: subprocess.Popen[str], filed: Workspace, client: redis.Redis, store: str
) -> None:
    writers = writers_of(job.pid)
    job.send_signal(signal.SIGINT)
    _, err = job.communicate(timeout=HANG_SECONDS)
    assert (job.returncode, err) == (130, "")
    wait_until(lambda: not any(map(is_there, writers)))
    assert_taken_up(filed, client, store)
