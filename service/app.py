"""The application: ``create_app`` builds everything, importing this module builds nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from fastapi import FastAPI

from service import probes, problems
from service.health import Health
from service.lookup import Lookup
from service.metrics import Metrics
from service.middleware import RequestMetrics
from service.poller import Poller
from service.routes import look_up_routes
from service.settings import Settings
from service.state import LifespanState, Service
from service.store import RedisStore, Store

POLL_DEADLINE_MS: Final = 1000.0
"""Polls are patient where requests are not: a catalogue is larger than a row, and nobody waits for it."""

DESCRIPTION = "Which artwork of a title to show to a user, from picks computed ahead."


def create_app(settings: Settings, store: Store | None = None) -> FastAPI:
    """The service as an ASGI application. ``store`` replaces the one behind ``settings.redis_url``."""
    metrics = Metrics()
    app = FastAPI(
        title="artwork-bandit",
        description=DESCRIPTION,
        lifespan=lambda _app: _lifespan(settings, metrics, store),
        redoc_url=None,
    )
    app.add_middleware(RequestMetrics, metrics=metrics)
    app.include_router(look_up_routes(settings.max_titles))
    app.include_router(probes.router)
    problems.install(app)
    return app


@asynccontextmanager
async def _lifespan(settings: Settings, metrics: Metrics, store: Store | None) -> AsyncIterator[LifespanState]:
    rows = store or RedisStore(settings.redis_url, deadline_ms=settings.store_deadline_ms)
    # Connections of its own: the poller's patient reads never stand in a request's way.
    polls = store or RedisStore(settings.redis_url, deadline_ms=POLL_DEADLINE_MS, max_connections=1)
    health = Health()
    poller = Poller(polls, metrics, health, kept=settings.kept_catalogue)
    try:
        await poller.start()
        async with _running(poller, settings.poll_seconds):
            yield {"service": Service(Lookup(rows, metrics, health), poller, health, metrics)}
    finally:
        await rows.close()
        await polls.close()


@asynccontextmanager
async def _running(poller: Poller, poll_seconds: float) -> AsyncIterator[None]:
    task = asyncio.create_task(poller.run(poll_seconds), name="poller")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
