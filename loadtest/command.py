"""The command of ``python -m loadtest`` and its flags; the package's ``__main__`` runs it inside the boundary."""

import argparse
import os
import re
import sys
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

from loadtest.address import KEY_VARIABLE, read_host, read_key
from loadtest.boundary import InputError, Parser, take_debug, write_out
from loadtest.comparison import as_lines, compare, read_report
from loadtest.find_max import find_max
from loadtest.look_ups import LookUps, make_load
from loadtest.report import as_json, as_text, search_text, step_text
from loadtest.targets import SCENARIOS, read_targets
from loadtest.users.run import Plan, check_ready, run
from loadtest.verdict import DEFAULT_BUDGETS, Budgets, judge, read_budgets

DESCRIPTION = "Run the scenarios against a service and judge them, or look for the highest rate that it holds."
EXAMPLE = "example: python -m loadtest --host http://127.0.0.1:8000 --targets workspace/loadtest.json --duration 30s"
LONGEST_HOURS = 168
MOST = 1_000_000


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
    outcome = _searched(options) if options.find_max else _judged(options)
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(as_json(outcome.value) + "\n", encoding="utf-8")
    if before is not None:
        outcome = _compared(before, outcome)
    reports = f"report: {written}" if options.find_max else f"report: {options.report}, {written}"
    write_out((as_json(outcome.value) if options.json else f"{outcome.text}\n{reports}") + "\n")
    return outcome.code


def _check_report(path: Path) -> None:
    """Refuse a report that cannot be written, before the minutes that it is about."""
    for written in (path, path.with_suffix(".json")):
        if written.exists() and not written.is_file():
            raise InputError(f"--report {path}: {written} is not a file; name one such as reports/loadtest.html")
    if above := [parent for parent in path.parents if parent.exists() and not parent.is_dir()]:
        raise InputError(f"--report {path} is below {above[0]}, which is a file; name a path below folders")


def _judged(options: argparse.Namespace) -> Outcome:
    flags = {name: getattr(options, name) for name in Budgets.model_fields if getattr(options, name) is not None}
    budgets = read_budgets(options.budgets, flags)
    read_targets(options.targets)  # refuse a wrong file before anything is started
    plan = Plan(**{part.name: getattr(options, part.name) for part in fields(Plan)})
    verdict = judge(run(plan, live=sys.stderr.isatty()), budgets)
    code = 3 if verdict.client_is_to_blame else 0 if verdict.passed else 1
    return Outcome(asdict(verdict), as_text(verdict), code)


def _searched(options: argparse.Namespace) -> Outcome:
    look_ups = LookUps(options.scenario, options.page_share, options.page_titles, options.key, options.seed)
    load = make_load(options.host, read_targets(options.targets), look_ups, None, options.seconds)
    check_ready(options.host)
    on_step = (lambda step: print(step_text(step), file=sys.stderr)) if sys.stderr.isatty() else lambda _: None  # noqa: T201
    search = find_max(options.host, load, options.slo_p99_ms, options.seconds, look_ups, on_step)
    return Outcome(asdict(search) | {"rate": search.rate}, search_text(search), 0 if search.highest else 1)


def _compared(before: dict[str, Any], outcome: Outcome) -> Outcome:
    comparison = compare(before, outcome.value)
    text = "\n".join([outcome.text, "", *as_lines(comparison)])
    code = outcome.code or (0 if comparison.passed else 1)
    return Outcome(outcome.value | {"comparison": asdict(comparison)}, text, code)


def make_parser() -> argparse.ArgumentParser:
    """The flags, each checked as it is read."""
    parser = Parser("python -m loadtest", description=DESCRIPTION, epilog=EXAMPLE, allow_abbrev=False)
    add = parser.add_argument
    add("--host", required=True, type=read_host, help="Address of the service.")
    add("--targets", required=True, type=Path, help="File of users and titles that a publish writes.")
    add(
        "--duration", dest="seconds", metavar="DURATION", default="30s", type=_seconds, help="30s, 5m, 1h. Default 30s."
    )
    add("--users", default=16, type=_count, help="Users, each with a connection of its own. Default 16.")
    add("--rate", default=500.0, type=_rate, help="Requests per second of all users together. Default 500.")
    add("--page-share", default=0.5, type=_share, help="Share of look-ups that ask for a page. Default 0.5.")
    add("--page-titles", default=40, type=_count, help="Titles on a page. Default 40.")
    add("--seed", default=0, type=_seed, help="Seed of every draw. Default 0.")
    add("--report", default=Path("reports/loadtest.html"), type=Path, help="HTML report; the JSON goes beside it.")
    add(
        "--scenario",
        default="mixed",
        choices=SCENARIOS,
        help="Who asks: by activity, each request another user, unknown users.",
    )
    add(
        "--key",
        type=read_key,
        default=os.environ.get(KEY_VARIABLE) or None,
        help=f"Bearer key; better in {KEY_VARIABLE}, unseen by ps.",
    )
    add(
        "--find-max",
        action="store_true",
        help="Look for the highest rate within the limit, and hold it for --duration.",
    )
    add(
        "--slo-p99-ms",
        default=5.0,
        type=_rate,
        help="Limit of --find-max, from the intended time of a request. Default 5.",
    )
    add(
        "--compare",
        type=Path,
        metavar="LAST.JSON",
        help="An earlier report: fail where a p99 or the rate is worse by a fifth.",
    )
    add("--json", action="store_true", help="Print one JSON document instead of text.")
    add("--budgets", default=DEFAULT_BUDGETS, type=Path, help="File of budgets (TOML).")
    for name in Budgets.model_fields:
        add(f"--{name.replace('_', '-')}", type=_finite, help="Overrides this budget.")
    add("--debug", action="store_true", help="Show tracebacks.")
    return parser


def _seconds(text: str) -> int:
    match = re.fullmatch(r"([1-9][0-9]{0,9})([smh])", text)
    seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]] if match else 0
    if not 0 < seconds <= LONGEST_HOURS * 3600:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a duration such as 30s, 5m or 1h, of at most {LONGEST_HOURS}h"
        )
    return seconds


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,7}", text) or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1 and at most {MOST:,}")
    return int(text)


def _seed(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0, of at most 18 digits")
    return int(text)


def _finite(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return number


def _rate(text: str) -> float:
    rate = _finite(text)
    if not 0 < rate <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and at most {MOST:,}")
    return rate


def _share(text: str) -> float:
    share = _finite(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 1")
    return share
