"""A report as text."""

from artwork.bench.kernels.results import Report, Row
from artwork.bench.targets import MISSED
from artwork.bench.timing import Spread, digits
from artwork.console.tables import Sheet, printed


def render(report: Report) -> str:
    """The machine, a table per part with notes below it, and the verdict."""
    machine = report.machine
    parts = list(dict.fromkeys(row.part for row in report.rows))
    method = (
        f"medians of {report.pace.repeats} runs of at least {report.pace.seconds:g} s (lowest–highest); beside a rival, runs"
        " alternate, and the ratio is that of the pairs"
    )
    return "\n".join(
        (
            f"{machine.processor}, one of {machine.cores} cores; Python {machine.python}; {machine.blas}; {machine.installed}",
            method,
            *(_part([row for row in report.rows if row.part == part]) for part in parts),
            _verdict(report),
        )
    )


def _part(rows: list[Row]) -> str:
    """One part: a line per measurement, the case only where it changes; what is known of cases and rivals stands below."""
    rivals = any(row.rival for row in rows)
    columns = (
        rows[0].part,
        "unit",
        "ours",
        *(("beside", "theirs", "ours / theirs", "at least (aim)") if rivals else ()),
    )
    before = ["", *(row.case for row in rows)]
    lines = [
        ("" if row.case == last else row.case, row.unit, _spread(row.ours), *(_beside(row) if rivals else ()))
        for row, last in zip(rows, before, strict=False)
    ]
    return "\n".join((printed(Sheet(columns, lines)), *_notes(rows)))


def _beside(row: Row) -> tuple[str, str, str, str]:
    """The rival's columns."""
    if row.theirs is None or row.ratio is None:
        return row.rival or "", row.note, "", ""
    ratio = f"{row.ratio.median:.2f} x ({row.ratio.lowest:.2f}–{row.ratio.highest:.2f})"
    target = "" if row.at_least is None else f"{row.at_least:g} x ({row.aim:g} x): {row.verdict}"
    return row.rival or "", _spread(row.theirs), ratio, target


def _notes(rows: list[Row]) -> list[str]:
    """What to know of cases and rivals; once, where it holds for every case of the rival."""
    notes = dict.fromkeys(f"  {row.case}: {row.about}" for row in rows if row.about)
    cases_of: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.theirs is not None and row.note:
            cases_of.setdefault((row.rival or "", row.note), []).append(row.case)
    for (rival, note), cases in cases_of.items():
        everywhere = cases == [row.case for row in rows if row.rival == rival]
        notes[f"  {rival}{'' if everywhere else ', ' + '; '.join(cases)}: {note}"] = None
    return list(notes)


def _spread(spread: Spread | None) -> str:
    """Three digits each, in the unit of the median: ``288 k (281–399)``."""
    if spread is None:
        return ""
    size, letter = next(
        ((size, letter) for size, letter in ((1e6, " M"), (1e3, " k")) if spread.median >= size), (1, "")
    )
    middle, low, high = (digits(value / size) for value in (spread.median, spread.lowest, spread.highest))
    return f"{middle}{letter} ({low}–{high})"


def _verdict(report: Report) -> str:
    judged = [row for row in report.rows if row.verdict]
    if not judged:
        return "nothing was judged: no rival with a target is installed"
    missed = [f"{row.part} beside {row.rival}" for row in judged if row.verdict == MISSED]
    return f"failed: {', '.join(missed)}" if missed else "every ratio that is judged reaches what is required"
