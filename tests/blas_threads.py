"""How many threads linear algebra has; a module of its own, so that worker processes can import it."""

from threadpoolctl import threadpool_info


def blas_threads(_shard: int) -> set[int]:
    """How many threads the libraries of linear algebra have where a shard is worked on."""
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
