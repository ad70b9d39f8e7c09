"""The command of ``python -m loadtest`` and its flags; the package's ``__main__`` runs it inside the boundary."""

import argparse
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

from loadtest.address import KEY_VARIABLE, read_host, read_key
from loadtest.boundary import EXIT_SURROUNDINGS, InputError, Parser, take_debug, write_out
from loadtest.circumstances import look_around
from loadtest.comparison import as_lines, compare, read_report
from loadtest.figures import Figures
from loadtest.find_max import find_max
from loadtest.fixed_rate import run_at_rate
from loadtest.look_ups import LookUps, make_load
from loadtest.report import BLOCKS, DIGITS, as_json, as_text, search_text, step_text
from loadtest.service_times import between, read_version, take_snapshot
from loadtest.targets import SCENARIOS, read_targets
from loadtest.users.run import Plan, check_ready, run
from loadtest.verdict import DEFAULT_BUDGETS, Budgets, Outcome, judge, read_budgets

DESCRIPTION = "Run the scenarios against a service and judge them, or look for the highest rate that it holds."
EXAMPLE = "example: python -m loadtest --host http://127.0.0.1:8000 --targets workspace/loadtest.json --duration 30s"
PATHS = ("--workspace", "--targets", "--report", "--budgets", "--compare")
LONGEST_HOURS = 168
MOST = 1_000_000
LOCUST_USERS = 16
OPEN_LOOP_CONNECTIONS = 64
CODES: dict[Outcome, int] = {"passed": 0, "failed": 1, "none": EXIT_SURROUNDINGS}


@dataclass(frozen=True)
class Reported:
    """What a run comes to: its JSON form, its text and its exit code."""

    value: dict[str, Any]
    text: str
    code: int


def main(arguments: list[str] | None = None) -> int:
    """Run, judge, compare, report; the exit code."""
    words = take_debug(sys.argv[1:] if arguments is None else arguments)
    options = make_parser().parse_args(words)
    written = options.report.with_suffix(".json")
    _check_report(options.report)
    before = read_report(options.compare) if options.compare else None  # first: it may be the file that is written
    began_at = datetime.now(UTC)
    reported = _searched(options) if options.find_max else _judged(options)
    circumstances = look_around(began_at, shown_command(options, words), options.host, read_version(options.host))
    reported.value["run"] = asdict(circumstances)
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(as_json(reported.value) + "\n", encoding="utf-8")
    if before is not None:
        reported = _compared(before, reported)
    has_page = not (options.find_max or options.open_loop)
    reports = f"report: {options.report}, {written}" if has_page else f"report: {written}"
    write_out((as_json(reported.value) if options.json else f"{reported.text}\n{reports}") + "\n")
    return reported.code


def shown_command(options: argparse.Namespace, words: Sequence[str]) -> str:
    """The command that makes the same run, without the key, and with the names of files alone."""
    whole = shlex.split(options.shown_command) if options.shown_command else ["python", "-m", "loadtest", *words]
    shown, given = [], iter(whole)
    for word in given:
        flag, has_value, value = word.partition("=")
        if flag == "--key":
            value = value if has_value else next(given, "")
        elif flag in PATHS:
            shown += [flag, Path(value if has_value else next(given, "")).name]
        else:
            shown.append(word)
    return shlex.join(shown)


def _check_report(path: Path) -> None:
    """Refuse a report that cannot be written, before the minutes that it is about."""
    for written in (path, path.with_suffix(".json")):
        if written.exists() and not written.is_file():
            raise InputError(f"--report {path}: {written} is not a file; name one such as reports/loadtest.html")
    if above := [parent for parent in path.parents if parent.exists() and not parent.is_dir()]:
        raise InputError(f"--report {path} is below {above[0]}, which is a file; name a path below folders")


