"""What every executor is: something that runs a task on shards and gives the results in order."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

Shard = TypeVar("Shard")
Result = TypeVar("Result")

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with (what, done, total) as a job goes on."""


class Executor(Protocol):
    """Runs a task on every shard and gives the results in the shards' order; a pool of processes is one.

    A task may run twice, even on two machines at once: a machine that is given up may still be at work. So whatever a task
    writes, it writes whole or not at all, and the same each time.
    """

    def map(self, task: Callable[[Shard], Result], shards: Sequence[Shard], /) -> Iterator[Result]:
        """The result of each shard, in order. Tasks know nothing of each other, so the order of running is free."""
        ...


@runtime_checkable
class ReadsFiles(Protocol):
    """An argument of a task that reads files which are the same for all shards, in each process for itself.

    An executor that carries a task once to where many processes are takes it together with what the files hold.
    """

    def with_contents(self) -> Any:
        """The same with what its files hold."""
        ...
