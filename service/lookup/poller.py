"""The poller: follows ``art:current`` and the overlay, apart from requests, and loads the generation that is named."""

import asyncio
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from bandit.errors import RowError, SurroundingsError
from bandit.snapshot import (
    CURRENT_KEY,
    MAX_CURRENT_BYTES,
    MAX_OVERLAY_BYTES,
    NO_OVERLAY,
    OVERLAY_KEY,
    Current,
    Overlay,
    decode_current,
    decode_overlay,
)
from service.lookup.kept_catalogue import keep, load_kept
from service.lookup.overlaid import with_overlay
from service.lookup.row_reads import end
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
        self,
        store: Store,
        metrics: Metrics,
        health: Health,
        *,
        kept: Path | None,
        poll_seconds: float = 1.0,
        load_seconds: float = LOAD_SECONDS,
    ) -> None:
        self.serving: ServedGeneration | None = None
        self._store = store
        self._metrics = metrics
        self._health = health
        self._kept = kept
        self._poll_seconds = poll_seconds
        self._load_seconds = load_seconds
        self._overlay = NO_OVERLAY
        self._overlay_bytes: bytes | None = None
        self._kept_state: tuple[Current, Overlay] | None = None
        self._releasing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Load the catalogue on disk, then the store's generation: either can answer the first request."""
        await self._start_from_disk()
        await self.poll()

    async def run(self) -> None:
        """Poll until cancelled, every ``poll_seconds`` ± 10 %, so that many processes do not ask at the same moment."""
        while True:
            await asyncio.sleep(self._poll_seconds * (0.9 + secrets.randbelow(2001) / 10_000))
            await self.poll()

    async def poll(self) -> None:
        """Obey a new overlay and load a new generation, if there is one. Whatever goes wrong, the old one stays."""
        try:
            await self._obey()
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
        self._named(current)
        if self.serving is not None and self.serving.current == current:
            return
        try:
            async with asyncio.timeout(self._load_seconds):
                serving = await self._load(current)
        except TimeoutError as error:
            raise RowError(
                "deadline",
                f"generation {current.generation} was not loaded within {self._load_seconds:g} s; tried again",
            ) from error
        self._take(await with_overlay(serving, self._overlay))
        self._named(current)

    def _named(self, current: Current) -> None:
        self._health.store_named(current, None if self.serving is None else self.serving.current)
        self._metrics.behind(self._health.behind_since)

    async def _load(self, current: Current) -> ServedGeneration:
        """Load a generation, and poll for the overlay meanwhile: what is retired does not wait for a large catalogue."""
        loading = asyncio.create_task(load_generation(self._store, current, self.serving), name="load of a generation")
        try:
            while not (await asyncio.wait((loading,), timeout=self._poll_seconds))[0]:
                with suppress(StoreUnavailableError):  # the load itself says so
                    await self._obey()
                await self._keep()
            return loading.result()
        finally:
            await end(loading)

    async def _obey(self) -> None:
        """Take the store's overlay if it is another; without one, and where it is refused, the one that is known stays."""
        try:
            raw = await self._overlay_in_store()
            if raw is not None and raw != self._overlay_bytes:
                overlay = await asyncio.to_thread(decode_overlay, raw)
                self._check_follows(overlay)
                if self.serving is not None:
                    self._take(await with_overlay(self.serving, overlay))
                self._overlay, self._overlay_bytes = overlay, raw
        except RowError as error:
            self._metrics.overlay_refused()
            trouble = f"overlay refused, revision {self._overlay.revision} is obeyed: {error}"
            if self._health.overlay_trouble != trouble:
                logger.error("overlay_refused", error=str(error))
            self._health.overlay_trouble = trouble
        else:
            self._health.overlay_trouble = None

    async def _overlay_in_store(self) -> bytes | None:
        try:
            return await self._store.get(OVERLAY_KEY, MAX_OVERLAY_BYTES)
        except StoreUnavailableError as error:
            if error.reason != "reply":
                raise
            # A store that refuses this one key, as a user may be forbidden it, can still give generations.
            raise RowError("overlay", f"{error}; let the service's user read {OVERLAY_KEY}") from error

    def _check_follows(self, overlay: Overlay) -> None:
        known = self._overlay
        if overlay.revision < known.revision or (overlay.revision == known.revision and overlay != known):
            raise RowError(
                "overlay",
                f"art:catalogue has {'another' if overlay.revision == known.revision else 'the lower'} revision"
                f" {overlay.revision}; run `artwork publish` in the workspace that is served, or, if the store is right,"
                " remove the catalogue kept on disk and restart the service",
            )

    def _take(self, serving: ServedGeneration) -> None:
        before, self.serving = self.serving, serving
        self._metrics.obeys(serving.overlay.revision)
        if serving.overlay != (before.overlay if before else NO_OVERLAY):
            logger.info("overlay_taken", revision=serving.overlay.revision)
        if before is None or before.current != serving.current:
            self._metrics.took(serving.generation, serving.current.flip, serving.meta.created_at)
            logger.info("generation_taken", generation=serving.generation, flip=serving.current.flip)
        if before is not None:
            self._release(before, serving)

    def _release(self, before: ServedGeneration, serving: ServedGeneration) -> None:
        kept = {id(serving.titles), id(serving.own_titles)}
        for titles in {id(titles): titles for titles in (before.titles, before.own_titles)}.values():
            if id(titles) not in kept:
                task = asyncio.create_task(release(titles), name="release of a catalogue")
                self._releasing.add(task)
                task.add_done_callback(self._releasing.discard)

    async def _keep(self) -> None:
        """Write the generation to disk unless it is there; a disk that refuses is asked again with the next poll."""
        serving = self.serving
        if self._kept is None or serving is None or (serving.current, serving.overlay) == self._kept_state:
            return
        try:
            await asyncio.to_thread(keep, self._kept, serving)
        except SurroundingsError as error:
            trouble = f"catalogue not kept on disk: {error}"
            if self._health.keep_trouble != trouble:
                logger.warning("catalogue_not_kept", error=str(error))
            self._health.keep_trouble = trouble
        else:
            self._kept_state = (serving.current, serving.overlay)
            self._health.keep_trouble = None

    async def _start_from_disk(self) -> None:
        if self._kept is None:
            return
        try:
            serving = await load_kept(self._kept)
            if serving is not None:
                self._take(serving)
                self._overlay = serving.overlay
                self._kept_state = (serving.current, serving.overlay)
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
