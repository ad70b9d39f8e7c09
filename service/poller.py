"""Follows ``art:current`` off the request path and swaps in what it names."""

import asyncio
import secrets
from pathlib import Path

import structlog

from bandit.errors import RowError
from bandit.snapshot import CURRENT_KEY, decode_current
from service.catalogue import Serving, load_serving
from service.health import Health
from service.kept import keep, load_kept
from service.metrics import Metrics
from service.store import Store, StoreUnavailableError

logger = structlog.get_logger()


class Poller:
    """Holds what is served. ``serving`` changes by one assignment; nothing is ever changed inside it."""

    def __init__(self, store: Store, metrics: Metrics, health: Health, *, kept: Path | None) -> None:
        self.serving: Serving | None = None
        self._store = store
        self._metrics = metrics
        self._health = health
        self._kept = kept

    async def start(self) -> None:
        """Take the catalogue on disk, then what the store has: whichever there is answers the first request."""
        await self._start_from_disk()
        await self.poll()

    async def run(self, poll_seconds: float) -> None:
        """Poll until cancelled, every ``poll_seconds`` give or take 10 %, so that many processes do not ask as one."""
        while True:
            await asyncio.sleep(poll_seconds * (0.9 + secrets.randbelow(2001) / 10_000))
            await self.poll()

    async def poll(self) -> None:
        """Follow the store one step. Whatever goes wrong, what was served before stays."""
        try:
            await self._follow()
        except StoreUnavailableError as error:
            self._store_failed(error)
        except RowError as error:
            self._refused(error.reason, str(error))
        except Exception:
            # A poller that dies would freeze the generation for good; the bug is told, the service goes on.
            logger.exception("poll_failed")
            self._refused("unexpected", "the generation could not be loaded; see the log")
        else:
            self._health.load_trouble = None
        finally:
            self._metrics.polls.inc()

    async def _follow(self) -> None:
        raw = await self._store.get(CURRENT_KEY)
        self._store_answered()
        if raw is None:
            raise RowError("current", "the store has no art:current; run artwork publish")
        current = decode_current(raw)
        if self.serving is not None and self.serving.current == current:
            return
        serving = await load_serving(self._store, current, self.serving)
        self._take(serving)
        await self._keep(serving)

    def _take(self, serving: Serving) -> None:
        self.serving = serving
        self._metrics.took(serving)
        logger.info("generation_taken", generation=serving.generation, flip=serving.current.flip)

    async def _keep(self, serving: Serving) -> None:
        if self._kept is None:
            return
        try:
            await asyncio.to_thread(keep, self._kept, serving)
            self._health.keep_trouble = None
        except OSError as error:
            self._health.keep_trouble = f"catalogue not kept on disk: {error}"
            logger.warning("catalogue_not_kept", error=str(error))

    async def _start_from_disk(self) -> None:
        if self._kept is None:
            return
        try:
            serving = await asyncio.to_thread(load_kept, self._kept)
        except (OSError, RowError) as error:
            logger.warning("kept_catalogue_refused", error=str(error))
            self._metrics.load_errors.labels("kept").inc()
            return
        if serving is not None:
            self._take(serving)

    def _store_failed(self, error: StoreUnavailableError) -> None:
        if self._health.store_down_since is None:
            logger.warning("store_unreachable", reason=error.reason, error=str(error))
        self._health.store_failed()
        self._metrics.store_up.set(0)
        self._metrics.store_errors.labels(error.reason).inc()

    def _store_answered(self) -> None:
        if self._health.store_down_since is not None:
            logger.info("store_reachable")
        self._health.store_answered()
        self._metrics.store_up.set(1)

    def _refused(self, reason: str, message: str) -> None:
        self._metrics.load_errors.labels(reason).inc()
        if self._health.load_trouble != message:
            logger.error("generation_refused", reason=reason, error=message)
        self._health.load_trouble = message
