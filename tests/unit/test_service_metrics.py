"""What ``/metrics`` says after what was counted, over the blocks of all workers."""

import math
import time
from itertools import pairwise

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.metrics.exposition import exposition
from service.metrics.metrics import BLOCK_SLOTS, LATENCY_BOUNDS, ROUTES, STATUSES, Metrics

SINGLE = ROUTES[0]


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """One sample of the text, None where it is not shown."""
    families = text_string_to_metric_families(exposition(metrics.blocks).decode())
    samples = (sample for family in families for sample in family.samples)
    found = [sample.value for sample in samples if (sample.name, sample.labels) == (name, labels)]
    assert len(found) < 2
    return found[0] if found else None


def test_answers_are_counted_by_route_and_status() -> None:
    metrics = Metrics()
    for status in (200, 200, 503):
        metrics.answered(SINGLE, status, 0.001)
    counts = [value(metrics, "artwork_requests_total", route=SINGLE, status=status) for status in ("200", "503", "404")]
    assert counts == [2, 1, None]


def test_an_unknown_route_and_an_unknown_status_make_no_labels_of_their_own() -> None:
    metrics = Metrics()
    metrics.answered("/v1/users/mallory", 418, 0.001)
    assert value(metrics, "artwork_requests_total", route="unmatched", status="other") == 1
    assert b"mallory" not in exposition(metrics.blocks)


@pytest.mark.parametrize("status", STATUSES[:-1])
def test_every_listed_status_is_counted_as_itself(status: str) -> None:
    metrics = Metrics()
    metrics.answered(SINGLE, int(status), 0.001)
    assert value(metrics, "artwork_requests_total", route=SINGLE, status=status) == 1


def test_a_latency_falls_into_the_bucket_whose_bound_it_does_not_pass() -> None:
    metrics = Metrics()
    for seconds in (0.005, 0.0051, 7.0):
        metrics.answered(SINGLE, 200, seconds)
    buckets = {le: value(metrics, "artwork_request_seconds_bucket", route=SINGLE, le=le) for le in ("0.0045", "0.005")}
    assert buckets == {"0.0045": 0, "0.005": 1}
    assert value(metrics, "artwork_request_seconds_bucket", route=SINGLE, le="1.0") == 2
    assert value(metrics, "artwork_request_seconds_bucket", route=SINGLE, le="+Inf") == 3
    assert value(metrics, "artwork_request_seconds_count", route=SINGLE) == 3
    assert value(metrics, "artwork_request_seconds_sum", route=SINGLE) == pytest.approx(7.0101)


def test_latency_bounds_lie_half_a_millisecond_apart_around_the_promise() -> None:
    around = [bound for bound in LATENCY_BOUNDS if 0.003 <= bound <= 0.006]
    assert 0.005 in around
    assert max(b - a for a, b in pairwise(around)) < 0.00051


def test_picks_are_counted_by_source_and_policy() -> None:
    metrics = Metrics()
    metrics.picked("personalized", "thompson", 39)
    metrics.picked("personalized", "thompson")
    metrics.picked("popularity", "beta")
    assert value(metrics, "artwork_picks_total", source="personalized", policy="thompson") == 40
    assert value(metrics, "artwork_picks_total", source="popularity", policy="beta") == 1


def test_a_policy_may_have_any_name() -> None:
    metrics = Metrics()
    metrics.picked("popularity", 'two\nlines "quoted" \u00fc')
    assert value(metrics, "artwork_picks_total", source="popularity", policy='two\nlines "quoted" \u00fc') == 1


def test_the_number_of_named_counts_is_bounded_and_none_is_lost() -> None:
    metrics = Metrics()
    for number in range(1000):
        metrics.row_refused(f"reason-{number}")
    text = exposition(metrics.blocks)
    assert 2 <= text.count(b"artwork_row_errors_total{") <= 20
    other = value(metrics, "artwork_row_errors_total", reason="other")
    assert other == 1000 - (text.count(b"artwork_row_errors_total{") - 1)


def test_rows_joined_into_a_round_trip_are_reads_of_the_store() -> None:
    metrics = Metrics()
    metrics.round_trip(1)
    metrics.round_trip(32)
    assert value(metrics, "artwork_store_reads_total") == 33
    assert value(metrics, "artwork_store_batch_rows_count") == 2
    assert value(metrics, "artwork_store_batch_rows_bucket", le="24") == 1


def test_reasons_of_failed_reads_are_shown_before_the_first_failure() -> None:
    metrics = Metrics()
    metrics.store_failed("timeout", 3)
    reasons = ("timeout", "connection", "reply", "breaker")
    assert [value(metrics, "artwork_store_read_errors_total", reason=reason) for reason in reasons] == [3, 0, 0, 0]


