"""Which core does what: the server has one to itself, everything else shares the other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Cores:
    """``server`` for the server that is measured, ``rest`` for store and driver; None where processes cannot be pinned."""

    server: int | None
    rest: int | None


def find_cores() -> Cores:
    """The last core of this process for the server, because interrupts are mostly served by the first."""
    if not hasattr(os, "sched_setaffinity"):
        return Cores(None, None)
    allowed = os.sched_getaffinity(0)
    return Cores(max(allowed), min(allowed))


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Run on one core, and start processes there: they inherit it."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
