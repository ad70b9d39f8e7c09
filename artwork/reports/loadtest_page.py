"""A load test as one page: its verdict, its budgets, how long look-ups took, where picks came from, what was wrong."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from artwork.reports.pages import comparison, listing, table
from artwork.reports.svg import Axis, Chart, Rule, Series, chart_html
from loadtest.report import bounds
from loadtest.service_times import Between

_TIMES: Final = (("p50", "p50_ms"), ("p90", "p90_ms"), ("p99", "p99_ms"), ("p99.9", "p999_ms"), ("max", "max_ms"))
_LIMIT: Final = "p99 of {}, ms"
MISSED: Final = "missed"


def rendered(report: Mapping[str, Any], beside: str | None) -> str:
    """The whole page of the report's JSON; ``beside`` is the name of locust's own page, where there is one."""
    figures, again = report["figures"], report["run"]["command"]
    sections = [
        ("Budgets", _budgets(report["checks"])),
        ("How long look-ups took over time", _over_time(report)),
        ("Where picks came from", _sources(figures["sources"])),
        ("How late the client was itself", _client(figures)),
        ("What the service says itself", _service(report["service"])),
        ("How long look-ups took", _times(report) + _scenarios(figures["scenarios"])),
        ("What was wrong", _faults(figures["faults"])),
        ("How it was measured", listing(_measured(report, beside))),
    ]
    missed = not report["passed"]
    return comparison("Look-ups under load", _verdict(report), sections, again, missed=missed, name="artwork loadtest")


def _verdict(report: Mapping[str, Any]) -> str:
    figures = report["figures"]
    reached = f"{report['rate']:,.0f} look-ups per second of {figures['asked_rate']:,g} asked for"
    if report["why_none"]:
        return f"No verdict: {report['why_none']}. {reached}."
    missed = [check["name"] for check in report["checks"] if not check["kept"]]
    return f"Missed: {'; '.join(missed)}. {reached}." if missed else f"Within all budgets: {reached}."


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


def _over_time(report: Mapping[str, Any]) -> str:
    """The 99th percentile of every slice of the run, as lines."""
    series, seconds = [], 1.0
    for place, one in enumerate(report["figures"]["scenarios"]):
        known = [piece for piece in one["slices"] if piece["p99_ms"] is not None]
        seconds = known[0]["seconds"] if known else seconds
        starts, times = [piece["start_seconds"] for piece in known], [piece["p99_ms"] for piece in known]
        texts = [f"{piece['p99_ms']:.2f} ms of {piece['requests']:,} requests" for piece in known]
        series.append(Series(one["name"], starts, times, place, "both", texts=texts))
    x, y = Axis("seconds since the start"), Axis("milliseconds", is_log=True)
    return chart_html(Chart(f"99th percentile of each {seconds:g} s, milliseconds", series, x, y, _limits(report)))


def _limits(report: Mapping[str, Any]) -> list[Rule]:
    names = {_LIMIT.format(one["name"]) for one in report["figures"]["scenarios"] if one["requests"]}
    limits = {check["limit"] for check in report["checks"] if check["name"] in names}
    return [Rule(y=limit, words=f"limit of p99: {limit:g} ms") for limit in sorted(limits)]


def _client(figures: Mapping[str, Any]) -> str:
    late = "sent what was due" if figures["driver"] == "open loop" else "woke up"
    return listing(
        [
            f"It {late} {figures['client_lag_p99_ms']:.2f} ms late (p99), and used {figures['client_cpu_share']:.0%} of a core.",
            "Where that is more than half of a budget, there is no verdict: the times would be the client's own.",
        ]
    )


def _service(service: Mapping[str, Any]) -> str:
    if service["missing"]:
        return listing([f"Its own times are not known: {service['missing']}."])
    rows = [
        (one["name"], f"{one['requests']:,}", *(bounds(Between(**one[name])) for name in ("p50", "p99")))
        for one in service["times"]
    ]
    words = (
        "From its /metrics before and after the run, whoever asked. A histogram tells a bucket, not a time within it."
    )
    return table(("scenario", "requests", "p50", "p99"), rows, ("scenario",)) + listing([words])


def _times(report: Mapping[str, Any]) -> str:
    scenarios = [one for one in report["figures"]["scenarios"] if one["requests"]]
    series = []
    for place, one in enumerate(scenarios):
        times = [(float(at), one[name]) for at, (_, name) in enumerate(_TIMES) if one[name] is not None]
        series.append(Series(one["name"], [at for at, _ in times], [time for _, time in times], place, "both"))
    x, y = Axis("share of requests that were faster", [name for name, _ in _TIMES]), Axis("milliseconds", is_log=True)
    return chart_html(Chart("Milliseconds of a look-up", series, x, y, _limits(report)))


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


def machine_words(machine: Mapping[str, Any]) -> str:
    """A machine of a report in words."""
    cores = f"{machine['usable_cores']} of {machine['cores']} cores"
    return f"{machine['processor']}, {cores}, {machine['memory_bytes'] / 2**30:.1f} GiB, {machine['system']}"


def _measured(report: Mapping[str, Any], beside: str | None) -> list[str]:
    figures, run = report["figures"], report["run"]
    machine, is_open = run["machine"], figures["driver"] == "open loop"
    versions = ", ".join(f"{name} {version or 'unknown'}" for name, version in run["versions"].items())
    where = "the service and the client share it" if machine["has_service"] else "the service runs elsewhere"
    asked = f"{figures['users']} {'connections, open loop' if is_open else 'users, closed loop (locust)'}"
    begin = "are due" if is_open else "are sent"
    return [
        f"{figures['host']}, {asked}, scenario {figures['scenario']}, {figures['seconds']:.1f} s from {run['began_at']}",
        f"times begin when look-ups {begin} and end with the last byte read",
        f"versions: {versions}",
        f"the client's machine: {machine_words(machine)}; {where}",
        *([f"rates second by second: {beside}, locust's own page"] if beside else []),
    ]
