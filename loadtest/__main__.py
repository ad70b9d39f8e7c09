"""``python -m loadtest``: run the scenarios against a service and judge them, or look for the highest rate that it holds.

Exit 0 within budgets, 1 found wanting, 2 wrong input, 3 the service or locust failed, or the client was saturated.
"""

import argparse
import signal
import sys
from dataclasses import asdict, dataclass
from typing import Any

from loadtest.asking import Asking, load_of
from loadtest.comparing import as_lines, compare, read_report
from loadtest.errors import InputError, RunError
from loadtest.find_max import find_max
from loadtest.options import make_parser
from loadtest.report import as_json, as_text, found_text, step_text
from loadtest.run import Plan, check_ready, run
from loadtest.targets import read_targets
from loadtest.verdict import Budgets, judge, read_budgets


@dataclass(frozen=True)
class Outcome:
    """What a run comes to: its JSON form, its text and its exit code."""

    value: dict[str, Any]
    text: str
    code: int


def main(arguments: list[str] | None = None) -> int:
    """Run, judge, compare, report; the exit code."""
    # Told to end, it ends locust with it: subprocess.run kills what it waits for when an exception passes through.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = make_parser().parse_args(arguments)
    written = options.report.with_suffix(".json")
    try:
        before = read_report(options.compare) if options.compare else None  # first: it may be the file that is written
        outcome = _sought(options) if options.find_max else _judged(options)
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(as_json(outcome.value) + "\n")
        if before is not None:
            outcome = _compared(before, outcome)
    except InputError as error:
        return _fail(error, 2)
    except (RunError, OSError) as error:
        return _fail(error, 3)
    reports = f"report: {written}" if options.find_max else f"report: {options.report}, {written}"
    print(as_json(outcome.value) if options.json else f"{outcome.text}\n{reports}")  # noqa: T201
    return outcome.code


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


def _fail(error: Exception, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(main())
