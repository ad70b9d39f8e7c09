"""Every way of breaking a store that is measured, from the moment it breaks to the moment it is well again."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import count, cycle
from typing import Final

import redis

from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.delaying_proxy import DelayingProxy
from artwork.bench.testbed.store_fixture import StoreFixture, make_current
from bandit.errors import InputError, SurroundingsError
from batch.publishing.row_writer import write_rows
from batch.workspace.row_files import listed_rows

SLOW_MS: Final = 50.0
LOWEST_PRIORITY: Final = 19


@dataclass(frozen=True)
class Scene:
    """What there is to break: generations 1 and 2 of a fixture in a store, of which 1 is served, and a proxy before it."""

    fixture: StoreFixture
    store: BreakableStore
    proxy: DelayingProxy
    seconds: float
    """How long the fault lasts."""


@dataclass(frozen=True)
class Fault:
    """One way to break a store. ``behind_proxy``: the service reaches it through the proxy."""

    name: str
    about: str
    broken: Callable[[Scene], AbstractContextManager[None]]
    behind_proxy: bool = False


@contextmanager
def _killed(scene: Scene) -> Iterator[None]:
    scene.store.kill()
    yield
    scene.store.start()


@contextmanager
def _restarted(scene: Scene) -> Iterator[None]:
    scene.store.kill()
    scene.store.start()
    yield


@contextmanager
def _slow(scene: Scene) -> Iterator[None]:
    scene.proxy.delay_ms = SLOW_MS
    try:
        yield
    finally:
        scene.proxy.delay_ms = 0.0


@contextmanager
def _full(scene: Scene) -> Iterator[None]:
    with scene.store.full(), scene.store.client() as client:
        try:
            client.set("more", "than there is room for")
        except redis.OutOfMemoryError:
            yield
        else:
            raise SurroundingsError("the store took a write beyond its maxmemory; expected a refusal")


@contextmanager
def _published(scene: Scene) -> Iterator[None]:
    """The rows of generation 2 are written over and over as a publisher writes them, then it is made current."""
    with scene.store.client() as client:
        written = write_rows(client, 2, cycle([listed_rows(scene.fixture.rows(2))]), rests=True)
        # What is measured is the store being written to: the writer gives way where it shares a core with store and client.
        with _repeated(lambda _number: next(written), niceness=LOWEST_PRIORITY):
            yield
        make_current(client, 2, 2)


@contextmanager
def _flipped(scene: Scene) -> Iterator[None]:
    """``art:current`` names the one and the other generation in turn; it ends with the first."""
    with scene.store.client() as client:
        with _repeated(lambda number: make_current(client, 1 + number % 2, 2 + number)):
            yield
        make_current(client, 1, int(time.time()))


@contextmanager
def _repeated(work: Callable[[int], object], niceness: int = 0) -> Iterator[None]:
    """Do something again and again in a thread, with the number of times it was done before, to the end of the block."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def repeat() -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)  # of the thread alone, on Linux
        try:
            for number in count():
                work(number)
                if stop.is_set():
                    return
        except redis.RedisError as error:
            failed.append(error)

    thread = threading.Thread(target=repeat, name="fault")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failed:
        raise SurroundingsError(f"the store failed while it was written to: {failed[0]}; run the bench again")


FAULTS: Final = (
    Fault("none", "control: nothing is broken", lambda _: nullcontext()),
    Fault("killed", "SIGKILL; started again at the end", _killed),
    Fault("frozen", "SIGSTOP; SIGCONT at the end", lambda scene: scene.store.frozen()),
    Fault("slow", f"answers come {SLOW_MS:g} ms late, by a TCP proxy", _slow, behind_proxy=True),
    Fault(
        "paused",
        "CLIENT PAUSE: commands are taken and not answered",
        lambda scene: scene.store.paused(scene.seconds),
    ),
    Fault("restarted", "SIGKILL, and started again at once", _restarted),
    Fault("out of memory", "writes are refused", _full),
    Fault(
        "publish",
        "the rows of another generation are written as artwork publish does, then it is flipped to",
        _published,
    ),
    Fault("flips", "art:current moves between two generations without a pause", _flipped),
)


def chosen(names: Sequence[str] | None) -> list[Fault]:
    """The faults of some names, in their usual order; all of them where none is named.

    Raises:
        InputError: there is no fault of a name.
    """
    known = [fault.name for fault in FAULTS]
    if unknown := [name for name in names or () if name not in known]:
        raise InputError(f"there is no fault {unknown[0]!r}; expected one of: {', '.join(known)}")
    return [fault for fault in FAULTS if not names or fault.name in names]
