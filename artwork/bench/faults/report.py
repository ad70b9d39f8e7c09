"""Outcomes of all faults as one report, and the report as text."""

from dataclasses import dataclass

from artwork.bench.faults.outcomes import P99_LIMIT_MS, Outcome
from artwork.bench.machine import Machine
from artwork.console.tables import Sheet, printed

_COLUMNS = (
    "requests",
    "personalized",
    "popularity",
    "5xx",
    "unanswered",
    "p50",
    "p99",
    "p99.9",
    "worst",
    "personalized again",
)


@dataclass(frozen=True)
class FaultsReport:
    """What was found on a machine; ``passed`` if every promise was kept under every fault.

    ``driver_lag_ms`` is how late the client itself sent, 99th percentile, the worst of all runs: latencies are no better known.
    """

    machine: Machine
    rate: float
    seconds: float
    driver_lag_ms: float
    outcomes: list[Outcome]
    passed: bool


def render(report: FaultsReport) -> str:
    """The machine, a line per fault, what the faults are, and what fell short."""
    sheet = Sheet(("fault", *_COLUMNS), [(outcome.fault, *_cells(outcome)) for outcome in report.outcomes])
    legend = [f"  {outcome.fault}: {outcome.about}" for outcome in report.outcomes]
    short = [f"failed: {outcome.fault}: {text}" for outcome in report.outcomes for text in outcome.shortcomings]
    passed = [f"nothing was lost, and p99 stayed under {P99_LIMIT_MS:g} ms, whatever was broken"]
    return "\n".join((_head(report), printed(sheet), *legend, *(short or passed)))


def _head(report: FaultsReport) -> str:
    machine = report.machine
    return (
        f"{machine.processor}, {machine.cores} cores; Python {machine.python}; {machine.installed}\n"
        f"single look-ups at {report.rate:g}/s, one worker, each fault for {report.seconds:g} s; milliseconds from the intended"
        f" moment of sending to the last byte; the client itself sent up to {report.driver_lag_ms:.2f} ms late (p99)"
    )


def _cells(outcome: Outcome) -> list[str]:
    counts = (outcome.requests, outcome.personalized, outcome.popularity, outcome.refused, outcome.unanswered)
    times = (outcome.p50_ms, outcome.p99_ms, outcome.p999_ms, outcome.worst_ms)
    again = "never" if outcome.recovered_seconds is None else f"after {outcome.recovered_seconds:.2f} s"
    return [*(f"{value:,}" for value in counts), *(f"{value:.2f}" for value in times), again]
