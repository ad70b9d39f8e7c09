"""Prometheus metrics of one application, in a registry of its own."""

import time
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from service.catalogue import Serving

# Dense around the promise of 5 ms at the 99th percentile; the tail reaches past the store's deadline.
LATENCY_BUCKETS: Final = (
    *(0.0005, 0.001, 0.0015, 0.002, 0.0025, 0.003, 0.0035, 0.004, 0.0045, 0.005, 0.0055, 0.006, 0.007, 0.008),
    *(0.01, 0.015, 0.02, 0.025, 0.03, 0.05, 0.1, 0.25, 1.0),
)


class Metrics:
    """Every number that ``/metrics`` shows. Label values are bounded: routes, statuses, sources, policies, reasons."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter("artwork_requests", "Requests answered.", ["route", "status"], registry=registry)
        self.latency = Histogram(
            "artwork_request_seconds", "Time to answer.", ["route"], buckets=LATENCY_BUCKETS, registry=registry
        )
        self.picks = Counter("artwork_picks", "Picks answered.", ["source", "policy"], registry=registry)
        self.row_errors = Counter("artwork_row_errors", "Rows that could not be used.", ["reason"], registry=registry)
        self.store_errors = Counter(
            "artwork_store_read_errors", "Reads without an answer.", ["reason"], registry=registry
        )
        self.load_errors = Counter("artwork_load_errors", "Generations not taken.", ["reason"], registry=registry)
        self.polls = Counter("artwork_polls", "Times the store was asked for the generation.", registry=registry)
        self.store_up = Gauge("artwork_store_up", "1 when the last poll got an answer.", registry=registry)
        self.generation = Gauge("artwork_generation", "Generation served.", registry=registry)
        self.flip = Gauge("artwork_flip", "Count of flips of art:current.", registry=registry)
        self.age = Gauge("artwork_catalogue_age_seconds", "Seconds since the generation was made.", registry=registry)

    def took(self, serving: Serving) -> None:
        """A generation is served from now on."""
        made_at = _made_at(serving.meta.created_at)
        self.generation.set(serving.generation)
        self.flip.set(serving.current.flip)
        self.age.set_function(lambda: time.time() - made_at)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)


def _made_at(created_at: str) -> float:
    """Seconds since the epoch, or NaN for a time that is not ISO 8601: unknown age is no reason to refuse picks."""
    try:
        return datetime.fromisoformat(created_at).timestamp()
    except ValueError:
        return float("nan")
