"""``python -m loadtest``: run the scenarios against a service and judge them.

Exit 0 within budgets, 1 found wanting, 2 wrong input, 3 the service or locust failed.
"""

import argparse
import re
import signal
import sys
from pathlib import Path

from loadtest.errors import InputError, RunError
from loadtest.report import as_json, as_text
from loadtest.run import Plan, run
from loadtest.targets import read_targets
from loadtest.verdict import DEFAULT_BUDGETS, Budgets, Verdict, judge, read_budgets

EXAMPLE = "example: python -m loadtest --host http://127.0.0.1:8000 --targets workspace/loadtest.json --duration 30s"


def main(arguments: list[str] | None = None) -> int:
    """Run, judge, report; the exit code."""
    # Told to end, it ends locust with it: subprocess.run kills what it waits for when an exception passes through.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = make_parser().parse_args(arguments)
    try:
        verdict = _judged(options)
        written = options.report.with_suffix(".json")
        written.write_text(as_json(verdict) + "\n")
    except InputError as error:
        return _fail(error, 2)
    except (RunError, OSError) as error:
        return _fail(error, 3)
    print(as_json(verdict) if options.json else f"{as_text(verdict)}\nreport: {options.report}, {written}")  # noqa: T201
    return 0 if verdict.passed else 1


def _judged(options: argparse.Namespace) -> Verdict:
    flags = {name: getattr(options, name) for name in Budgets.model_fields if getattr(options, name) is not None}
    budgets = read_budgets(options.budgets, flags)
    read_targets(options.targets)  # refuse a wrong file before anything is started
    return judge(run(_plan(options), live=sys.stderr.isatty()), budgets)


def _plan(options: argparse.Namespace) -> Plan:
    return Plan(
        host=options.host.rstrip("/"),
        targets=options.targets,
        report=options.report,
        seconds=options.duration,
        users=options.users,
        rate=options.rate,
        page_share=options.page_share,
        page_titles=options.page_titles,
        seed=options.seed,
    )


def _fail(error: Exception, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
    return code


def make_parser() -> argparse.ArgumentParser:
    """The flags of ``python -m loadtest``, each checked as it is read."""
    parser = argparse.ArgumentParser("python -m loadtest", description=__doc__, epilog=EXAMPLE)
    add = parser.add_argument
    add("--host", required=True, type=_host, help="Address of the service.")
    add("--targets", required=True, type=Path, help="File of users and titles that a publish writes.")
    add("--duration", default="30s", type=_seconds, help="How long: 30s, 5m, 1h. Default 30s.")
    add("--users", default=16, type=_count, help="Users, each with a connection of its own. Default 16.")
    add("--rate", default=500.0, type=_rate, help="Requests a second of all users together. Default 500.")
    add("--page-share", default=0.5, type=_share, help="Share of look-ups that ask for a page. Default 0.5.")
    add("--page-titles", default=40, type=_count, help="Titles on a page. Default 40.")
    add("--seed", default=0, type=int, help="Seed of every draw. Default 0.")
    add("--report", default=Path("reports/loadtest.html"), type=Path, help="HTML report; the JSON goes beside it.")
    add("--json", action="store_true", help="Print one JSON document instead of text.")
    add("--budgets", default=DEFAULT_BUDGETS, type=Path, help="File of budgets (TOML).")
    for name in Budgets.model_fields:
        add(f"--{name.replace('_', '-')}", type=float, help="Overrides this budget.")
    return parser


def _host(text: str) -> str:
    if not re.match(r"https?://[^/]+/?$", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an address such as http://127.0.0.1:8000")
    return text


def _seconds(text: str) -> int:
    match = re.fullmatch(r"([1-9]\d*)([smh])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 30s, 5m or 1h")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return rate


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 1")
    return share


if __name__ == "__main__":
    sys.exit(main())
