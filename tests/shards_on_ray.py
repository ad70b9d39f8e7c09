"""Shards that say where they run, and a script that runs them on a Ray cluster and prints what came of it as JSON.

A module that workers can import, because it lies on their path: ``shards_on_ray.py ADDRESS WORKSPACE WHAT...``.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from threadpoolctl import threadpool_info

from bandit.errors import BanditError, InputError, RowError, SurroundingsError
from batch.executors import open_executor
from batch.executors.on_ray import RayExecutor

HANG_SECONDS = 250.0
ERRORS = {
    "input": InputError("row 7 of x.parquet is wrong"),
    "surroundings": SurroundingsError("the disk is full"),
    "unpicklable": RowError("short", "a row is cut off"),
    "fault": ZeroDivisionError("a fault of ours"),
}


def raise_it(name: str) -> None:
    raise ERRORS[name]


def threads(_shard: int) -> dict[str, Any]:
    blas = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    return {"blas": sorted(blas), "polars": pl.thread_pool_size()}


def fill(shard: np.ndarray) -> float:
    shard[:] = 2.0
    return float(shard.sum())


def imports_from(_shard: int) -> list[str]:
    return [*sys.path, str(Path.cwd())]


def end_process(_shard: int) -> None:
    os._exit(9)


def wait_for_file(path: Path) -> bool:
    deadline = time.monotonic() + HANG_SECONDS
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)  # between looks at the disk
    return path.exists()


def order(shards: RayExecutor) -> Any:
    return list(shards.map(abs, range(-50, 0)))


def threads_of_each(shards: RayExecutor) -> Any:
    return list(shards.map(threads, range(4)))


def filled(shards: RayExecutor) -> Any:
    return list(shards.map(fill, [np.ones(n) for n in (3, 300_000)]))  # carried in the task, and by the object store


def paths(shards: RayExecutor) -> Any:
    return next(iter(shards.map(imports_from, [0])))


def raised(shards: RayExecutor) -> Any:
    said = {}
    for name in ERRORS:
        try:
            list(shards.map(raise_it, [name]))
        except (BanditError, ArithmeticError, RuntimeError) as error:
            said[name] = [type(error).__name__, str(error), "raise_it" in str(error.__cause__)]
    return said


def two_at_once(shards: RayExecutor) -> Any:
    return list(map(list, zip(shards.map(abs, range(9)), shards.map(str, range(9)), strict=True)))


def died(shards: RayExecutor) -> Any:
    with contextlib.suppress(SurroundingsError):
        return list(shards.map(end_process, [0]))
    return "lost"


def waited(shards: RayExecutor) -> Any:
    """Shards of which each core has one, until there is a file; how many nodes did some."""
    done = list(shards.map(wait_for_file, [Path(sys.argv[2]) / "go"] * 3))
    return [done, len(shards.shards_by_node)]


def main() -> None:
    """Run what was asked for."""
    import shards_on_ray  # noqa: PLC0415 - as workers import it, not as the script that this is

    address, root, *names = sys.argv[1:]
    with open_executor("ray", workspace=Path(root), address=address) as shards:
        tasks: dict[str, Callable[[Any], Any]] = {name: getattr(shards_on_ray, name) for name in names}
        results = {name: task(shards) for name, task in tasks.items()}
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main()
