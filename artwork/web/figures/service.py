"""What the look-up service says of itself: its metrics and its readiness, asked for in one place."""

import http.client
import re
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

PERCENTILE_SECONDS: Final = 10.0
"""Percentiles are of the look-ups of so long."""
RATE_SECONDS: Final = 3.0
"""Rates are means over so long: one sees within seconds what a press did."""
_TIMEOUT_SECONDS: Final = 1.0
_MOST_BYTES: Final = 1 << 20
_LOOK_UPS: Final = ("/v1/users/{user_id}/titles/{title_id}/artwork", "/v1/users/{user_id}/artwork")
_line: Final = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)").fullmatch
_labels: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"').findall

Between = tuple[float, float | None]


@dataclass(frozen=True)
class Percentile:
    """A percentile of a histogram: interpolated within its bucket, and the bucket's ends, the last of which is open."""

    ms: float
    between_ms: Between


@dataclass(frozen=True)
class ServiceFigures:
    """The service in its last seconds. Percentiles are None where nobody asked, and where it does not tell."""

    up: bool
    ready: bool
    degraded: Sequence[str]
    p50_ms: float | None = None
    p99_ms: float | None = None
    p50_between_ms: Between | None = None
    p99_between_ms: Between | None = None
    per_second: float = 0.0
    by_source: Mapping[str, float] = field(default_factory=dict)
    events_per_second: float = 0.0
    events_refused: int = 0


@dataclass(frozen=True)
class Serving:
    """What the service answers from: a generation by its number and identity, and the revision of the catalogue's overlay."""

    generation: int
    identity: str
    revision: int


@dataclass(frozen=True)
class Sample:
    """Counters of the service at a moment of this machine's clock; ``buckets`` are cumulated counts by upper bound in ms."""

    at: float
    buckets: Mapping[float, float]
    sources: Mapping[str, float]
    events: float
    refused: float

    @property
    def look_ups(self) -> float:
        """Look-ups that were answered."""
        return max(self.buckets.values(), default=0.0)


def read_metrics(text: str, at: float) -> Sample:
    """A sample of Prometheus' text format; lines of other metrics are passed over."""
    buckets: defaultdict[float, float] = defaultdict(float)
    sources: defaultdict[str, float] = defaultdict(float)
    totals: defaultdict[str, float] = defaultdict(float)
    for line in text.splitlines():
        match = _line(line)
        if match is None or line.startswith("#"):
            continue
        name, labels, number = match[1], dict(_labels(match[2] or "")), match[3]
        try:
            value = float(number)
        except ValueError:
            continue
        if name == "artwork_request_seconds_bucket" and labels.get("route") in _LOOK_UPS:
            buckets[float(labels["le"]) * 1000] += value
        elif name == "artwork_picks_total":
            sources[labels.get("source", "")] += value
        elif name in {"artwork_events_total", "artwork_event_requests_refused_total"}:
            totals[name] += value
    return Sample(
        at=at,
        buckets=dict(sorted(buckets.items())),
        sources=dict(sources),
        events=totals["artwork_events_total"],
        refused=totals["artwork_event_requests_refused_total"],
    )


def percentile(counts: Mapping[float, float], share: float) -> Percentile | None:
    """The value below which a share of a histogram lies, taking values as spread evenly within a bucket.

    Args:
        counts: cumulated counts by upper bound in ms, in order; the last bound is infinite.
        share: from 0 to 1.
    """
    total = max(counts.values(), default=0.0)
    if total <= 0:
        return None
    wanted = share * total
    for (low, below), (high, up_to) in pairwise([(0.0, 0.0), *counts.items()]):
        if up_to >= wanted and up_to > below:
            if high == float("inf"):
                return Percentile(low, (low, None))
            return Percentile(low + (high - low) * (wanted - below) / (up_to - below), (low, high))
    return None


