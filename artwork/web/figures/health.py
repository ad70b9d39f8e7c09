"""The report of a workspace, put together from its files, its service and its streams; kept while its files do not change."""

import http.client
import time
from collections.abc import Callable, Hashable, Iterator
from datetime import date
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from artwork.reports.health_findings import DeadLetters, Serving
from artwork.reports.health_words import Health, health
from artwork.running_service import find_running
from artwork.web.figures.service import percentile, read_metrics
from artwork.web.kept import Kept, stamps
from bandit.errors import BanditError
from bandit.snapshot import shown
from batch.events.dead_letters import count_dead_letters
from batch.events.join import report_path
from batch.monitoring.gather import Figures, gather
from batch.store.embedded import events_url
from batch.workspace.impressions import day_folder, days
from batch.workspace.workspace import Workspace

_TIMEOUT_SECONDS: Final = 3.0
_MOST_BYTES: Final = 1 << 22


class KeptHealth:
    """The health of a workspace, whose figures are read again only after its files have changed; thread-safe.

    Args:
        workspace: whose health it is.
        today: the day on which it is looked at.
        service: the address of the service that is asked; empty where none is known.
    """

    def __init__(self, workspace: Workspace, today: Callable[[], date], service: Callable[[], str]) -> None:
        self._workspace, self._today, self._service = workspace, today, service
        self._kept: Kept[Figures] = Kept(self._stamp, self._made)

    def get(self) -> Health:
        """As it is now; where files are half-way there, their figures are the last good ones.

        Raises:
            NotReadyError: they could not be read yet.
        """
        figures = self._kept.get()
        url = self._service()
        serving = serving_at(url) if url else Serving(None, "no service runs")
        return health(figures, serving, read_dead_letters(self._workspace.root))

    def _made(self) -> Figures:
        return gather(self._workspace, _silent, self._today())

    def _stamp(self) -> Hashable:
        return self._today(), stamps(_read(self._workspace))


def _read(workspace: Workspace) -> Iterator[Path]:
    """What a report is made of; old days are told by their folders alone."""
    yield from (workspace.users, workspace.titles, workspace.artworks, workspace.candidates, report_path(workspace))
    logged = days(workspace)
    folders = [day_folder(workspace, day) for day in logged]
    yield from folders
    yield from (path for folder in folders[-2:] for path in sorted(folder.iterdir()))
    for folder in (workspace.generations, workspace.overlays):
        yield folder
        yield from sorted(folder.glob("*"))
        yield from sorted(folder.glob("*/manifest.json"))


def _silent(what: str, done: int, total: int) -> None:
    """Nobody watches."""


def read_serving(workspace: Path) -> Serving:
    """What the service of a workspace says of itself, if one runs on this machine."""
    url = find_running(workspace)
    return Serving(None, "no service runs") if url is None else serving_at(url)


def serving_at(url: str) -> Serving:
    """What the service at an address says of itself."""
    try:
        with build_opener(ProxyHandler({})).open(f"{url}/metrics", timeout=_TIMEOUT_SECONDS) as answer:
            text = answer.read(_MOST_BYTES).decode(errors="replace")
    except (OSError, http.client.HTTPException, URLError) as error:
        return Serving(url, f"/metrics does not answer: {error}")
    sample = read_metrics(text, time.monotonic())
    p99 = percentile(sample.buckets, 0.99)
    ages, generations = gauges(text, "artwork_catalogue_age_seconds"), gauges(text, "artwork_generation")
    refused = sum(gauges(text, "artwork_client_connections_refused_total")) + sample.refused
    return Serving(
        url,
        p99_ms=p99.ms if p99 else None,
        look_ups=int(sample.look_ups),
        refused=int(refused),
        breaker_open=any(gauges(text, "artwork_store_breaker_open")),
        catalogue_age_seconds=max(ages, default=None),
        generation=int(min(generations)) if generations else None,
    )


def gauges(text: str, name: str) -> list[float]:
    """The values of a metric in Prometheus' text format, of every worker; lines that are no numbers are passed over.

    >>> gauges('a{worker="0"} 1.0', "a")
    [1.0]
    """
    values = []
    for line in text.splitlines():
        if line.startswith((f"{name}{{", f"{name} ")):
            try:
                values.append(float(line.rpartition(" ")[2]))
            except ValueError:
                continue
    return values


def read_dead_letters(workspace: Path) -> DeadLetters:
    """The dead letters of a workspace's events, if their store runs: none is started to be asked."""
    try:
        now = count_dead_letters(events_url(workspace, start=False))
    except BanditError as error:
        return DeadLetters(None, str(error))
    if now.newest is None:
        return DeadLetters(now.count)
    return DeadLetters(now.count, newest=now.newest.put_aside_at, why=shown(now.newest.reason))
