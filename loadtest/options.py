"""The flags of ``python -m loadtest``, each checked as it is read."""

import argparse
import os
import re
from pathlib import Path

from loadtest.asking import KEY_VARIABLE
from loadtest.targets import SCENARIOS
from loadtest.verdict import DEFAULT_BUDGETS, Budgets

DESCRIPTION = "Run the scenarios against a service and judge them, or look for the highest rate that it holds."
EXAMPLE = "example: python -m loadtest --host http://127.0.0.1:8000 --targets workspace/loadtest.json --duration 30s"


def make_parser() -> argparse.ArgumentParser:
    """The parser of them all."""
    parser = argparse.ArgumentParser("python -m loadtest", description=DESCRIPTION, epilog=EXAMPLE)
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
    add(
        "--scenario",
        default="mixed",
        choices=SCENARIOS,
        help="Who asks: by activity, each request another user, unknown users.",
    )
    add(
        "--key",
        default=os.environ.get(KEY_VARIABLE),
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
        add(f"--{name.replace('_', '-')}", type=float, help="Overrides this budget.")
    return parser


def _host(text: str) -> str:
    if not re.match(r"https?://[^/]+/?$", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an address such as http://127.0.0.1:8000")
    return text.rstrip("/")


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
