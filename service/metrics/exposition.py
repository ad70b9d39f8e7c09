"""The numbers of all workers in Prometheus' text format."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from service.metrics.counters import Histogram, NamedCounts
from service.metrics.metrics import APPEND_BOUNDS, BATCH_BOUNDS, LATENCY_BOUNDS, ROUTES, STATUSES, Block

STORE_REASONS: Final = ("timeout", "connection", "reply", "breaker")
EVENT_REASONS: Final = (
    *("invalid", "busy", "origin", "connection", "lost", "timeout", "full", "memory", "readonly", "loading", "reply"),
)
CONNECTION_REASONS: Final = ("worker", "client")
"""Shown from the start, so that a rate over the first failure is seen."""


def exposition(blocks: Sequence[Block]) -> bytes:
    """Counters and histograms summed over the blocks; gauges with a label for their worker."""
    return generate_latest(_Sums(blocks))


class _Sums(Collector):
    """Used in place of a registry, which would collect once more when it is made."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks

    def collect(self) -> Iterator[Metric]:
        """Every family, in the order in which a request passes the service."""
        yield from self._requests()
        yield self._named("artwork_picks", "Picks answered.", ["source", "policy"], lambda block: block.picks)
        yield self._named("artwork_row_errors", "Rows not usable.", ["reason"], lambda block: block.row_errors)
        yield from self._store()
        yield from self._generations()
        yield from self._events()
        yield GaugeMetricFamily("artwork_workers", "Worker processes.", len(self._blocks))
        yield self._counter("artwork_worker_starts", "Starts of workers.", lambda block: block.starts)

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("artwork_requests", "Requests answered.", labels=["route", "status"])
        latencies = HistogramMetricFamily("artwork_request_seconds", "Seconds to answer.", labels=["route"])
        for route in ROUTES:
            for place, status in enumerate(STATUSES):
                if count := sum(block.values[block.statuses[route] + place] for block in self._blocks):
                    requests.add_metric([route, status], count)
            buckets, seconds = _buckets([block.latencies[route] for block in self._blocks], LATENCY_BOUNDS)
            if seconds:
                latencies.add_metric([route], buckets, seconds)
        yield from (requests, latencies)
        yield self._by_worker("artwork_client_connections", "Open connections.", lambda block: block.open_connections)
        yield self._named(
            "artwork_client_connections_refused",
            "Connections refused.",
            ["reason"],
            lambda block: block.refused_connections,
            CONNECTION_REASONS,
        )

    def _store(self) -> Iterator[Metric]:
        batches = [block.batches for block in self._blocks]
        buckets, rows = _buckets(batches, BATCH_BOUNDS)
        yield CounterMetricFamily("artwork_store_reads", "Rows asked for.", rows)
        joined = HistogramMetricFamily("artwork_store_batch_rows", "Rows joined into one round trip.")
        joined.add_metric([], buckets, rows)
        yield joined
        yield self._named(
            "artwork_store_read_errors", "Rows without an answer.", ["reason"], lambda b: b.store_errors, STORE_REASONS
        )
        yield self._counter("artwork_store_connections", "Connections made.", lambda block: block.connections)
        yield self._by_worker(
            "artwork_store_breaker_open",
            "1 while the store is not asked for rows; of a cluster, nodes that are not.",
            lambda block: block.breaker_open,
        )
        yield self._by_worker("artwork_store_up", "1 when the last poll got an answer.", lambda block: block.store_up)

    def _generations(self) -> Iterator[Metric]:
        yield self._named(
            "artwork_load_errors", "Generations and overlays not taken.", ["reason"], lambda block: block.load_errors
        )
        yield self._counter("artwork_polls", "Times that the store was asked for the generation.", lambda b: b.polls)
        yield self._by_worker("artwork_generation", "Generation served, 0 for none.", lambda block: block.generation)
        yield self._by_worker("artwork_flip", "Count of flips of art:current.", lambda block: block.flip)
        yield self._by_worker(
            "artwork_revision", "Revision of the catalogue's overlay, 0 without one.", lambda b: b.revision
        )
        behind = GaugeMetricFamily(
            "artwork_behind_seconds", "Seconds that the store has named another generation.", labels=["worker"]
        )
        for worker, block in enumerate(self._blocks):
            behind.add_metric([str(worker)], block.behind_seconds())
        yield behind
        age = GaugeMetricFamily(
            "artwork_catalogue_age_seconds", "Seconds since the generation was made.", labels=["worker"]
        )
        for worker, block in enumerate(self._blocks):
            made_at = block.values[block.made_at]
            age.add_metric([str(worker)], time.time() - made_at if made_at else float("nan"))
        yield age

    def _events(self) -> Iterator[Metric]:
        yield self._counter("artwork_events", "Events stored.", lambda block: block.accepted_events)
        yield self._named(
            "artwork_event_requests_refused",
            "Requests whose events were not stored.",
            ["reason"],
            lambda block: block.refused_events,
            EVENT_REASONS,
        )
        buckets, seconds = _buckets([block.appends for block in self._blocks], APPEND_BOUNDS)
        appends = HistogramMetricFamily("artwork_event_append_seconds", "Seconds until the store held them.")
        appends.add_metric([], buckets, seconds)
        yield appends

    def _counter(self, name: str, documentation: str, slot: Callable[[Block], int]) -> Metric:
        return CounterMetricFamily(name, documentation, sum(block.values[slot(block)] for block in self._blocks))

    def _by_worker(self, name: str, documentation: str, slot: Callable[[Block], int]) -> Metric:
        family = GaugeMetricFamily(name, documentation, labels=["worker"])
        for worker, block in enumerate(self._blocks):
            family.add_metric([str(worker)], block.values[slot(block)])
        return family

    def _named(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        counts: Callable[[Block], NamedCounts],
        shown: Sequence[str] = (),
    ) -> Metric:
        family = CounterMetricFamily(name, documentation, labels=labels)
        total: Counter[tuple[str, ...]] = Counter({(reason,): 0 for reason in shown})
        for block in self._blocks:
            total.update(counts(block).counts())
        for values, count in total.items():
            family.add_metric(values, count)
        return family


def _buckets(histograms: Sequence[Histogram], bounds: Sequence[float]) -> tuple[list[tuple[str, float]], float]:
    """Cumulated counts by upper bound, as the library takes them, and the sum."""
    counts = (sum(column) for column in zip(*(histogram.counts() for histogram in histograms), strict=True))
    names = [*(str(bound) for bound in bounds), "+Inf"]
    return list(zip(names, accumulate(counts), strict=True)), sum(histogram.total() for histogram in histograms)
