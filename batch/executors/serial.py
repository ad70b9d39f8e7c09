"""One shard after the other, in this process."""

from collections.abc import Callable, Iterator, Sequence

from batch.executors.protocol import Result, Shard
from batch.linear_algebra import in_one_thread


class SerialExecutor:
    """One shard after the other, in this process."""

    def map(self, task: Callable[[Shard], Result], shards: Sequence[Shard]) -> Iterator[Result]:
        """The result of each shard, in order, with one BLAS thread so that sums are the same bytes everywhere."""
        for shard in shards:
            with in_one_thread():
                result = task(shard)
            yield result