def _judged(options: argparse.Namespace) -> Reported:
    flags = {name: getattr(options, name) for name in Budgets.model_fields if getattr(options, name) is not None}
    budgets = read_budgets(options.budgets, flags)
    drive = _open_loop(options) if options.open_loop else _locust(options)
    check_ready(options.host)
    before = take_snapshot(options.host)
    verdict = judge(drive(), budgets)
    service = between(before, take_snapshot(options.host))
    marks = BLOCKS if "utf" in (getattr(sys.stdout, "encoding", None) or "").lower() else DIGITS
    value = asdict(verdict) | {"service": asdict(service)}
    return Reported(value, as_text(verdict, service, marks), CODES[verdict.verdict])


def _locust(options: argparse.Namespace) -> Callable[[], Figures]:
    read_targets(options.targets)  # refuse a wrong file before anything is started
    options.users = options.users or LOCUST_USERS
    plan = Plan(**{part.name: getattr(options, part.name) for part in fields(Plan)})
    return lambda: run(plan, live=sys.stderr.isatty())


def _open_loop(options: argparse.Namespace) -> Callable[[], Figures]:
    load = replace(
        make_load(options.host, read_targets(options.targets), _look_ups(options), options.rate, options.seconds),
        connections=options.users or OPEN_LOOP_CONNECTIONS,
    )
    _tell(f"open loop: {options.rate:,g} requests per second for {options.seconds} s")
    return lambda: run_at_rate(options.host, options.scenario, load)


def _look_ups(options: argparse.Namespace) -> LookUps:
    return LookUps(options.scenario, options.page_share, options.page_titles, options.key, options.seed)


def _tell(text: str) -> None:
    """Progress, for somebody who looks on."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr)  # noqa: T201


def _searched(options: argparse.Namespace) -> Reported:
    if options.open_loop:
        raise InputError("--find-max looks for a rate and --open-loop holds one; give one of them")
    look_ups = _look_ups(options)
    load = make_load(options.host, read_targets(options.targets), look_ups, None, options.seconds)
    load = replace(load, connections=options.users or OPEN_LOOP_CONNECTIONS)
    check_ready(options.host)
    search = find_max(
        options.host, load, options.slo_p99_ms, options.seconds, look_ups, lambda step: _tell(step_text(step))
    )
    verdict: Outcome = "none" if search.why_none else "passed" if search.highest else "failed"
    return Reported({"verdict": verdict} | asdict(search) | {"rate": search.rate}, search_text(search), CODES[verdict])


def _compared(before: dict[str, Any], reported: Reported) -> Reported:
    comparison = compare(before, reported.value)
    text = "\n".join([reported.text, "", *as_lines(comparison)])
    code = reported.code or (0 if comparison.passed else 1)
    return Reported(reported.value | {"comparison": asdict(comparison)}, text, code)


def make_parser() -> argparse.ArgumentParser:
    """The flags, each checked as it is read."""
    parser = Parser("python -m loadtest", description=DESCRIPTION, epilog=EXAMPLE, allow_abbrev=False)
    add = parser.add_argument
    add("--host", required=True, type=read_host, help="Address of the service.")
    add("--targets", required=True, type=Path, help="File of users and titles that a publish writes.")
    add(
        "--duration", dest="seconds", metavar="DURATION", default="30s", type=_seconds, help="30s, 5m, 1h. Default 30s."
    )
    add(
        "--users",
        type=_count,
        help=f"Users, each with a connection. Default {LOCUST_USERS}; {OPEN_LOOP_CONNECTIONS} in an open loop.",
    )
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
        "--open-loop",
        action="store_true",
        help="Hold --rate whatever the service does, by the compiled driver; times count from when a request was due.",
    )
    add(
        "--find-max",
        action="store_true",
        help="Look for the highest rate within the limit, from 10 per second on, and hold it for --duration or 1,000 requests.",
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
    add(
        "--budgets",
        default=DEFAULT_BUDGETS,
        type=Path,
        help="File of budgets (TOML); what it leaves out stays as it is.",
    )
    for name in Budgets.model_fields:
        add(f"--{name.replace('_', '-')}", type=_finite, help="Overrides this budget.")
    add("--shown-command", help=argparse.SUPPRESS)
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
