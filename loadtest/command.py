"""The command of ``python -m loadtest``; the package's ``__main__`` runs it inside the boundary."""

import argparse
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loadtest.asking import Asking, load_of
from loadtest.boundary import take_debug, write_out
from loadtest.comparing import as_lines, compare, read_report
from loadtest.errors import InputError
from loadtest.find_max import find_max
from loadtest.options import make_parser
from loadtest.report import as_json, as_text, found_text, step_text
from loadtest.targets import read_targets
from loadtest.users.run import Plan, check_ready, run
from loadtest.verdict import Budgets, judge, read_budgets


@dataclass(frozen=True)
class Outcome:
    """What a run comes to: its JSON form, its text and its exit code."""

    value: dict[str, Any]
    text: str
    code: int


def main(arguments: list[str] | None = None) -> int:
    """Run, judge, compare, report; the exit code."""
    options = make_parser().parse_args(take_debug(sys.argv[1:] if arguments is None else arguments))
    written = options.report.with_suffix(".json")
    _check_report(options.report)
    before = read_report(options.compare) if options.compare else None  # first: it may be the file that is written
    outcome = _sought(options) if options.find_max else _judged(options)
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(as_json(outcome.value) + "\n", encoding="utf-8")
    if before is not None:
        outcome = _compared(before, outcome)
    reports = f"report: {written}" if options.find_max else f"report: {options.report}, {written}"
    write_out((as_json(outcome.value) if options.json else f"{outcome.text}\n{reports}") + "\n")
    return outcome.code


def _check_report(path: Path) -> None:
    """Refuse a report that cannot be written, before the minutes that it is about."""
    for each in (path, path.with_suffix(".json")):
        if each.exists() and not each.is_file():
            raise InputError(f"--report {path}: {each} is no file; name one such as reports/loadtest.html")
    if above := [each for each in path.parents if each.exists() and not each.is_dir()]:
        raise InputError(f"--report {path} is below {above[0]}, which is a file; name a path below folders")


def _judged(options: argparse.Namespace) -> Outcome:
    flags = {name: getattr(options, name) for name in Budgets.model_fields if getattr(options, name) is not None}
    budgets = read_budgets(options.budgets, flags)
    read_targets(options.targets)  # refuse a wrong file before anything is started
    verdict = judge(run(_plan(options), live=sys.stderr.isatty()), budgets)
    code = 3 if verdict.is_the_clients else 0 if verdict.passed else 1
    return Outcome(asdict(verdict), as_text(verdict), code)


def _sought(options: argparse.Namespace) -> Outcome:
    asking = Asking(options.scenario, options.page_share, options.page_titles, options.key, options.seed)
    load = load_of(options.host, read_targets(options.targets), asking, None, options.duration)
    check_ready(options.host)
    tell = (lambda step: print(step_text(step), file=sys.stderr)) if sys.stderr.isatty() else lambda _: None  # noqa: T201
    found = find_max(options.host, load, options.slo_p99_ms, options.duration, asking, tell)
    return Outcome(asdict(found) | {"rate": found.rate}, found_text(found), 0 if found.highest else 1)


def _compared(before: dict[str, Any], outcome: Outcome) -> Outcome:
    comparison = compare(before, outcome.value)
    text = "\n".join([outcome.text, "", *as_lines(comparison)])
    code = outcome.code or (0 if comparison.passed else 1)
    return Outcome(outcome.value | {"comparison": asdict(comparison)}, text, code)


def _plan(options: argparse.Namespace) -> Plan:
    return Plan(
        host=options.host,
        targets=options.targets,
        report=options.report,
        seconds=options.duration,
        users=options.users,
        rate=options.rate,
        page_share=options.page_share,
        page_titles=options.page_titles,
        scenario=options.scenario,
        key=options.key,
        seed=options.seed,
    )
