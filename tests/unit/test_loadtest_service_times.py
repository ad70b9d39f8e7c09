"""The service's own times, out of Prometheus' text before and after a run."""

from math import inf

import pytest

from loadtest.service_times import Between, RouteTimes, Snapshot, between, quantile, read_buckets
from service.metrics.exposition import exposition
from service.metrics.metrics import Metrics

SINGLE, PAGE = "/v1/users/{user_id}/titles/{title_id}/artwork", "/v1/users/{user_id}/artwork"


def scraped(metrics: Metrics) -> Snapshot:
    """What a service with these counts shows."""
    return Snapshot(read_buckets(exposition(metrics.blocks).decode()))


def test_the_difference_of_two_looks_at_our_own_metrics_is_what_was_answered_in_between() -> None:
    metrics = Metrics()
    for _ in range(1000):
        metrics.answered(SINGLE, 200, 0.9)  # before the run, and slow
    before = scraped(metrics)
    for seconds in [0.0004] * 98 + [0.0017] * 2:
        metrics.answered(SINGLE, 200, seconds)
    found = between(before, scraped(metrics))
    assert found.missing is None
    assert found.times == (RouteTimes("single", 100, Between(0.25, 0.5), Between(1.5, 2.0)),)


def test_a_route_that_nobody_had_asked_for_before_counts_from_nothing() -> None:
    metrics = Metrics()
    before = scraped(metrics)
    metrics.answered(PAGE, 200, 7.0)
    [page] = between(before, scraped(metrics)).times
    assert (page.name, page.requests, page.p99) == ("page", 1, Between(1000.0, None))


def test_a_service_that_was_started_anew_is_told_from_one_that_answered() -> None:
    metrics, anew = Metrics(), Metrics()
    for _ in range(10):
        metrics.answered(SINGLE, 200, 0.001)
    anew.answered(SINGLE, 200, 0.001)
    found = between(scraped(metrics), scraped(anew))
    assert found.times == ()
    assert "counters went back" in (found.missing or "")


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (Snapshot({}, "not there"), Snapshot({}), "not there"),
        (Snapshot({}), Snapshot({}, "gone"), "gone"),
        (Snapshot({}), Snapshot({}), "counted no look-up"),
        (Snapshot({SINGLE: {0.1: 1, inf: 1}}), Snapshot({SINGLE: {0.1: 1, inf: 1}}), "counted no look-up"),
        (Snapshot({SINGLE: {0.1: 1, inf: 1}}), Snapshot({SINGLE: {0.2: 1, inf: 2}}), "counters went back"),
        (Snapshot({SINGLE: {0.1: 1, inf: 1}}), Snapshot({}), "counters went back"),
        (Snapshot({}), Snapshot({SINGLE: {0.1: 5, inf: 2}}), "counters went back"),
    ],
)
def test_where_nothing_can_be_told_it_says_why(before: Snapshot, after: Snapshot, why: str) -> None:
    found = between(before, after)
    assert found.times == ()
    assert why in (found.missing or "")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "<!doctype html>",
        "artwork_request_seconds_bucket",
        'artwork_request_seconds_bucket{le="0.1"}',
        'artwork_request_seconds_bucket{le="fast",route="r"} 1',
        'artwork_request_seconds_bucket{route="r"} 1',
        'artwork_request_seconds_bucket{le="+Inf",route="r"} NaN',
        'artwork_request_seconds_bucket{le="+Inf",route="r"} -1',
        'artwork_request_seconds_bucket{le="nan",route="r"} 1',
        'artwork_request_seconds_bucket{le="0.1",route="r"} 1',
        'artwork_request_seconds_buckets{le="+Inf",route="r"} 1',
        'artwork_request_seconds_bucket{le="+Inf",route="r" 1',
    ],
)
def test_lines_that_are_no_whole_histogram_are_left_out(line: str) -> None:
    assert read_buckets(line) == {}


def test_labels_come_in_any_order_and_with_anything_in_them() -> None:
    text = 'artwork_request_seconds_bucket{route="a\\"}{b",le="+Inf"} 2.0 1700000000'
    assert read_buckets(text) == {'a\\"}{b': {inf: 2.0}}


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.01, Between(0.0, 1.0)), (0.5, Between(0.0, 1.0)), (0.51, Between(1.0, 2.0)), (1.0, Between(2.0, None))],
)
def test_a_quantile_is_known_to_its_bucket_and_no_closer(share: float, expected: Between) -> None:
    assert quantile({0.001: 50, 0.002: 99, inf: 100}, share) == expected
