"""A report as one HTML file that needs no network: plotly's script is inside."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from artwork.bench.serving.highest import P99_MS
from artwork.bench.serving.plan import Plan
from artwork.bench.serving.results import Case, Report
from artwork.bench.serving.table import Sheet, head, notes, sheets_of, verdict
from artwork.bench.serving.targets import SATURATED, UNCONFIRMED
from artwork.bench.targets import MISSED

_TICKS: Final = (0, 90, 99, 99.9, 99.99)
_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #1c1e21 }
table { border-collapse: collapse; margin: 1rem 0; font-size: 14px }
th, td { padding: .3rem .8rem; border-bottom: 1px solid #dcdfe4; text-align: right; white-space: nowrap }
th { background: #f3f4f6 }
td.text, th.text { text-align: left }
tr.missed td:last-child { color: #b00020; font-weight: 600 }
.scroll { overflow-x: auto }
.verdict { padding: .8rem 1rem; border-left: 4px solid #1a7f37; background: #eef7f0 }
.verdict.missed { border-color: #b00020; background: #fbeef0 }
"""
_TITLES: Final = ("As fast as answers come", "At a rate, latency from the intended time", "Targets")


def write(report: Report, path: Path) -> None:
    """Write the page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(report), encoding="utf-8")


def page(report: Report) -> str:
    """The whole page."""
    tables = [f"<h2>{title}</h2>{_table(sheet)}" for title, sheet in zip(_TITLES, sheets_of(report), strict=True)]
    kind = "verdict" if report.passed else "verdict missed"
    parts = (
        "<h1>Look-ups, side by side</h1>",
        f'<p class="{kind}">{escape(verdict(report))}</p>',
        *(_curves(report, row_picks) for row_picks in dict.fromkeys(case.row_picks for case in report.cases)),
        tables[2],
        *tables[:2],
        f"<h2>Besides</h2>{_list(notes(report))}",
        f"<h2>How it was measured</h2>{_list(head(report))}",
        f"<p>To repeat it: <code>{repeat(report.setup.plan)}</code></p>",
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>artwork bench serving</title>'
        f"<style>{_STYLE}</style><script>{get_plotlyjs()}</script></head><body>{''.join(parts)}</body></html>"
    )


def repeat(plan: Plan) -> str:
    """The command that measures the same."""
    if plan == Plan.quick():
        return "artwork bench serving --quick"
    return f"artwork bench serving --rounds {plan.rounds} --seconds {plan.seconds:g}"


def _curves(report: Report, row_picks: int) -> str:
    cases = [case for case in report.cases if case.row_picks == row_picks]
    figure = go.Figure([_curve(case) for case in cases])
    figure.add_hline(y=P99_MS, line={"dash": "dot", "color": "#888"})
    title = f"Latency at 60 % of each one's highest rate, rows of {row_picks:,} picks (dotted: {P99_MS:g} ms)"
    figure.update_layout(title=title, template="plotly_white", height=480, legend={"orientation": "h", "y": -0.2})
    texts = [f"{percent:g} %" for percent in _TICKS]
    figure.update_xaxes(type="log", title="percentile", tickvals=[_nines(at) for at in _TICKS], ticktext=texts)
    milliseconds = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    figure.update_yaxes(type="log", title="milliseconds", tickvals=milliseconds)
    return str(figure.to_html(full_html=False, include_plotlyjs=False))


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
    texts = {place for place, name in enumerate(sheet.columns) if name in {"closed loop", "open loop", "what"}}
    header = "".join(_cell("th", name, place in texts) for place, name in enumerate(sheet.columns))
    rows = "".join(_row(row, texts) for row in sheet.rows)
    return f'<div class="scroll"><table><tr>{header}</tr>{rows}</table></div>'


def _row(row: Sequence[str], texts: set[int]) -> str:
    missed = ' class="missed"' if row[-1] in {MISSED, SATURATED, UNCONFIRMED} else ""
    return f"<tr{missed}>{''.join(_cell('td', cell, place in texts) for place, cell in enumerate(row))}</tr>"


def _cell(tag: str, text: str, is_text: bool) -> str:
    kind = ' class="text"' if is_text else ""
    return f"<{tag}{kind}>{escape(text)}</{tag}>"


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
