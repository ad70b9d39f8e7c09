"""A report as text."""

from artwork.bench.cluster.results import ClusterReport, Looking
from artwork.bench.timing import Spread, digits
from artwork.console.tables import Sheet, printed


def render(report: ClusterReport) -> str:
    """The machine, all figures, the targets and the verdict."""
    machine, plan = report.machine, report.plan
    head = [
        f"{machine.processor}, {machine.cores} cores, {machine.system}; Python {machine.python}; {machine.installed}",
        f"load average {report.load[0]:.1f} before, {report.load[1]:.1f} after",
        f"{plan.rounds} rounds in turns, medians (lowest–highest); ratios are medians of the rounds' own",
        "three nodes without replicas, and one store, all over TCP on one core with the client; the services on the other core",
    ]
    writing = Sheet(
        ("writer", "rows/s"),
        [
            ("publisher, to three nodes", _spread(report.writing.ours)),
            ("raw SET per node, made before", _spread(report.writing.raw)),
        ],
        numbers_from=1,
    )
    looking = Sheet(
        ("look-ups from", "answers/s", "CPU of the worker, µs", "CPU of the store, µs", "from rows"),
        [_looking("one store", report.solo), _looking("three nodes", report.cluster)],
        numbers_from=1,
    )
    judged = Sheet(
        ("what", "found", "required", "aim", ""),
        [
            (target.what, f"{_shown(target.spread)} {target.unit}", target.required, target.aim, target.verdict)
            for target in report.judged
        ],
    )
    return "\n".join([*head, *map(printed, (writing, looking, judged)), verdict(report)])


def verdict(report: ClusterReport) -> str:
    """Which targets are missed, or that none is."""
    missed = [f"{target.what} ({target.verdict})" for target in report.judged if not target.is_reached]
    return f"failed: {'; '.join(missed)}" if missed else "every target reaches what is required"


def _looking(name: str, looking: Looking) -> tuple[str, ...]:
    return name, *map(_spread, (looking.rates, looking.worker_us, looking.store_us)), f"{looking.from_rows:.1%}"


def _spread(values: list[float]) -> str:
    return _shown(Spread.of(values))


def _shown(spread: Spread | None) -> str:
    if spread is None:
        return ""
    return f"{digits(spread.median)} ({digits(spread.lowest)}–{digits(spread.highest)})"
