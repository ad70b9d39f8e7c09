"""Paired runs on one core: what a moment of noise slows, it slows on both sides."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Self, TypeAlias

from threadpoolctl import threadpool_limits

from artwork.bench.testbed.cores import find_cores, on_core

Work: TypeAlias = Callable[[], object]


@dataclass(frozen=True)
class Spread:
    """Repeated measurements: the middle one, the lowest and the highest."""

    median: float
    lowest: float
    highest: float

    def inverse(self) -> Self:
        """Of the time a unit takes, where this is of units per second, and the other way round."""
        return type(self)(1 / self.median, 1 / self.highest, 1 / self.lowest)

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The spread of at least one value."""
        return cls(median(values), min(values), max(values))


def digits(value: float) -> str:
    """A figure with three digits, as text.

    >>> digits(1234.5), digits(12.345), digits(-0.0012345)
    ('1,234', '12.3', '-0.00123')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


@dataclass(frozen=True)
class Pace:
    """How long is measured: so many pairs of runs, each run lasting at least so many seconds."""

    repeats: int = 9
    seconds: float = 0.1


@dataclass(frozen=True)
class Side:
    """Work to be timed, and the units that one call of it gets done."""

    work: Work
    units: float


@dataclass(frozen=True)
class Compared:
    """Units per second of both sides, and how many times the second is outdone by the first, from run to run."""

    ours: Spread
    theirs: Spread
    ratio: Spread


def compare(ours: Side, theirs: Side, pace: Pace) -> Compared:
    """Time two sides in turn (ours, theirs, ours, theirs, ...), each after a call that does not count."""
    first, second = (_calls(side, pace.seconds) for side in (ours, theirs))
    pairs = [(_rate(ours, first), _rate(theirs, second)) for _ in range(pace.repeats)]
    return Compared(
        Spread.of([one for one, _ in pairs]),
        Spread.of([other for _, other in pairs]),
        Spread.of([one / other for one, other in pairs]),
    )


def alone(side: Side, pace: Pace) -> Spread:
    """Units per second of one side, after a call that does not count."""
    calls = _calls(side, pace.seconds)
    return Spread.of([_rate(side, calls) for _ in range(pace.repeats)])


@contextmanager
def one_core() -> Iterator[None]:
    """One core for this process, where the system allows to pin it, and one thread for every numerical library."""
    with on_core(find_cores().server), threadpool_limits(limits=1):
        yield


def _calls(side: Side, seconds: float) -> int:
    """How many calls last that long; the first call compiles and fills caches, and is thrown away."""
    side.work()
    return max(1, math.ceil(seconds / max(_elapsed(side.work, 1), 1e-9)))


def _rate(side: Side, calls: int) -> float:
    return side.units * calls / _elapsed(side.work, calls)


def _elapsed(work: Work, calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        work()
    return time.perf_counter() - began
