"""The flags of ``python -m loadtest``, each checked as it is read."""

import argparse
import os
import re
from math import isfinite
from pathlib import Path

from loadtest.address import KEY_VARIABLE, WrongAddressError, read_host, read_key
from loadtest.boundary import Parser
from loadtest.targets import SCENARIOS
from loadtest.verdict import DEFAULT_BUDGETS, Budgets

DESCRIPTION = "Run the scenarios against a service and judge them, or look for the highest rate that it holds."
EXAMPLE = "example: python -m loadtest --host http://127.0.0.1:8000 --targets workspace/loadtest.json --duration 30s"


LONGEST_HOURS = 168
MOST = 1_000_000


def make_parser() -> argparse.ArgumentParser:
    """The parser of them all."""
    parser = Parser("python -m loadtest", description=DESCRIPTION, epilog=EXAMPLE, allow_abbrev=False)
    add = parser.add_argument
    add("--host", required=True, type=_host, help="Address of the service.")
    add("--targets", required=True, type=Path, help="File of users and titles that a publish writes.")
    add("--duration", default="30s", type=_seconds, help="How long: 30s, 5m, 1h. Default 30s.")
    add("--users", default=16, type=_count, help="Users, each with a connection of its own. Default 16.")
    add("--rate", default=500.0, type=_rate, help="Requests a second of all users together. Default 500.")
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
        type=_key,
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


def _host(text: str) -> str:
    try:
        return read_host(text)
    except WrongAddressError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _key(text: str) -> str:
    try:
        return read_key(text)
    except WrongAddressError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


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
