"""One shard after the other, in this process."""

from collections.abc import Callable, Iterator, Sequence

from threadpoolctl import threadpool_limits

from batch.executors.protocol import Result, Shard


class SerialExecutor:
    """One shard after the other, in this process."""

    def map(self, task: Callable[[Shard], Result], shards: Sequence[Shard]) -> Iterator[Result]:
        """The result of each shard, in order, with one BLAS thread so that sums are the same bytes everywhere."""
        for shard in shards:
            with threadpool_limits(limits=1, user_api="blas"):
                result = task(shard)
            yield result
