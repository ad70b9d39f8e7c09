"""A report as text."""

from artwork.bench.events.results import Beside, EventsReport, Job, Joins, Taken, spread
from artwork.bench.timing import digits
from artwork.console.tables import Sheet, printed

_POSTED = ("events/s offered", "accepted", "503", "p50", "p99, ms", "look-ups/s", "p50", "p99, ms", "from rows")
_CORES = ("cores used by the service", "store", "client and driver", "others")
_JOBS = ("job", "what", "seconds", "per second", "CPU seconds", "memory at most, GiB", "others")
_JUDGED = ("what", "found", "required", "aim", "")


def render(report: EventsReport) -> str:
    """The machine and how busy it was, all figures, the targets and the verdict."""
    machine = report.machine
    lines = [
        f"{machine.processor}, {machine.cores} cores, {machine.system}; Python {machine.python}; {machine.installed}",
        (
            f"load average {report.load[0]:.1f} before, {report.load[1]:.1f} after; medians of {report.plan.rounds} rounds"
            " (lowest–highest)"
        ),
    ]
    if report.taken:
        lines += _taken_lines(report.taken)
    if jobs := _jobs(report):
        lines.append(printed(Sheet(_JOBS, jobs)))
    if report.judged:
        rows = [
            (target.what, f"{digits(target.found)} {target.unit}", target.required, target.aim, target.verdict)
            for target in report.judged
        ]
        lines.append(printed(Sheet(_JUDGED, rows)))
    return "\n".join([*lines, verdict(report)])


def verdict(report: EventsReport) -> str:
    """Which targets are missed, or that none is."""
    missed = [f"{target.what} ({target.verdict})" for target in report.judged if not target.is_reached]
    return f"failed: {'; '.join(missed)}" if missed else "every target that is judged reaches what is required"


def _taken_lines(taken: Taken) -> list[str]:
    return [
        "one service worker on a core, store, driver and client on the other; the store's file is synced every second",
        printed(Sheet(_POSTED, [_posted(taken.rounds), _posted([taken.fastest])])),
        printed(Sheet(_CORES, [_cores(taken.rounds), _cores([taken.fastest])])),
        f"CPU of the service: {taken.look_up_us:,.0f} µs per look-up, {taken.event_us:,.1f} µs per event",
        f"ids of all accepted events are those in {taken.segments} segments; their digest is {taken.digest}",
    ]


def _posted(rounds: list[Beside]) -> tuple[str, ...]:
    posts = ("offered", "accepted", "refused_requests", "post_p50_ms", "post_p99_ms")
    look_ups = ("look_ups", "look_up_p50_ms", "look_up_p99_ms")
    rows = spread([beside.from_rows for beside in rounds]).median
    return (*(_of_all(rounds, name) for name in (*posts, *look_ups)), f"{rows:.1%}")


def _cores(rounds: list[Beside]) -> tuple[str, ...]:
    return tuple(_of_all(rounds, name) for name in ("service_cpu", "store_cpu", "client_cpu", "others_cpu"))


def _of_all(rounds: list[Beside], name: str) -> str:
    return _spread([getattr(beside, name) for beside in rounds])


def _jobs(report: EventsReport) -> list[tuple[str, ...]]:
    rows = []
    if report.taken:
        counts = report.taken.events_per_ingest
        rows.append(
            _job(
                "ingest",
                f"{spread([float(count) for count in counts]).median:,.0f} events",
                report.taken.ingests,
                counts,
            )
        )
    if report.joins:
        jobs, size = report.joins.jobs, report.joins.size
        rows.append(_job("join", _drawn(report.joins), jobs, [size.impressions] * len(jobs)))
    return rows


def _job(name: str, what: str, jobs: list[Job], counts: list[int]) -> tuple[str, ...]:
    rates = [count / job.seconds for job, count in zip(jobs, counts, strict=True)]
    columns = ("seconds", "cpu_seconds", "peak_gigabytes", "others_cpu")
    seconds, *others = (_spread([getattr(job, column) for job in jobs]) for column in columns)
    return name, what, seconds, _spread(rates), *others


def _drawn(joins: Joins) -> str:
    size = joins.size
    return (
        f"{size.impressions:,} impressions of {size.users:,} users, {size.plays:,} plays, {size.duplicates:,} sent twice,"
        f" {size.fallbacks:,} for a retired pick"
    )


def _spread(values: list[float]) -> str:
    found = spread(values)
    if found.lowest == found.highest:
        return digits(found.median)
    return f"{digits(found.median)} ({digits(found.lowest)}–{digits(found.highest)})"
