"""A verdict as text and as JSON."""

import json
from dataclasses import asdict

from loadtest.figures import Figures, ScenarioFigures
from loadtest.verdict import SATURATED_CPU_SHARE, Check, Verdict

SHOWN_URL = 120
"""Characters of an address in text; the JSON has all of it."""

WARNING = (
    f"  warning: the client was saturated (it used over {SATURATED_CPU_SHARE:.0%} of a core, or woke up later than a"
    " budget allows): these times are its own as much as the service's; ask for fewer requests a second (--rate)"
)


def as_json(verdict: Verdict) -> str:
    """The verdict, its checks and all figures as one JSON document."""
    return json.dumps(asdict(verdict), indent=2)


def as_text(verdict: Verdict) -> str:
    """The verdict for a reader: figures, faults, one line a budget, and the outcome."""
    lines = [*_figures(verdict.figures), "", *map(_check, verdict.checks)]
    if verdict.client_saturated:
        lines.append(WARNING)
    return "\n".join([*lines, "", "within budgets" if verdict.passed else "found wanting"])


def _figures(figures: Figures) -> list[str]:
    reached = f"{figures.requests:,} requests in {figures.seconds:.1f} s, {figures.rate:,.0f} a second"
    client = f"{figures.client_cpu_share:.0%} of a core, woke up {figures.client_lag_p99_ms:.2f} ms late (p99)"
    return [
        f"{figures.host}: {reached} of {figures.asked_rate:,.0f} asked for, by {figures.users} users",
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
