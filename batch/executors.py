"""Where the shards of a job run: in this process, or in several."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

from threadpoolctl import threadpool_limits

from bandit.errors import InputError, SurroundingsError
from bandit.kernels.warm import warm

Shard = TypeVar("Shard")
Result = TypeVar("Result")

EXECUTORS = ("serial", "processes")


class Executor(Protocol):
    """Runs a task on every shard and gives the results in the shards' order."""

    def map(self, task: Callable[[Shard], Result], shards: Sequence[Shard]) -> Iterator[Result]:
        """The result of each shard, in order. Tasks know nothing of each other, so the order of running is free."""
        ...


class SerialExecutor:
    """One shard after the other, in this process."""

    def map(self, task: Callable[[Shard], Result], shards: Sequence[Shard]) -> Iterator[Result]:
        """The result of each shard, in order, with one BLAS thread so that sums are the same bytes everywhere."""
        for shard in shards:
            with threadpool_limits(limits=1, user_api="blas"):
                result = task(shard)
            yield result


class ProcessExecutor:
    """Shards spread over processes that share nothing."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def map(self, task: Callable[[Shard], Result], shards: Sequence[Shard]) -> Iterator[Result]:
        """The result of each shard, in order."""
        return self._pool.map(task, shards)


@contextmanager
def open_executor(name: str, workers: int | None = None) -> Iterator[Executor]:
    """An executor by its name on the command line; processes end with the block.

    Args:
        name: ``serial`` or ``processes``.
        workers: number of processes; None takes one a core that this process may use.

    Raises:
        InputError: the name is not known.
        SurroundingsError: a process died at its work.
    """
    if name not in EXECUTORS:
        raise InputError(f"there is no executor {name!r}; choose one of {', '.join(EXECUTORS)}")
    if name == "serial":
        yield SerialExecutor()
        return
    warm()
    # forkserver: a fork of this process would copy locks held by the threads of polars and of redis.
    context = multiprocessing.get_context("forkserver")
    try:
        with ProcessPoolExecutor(workers or _cores(), context, _start_worker) as pool:
            yield ProcessExecutor(pool)
    except BrokenExecutor as error:
        raise SurroundingsError(
            "a worker process died at its work, perhaps for lack of memory; try a smaller --shard-size, or --executor serial"
        ) from error


def _cores() -> int:
    # The cores of this process, where the system can tell: a container may be given fewer than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_worker() -> None:
    os.environ["POLARS_MAX_THREADS"] = "1"  # read when polars is first imported, which is after this
    threadpool_limits(limits=1, user_api="blas")
