"""A verdict as text and as JSON."""

import json
from collections.abc import Mapping, Sequence
from math import log
from typing import Any, Final

from loadtest.figures import Figures, ScenarioFigures, Slice
from loadtest.find_max import Search, Step
from loadtest.service_times import Between, RouteTimes, ServiceTimes
from loadtest.verdict import Check, Verdict

SHOWN_URL: Final = 60
"""Characters of an address in text; the JSON has all of it."""

BLOCKS: Final = "▁▂▃▄▅▆▇█"
DIGITS: Final = "12345678"
"""Marks from the lowest to the highest of a line of times, for terminals that have blocks, and for others."""

NO_TIME: Final = "-"
_NO_VERDICT: Final = "no verdict"


def as_json(value: Mapping[str, Any]) -> str:
    """A report as one JSON document."""
    return json.dumps(value, indent=2)


def as_text(verdict: Verdict, service: ServiceTimes, marks: str = BLOCKS) -> str:
    """The verdict for a reader: first the outcome, then a line for each budget, times, sources, client and service."""
    figures = verdict.figures
    lines = [
        *_outcome(verdict),
        "",
        *map(_check, verdict.checks),
        "",
        *_times(figures),
        *_over_time(figures.scenarios, marks),
        *_sources(figures.sources),
        *map(_fault, figures.faults),
        _client(figures),
        *_service(service),
    ]
    return "\n".join(lines)


def search_text(search: Search) -> str:
    """The search for the highest rate, for a reader: what was confirmed, and its steps."""
    asked = f"{search.scenario} users, {search.page_share:.0%} pages, open loop, p99 within {search.slo_p99_ms:g} ms"
    return "\n".join([_found(search), f"  {search.host}: {asked}", "", *map(step_text, search.steps)])


def step_text(step: Step) -> str:
    """One step, with the client's lag."""
    said = ", ".join(f"{count:,} x {status or 'no answer'}" for status, count in step.statuses.items())
    wrong = f", {step.wrong:,} wrong" if step.wrong else ""
    word = "LATE CLIENT" if step.blurred else "kept" if step.kept else "MISSED"
    times = f"p50 {step.p50_ms:.2f}, p99 {step.p99_ms:.2f}, p99.9 {step.p999_ms:.2f} ms"
    return (
        f"  {step.asked_rate:>9,.0f} per second: {word}, {step.rate_share:.1%} achieved; {said}{wrong}\n"
        f"            {times}; client {step.client_lag_p99_ms:.2f} ms late (p99)"
    )


def _found(search: Search) -> str:
    if search.why_none:
        return f"{_NO_VERDICT}: {search.why_none}"
    if search.highest is None or search.ceiling is None:
        return f"failed: {'not confirmed' if any(step.kept for step in search.steps) else 'no rate was kept'}"
    return (
        f"highest rate: {search.rate:,.0f} per second, held for {search.highest.seconds:.0f} s\n"
        f"  the client held {search.ceiling.rate:,.0f} against a server that does nothing"
    )


def _outcome(verdict: Verdict) -> list[str]:
    figures = verdict.figures
    how = f"open loop, {figures.users} connections" if figures.driver == "open loop" else f"{figures.users} users"
    rate = f"{figures.rate:,.0f} per second of {figures.asked_rate:,g} asked for"
    reached = (
        f"  {figures.requests:,} requests in {figures.seconds:.1f} s, {rate}",
        f"  {figures.host}, {how}, {figures.scenario}",
    )
    if verdict.why_none:
        return [f"{_NO_VERDICT}: {verdict.why_none}", *reached]
    missed = "; ".join(check.name for check in verdict.checks if not check.kept)
    return ["within budgets" if verdict.passed else f"failed: {missed}", *reached]


def _check(check: Check) -> str:
    measured = "not measured" if check.measured is None else f"{check.measured:.3g}"
    return f"  {'kept  ' if check.kept else 'MISSED'}  {check.name}: {measured} (budget {check.limit:g})"


def _times(figures: Figures) -> list[str]:
    return [
        f"  {'':6}{'requests':>10}{'failures':>9}{'p50 ms':>9}{'p90 ms':>9}{'p99 ms':>9}{'p99.9 ms':>10}{'max ms':>9}",
        *map(_scenario, figures.scenarios),
    ]


def _scenario(figures: ScenarioFigures) -> str:
    times = (figures.p50_ms, figures.p90_ms, figures.p99_ms)
    ends = f"{_number(figures.p999_ms):>10}{_number(figures.max_ms):>9}"
    return (
        f"  {figures.name:6}{figures.requests:>10,}{figures.failures:>9,}"
        + "".join(f"{_number(time):>9}" for time in times)
        + ends
    )


def _over_time(scenarios: Sequence[ScenarioFigures], marks: str) -> list[str]:
    """A mark for each slice of the run, as high as its 99th percentile, on a logarithmic scale."""
    times = [one.p99_ms for scenario in scenarios for one in scenario.slices if one.p99_ms is not None]
    if not times:
        return []
    low, high = min(times), max(times)
    seconds = next(one.seconds for scenario in scenarios for one in scenario.slices)
    scale = f"{marks[0]} {low:.2f} ms to {marks[-1]} {high:.2f} ms, {NO_TIME} no request"
    return [
        f"  p99 over time, one mark for {seconds:g} s ({scale}):",
        *(
            f"    {scenario.name:8}{''.join(_mark(one, low, high, marks) for one in scenario.slices)}"
            for scenario in scenarios
            if scenario.slices
        ),
    ]


def _mark(one: Slice, low: float, high: float, marks: str) -> str:
    if one.p99_ms is None:
        return NO_TIME
    height = log(one.p99_ms / low) / log(high / low) if high > low else 0.0
    return marks[min(int(height * len(marks)), len(marks) - 1)]


def _sources(sources: dict[str, int]) -> list[str]:
    total = sum(sources.values())
    shares = ", ".join(f"{source} {count / total:.1%}" for source, count in sorted(sources.items()))
    return [f"  picks by source: {shares}"] if total else []


def _fault(fault: Any) -> str:
    return f"  {fault.count:,} x {fault.scenario}: {fault.message}\n    first {fault.first_url[:SHOWN_URL]}"


def _client(figures: Figures) -> str:
    late = "sent" if figures.driver == "open loop" else "woke up"
    return (
        f"  client: {late} {figures.client_lag_p99_ms:.2f} ms late (p99), used {figures.client_cpu_share:.0%} of a core"
    )


def _service(service: ServiceTimes) -> list[str]:
    if service.missing:
        return [f"  service's own times are not known: {service.missing}"]
    return [
        "  service's own times (its /metrics before and after; only the bucket is known):",
        *map(_route, service.times),
    ]


def _route(route: RouteTimes) -> str:
    return f"    {route.name:8}{route.requests:,} requests, p50 {bounds(route.p50)}, p99 {bounds(route.p99)}"


def bounds(between: Between) -> str:
    """Where a percentile lies, for a reader.

    >>> bounds(Between(1.5, 2.0)), bounds(Between(0.0, 0.25)), bounds(Between(1000.0, None))
    ('1.5 to 2 ms', 'at most 0.25 ms', 'over 1000 ms')
    """
    if between.at_most_ms is None:
        return f"over {between.above_ms:g} ms"
    if not between.above_ms:
        return f"at most {between.at_most_ms:g} ms"
    return f"{between.above_ms:g} to {between.at_most_ms:g} ms"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
