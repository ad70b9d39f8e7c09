"""A report as text."""

from math import isnan

from artwork.bench.evaluation.run import CONSERVATIVE, EvaluationReport
from artwork.bench.evaluation.served_days import ServedCoverage
from artwork.bench.targets import Judged
from artwork.console.tables import Sheet, printed
from bandit.simulation.studies.adaptive_coverage import AdaptiveCoverage
from bandit.simulation.studies.coverage import Coverage
from bandit.simulation.studies.trust import TrustRow


def render(report: EvaluationReport) -> str:
    """The machine, seconds and memory, a table a kind of log, and the verdict."""
    machine = report.machine
    seconds = Sheet(
        ("five policies, all estimators, 1,000 resamples", "seconds", "memory at most, GiB"),
        [
            (
                each.log,
                f"{each.seconds.median:.2f} ({each.seconds.lowest:.2f}–{each.seconds.highest:.2f})",
                f"{each.gigabytes:.2f}",
            )
            for each in report.timed
        ],
    )
    return "\n".join(
        (
            f"{machine.processor}, {machine.cores} cores; Python {machine.python}; {machine.installed}",
            printed(seconds),
            *(f"{_title(each)}\n{printed(coverage_sheet(each))}" for each in report.coverages),
            *(f"{_adaptive_title(each)}\n{printed(adaptive_sheet(each))}" for each in report.adaptive),
            *((printed(trust_sheet(report.trust)),) if report.trust else ()),
            *((f"{_served_title(report.served)}\n{printed(served_sheet(report.served))}",) if report.served else ()),
            verdict_line(report.judged),
        )
    )


def coverage_sheet(coverage: Coverage) -> Sheet:
    """How often each interval held the truth."""
    rows = [
        (
            row.estimator,
            f"{row.bias:+.4f}",
            f"{row.error:.4f}",
            f"{row.hall:.1%}",
            f"{row.normal:.1%}",
            "-" if row.bernstein is None else f"{row.bernstein:.1%}",
        )
        for row in coverage.rows
    ]
    return Sheet(("estimator", "bias", "error", "hall", "normal", "bernstein"), rows)


def adaptive_sheet(coverage: AdaptiveCoverage) -> Sheet:
    """Plain intervals beside those by batches."""
    rows = [
        (row.estimator, row.interval, f"{row.bias:+.4f}", f"{row.width:.3f}", f"{row.covered:.1%}")
        for row in coverage.rows
    ]
    return Sheet(("estimator", "interval", "bias", "width", "held the truth"), rows)


def trust_sheet(rows: list[TrustRow]) -> Sheet:
    """How often answers that nothing warns of are wrong."""
    shown = [
        (
            row.world,
            row.what,
            "-" if row.what == "ranking" else f"{row.unflagged:.0%}",
            "-" if row.what == "ranking" or isnan(row.held) else f"{row.held:.1%}",
            f"{row.wrong_unflagged:.1%}",
        )
        for row in rows
    ]
    return Sheet(("world", "of the", "unflagged", "of those held", "wrong and unflagged, of all"), shown)


def served_sheet(served: ServedCoverage) -> Sheet:
    """Mean errors and coverage of estimates from what was joined."""
    rows = [
        (row.target, row.estimator, f"{row.truth:.4f}", f"{row.bias:+.5f}", f"{row.error:.5f}", f"{row.covered:.1%}")
        for row in served.rows
    ]
    return Sheet(("target", "estimator", "truth", "mean error", "its standard error", "held the truth"), rows)


def _served_title(served: ServedCoverage) -> str:
    return (
        f"days served and joined with retirements, fallbacks, late and repeated events, {served.runs:,} runs,"
        f" {served.impressions:,} impressions"
    )


def _adaptive_title(coverage: AdaptiveCoverage) -> str:
    first, second = coverage.rates
    return (
        f"Thompson sampling that learns, arms of {first:.0%} and {second:.0%}, {coverage.batches} batches of {coverage.size:,},"
        f" {coverage.replicates:,} replicates; value of always the first, level {coverage.level:.0%}"
    )


def _title(coverage: Coverage) -> str:
    often = "once" if coverage.showings == 1 else f"up to {coverage.showings} times"
    held = (
        ""
        if coverage.sequence is None
        else f"; at all times at once: value {coverage.sequence:.1%}, lead {coverage.lead_sequence or 0:.1%}"
    )
    return (
        f"{coverage.log} log of {coverage.decisions:,} decisions shown {often}, {coverage.replicates:,} replicates, truth"
        f" {coverage.truth:.4f}, level {coverage.level:.0%}{held}"
    )


def verdict_line(judged: list[Judged]) -> str:
    """What was missed, and apart from it what was missed on the safe side: intervals that are wider than they say."""
    conservative = [each for each in judged if each.verdict == CONSERVATIVE]
    missed = [each for each in judged if not each.is_reached]
    told = [
        f"{len(judged) - len(missed) - len(conservative)} of {len(judged)} targets are reached",
        *([f"failed: {_listed(missed)}"] if missed else []),
        *([f"conservative, held more often than the band says: {_listed(conservative)}"] if conservative else []),
    ]
    return "\n".join(told) if missed or conservative else "every target is reached"


def _listed(judged: list[Judged]) -> str:
    return "; ".join(f"{each.what}: {each.found:.3g} {each.unit}".strip() for each in judged)
