"""A report as one HTML file that needs no network: plotly's script is inside."""

from typing import Final

import plotly.graph_objects as go

from artwork.bench.serving.highest import P99_MS
from artwork.bench.serving.plan import Plan
from artwork.bench.serving.results import Case, Report
from artwork.bench.serving.table import head, notes, sheets_of, verdict
from artwork.bench.targets import MISSED, SATURATED, UNCONFIRMED
from artwork.console.tables import Sheet
from artwork.reports import pages
from artwork.reports.pages import DOTTED, chart, listing, page, table

_TICKS: Final = (0, 90, 99, 99.9, 99.99)
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
    figure = go.Figure([_curve(case) for case in cases])
    figure.add_hline(y=P99_MS, line=DOTTED)
    title = f"Latency at 60 % of each one's highest rate, rows of {row_picks:,} picks (dotted: {P99_MS:g} ms)"
    figure.update_layout(title=title)
    texts = [f"{percent:g} %" for percent in _TICKS]
    figure.update_xaxes(type="log", title="percentile", tickvals=[_nines(at) for at in _TICKS], ticktext=texts)
    milliseconds = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    figure.update_yaxes(type="log", title="milliseconds", tickvals=milliseconds)
    return chart(figure)


def _curve(case: Case) -> go.Scatter:
    percents, times = zip(*case.steady.curve, strict=True)
    return go.Scatter(
        x=[_nines(percent) for percent in percents],
        y=list(times),
        customdata=[f"{percent:.4g}" for percent in percents],
        hovertemplate="%{customdata} %: %{y:.2f} ms",
        mode="lines",
        name=f"{case.name}, {case.steady.rate:,.0f}/s",
    )


def _nines(percent: float) -> float:
    """One in how many requests is slower: what makes a percentile axis logarithmic."""
    return 100 / (100 - percent)


def _table(sheet: Sheet) -> str:
    texts = {"closed loop", "open loop", "what"}
    return table(sheet.columns, sheet.rows, texts, missed={MISSED, SATURATED, UNCONFIRMED})
