"""Figures of the service are read from what it counts, and claim no more than its buckets tell."""

import numpy as np
import pytest

from artwork.web.figures.service import percentile, read_metrics
from service.metrics.exposition import exposition
from service.metrics.metrics import LATENCY_BOUNDS, Metrics

PAGE, ONE = "/v1/users/{user_id}/artwork", "/v1/users/{user_id}/titles/{title_id}/artwork"
INF = float("inf")


def metrics_of(metrics: Metrics) -> str:
    return exposition(metrics.blocks).decode()


def test_what_the_service_counts_is_what_is_read() -> None:
    metrics = Metrics()
    for seconds in (0.0001, 0.0012, 0.0012, 0.004, 2.0):
        metrics.answered(PAGE, 200, seconds)
    metrics.answered(ONE, 200, 0.0012)
    metrics.answered("/readyz", 200, 0.5)
    metrics.picked("personalized", 'odd "name" \\ with\nbreaks {le="1"}', 3)
    metrics.picked("personalized", "thompson", 4)
    metrics.picked("popularity", "popularity")
    metrics.events_accepted(20)
    metrics.events_refused("full")
    sample = read_metrics(metrics_of(metrics), 0.0)
    assert sample.look_ups == 6
    assert list(sample.buckets) == [*(bound * 1000 for bound in LATENCY_BOUNDS), INF]
    assert (sample.buckets[0.25], sample.buckets[1.5], sample.buckets[1000.0], sample.buckets[INF]) == (1, 4, 5, 6)
    assert sample.sources == {"personalized": 7, "popularity": 1}
    assert (sample.events, sample.refused) == (20, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "# HELP x",
        "artwork_events_total",
        "artwork_events_total x",
        "{",
        "artwork_events_total{worker=} 1 2",
        "\0",
    ],
    ids=repr,
)
def test_lines_that_are_no_metrics_are_passed_over(text: str) -> None:
    sample = read_metrics(text, 1.0)
    assert (sample.look_ups, sample.sources, sample.events) == (0, {}, 0)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_percentile_is_in_the_bucket_of_the_true_one(share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.lognormal(0.5, 1.0, size=2000).clip(max=900)
    bounds = [*(bound * 1000 for bound in LATENCY_BOUNDS), INF]
    counts = {bound: float((values <= bound).sum()) for bound in bounds}
    given = percentile(counts, share)
    assert given is not None
    low, high = given.between_ms
    true = float(np.quantile(values, share, method="inverted_cdf"))
    assert low < true <= (high or INF)
    assert low <= given.ms <= (high or INF)


@pytest.mark.parametrize(
    ("counts", "share", "ms", "between"),
    [
        ({1.0: 10.0, 2.0: 10.0, INF: 10.0}, 0.5, 0.5, (0.0, 1.0)),
        ({1.0: 0.0, 2.0: 10.0, INF: 10.0}, 0.5, 1.5, (1.0, 2.0)),
        ({1.0: 5.0, 2.0: 10.0, INF: 10.0}, 0.5, 1.0, (0.0, 1.0)),
        ({1.0: 0.0, 2.0: 0.0, INF: 1.0}, 0.99, 2.0, (2.0, None)),
    ],
)
def test_values_are_taken_as_spread_evenly_within_a_bucket(
    counts: dict[float, float], share: float, ms: float, between: tuple[float, float | None]
) -> None:
    given = percentile(counts, share)
    assert given is not None
    assert (given.ms, given.between_ms) == (ms, between)


@pytest.mark.parametrize("counts", [{}, {1.0: 0.0, INF: 0.0}])
def test_nobody_who_asked_is_no_percentile(counts: dict[float, float]) -> None:
    assert percentile(counts, 0.5) is None
