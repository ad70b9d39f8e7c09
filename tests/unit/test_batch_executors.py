"""Executors: results in the shards' order, and a worker that dies is an error that says so."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from blas_threads import blas_threads
from dying_shards import sleep_or_die
from threadpoolctl import threadpool_limits

from artwork.console.executor_options import ExecutorOptions
from bandit.errors import InputError, SurroundingsError
from batch.executors import open_executor
from batch.workspace.workspace import Workspace

LONG_SECONDS = 30.0


class OneByOne(list[float]):
    """Shards that come so slowly that whoever waits for one has gone to sleep."""

    def __iter__(self) -> Iterator[float]:
        for shard in super().__iter__():
            time.sleep(1.0)
            yield shard


@pytest.mark.parametrize("name", ["serial", "processes"])
def test_results_come_in_the_order_of_the_shards(name: str) -> None:
    with open_executor(name, workers=2) as executor:
        assert list(executor.map(abs, range(-20, 0))) == list(range(20, 0, -1))


@pytest.mark.parametrize("name", ["serial", "processes"])
def test_every_shard_has_one_blas_thread_however_many_there_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(variable, raising=False)
    with threadpool_limits(limits=2, user_api="blas"), open_executor(name, workers=2) as executor:
        assert blas_threads(0) == {2}
        assert list(executor.map(blas_threads, range(4))) == [{1}] * 4


def test_an_unknown_executor_is_refused_with_those_there_are() -> None:
    with (
        pytest.raises(InputError, match="no executor 'ray9'; choose one of serial, processes, ray"),
        open_executor("ray9"),
    ):
        pass


def test_the_address_of_a_cluster_is_of_ray_alone_but_a_variable_is_of_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARTWORK_RAY_ADDRESS", raising=False)
    options = ExecutorOptions("serial", "auto")
    with pytest.raises(InputError, match="add --executor ray"), options.opened(Workspace(tmp_path)):
        pass
    monkeypatch.setenv("ARTWORK_RAY_ADDRESS", "auto")
    with options.opened(Workspace(tmp_path)) as executor:
        assert list(executor.map(abs, [-1])) == [1]


def test_shards_of_ray_are_told_of_a_workspace_from_the_root_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ExecutorOptions("ray").workspace(Path("w")).root == tmp_path / "w"
    assert ExecutorOptions("serial").workspace(Path("w")).root == Path("w")


def test_a_worker_that_dies_is_an_error_of_the_surroundings() -> None:
    with (
        pytest.raises(SurroundingsError, match=r"a worker process died at its work.*--shard-size"),
        open_executor("processes", workers=2) as executor,
    ):
        list(executor.map(os._exit, [9, 9]))


def test_the_death_of_the_youngest_worker_is_noticed_while_the_other_is_at_work() -> None:
    began = time.monotonic()
    with (
        pytest.raises(SurroundingsError, match="a worker process died at its work"),
        open_executor("processes", workers=2) as executor,
    ):
        list(executor.map(sleep_or_die, OneByOne([LONG_SECONDS, 0.0])))
    assert time.monotonic() - began < LONG_SECONDS


def test_an_error_of_a_task_comes_through_as_it_is() -> None:
    with pytest.raises(ValueError, match="invalid literal"), open_executor("processes", workers=2) as executor:
        list(executor.map(int, ["1", "one"]))


JOB = """
import time
from batch.executors import open_executor

if __name__ == "__main__":
    with open_executor("processes", 2) as shards:
        print(list(shards.map(abs, [1, 2, 3])), flush=True)
        time.sleep(600)
"""


def test_a_job_that_is_killed_leaves_no_worker_behind(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(JOB)
    words = [sys.executable, str(script)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True) as job:
        try:
            assert job.stdout is not None
            assert job.stdout.readline() == "[1, 2, 3]\n"
            job.kill()
            job.communicate(timeout=60)  # over once nobody holds the other end any more
        finally:
            with suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)
