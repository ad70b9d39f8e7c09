"""A load test as one page: its verdict, its budgets, how long look-ups took, where picks came from, what was wrong."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from artwork.reports.pages import comparison, listing, table
from artwork.reports.svg import Axis, Chart, Rule, Series, chart_html

_TIMES: Final = (("p50", "p50_ms"), ("p90", "p90_ms"), ("p99", "p99_ms"), ("p99.9", "p999_ms"), ("max", "max_ms"))
_LIMIT: Final = "p99 of {}, ms"
MISSED: Final = "missed"


def rendered(report: Mapping[str, Any], again: str, beside: str) -> str:
    """The whole page of the report's JSON.

    ``again`` is the command that makes the same, ``beside`` the name of locust's own page.
    """
    figures = report["figures"]
    sections = [
        ("Budgets", _budgets(report["checks"])),
        ("How long look-ups took", _times(report) + _scenarios(figures["scenarios"])),
        ("Where picks came from", _sources(figures["sources"])),
        ("What was wrong", _faults(figures["faults"])),
        (
            "How it was measured",
            listing([*_measured(report), f"rates and times second by second: {beside}, locust's own page"]),
        ),
    ]
    missed = not report["passed"]
    return comparison("Look-ups under load", _verdict(report), sections, again, missed=missed, name="artwork loadtest")


def _verdict(report: Mapping[str, Any]) -> str:
    figures = report["figures"]
    missed = [check["name"] for check in report["checks"] if not check["kept"]]
    reached = f"{report['rate']:,.0f} look-ups per second of {figures['asked_rate']:,.0f} asked for"
    if not missed:
        return f"Within all budgets: {reached}."
    blamed = " The client was saturated: times and rates are its own as much as the service's."
    return f"Missed: {', '.join(missed)}; {reached}.{blamed if report['client_saturated'] else ''}"


def _budgets(checks: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            check["name"],
            "not measured" if check["measured"] is None else f"{check['measured']:.3g}",
            f"{check['limit']:g}",
            "kept" if check["kept"] else MISSED,
        )
        for check in checks
    ]
    return table(("budget", "measured", "limit", ""), rows, ("budget",), missed={MISSED})


def _times(report: Mapping[str, Any]) -> str:
    scenarios = [one for one in report["figures"]["scenarios"] if one["requests"]]
    series = []
    for place, one in enumerate(scenarios):
        times = [(float(at), one[name]) for at, (_, name) in enumerate(_TIMES) if one[name] is not None]
        series.append(Series(one["name"], [at for at, _ in times], [time for _, time in times], place, "both"))
    limits = {
        check["limit"]
        for check in report["checks"]
        if check["name"] in {_LIMIT.format(one["name"]) for one in scenarios}
    }
    rules = [Rule(y=limit, words=f"limit of p99: {limit:g} ms") for limit in sorted(limits)]
    x, y = Axis("share of requests that were faster", [name for name, _ in _TIMES]), Axis("milliseconds", is_log=True)
    return chart_html(Chart("Milliseconds of a look-up", series, x, y, rules))


def _scenarios(scenarios: Sequence[Mapping[str, Any]]) -> str:
    columns = ("scenario", "requests", "failures", *(f"{name}, ms" for name, _ in _TIMES))
    rows = [
        (
            one["name"],
            f"{one['requests']:,}",
            f"{one['failures']:,}",
            *("-" if one[name] is None else f"{one[name]:.2f}" for _, name in _TIMES),
        )
        for one in scenarios
    ]
    return table(columns, rows, ("scenario",))


def _sources(sources: Mapping[str, int]) -> str:
    total = sum(sources.values())
    if not total:
        return ""
    rows = [(name, f"{count:,}", f"{count / total:.1%}") for name, count in sorted(sources.items())]
    return table(("source", "picks", "share"), rows, ("source",))


def _faults(faults: Sequence[Mapping[str, Any]]) -> str:
    rows = [(one["scenario"], one["message"], f"{one['count']:,}", one["first_url"][:200]) for one in faults]
    columns = ("scenario", "fault", "times", "first address")
    return table(columns, rows, ("scenario", "fault", "first address")) if rows else ""


def _measured(report: Mapping[str, Any]) -> list[str]:
    figures = report["figures"]
    client = f"{figures['client_cpu_share']:.0%} of a core and woke up {figures['client_lag_p99_ms']:.2f} ms late (p99)"
    return [
        f"{figures['host']}, {figures['users']} users, scenario {figures['scenario']}, {figures['seconds']:.1f} s",
        f"the client used {client}",
        "times begin with the client's call and end with the last byte read",
    ]
