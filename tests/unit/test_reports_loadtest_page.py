"""The page of a load test."""

from typing import Any

import pytest

from artwork.reports.loadtest_page import rendered

NASTY = "<script>alert(1)</script>"


RUN = {
    "began_at": "2026-11-28T12:00:00+00:00",
    "command": f"artwork loadtest --rate 9 {NASTY}",
    "versions": {"artwork-bandit": "0.1.0", "python": "3.11.7", "locust": "2.47", "service": None},
    "machine": {
        "cores": 8, "usable_cores": 2, "processor": "Some CPU", "memory_bytes": 2**33, "system": "Linux x86_64",
        "has_service": True,
    },
}  # fmt: skip
SERVICE = {
    "times": [
        {"name": "page", "requests": 1234, "p50": {"above_ms": 0.0, "at_most_ms": 0.25},
         "p99": {"above_ms": 1000.0, "at_most_ms": None}},
    ],
    "missing": None,
}  # fmt: skip


def scenario(name: str, requests: int = 100, slices: tuple[float | None, ...] = (), **times: float | None) -> Any:
    """One scenario's figures; without requests it has no times."""
    known = dict.fromkeys(("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms"), 1.5 if requests else None)
    pieces = [
        {"start_seconds": float(at), "seconds": 1.0, "requests": 5 * bool(time), "p50_ms": time, "p99_ms": time}
        for at, time in enumerate(slices)
    ]
    return {"name": name, "requests": requests, "failures": 0, **known, "slices": pieces, "histogram": {}, **times}


def report(*, kept: bool = True, why_none: str | None = None, service: Any = SERVICE, **figures: Any) -> dict[str, Any]:
    """A report as its JSON has it."""
    checks = [
        {"name": "p99 of page, ms", "measured": 1.5, "limit": 5.0, "kept": True},
        {"name": "rate reached, share", "measured": None, "limit": 0.9, "kept": kept},
    ]
    whole = {
        "host": "http://127.0.0.1:1", "users": 16, "asked_rate": 500.0, "scenario": "mixed", "seconds": 30.0,
        "client_cpu_share": 0.2, "client_lag_p99_ms": 0.1, "scenarios": [scenario("single"), scenario("page")],
        "sources": {"personalized": 95, "popularity": 5}, "faults": [], "driver": "locust",
    }  # fmt: skip
    return {
        "verdict": "none" if why_none else "passed" if kept else "failed",
        "passed": kept and not why_none, "why_none": why_none, "rate": 498.0, "checks": checks,
        "figures": whole | figures, "service": service, "run": RUN,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("made", "words", "css"),
    [
        (report(), "Within all budgets: 498 look-ups per second of 500 asked for.", 'class="verdict"'),
        (report(kept=False), "Missed: rate reached, share. 498", 'class="verdict missed"'),
        (report(why_none="the client was late"), "No verdict: the client was late. 498", 'class="verdict missed"'),
    ],
)
def test_it_opens_with_the_verdict(made: dict[str, Any], words: str, css: str) -> None:
    page = rendered(made, "locust.html")
    assert f"<p {css}>" in page
    assert page.index(words) < page.index("<h2>")


def test_after_the_verdict_come_budgets_times_over_time_sources_the_client_and_the_service() -> None:
    page = rendered(report(scenarios=[scenario("page", slices=(1.0, None, 2.0))]), None)
    parts = (
        "<h2>Budgets", "<h2>How long look-ups took over time", "<h2>Where picks came from",
        "<h2>How late the client was itself", "<h2>What the service says itself", "<h2>How it was measured",
    )  # fmt: skip
    places = [page.index(part) for part in parts]
    assert places == sorted(places)


def test_the_99th_percentile_over_time_is_a_line_without_the_pieces_that_have_none() -> None:
    page = rendered(report(scenarios=[scenario("page", slices=(1.25, None, 2.75))]), None)
    assert "99th percentile of each 1 s, milliseconds" in page
    assert "2.75 ms of 5 requests" in page
    assert "None" not in page


def test_the_client_and_the_service_are_told_apart() -> None:
    page = rendered(report(), None)
    assert "It woke up 0.10 ms late (p99), and used 20% of a core." in page
    assert "at most 0.25 ms" in page
    assert "over 1000 ms" in page
    missing = rendered(report(service={"times": [], "missing": NASTY}), None)
    assert "Its own times are not known: &lt;script&gt;" in missing


def test_an_open_loop_says_how_it_asked_and_has_no_page_of_locusts() -> None:
    page = rendered(report(driver="open loop", users=64), None)
    assert "64 connections, open loop" in page
    assert "times begin when look-ups are due" in page
    assert "locust&#x27;s own page" not in page


def test_what_a_figure_needs_to_be_quoted_is_there() -> None:
    page = rendered(report(), "locust.html")
    for words in ("2026-11-28T12:00:00+00:00", "python 3.11.7", "service unknown", "Some CPU, 2 of 8 cores, 8.0 GiB"):
        assert words in page
    assert "<code>artwork loadtest --rate 9 &lt;script&gt;" in page


def test_a_budget_that_was_not_measured_says_so_and_sources_have_their_shares() -> None:
    page = rendered(report(kept=False), "locust.html")
    assert "not measured" in page
    assert "95.0%" in page


@pytest.mark.parametrize(
    "figures",
    [
        {"scenarios": [scenario("single", 0), scenario("page", 0)], "sources": {}},
        {"scenarios": [scenario("single", p999_ms=None), scenario("page", 0)]},
        {"scenarios": [scenario("page", p50_ms=0.01, max_ms=60_000.0)]},
    ],
)
def test_runs_with_little_in_them_have_a_page(figures: dict[str, Any]) -> None:
    page = rendered(report(**figures), "locust.html")
    assert "How it was measured" in page
    assert "None" not in page


def test_what_a_service_answered_is_text() -> None:
    fault = {"scenario": "page", "message": NASTY, "count": 3, "first_url": f"/v1/{NASTY}"}
    page = rendered(report(faults=[fault], host=NASTY), "locust.html")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
