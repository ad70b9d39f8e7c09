"""A report as one HTML file that needs no network."""

from typing import Final

from artwork.bench.serving.highest import P99_MS
from artwork.bench.serving.plan import Plan
from artwork.bench.serving.results import Case, Report
from artwork.bench.serving.table import head, notes, sheets_of, verdict
from artwork.bench.targets import MISSED, SATURATED, UNCONFIRMED
from artwork.console.tables import Sheet
from artwork.reports import pages
from artwork.reports.pages import listing, page, table
from artwork.reports.svg import Axis, Chart, Rule, Series, chart_html

_TICKS: Final = (0, 90, 99, 99.9, 99.99)
_MILLISECONDS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_TITLES: Final = ("As fast as answers come", "At a rate, latency from the intended time", "Targets")


def rendered(report: Report) -> str:
    """The whole page."""
    tables = [f"<h2>{title}</h2>{_table(sheet)}" for title, sheet in zip(_TITLES, sheets_of(report), strict=True)]
    parts = (
        "<h1>Look-ups, side by side</h1>",
        pages.verdict(verdict(report), missed=not report.passed),
        *(_curves(report, row_picks) for row_picks in dict.fromkeys(case.row_picks for case in report.cases)),
        tables[2],
        *tables[:2],
        f"<h2>Besides</h2>{listing(notes(report))}",
        f"<h2>How it was measured</h2>{listing(head(report))}",
        f"<p>To repeat it: <code>{repeat(report.setup.plan)}</code></p>",
    )
    return page("artwork bench serving", parts)


def repeat(plan: Plan) -> str:
    """The command that measures the same."""
    if plan == Plan.quick():
        return "artwork bench serving --quick"
    return f"artwork bench serving --rounds {plan.rounds} --seconds {plan.seconds:g}"


def _curves(report: Report, row_picks: int) -> str:
    cases = [case for case in report.cases if case.row_picks == row_picks]
    x = Axis("percentile", is_log=True, ticks=[(_nines(at), f"{at:g} %") for at in _TICKS])
    y = Axis("milliseconds", is_log=True, ticks=[(at, f"{at:g}") for at in _MILLISECONDS])
    title = f"Latency at 60 % of each one's highest rate, rows of {row_picks:,} picks, milliseconds"
    series = [_curve(case, place) for place, case in enumerate(cases)]
    return chart_html(Chart(title, series, x, y, [Rule(y=P99_MS, words=f"{P99_MS:g} ms")]))


def _curve(case: Case, place: int) -> Series:
    percents, times = zip(*case.steady.curve, strict=True)
    name = f"{case.name}, {case.steady.rate:,.0f}/s"
    texts = [f"{percent:.4g} %: {time:.2f} ms" for percent, time in case.steady.curve]
    return Series(name, [_nines(percent) for percent in percents], list(times), place, texts=texts)


def _nines(percent: float) -> float:
    """One in how many requests is slower: what makes a percentile axis logarithmic."""
    return 100 / (100 - percent)


def _table(sheet: Sheet) -> str:
    texts = {"closed loop", "open loop", "what"}
    return table(sheet.columns, sheet.rows, texts, missed={MISSED, SATURATED, UNCONFIRMED})
