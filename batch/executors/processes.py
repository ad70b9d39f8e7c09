"""Shards in several processes of this machine."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from typing import Any

from bandit.errors import SurroundingsError
from batch.executors.protocol import Executor
from batch.linear_algebra import in_one_thread

_SAFE_PATH = "PYTHONSAFEPATH"
"""What ``python -P`` is as a variable; a pool takes no flags."""


@contextmanager
def open_processes(workers: int | None) -> Iterator[Executor]:
    """A pool of processes, which end with the block; None takes one a core that this process may use.

    Raises:
        SurroundingsError: a process died at its work.
    """
    from bandit.kernels.warm import warm  # noqa: PLC0415 - what only speaks with others has no use for the compiler

    warm()
    _start_fork_server()
    try:
        with _pool(workers or cores()) as pool:
            yield pool
    except BrokenExecutor as error:
        raise SurroundingsError(
            "a worker process died at its work, perhaps for lack of memory; try a smaller --shard-size, or --executor serial"
        ) from error


class _Pool(ProcessPoolExecutor):
    """A pool that hears of the death of every worker at once.

    The one of the library looks which processes there are before it starts another one for a shard, and not again before some
    shard is done: the death of the youngest was not noticed while the others were at work, or stood still.
    """

    def map(self, *task_and_shards: Any, **settings: Any) -> Iterator[Any]:
        """As of the library."""
        results = super().map(*task_and_shards, **settings)
        self.submit(int)  # at which it looks again
        return results


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    # forkserver: a fork of this process would copy locks held by the threads of polars and of redis.
    pool = _Pool(workers, multiprocessing.get_context("forkserver"), _start_worker)
    others = set(multiprocessing.active_children())
    try:
        yield pool
    except BaseException:  # nobody waits for the shards any more, of which one may take minutes
        for worker in set(multiprocessing.active_children()) - others:
            worker.kill()  # nothing less ends one that is stopped, and waiting for it would have no end
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _start_fork_server() -> None:
    """Start the process that workers are forked from, here and not with the first shard.

    It runs as ``python -c``, which would look for modules in the current folder first: a ``json.py`` that lies there would be
    run. And it starts with the signal of Ctrl-C held back, which its workers inherit: each of them would print a traceback, where
    the command, which is told as well, ends them.
    """
    resource_tracker.ensure_running()  # it unblocks the signal for itself, so before
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def cores() -> int:
    """The cores of this process, where the system can tell: a container may be given fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_worker() -> None:
    os.environ["POLARS_MAX_THREADS"] = "1"  # read when polars is first imported, which is after this
    in_one_thread()
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when the job is gone: one that waits for its next shard would never hear of a job that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