class ServiceReader:
    """Asks one service for its metrics, and keeps the samples of the last seconds."""

    def __init__(self) -> None:
        self._address = ""
        self._connection: http.client.HTTPConnection | None = None
        self._samples: deque[Sample] = deque()
        self._figures = ServiceFigures(up=False, ready=False, degraded=["the service was not asked yet"])
        self.serving: Serving | None = None
        """What it answers from, as it said last; None before it has said so."""
        self.accepted_events = 0.0
        """Events accepted since this reader began, over restarts of the service."""

    @property
    def figures(self) -> ServiceFigures:
        """The newest figures."""
        return self._figures

    def read(self, address: str) -> None:
        """Ask the service at an address; blocks for at most a few seconds."""
        if address != self._address:
            self._forget()
            self._address = address
        if not address:
            return
        try:
            status, body = self._get("/readyz")
            degraded, serving = _readiness(status, body)
            metrics_status, metrics = self._get("/metrics")
        except (OSError, http.client.HTTPException) as error:
            self._disconnect()
            why = getattr(error, "strerror", None) or type(error).__name__
            self._figures = ServiceFigures(up=False, ready=False, degraded=[f"the service does not answer: {why}"])
            return
        if metrics_status == http.client.OK:
            self._take(read_metrics(metrics.decode(errors="replace"), time.monotonic()))
        self.serving = serving or self.serving
        self._figures = self._made(status == http.client.OK, degraded)

    def _take(self, sample: Sample) -> None:
        last = self._samples[-1] if self._samples else None
        if last is not None and (sample.look_ups < last.look_ups or sample.events < last.events):
            self._samples.clear()  # it was started anew, and counts from 0
            self.accepted_events += sample.events
        elif last is not None:
            self.accepted_events += sample.events - last.events
        self._samples.append(sample)
        while len(self._samples) > 1 and self._samples[1].at <= sample.at - PERCENTILE_SECONDS:
            self._samples.popleft()

    def _made(self, ready: bool, degraded: Sequence[str]) -> ServiceFigures:
        if len(self._samples) < 2:
            return ServiceFigures(up=True, ready=ready, degraded=degraded)
        newest, oldest = self._samples[-1], self._samples[0]
        lately = next(
            sample for sample in reversed(self._samples) if sample.at <= newest.at - RATE_SECONDS or sample is oldest
        )
        seconds = newest.at - lately.at
        counts = {bound: count - oldest.buckets.get(bound, 0.0) for bound, count in newest.buckets.items()}
        p50, p99 = percentile(counts, 0.5), percentile(counts, 0.99)
        return ServiceFigures(
            up=True,
            ready=ready,
            degraded=degraded,
            p50_ms=p50.ms if p50 else None,
            p99_ms=p99.ms if p99 else None,
            p50_between_ms=p50.between_ms if p50 else None,
            p99_between_ms=p99.between_ms if p99 else None,
            per_second=(newest.look_ups - lately.look_ups) / seconds,
            by_source={
                name: (count - lately.sources.get(name, 0.0)) / seconds for name, count in newest.sources.items()
            },
            events_per_second=(newest.events - lately.events) / seconds,
            events_refused=int(newest.refused - oldest.refused),
        )

    def _get(self, path: str) -> tuple[int, bytes]:
        if self._connection is None:
            parts = urlsplit(self._address)
            kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
            self._connection = kind(parts.netloc, timeout=_TIMEOUT_SECONDS)
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        return answer.status, answer.read(_MOST_BYTES)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _forget(self) -> None:
        self._disconnect()
        self._samples.clear()
        self.serving = None


def _readiness(status: int, body: bytes) -> tuple[list[str], Serving | None]:
    """What is degraded, in the service's words (of one that is not ready, why), and what it answers from."""
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        return [f"/readyz answers {status} with what is no JSON object: is this the look-up service?"], None
    told, detail = document.get("degraded"), document.get("detail")
    troubles = [str(word) for word in told] if isinstance(told, list) else [str(detail)] if detail else []
    match document:
        case {"generation": int(generation), "identity": str(identity), "revision": int(revision)}:
            return troubles, Serving(generation, identity, revision)
    return troubles, None