def test_what_happens_seldom_is_counted_too() -> None:
    metrics = Metrics()
    metrics.connected()
    metrics.polled()
    metrics.load_refused("meta")
    metrics.row_refused("crc")
    assert value(metrics, "artwork_store_connections_total") == 1
    assert value(metrics, "artwork_polls_total") == 1
    assert value(metrics, "artwork_load_errors_total", reason="meta") == 1
    assert value(metrics, "artwork_row_errors_total", reason="crc") == 1


def test_any_worker_tells_of_the_one_that_is_behind_for_longest() -> None:
    values = [0.0] * (3 * BLOCK_SLOTS)
    workers = [Metrics(values, worker) for worker in range(3)]
    assert [worker.longest_behind() for worker in workers] == [0.0] * 3
    workers[1].behind(time.monotonic() - 50)
    workers[2].behind(time.monotonic() - 20)
    assert all(50 <= worker.longest_behind() < 150 for worker in workers)
    assert 20 <= (value(workers[0], "artwork_behind_seconds", worker="2") or 0) < 120
    assert value(workers[0], "artwork_behind_seconds", worker="0") == 0
    workers[1].behind(None)
    assert 20 <= workers[0].longest_behind() < 50


def test_a_worker_that_starts_anew_is_not_behind_because_its_predecessor_was() -> None:
    values = [0.0] * (2 * BLOCK_SLOTS)
    Metrics(values, 1).behind(time.monotonic() - 50)
    Metrics(values, 1)
    assert Metrics(values, 0).longest_behind() == 0


def test_a_generation_is_shown_with_its_age() -> None:
    metrics = Metrics()
    metrics.took(17, 42, "2026-01-01T00:00:00Z")
    age = value(metrics, "artwork_catalogue_age_seconds", worker="0")
    assert (value(metrics, "artwork_generation", worker="0"), value(metrics, "artwork_flip", worker="0")) == (17, 42)
    assert age == pytest.approx(time.time() - 1767225600, abs=600)


@pytest.mark.parametrize("created_at", [None, "yesterday"])
def test_an_age_that_is_not_known_is_no_number(created_at: str | None) -> None:
    metrics = Metrics()
    if created_at is not None:
        metrics.took(17, 42, created_at)
    age = value(metrics, "artwork_catalogue_age_seconds", worker="0")
    assert age is not None
    assert math.isnan(age)


def test_breaker_and_store_are_shown_as_they_are_now() -> None:
    metrics = Metrics()
    for state in (True, False):
        metrics.breaker(+1 if state else -1)
        metrics.store_up(state)
        shown = [value(metrics, f"artwork_store_{name}", worker="0") for name in ("breaker_open", "up")]
        assert shown == [state, state]


def test_every_worker_shows_the_sum_over_all_and_the_state_of_each() -> None:
    values = [0.0] * (3 * BLOCK_SLOTS)
    workers = [Metrics(values, worker) for worker in range(3)]
    for number, metrics in enumerate(workers, start=1):
        metrics.took(number, number, "2026-01-01T00:00:00Z")
        metrics.picked("personalized", f"policy-{number % 2}", number)
        for _ in range(number):
            metrics.answered(SINGLE, 200, 0.001)
    for metrics in workers:
        assert value(metrics, "artwork_requests_total", route=SINGLE, status="200") == 6
        assert value(metrics, "artwork_request_seconds_count", route=SINGLE) == 6
        assert value(metrics, "artwork_picks_total", source="personalized", policy="policy-1") == 4
        assert [value(metrics, "artwork_generation", worker=str(worker)) for worker in range(3)] == [1, 2, 3]
        assert value(metrics, "artwork_workers") == 3


def test_a_successor_goes_on_counting_and_measures_anew() -> None:
    values = [0.0] * BLOCK_SLOTS
    for policy in ("thompson", "uniform"):
        metrics = Metrics(values, 0)
        assert value(metrics, "artwork_generation", worker="0") == 0
        assert value(metrics, "artwork_store_up", worker="0") == 0
        metrics.picked("personalized", policy)
        metrics.picked("personalized", "thompson")
        metrics.store_up(True)
        metrics.took(5, 6, "2026-01-01T00:00:00Z")
    assert value(metrics, "artwork_picks_total", source="personalized", policy="thompson") == 3
    assert value(metrics, "artwork_picks_total", source="personalized", policy="uniform") == 1
    assert value(metrics, "artwork_worker_starts_total") == 2
