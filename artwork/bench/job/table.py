"""A report as tables."""

from typing import Final

from artwork.bench.job.results import JobReport, Plan, Stage
from artwork.bench.timing import digits
from artwork.console.tables import Sheet, printed

TITLES: Final = ("The job, stage by stage", "Rows into the store", "Bytes per pick", "Targets")
_STAGES: Final = ("users", "stage", "seconds", "CPU s", "memory at most, GiB", "CPU s of the store", "others, cores")
_WRITING: Final = ("writer", "rows/s", "lowest", "highest")
_WEIGHED: Final = ("server", "row format", "row", "bytes per pick", "of these in rows")
_JUDGED: Final = ("what", "found", "required", "aim", "")


def render(report: JobReport) -> str:
    """The machine and how busy it was, all figures, the targets and the verdict."""
    return "\n".join([*head(report), *map(printed, sheets_of(report)), line_of(report), verdict(report)])


def head(report: JobReport) -> list[str]:
    """What was measured where."""
    machine = report.machine
    return [
        f"{machine.processor}, {machine.cores} cores, {machine.system}; Python {machine.python}; {machine.installed}",
        f"load average {report.load[0]:.1f} before, {report.load[1]:.1f} after",
        (
            f"{report.plan.titles:,} titles of {report.plan.artworks} artworks{_of_them(report.plan)}, contexts of 16 numbers,"
            f" {report.plan.days} days of {report.plan.impressions:,} impressions, posterior"
            " linear, policy thompson; memory is the sum of what all processes have for themselves and their part of what they"
            " share (PSS), without the store"
        ),
    ]


def sheets_of(report: JobReport) -> list[Sheet]:
    """The tables of ``TITLES``."""
    stages = [_row(f"{own.users:,}", stage) for own in report.sized for stage in own.stages]
    stages += [_row(f"the fewest, {own.impressions:,} impressions", own.stage) for own in report.trained]
    for own in report.sized:
        total = (
            f"{own.users:,}",
            "all",
            digits(own.seconds),
            "",
            digits(own.peak_gigabytes),
            "",
            digits(own.others_cpu),
        )
        stages.append(total)
    writing = report.writing
    writers = [("publisher", writing.ours), ("raw SET, made before", writing.raw)]
    steps = [("counting what is there", writing.counted), ("a sweep of rows that stay", writing.walked)]
    steps.append(("a sweep of rows that go", writing.removed))
    writers += [(f"publisher, {name}", rates) for name, rates in steps if rates]
    rates = [
        (name, f"{sorted(values)[len(values) // 2]:,.0f}", f"{min(values):,.0f}", f"{max(values):,.0f}")
        for name, values in writers
    ]
    weighed = [
        (one.server, one.format, one.kind, f"{one.bytes_per_pick:.2f}", f"{one.bare:.2f}") for one in report.weighed
    ]
    judged = [
        (target.what, f"{digits(target.found)} {target.unit}", target.required, target.aim, target.verdict)
        for target in report.judged
    ]
    return [
        Sheet(_STAGES, stages, numbers_from=2),
        Sheet(_WRITING, rates, numbers_from=1),
        Sheet(_WEIGHED, weighed, numbers_from=3),
        Sheet(_JUDGED, judged),
    ]


def line_of(report: JobReport) -> str:
    """How seconds grow with users."""
    fit = report.fit
    return (
        f"seconds = {fit.base:.1f} + {fit.per_million:.1f} per million users, by least squares; between the two largest they grow"
        f" with the power {fit.exponent:.2f} of the users"
    )


def verdict(report: JobReport) -> str:
    """Which targets are missed, or that none is."""
    missed = [f"{target.what} ({target.verdict})" for target in report.judged if not target.is_reached]
    return f"failed: {'; '.join(missed)}" if missed else "every target that is judged reaches what is required"


def _of_them(plan: Plan) -> str:
    return "" if plan.picks is None else f", shortlists of {plan.picks} of them drawn at random"


def _row(users: str, stage: Stage) -> tuple[str, ...]:
    values = (stage.seconds, stage.cpu_seconds, stage.peak_gigabytes, stage.store_seconds, stage.others_cpu)
    return users, stage.name, *map(digits, values)
