"""Visitors who ask a service all the time, and what they have to be able to say of it."""

import random
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from visitors import HANG_SECONDS, Answer, Visitor

from artwork.bench.testbed.store_fixture import StoreFixture

ANSWER_SECONDS = 0.25
"""Within this every answer has come, whatever the store does."""
LATE_SECONDS = 0.1
"""A watch that wakes up later than this after its nap tells of a machine that was busy elsewhere."""
_NAP_SECONDS = 0.01
_PAUSE_SECONDS = 0.005
_PAGE_TITLES = 5


@dataclass
class Load:
    """What the visitors of a service have seen so far."""

    answers: list[Answer] = field(default_factory=list)
    machine_late: list[tuple[float, float]] = field(default_factory=list)
    """(from, to) of the times in which the machine did not let the watch go on."""

    def until_all(self, source: str, count: int = 100) -> float:
        """Wait until that many answers to requests sent from now on, one after the other, have one source; when that was."""
        began = time.monotonic()
        while not self._tail_is(source, count, began):
            assert time.monotonic() < began + HANG_SECONDS, f"never {count} {source} in a row: {self.answers[-5:]}"
            time.sleep(_NAP_SECONDS)
        return time.monotonic()

    def sources(self, start: float, end: float) -> set[str]:
        """The sources of what was both asked and answered within two moments."""
        return {source for a in self.answers if start <= a.sent and a.sent + a.seconds <= end for source in a.sources}

    def assert_promises(self, statuses: set[int] | None = None) -> None:
        """Every answer was right, of an allowed status (200 unless said), and there within 250 ms."""
        wrong = [answer for answer in self.answers if answer.complaint]
        assert not wrong, f"{len(wrong)} of {len(self.answers)} answers: {wrong[:3]}"
        assert {answer.status for answer in self.answers} <= (statuses or {200})
        self.assert_in_time()

    def assert_in_time(self) -> None:
        """No answer after 250 ms. Where the machine itself stood still, that is told, and the median has to do."""
        late = [answer for answer in self.answers if answer.seconds > ANSWER_SECONDS]
        excused = [answer for answer in late if self._machine_was_late(answer)]
        assert len(late) == len(excused), f"{len(late)} of {len(self.answers)} late: {late[:3]}"
        if excused:
            print(f"{len(excused)} of {len(self.answers)} answers came late while the machine itself stood still")  # noqa: T201
        assert statistics.median(answer.seconds for answer in self.answers) < ANSWER_SECONDS

    def _tail_is(self, source: str, count: int, sent_from: float) -> bool:
        tail = self.answers[-count:]
        return len(tail) == count and all(a.sources == {source} and a.sent >= sent_from for a in tail)

    def _machine_was_late(self, answer: Answer) -> bool:
        return any(start < answer.sent + answer.seconds and answer.sent < end for start, end in self.machine_late)


@contextmanager
def visited(address: str, ground: StoreFixture, visitors: int = 4) -> Iterator[Load]:
    """Visitors ask for random users, half of the time for pages, from the start to the end of the block."""
    load, stop = Load(), threading.Event()
    threads = [
        threading.Thread(target=_visit, args=(Visitor(address, ground), ground, load, stop, seed))
        for seed in range(visitors)
    ]
    threads.append(threading.Thread(target=_watch, args=(load, stop)))
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _visit(visitor: Visitor, ground: StoreFixture, load: Load, stop: threading.Event, seed: int) -> None:
    chance = random.Random(seed)
    while not stop.wait(_PAUSE_SECONDS):
        titles = chance.sample(range(ground.titles), chance.choice((1, _PAGE_TITLES)))
        load.answers.append(visitor.ask(chance.randrange(ground.users), titles))
    visitor.close()


def _watch(load: Load, stop: threading.Event) -> None:
    began = time.monotonic()
    while not stop.wait(_NAP_SECONDS):
        woke = time.monotonic()
        if woke - began > _NAP_SECONDS + LATE_SECONDS:
            load.machine_late.append((began, woke))
        began = time.monotonic()
