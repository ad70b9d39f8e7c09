"""The application: ``create_app`` builds everything, importing this module builds nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import FastAPI

from bandit.urls import read_store_url
from service.events.appending import EventLog, EventStreams, MemoryEventLog
from service.events.routes import State, event_routes
from service.http import documentation, probes, problems
from service.http.admission import Admission
from service.http.middleware import BodyLimit, RequestMetrics
from service.http.routes import look_up_routes
from service.http.state import Service
from service.keys import Keys, load_keys
from service.logs import loop_trouble
from service.lookup.cluster import ClusterRows, Slots
from service.lookup.look_up import LookUp
from service.lookup.poller import Poller
from service.lookup.row_reads import JoinedRows, Rows, end
from service.lookup.store import MemoryStore, RedisStore, Store
from service.metrics.health import Health
from service.metrics.metrics import Metrics
from service.settings import Settings

POLL_DEADLINE_MS: Final = 1000.0
"""Longer than the deadline of rows: a catalogue is larger, and no request waits for it."""

FIRST_CONNECTION_SECONDS: Final = 0.5
"""How long a start waits for the connection of the row reads, once a generation is known."""

DESCRIPTION = "Which artwork of a title to show to a user, from picks computed ahead."


def create_app(
    settings: Settings,
    store: MemoryStore | None = None,
    metrics: Metrics | None = None,
    events: MemoryEventLog | None = None,
) -> FastAPI:
    """The service as an ASGI application.

    Args:
        settings: its limits, and where its store is.
        store: used in place of the one behind ``settings.redis_url``.
        events: used with ``store`` in place of the streams of the store.
        metrics: those of several workers, where there are any.

    Raises:
        InputError: the file of keys is wrong.
    """
    counts = metrics or Metrics()
    keys = load_keys(settings.keys_file) if settings.keys_file else None
    app = FastAPI(
        title="artwork-bandit",
        version=version("artwork-bandit"),
        description=DESCRIPTION,
        lifespan=lambda _app: _lifespan(settings, counts, keys, store, events),
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,  # a redirect would lead to wherever the Host field says
    )
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(RequestMetrics, metrics=counts)
    app.add_middleware(Admission)
    app.include_router(look_up_routes(settings))
    app.include_router(event_routes(settings))
    app.include_router(probes.router)
    app.include_router(documentation.router)
    problems.install(app)
    return app


def _rows(settings: Settings, slots: Slots | None, metrics: Metrics, health: Health) -> JoinedRows | ClusterRows:
    url, deadline_ms = settings.redis_url, settings.store_deadline_ms
    if slots is None:
        return JoinedRows(url, deadline_ms=deadline_ms, metrics=metrics, health=health)
    return ClusterRows(url, slots, deadline_ms=deadline_ms, metrics=metrics, health=health)


@asynccontextmanager
async def _lifespan(
    settings: Settings, metrics: Metrics, keys: Keys | None, store: MemoryStore | None, log: MemoryEventLog | None
) -> AsyncIterator[State]:
    health = Health()
    async with AsyncExitStack() as stack:
        loop = asyncio.get_running_loop()
        stack.callback(loop.set_exception_handler, loop.get_exception_handler())
        loop.set_exception_handler(loop_trouble)
        polls: Store = store or RedisStore(settings.redis_url, deadline_ms=POLL_DEADLINE_MS)
        stack.push_async_callback(polls.close)
        poller = Poller(polls, metrics, health, kept=settings.kept_catalogue, poll_seconds=settings.poll_seconds)
        rows: Rows
        events: EventLog
        if store is not None:
            rows, events = store, log or MemoryEventLog()
            await poller.start()
        else:
            events_url = settings.events_url or settings.redis_url
            clusters = {url: Slots(url) for url in {settings.redis_url, events_url} if read_store_url(url).is_cluster}
            for slots in clusters.values():
                stack.push_async_callback(slots.close)
            rows = joined = _rows(settings, clusters.get(settings.redis_url), metrics, health)
            stack.push_async_callback(joined.close)
            events = streams = EventStreams(
                events_url,
                partitions=settings.event_partitions,
                max_entries=settings.max_stream_entries,
                deadline_ms=settings.events_deadline_ms,
                metrics=metrics,
                health=health,
                slots=clusters.get(events_url),
            )
            stack.push_async_callback(streams.close)
            await asyncio.gather(*(slots.load() for slots in clusters.values()))
            await poller.start()
            if health.store_down_since is None:
                await joined.wait_ready(FIRST_CONNECTION_SECONDS)
                await streams.wait_ready(FIRST_CONNECTION_SECONDS)
        stack.push_async_callback(end, loop.create_task(poller.run(), name="poller"))
        yield {"service": Service(LookUp(rows, metrics), poller, health, metrics, keys, settings), "events": events}
