"""A report as text. The HTML report has the same tables."""

from artwork.bench.serving.highest import Highest
from artwork.bench.serving.results import Case, Report, Steady
from artwork.bench.targets import SATURATED, UNCONFIRMED, Judged
from artwork.bench.timing import Spread, digits
from artwork.console.tables import Sheet, printed

CLOSED = (
    "rows of",
    "closed loop",
    "requests/s",
    "picks/s",
    "p50",
    "p90",
    "p99",
    "p99.9",
    "max, ms",
    "CPU, µs",
    "from rows",
)
OPEN = ("rows of", "open loop", "highest rate", "at 60 %", "p50", "p90", "p99", "p99.9", "max, ms", "from rows")
JUDGED = ("what", "found", "required", "aim", "")


def render(report: Report) -> str:
    """The machine, how it was measured, all figures, the targets and the verdict."""
    sheets = (printed(sheet) for sheet in sheets_of(report))
    return "\n".join((*head(report), *sheets, *notes(report), verdict(report)))


def sheets_of(report: Report) -> list[Sheet]:
    """Closed loop, open loop, targets."""
    judged = [
        (target.what, f"{_found(target)} {target.unit}", target.required, target.aim, target.verdict)
        for target in report.judged
    ]
    return [
        Sheet(CLOSED, [_closed(case) for case in report.cases]),
        Sheet(OPEN, [_open(case, case.highest, case.steady) for case in report.cases if case.highest and case.steady]),
        Sheet(JUDGED, judged),
    ]


def head(report: Report) -> list[str]:
    """Machine, versions, and who did what on which core."""
    machine, setup, plan = report.machine, report.setup, report.setup.plan
    versions = f"{setup.store}; {machine.installed}"
    closed = f"{setup.closed_by}, 32 connections, {plan.closed_rounds} runs of {plan.closed_seconds:g} s in turns"
    return [
        f"{machine.processor}, {machine.cores} cores, {machine.system}; Python {machine.python}; {versions}",
        _cores(report),
        f"closed loop: {closed}; medians (lowest–highest); ratios are medians of the rounds' own",
        "open loop: Poisson arrivals on 64 connections, latency from the intended time",
        f"highest rate: p99 below 5 ms and 99 % of it answered from rows, held for {plan.seconds:g} s",
        f"at 60 % of the highest rate: {plan.rounds} runs in turns, medians (lowest–highest)",
        *([f"the other tree: {setup.other_tree}, the same interpreter and libraries"] if setup.other_tree else []),
        *setup.missing,
    ]


def notes(report: Report) -> list[str]:
    """Figures that fill no table."""
    over, start = report.overload, report.start
    accepted = f"p50 {digits(over.accepted_p50_ms)} ms, p99 {digits(over.accepted_p99_ms)} ms since sent"
    own = "" if over.service_p99_ms is None else f"; the service's own p99 at most {digits(over.service_p99_ms)} ms"
    queued = f"before that, p99 {digits(over.queued_p99_ms)} ms in the client, {over.unsent:,} never sent"
    client = f"the client used {over.client_cpu:.2f} of a core"
    refused = f"refused {over.refused_rate:,.0f}/s; answers other than 200 and 503: {over.wrong_statuses}"
    memory = start.resident_megabytes
    resident = "" if memory is None else f", resident {_spread(memory)} MB after look-ups"
    return [
        *(f"requests/s of {each.what}: {_spread(each.ratio)} x" for each in report.ratios),
        f"overload: asked {over.asked_rate:,.0f}/s; accepted {over.accepted_rate:,.0f}/s with {accepted}; {refused}{own}",
        f"overload, {queued}; {client}",
        f"start to ready with {start.titles:,} titles: {_spread(start.ready_seconds)} s{resident}",
        f"metrics: {report.metrics_ns:,.0f} ns per look-up",
        f"driver: {report.setup.driver_ceiling:,.0f} requests/s against a server that does nothing",
    ]


def verdict(report: Report) -> str:
    """Which targets are missed, or that none is."""
    missed = [f"{target.what} ({target.verdict})" for target in report.judged if not target.is_reached]
    if report.overload.wrong_statuses:
        missed.append("overload was answered with other statuses than 200 and 503")
    missed += [f"while {each.fault}: {lost}" for each in report.broken for lost in each.lost]
    return f"failed: {'; '.join(missed)}" if missed else "every target that is judged reaches what is required"


def _found(target: Judged) -> str:
    return digits(target.found) if target.spread is None else _spread(target.spread)


def _cores(report: Report) -> str:
    setup = report.setup
    if setup.server_core is None:
        return "processes cannot be pinned to cores here: servers, store and driver take from each other"
    if setup.server_core == setup.rest_core:
        return f"one core ({setup.server_core}) for everything: servers, store and driver take from each other"
    return f"servers on core {setup.server_core}, one worker each; store and driver on core {setup.rest_core}"


def _closed(case: Case) -> tuple[str, ...]:
    closed, rate = case.closed, case.closed.rate
    times = (closed.p50_ms, closed.p90_ms, closed.p99_ms, closed.p99_9_ms, closed.max_ms)
    return (
        f"{case.row_picks:,}",
        case.name,
        f"{rate.median:,.0f} ({rate.lowest:,.0f}–{rate.highest:,.0f})",
        f"{rate.median * case.picks:,.0f}",
        *(digits(time.median) for time in times),
        _spread(closed.cpu_us),
        f"{closed.from_rows:.1%}",
    )


def _open(case: Case, highest: Highest, steady: Steady) -> tuple[str, ...]:
    times = (steady.p50_ms, steady.p90_ms, steady.p99_ms, steady.p99_9_ms, steady.max_ms)
    rates = (_highest(highest), f"{steady.rate:,.0f}")
    return (f"{case.row_picks:,}", case.name, *rates, *(_spread(time) for time in times), f"{steady.from_rows:.1%}")


def _highest(highest: Highest) -> str:
    doubts = ((highest.saturated, SATURATED), (not highest.confirmed, UNCONFIRMED))
    return ", ".join((f"{highest.rate:,.0f}", *(doubt for applies, doubt in doubts if applies)))


def _spread(spread: Spread) -> str:
    if spread.lowest == spread.highest:
        return digits(spread.median)
    return f"{digits(spread.median)} ({digits(spread.lowest)}–{digits(spread.highest)})"
