"""Where the shards of a job run: in this process, in several, or on the machines of a Ray cluster."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from bandit.errors import InputError
from batch.executors.processes import open_processes
from batch.executors.protocol import Executor, Progress, ReadsFiles, Result, Shard
from batch.executors.serial import SerialExecutor

__all__ = [
    "EXECUTORS",
    "RAY",
    "SERIAL",
    "Executor",
    "Progress",
    "ReadsFiles",
    "Result",
    "SerialExecutor",
    "Shard",
    "open_executor",
]

SERIAL, RAY = "serial", "ray"
EXECUTORS = (SERIAL, "processes", RAY)


@contextmanager
def open_executor(
    name: str, workers: int | None = None, *, workspace: Path | None = None, address: str | None = None
) -> Iterator[Executor]:
    """An executor by its name on the command line; what it started ends with the block.

    Args:
        name: one of ``EXECUTORS``.
        workers: number of processes, of those that are started here; None takes one a core that this process may use.
        workspace: of the job: ray makes sure that every machine sees this folder.
        address: of the Ray cluster: ``local`` starts one on this machine, ``auto`` takes the one that runs here, else
            HOST:PORT; None is ``local``.

    Raises:
        InputError: the name or the address is not known.
        ModuleNotFoundError: the package ray is not installed.
        SurroundingsError: a process died at its work; or the cluster is not there, is lost, or has a machine that would not
            compute the same.
    """
    if name not in EXECUTORS:
        raise InputError(f"there is no executor {name!r}; choose one of {', '.join(EXECUTORS)}")
    if address is not None and name != RAY:
        raise InputError(
            f"--address {address} is that of a Ray cluster, and the executor is {name}; add --executor ray"
        )
    with _opened(name, workers, workspace, address) as executor:
        yield executor


def _opened(
    name: str, workers: int | None, workspace: Path | None, address: str | None
) -> AbstractContextManager[Executor]:
    if name == RAY:
        if workspace is None:
            raise InputError(
                "the executor ray runs the stages of a job in a workspace alone; choose serial or processes"
            )
        from batch.executors.on_ray import open_ray  # noqa: PLC0415 - few need it

        return open_ray(workspace, "local" if address is None else address, workers)
    return open_processes(workers) if name == "processes" else nullcontext(SerialExecutor())
