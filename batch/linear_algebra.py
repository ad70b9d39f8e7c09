"""Linear algebra in one thread: sums of several threads are other bytes on another number of cores."""

from importlib import import_module

from threadpoolctl import threadpool_limits


def in_one_thread() -> threadpool_limits:
    """Hold linear algebra to one thread, for as long as a ``with`` block lasts, or for the rest of the process.

    A limit holds for libraries that are loaded by then. numpy and scipy have one each, which are loaded when they are first used:
    so both are used here.
    """
    for name in ("numpy.linalg", "scipy.linalg"):
        import_module(name)
    return threadpool_limits(limits=1, user_api="blas")
