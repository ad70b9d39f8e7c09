"""An executor that runs every shard twice, as a cluster does that gave a node up too early."""

from collections.abc import Callable, Iterator, Sequence

from batch.executors import Result, SerialExecutor, Shard


class TwiceExecutor:
    """The second result counts."""

    def map(self, task: Callable[[Shard], Result], shards: Sequence[Shard]) -> Iterator[Result]:
        """The results of the shards, in order."""
        every_twice = [shard for shard in shards for _ in range(2)]
        return (result for place, result in enumerate(SerialExecutor().map(task, every_twice)) if place % 2)
