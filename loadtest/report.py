"""A verdict as text and as JSON."""

import json
from collections.abc import Mapping
from typing import Any

from loadtest.figures import Figures, ScenarioFigures
from loadtest.find_max import Search, Step
from loadtest.verdict import SATURATED_CPU_SHARE, Check, Verdict

SHOWN_URL = 120
"""Characters of an address in text; the JSON has all of it."""

WARNING = (
    f"  warning: the client was saturated (it used over {SATURATED_CPU_SHARE:.0%} of a core, or woke up later than a"
    " budget allows): these times are its own as much as the service's; ask for fewer requests per second (--rate)"
)


def as_json(value: Mapping[str, Any]) -> str:
    """A report as one JSON document."""
    return json.dumps(value, indent=2)


def as_text(verdict: Verdict) -> str:
    """The verdict for a reader: figures, faults, one line a budget, and the outcome."""
    lines = [*_figures(verdict.figures), "", *map(_check, verdict.checks)]
    if verdict.client_saturated:
        lines.append(WARNING)
    return "\n".join([*lines, "", _outcome(verdict)])


def search_text(search: Search) -> str:
    """The search for the highest rate, for a reader: its steps, and what was confirmed."""
    asked = f"{search.scenario} users, {search.page_share:.0%} pages, open loop, p99 within {search.slo_p99_ms:g} ms"
    if search.highest is None or search.ceiling is None:
        end = f"failed: {'not confirmed' if any(step.kept for step in search.steps) else 'no rate was kept'}"
    else:
        limit = f"the client held {search.ceiling.rate:,.0f} against a server that does nothing"
        end = f"highest rate: {search.rate:,.0f} per second, held for {search.highest.seconds:.0f} s ({limit})"
    return "\n".join([f"{search.host}: {asked}", *map(step_text, search.steps), "", end])


def step_text(step: Step) -> str:
    """One step on a line."""
    times = f"p50 {step.p50_ms:.2f}, p99 {step.p99_ms:.2f}, p99.9 {step.p999_ms:.2f} ms"
    said = ", ".join(f"{count:,} x {status or 'no answer'}" for status, count in step.statuses.items())
    wrong = f", {step.wrong:,} wrong" if step.wrong else ""
    asked = f"{step.asked_rate:>9,.0f} asked, {step.rate_share:.1%} achieved"
    return f"  {'kept  ' if step.kept else 'MISSED'}{asked}: {times}; {said}{wrong}"


def _outcome(verdict: Verdict) -> str:
    if verdict.client_is_to_blame:
        return "client saturated, no verdict: ask for fewer requests per second (--rate), or run it on another machine"
    return "within budgets" if verdict.passed else "failed"


def _figures(figures: Figures) -> list[str]:
    reached = f"{figures.requests:,} requests in {figures.seconds:.1f} s, {figures.rate:,.0f} per second"
    client = f"{figures.client_cpu_share:.0%} of a core, woke up {figures.client_lag_p99_ms:.2f} ms late (p99)"
    return [
        f"{figures.host}: {reached} of {figures.asked_rate:,.0f} asked for, by {figures.users} users, {figures.scenario}",
        f"client: {client}",
        "",
        f"  {'':8}{'requests':>10}{'failures':>10}{'p50 ms':>9}{'p90 ms':>9}{'p99 ms':>9}{'p99.9 ms':>9}{'max ms':>9}",
        *map(_scenario, figures.scenarios),
        *_sources(figures.sources),
        *(
            f"  {fault.count:,} x {fault.scenario}: {fault.message}; first {fault.first_url[:SHOWN_URL]}"
            for fault in figures.faults
        ),
    ]


def _scenario(figures: ScenarioFigures) -> str:
    times = (figures.p50_ms, figures.p90_ms, figures.p99_ms, figures.p999_ms, figures.max_ms)
    return f"  {figures.name:8}{figures.requests:>10,}{figures.failures:>10,}" + "".join(
        f"{_number(time):>9}" for time in times
    )


def _sources(sources: dict[str, int]) -> list[str]:
    total = sum(sources.values())
    shares = ", ".join(f"{source} {count / total:.1%}" for source, count in sorted(sources.items()))
    return [f"  picks by source: {shares}"] if total else []


def _check(check: Check) -> str:
    measured = "not measured" if check.measured is None else f"{check.measured:.3g}"
    return f"  {'kept  ' if check.kept else 'MISSED'}  {check.name}: {measured} (budget {check.limit:g})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
