"""The poller: follows ``art:current``, apart from requests, and loads the generation that it names."""

import asyncio
import secrets
from pathlib import Path
from typing import Final

import structlog

from bandit.errors import RowError, SurroundingsError
from bandit.snapshot import CURRENT_KEY, MAX_CURRENT_BYTES, Current, decode_current
from service.lookup.kept_catalogue import keep, load_kept
from service.lookup.served_generation import ServedGeneration, load_generation, release
from service.lookup.store import Store, StoreUnavailableError
from service.metrics.health import Health
from service.metrics.metrics import Metrics

logger = structlog.get_logger()

LOAD_SECONDS: Final = 30.0
"""To load a whole generation. A store may answer each read in time, and so slowly that all of them take for ever."""


class Poller:
    """Holds the generation that is served. ``serving`` is replaced by one assignment; the object itself never changes."""

    def __init__(
        self, store: Store, metrics: Metrics, health: Health, *, kept: Path | None, load_seconds: float = LOAD_SECONDS
    ) -> None:
        self.serving: ServedGeneration | None = None
        self._store = store
        self._metrics = metrics
        self._health = health
        self._kept = kept
        self._load_seconds = load_seconds
        self._kept_current: Current | None = None
        self._releasing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the catalogue on disk, then the store's generation: either can answer the first request."""
        await self._start_from_disk()
        await self.poll()

    async def run(self, poll_seconds: float) -> None:
        """Poll until cancelled, every ``poll_seconds`` ± 10 %, so that many processes do not ask at the same moment."""
        while True:
            await asyncio.sleep(poll_seconds * (0.9 + secrets.randbelow(2001) / 10_000))
            await self.poll()

    async def poll(self) -> None:
        """Load a new generation if there is one. Whatever goes wrong, the old one stays."""
        try:
            await self._follow()
        except StoreUnavailableError as error:
            self._store_failed(error)
        except RowError as error:
            self._refused(error.reason, str(error))
        except Exception:
            # A poller that dies would freeze the generation for ever; the bug is logged, the service goes on.
            logger.exception("poll_failed")
            self._refused("unexpected", "the generation could not be loaded; see the log")
        else:
            self._health.load_trouble = None
        finally:
            self._metrics.polled()
        await self._keep()

    async def _follow(self) -> None:
        try:
            raw = await self._store.get(CURRENT_KEY, MAX_CURRENT_BYTES)
        except RowError:
            self._store_answered()
            raise
        self._store_answered()
        if raw is None:
            raise RowError("current", "the store has no art:current; run artwork publish")
        current = decode_current(raw)
        if self.serving is not None and self.serving.current == current:
            return
        try:
            async with asyncio.timeout(self._load_seconds):
                serving = await load_generation(self._store, current, self.serving)
        except TimeoutError as error:
            raise RowError(
                "deadline",
                f"generation {current.generation} was not loaded within {self._load_seconds:g} s; tried again",
            ) from error
        self._take(serving)

    def _take(self, serving: ServedGeneration) -> None:
        before, self.serving = self.serving, serving
        self._metrics.took(serving.generation, serving.current.flip, serving.meta.created_at)
        logger.info("generation_taken", generation=serving.generation, flip=serving.current.flip)
        if before is not None and before.titles is not serving.titles:
            self._releasing = asyncio.create_task(release(before.titles), name="release of a catalogue")

    async def _keep(self) -> None:
        """Write the generation to disk unless it is there; a disk that refuses is asked again with the next poll."""
        serving = self.serving
        if self._kept is None or serving is None or serving.current == self._kept_current:
            return
        try:
            await asyncio.to_thread(keep, self._kept, serving)
        except SurroundingsError as error:
            trouble = f"catalogue not kept on disk: {error}"
            if self._health.keep_trouble != trouble:
                logger.warning("catalogue_not_kept", error=str(error))
            self._health.keep_trouble = trouble
        else:
            self._kept_current = serving.current
            self._health.keep_trouble = None

    async def _start_from_disk(self) -> None:
        if self._kept is None:
            return
        try:
            serving = await load_kept(self._kept)
            if serving is not None:
                self._take(serving)
                self._kept_current = serving.current
        except (OSError, RowError) as error:
            logger.warning("kept_catalogue_refused", error=str(error))
            self._metrics.load_refused("kept")
        except Exception:
            # A file never stops a start; the bug is logged, and the store is asked.
            logger.exception("kept_catalogue_failed")
            self._metrics.load_refused("kept")

    def _store_failed(self, error: StoreUnavailableError) -> None:
        if self._health.store_down_since is None:
            logger.warning("store_unreachable", reason=error.reason, error=str(error))
        self._health.store_failed()
        self._metrics.store_up(up=False)
        self._metrics.store_failed(error.reason)

    def _store_answered(self) -> None:
        if self._health.store_down_since is not None:
            logger.info("store_reachable")
        self._health.store_answered()
        self._metrics.store_up(up=True)

    def _refused(self, reason: str, message: str) -> None:
        self._metrics.load_refused(reason)
        if self._health.load_trouble != message:
            logger.error("generation_refused", reason=reason, error=message)
        self._health.load_trouble = message
