"""A report as one HTML file that needs no network."""

from artwork.bench.job.results import JobReport, Plan
from artwork.bench.job.table import TITLES, head, line_of, sheets_of, verdict
from artwork.bench.targets import MISSED, SATURATED, UNCONFIRMED
from artwork.reports import pages
from artwork.reports.pages import listing, page, table
from artwork.reports.svg import Axis, Chart, Series, chart_html


def rendered(report: JobReport) -> str:
    """The whole page."""
    texts, missed = {"stage", "writer", "server", "row format", "row", "what"}, {MISSED, SATURATED, UNCONFIRMED}
    tables = [
        f"<h2>{title}</h2>{table(sheet.columns, sheet.rows, texts, missed=missed)}"
        for title, sheet in zip(TITLES, sheets_of(report), strict=True)
    ]
    parts = (
        "<h1>The job on one machine</h1>",
        pages.verdict(verdict(report), missed=not report.passed),
        _seconds(report),
        f"<p>{line_of(report)}</p>",
        _memory(report),
        _bytes(report),
        tables[-1],
        *tables[:-1],
        f"<h2>How it was measured</h2>{listing(head(report))}",
        f"<p>To repeat it: <code>{repeat(report.plan)}</code></p>",
    )
    return page("artwork bench job", parts)


def repeat(plan: Plan) -> str:
    """The command that measures the same."""
    if plan == Plan.quick():
        return "artwork bench job --quick"
    shape = "" if plan.picks is None else f" --titles {plan.titles} --picks-per-user {plan.picks}"
    return f"artwork bench job --users {plan.users} --rounds {plan.rounds}{shape}"


def _seconds(report: JobReport) -> str:
    users = [float(own.users) for own in report.sized]
    names = [stage.name for stage in report.sized[0].stages]
    series = [
        Series(name, users, [own.stages[at].seconds for own in report.sized], at, kind="both")
        for at, name in enumerate(names)
    ]
    series.append(Series("all", users, [own.seconds for own in report.sized], len(names), kind="both"))
    axes = Axis("users", is_log=True), Axis("seconds", is_log=True)
    return chart_html(Chart("Seconds by users", series, *axes))


def _memory(report: JobReport) -> str:
    users = [float(own.users) for own in report.sized]
    names = [stage.name for stage in report.sized[0].stages]
    series = [
        Series(name, users, [own.stages[at].peak_gigabytes for own in report.sized], at, kind="both")
        for at, name in enumerate(names)
    ]
    return chart_html(Chart("Memory at most, GiB", series, Axis("users", is_log=True), Axis("GiB", low=0)))


def _bytes(report: JobReport) -> str:
    servers = dict.fromkeys(one.server for one in report.weighed)
    labels = list(dict.fromkeys(f"{one.format}; {one.kind}" for one in report.weighed))
    series = [
        Series(server, list(map(float, range(len(labels)))), _of(report, server), at, kind="bars")
        for at, server in enumerate(servers)
    ]
    return chart_html(Chart("Bytes of the store per pick", series, Axis(labels=labels), Axis("bytes", low=0)))


def _of(report: JobReport, server: str) -> list[float]:
    return [one.bytes_per_pick for one in report.weighed if one.server == server]
