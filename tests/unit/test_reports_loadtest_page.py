"""The page of a load test."""

from typing import Any

import pytest

from artwork.reports.loadtest_page import rendered

NASTY = "<script>alert(1)</script>"


def scenario(name: str, requests: int = 100, **times: float | None) -> dict[str, Any]:
    """One scenario's figures; without requests it has no times."""
    known = dict.fromkeys(("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms"), 1.5 if requests else None)
    return {"name": name, "requests": requests, "failures": 0, **known, **times}


def report(*, kept: bool = True, saturated: bool = False, **figures: Any) -> dict[str, Any]:
    """A report as its JSON has it."""
    checks = [
        {"name": "p99 of page, ms", "measured": 1.5, "limit": 5.0, "kept": True},
        {"name": "rate reached, share", "measured": None, "limit": 0.9, "kept": kept},
    ]
    whole = {
        "host": "http://127.0.0.1:1", "users": 16, "asked_rate": 500.0, "scenario": "mixed", "seconds": 30.0,
        "client_cpu_share": 0.2, "client_lag_p99_ms": 0.1, "scenarios": [scenario("single"), scenario("page")],
        "sources": {"personalized": 95, "popularity": 5}, "faults": [],
    }  # fmt: skip
    return {
        "passed": kept, "client_saturated": saturated, "rate": 498.0, "checks": checks, "figures": whole | figures,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("made", "words", "css"),
    [
        (report(), "Within all budgets: 498 look-ups per second of 500 asked for.", 'class="verdict"'),
        (report(kept=False), "Missed: rate reached, share; 498", 'class="verdict missed"'),
        (report(kept=False, saturated=True), "The client was saturated", 'class="verdict missed"'),
    ],
)
def test_it_opens_with_the_verdict(made: dict[str, Any], words: str, css: str) -> None:
    page = rendered(made, "artwork loadtest", "locust.html")
    assert f"<p {css}>" in page
    assert page.index(words) < page.index("<h2>")


def test_a_budget_that_was_not_measured_says_so_and_sources_have_their_shares() -> None:
    page = rendered(report(kept=False), "artwork loadtest", "locust.html")
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
    page = rendered(report(**figures), "artwork loadtest", "locust.html")
    assert "How it was measured" in page
    assert "None" not in page


def test_what_a_service_answered_is_text() -> None:
    fault = {"scenario": "page", "message": NASTY, "count": 3, "first_url": f"/v1/{NASTY}"}
    page = rendered(report(faults=[fault], host=NASTY), f"artwork loadtest {NASTY}", "locust.html")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
