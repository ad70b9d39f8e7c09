"""A report as one HTML file that needs no network."""

from typing import Final

from artwork.bench.serving.highest import P99_MS
from artwork.bench.serving.plan import JUDGED_PICKS, Plan
from artwork.bench.serving.results import Report, Setup, Steady
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
        _curves(report),
        tables[2],
        *tables[:2],
        f"<h2>Besides</h2>{listing(notes(report))}",
        f"<h2>How it was measured</h2>{listing(head(report))}",
        f"<p>To repeat it: <code>{repeat(report.setup)}</code></p>",
    )
    return page("artwork bench serving", parts)


def repeat(setup: Setup) -> str:
    """The command that measures the same; of another tree, its commit stands for the folder that it is checked out in."""
    plan = setup.plan
    length = "--quick" if plan == Plan.quick() else f"--rounds {plan.rounds} --seconds {plan.seconds:g}"
    other = f" --against {setup.other_tree}" if setup.other_tree else ""
    return f"artwork bench serving {length}{other}{' --servers' if setup.servers else ''}"


def _curves(report: Report) -> str:
    steady = [(case.name, case.steady) for case in report.cases if case.steady]
    x = Axis("percentile", is_log=True, ticks=[(_nines(at), f"{at:g} %") for at in _TICKS])
    y = Axis("milliseconds", is_log=True, ticks=[(at, f"{at:g}") for at in _MILLISECONDS])
    title = f"Latency at 60 % of each one's highest rate, rows of {JUDGED_PICKS:,} picks, milliseconds"
    series = [_curve(name, own, place) for place, (name, own) in enumerate(steady)]
    return chart_html(Chart(title, series, x, y, [Rule(y=P99_MS, words=f"{P99_MS:g} ms")]))


def _curve(name: str, steady: Steady, place: int) -> Series:
    percents, times = zip(*steady.curve, strict=True)
    texts = [f"{percent:.4g} %: {time:.2f} ms" for percent, time in steady.curve]
    return Series(
        f"{name}, {steady.rate:,.0f}/s", [_nines(percent) for percent in percents], list(times), place, texts=texts
    )


def _nines(percent: float) -> float:
    """One in how many requests is slower: what makes a percentile axis logarithmic."""
    return 100 / (100 - percent)


def _table(sheet: Sheet) -> str:
    texts = {"closed loop", "open loop", "what"}
    return table(sheet.columns, sheet.rows, texts, missed={MISSED, SATURATED, UNCONFIRMED})
