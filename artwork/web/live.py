"""Live figures: sampled in one place, however many pages are open, and told to all of them."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import orjson

from artwork.web.days import Days
from artwork.web.figures.service import ServiceReader
from artwork.web.figures.store import StoreReader
from artwork.web.generations import Generations
from artwork.web.kept import NotReadyError
from artwork.web.stage import Day, Stage
from service.http.problems import ProblemError

TICK_SECONDS: Final = 0.5
"""Between two samples of the service, and between two events: at most four a second are promised, and more are no news."""
SLOW_SECONDS: Final = 1.0
"""Between two looks at the store, and at the files."""
SERIES_SECONDS: Final = 600
MAX_PAGES: Final = 32
"""Streams at a time; a page that comes later polls."""
_log: Final = logging.getLogger(__name__)
JSON: Final = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


@dataclass(frozen=True)
class Point:
    """A second of the live series."""

    at: datetime
    p50_ms: float | None
    p99_ms: float | None
    per_second: float
    by_source: Mapping[str, float]


@dataclass(frozen=True)
class Learned:
    """What the served generation has learned from, and the events that wait for the next night."""

    impressions: int = 0
    plays: int = 0
    since: int = 0


class Waiting:
    """How many events the service has accepted since those that the newest generation learned from.

    A night takes everything out of the streams first; what is accepted after that moment waits for the next one.
    """

    def __init__(self) -> None:
        self._taken_out = self._learned = 0.0
        self._newest: int | None = None

    def streams_are_empty(self, accepted: float) -> None:
        """All that was accepted up to a moment has been taken out of the streams."""
        self._taken_out = accepted

    def serves(self, generation: int | None) -> None:
        """A generation is served; one that is newer than all before has learned from what was taken out."""
        if generation is not None and generation > (self._newest or 0):
            if self._newest is not None:
                self._learned = self._taken_out
            self._newest = generation

    def count(self, accepted: float) -> int:
        """Of so many that were accepted, how many wait."""
        return max(0, round(accepted - self._learned))


class Live:
    """The newest figures, and the streams that tell of them."""

    def __init__(self, stage: Stage, days: Days, generations: Generations) -> None:
        self._stage, self._days, self._generations = stage, days, generations
        self._service, self._store = ServiceReader(), StoreReader(stage.workspace)
        self._series: deque[Point] = deque(maxlen=SERIES_SECONDS)
        self._waiting = Waiting()
        self._learned = Learned()
        self._own_days: Sequence[Day] = ()
        self._is_anothers = False
        self._document = b"{}"
        self._pages = 0
        self._ticked = asyncio.Condition()
        self._stopping = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sample until the application ends."""
        self._tell()
        tasks = [
            asyncio.create_task(_every(TICK_SECONDS, self._tick)),
            asyncio.create_task(_every(SLOW_SECONDS, self._look_at_store)),
            asyncio.create_task(_every(SLOW_SECONDS, self._look_at_files)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    @property
    def generation(self) -> int | None:
        """The generation that is served: as the service says, or as the store said last."""
        serving = self._service.serving
        return serving.generation if serving else self._store.figures.current

    @property
    def own_generation(self) -> int | None:
        """The same; None where it is not that of this workspace, but of another one that has the same number."""
        return None if self._is_anothers else self.generation

    @property
    def previous(self) -> int | None:
        """The generation that was served before."""
        return self._store.figures.previous

    def document(self, *, history: bool) -> bytes:
        """The newest figures as JSON, with the series of the last minutes if asked for."""
        if not history:
            return self._document
        return orjson.dumps(self._figures() | {"series": list(self._series)}, option=JSON)

    def open_stream(self) -> AsyncIterator[bytes]:
        """Server-sent events, one a sample; of a page that is slow, the newest of those that it missed.

        Raises:
            ProblemError: as many streams are open as may be.
        """
        if self._pages >= MAX_PAGES:
            detail = f"{MAX_PAGES} pages have live figures already; this one can ask for /api/live.json."
            raise ProblemError(503, "too-many-pages", detail, {"Retry-After": "5"})
        self._pages += 1
        return self._stream()

    def stop(self) -> None:
        """End every stream with its next event."""
        self._stopping = True

    async def _stream(self) -> AsyncIterator[bytes]:
        try:
            while not self._stopping:
                yield b"event: live\ndata: " + self._document + b"\n\n"
                async with self._ticked:
                    await self._ticked.wait()
        finally:
            self._pages -= 1

    async def _tick(self, number: int) -> None:
        await asyncio.to_thread(self._service.read, self._stage.service)
        figures = self._service.figures
        self._waiting.serves(self.generation)
        if number % round(1 / TICK_SECONDS) == 0:
            now = datetime.now(UTC)
            self._series.append(Point(now, figures.p50_ms, figures.p99_ms, figures.per_second, figures.by_source))
        self._tell()
        async with self._ticked:
            self._ticked.notify_all()

    def _tell(self) -> None:
        self._document = orjson.dumps(self._figures(), option=JSON)

    async def _look_at_store(self, _number: int) -> None:
        accepted = self._service.accepted_events  # before: what comes meanwhile is not forgotten
        await asyncio.to_thread(self._store.read)
        if self._store.figures.answers and self._store.figures.waiting == 0:
            self._waiting.streams_are_empty(accepted)

    async def _look_at_files(self, _number: int) -> None:
        with suppress(NotReadyError):  # there are none yet
            await asyncio.to_thread(self._read_files)

    def _read_files(self) -> None:
        days, serving = self._days.get(), self._service.serving
        manifest = self._generations.manifests().get(self.generation or 0)
        self._is_anothers = serving is not None and (manifest is None or manifest.identity != serving.identity)
        rows: Mapping[str, int] = {} if manifest is None or self._is_anothers else manifest.rows
        plays = sum(day.totals[1] for day in days if day.day.isoformat() in rows)
        self._learned = Learned(sum(rows.values()), plays)
        self._own_days = [] if self._stage.demo else [day.as_day(number) for number, day in enumerate(days, 1)]

    def _figures(self) -> dict[str, Any]:
        told = self._stage.figures()
        store, serving, service = self._store.figures, self._service.serving, self._service.figures
        if self._is_anothers and serving is not None:
            trouble = (
                f"generation {serving.generation} of the service is not of the workspace {self._stage.workspace.root}"
            )
            service = replace(service, degraded=[*service.degraded, trouble])
        away = told.store == "up" and not store.answers
        plain = {item.name: getattr(told, item.name) for item in fields(told)}
        return plain | {
            "at": datetime.now(UTC),
            "generation": self.generation,
            "previous": self.previous,
            "revision": serving.revision if serving else 0,
            "service": service,
            "store": {"state": "away" if away else told.store, "memory_bytes": store.memory_bytes},
            "learned": replace(self._learned, since=self._waiting.count(self._service.accepted_events)),
            "ingest": {"waiting": store.waiting, "lag_seconds": store.lag_seconds},
            "days": told.days or self._own_days,
        }


async def _every(seconds: float, work: Callable[[int], Any]) -> None:
    """Do something again and again, with so long between two beginnings, or more where it takes longer."""
    told = ""
    for number in count():
        began = time.monotonic()
        try:
            await work(number)
        except Exception as error:  # noqa: BLE001 - one look that failed must not end those that follow
            if (words := repr(error)) != told:
                _log.exception("live figures were not taken")
                told = words
        await asyncio.sleep(max(seconds / 10, seconds - (time.monotonic() - began)))
