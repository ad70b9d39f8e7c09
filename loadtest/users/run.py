"""Run locust on the scenarios in a process of its own, and read back what it measured."""

import os
import subprocess
import sys
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from loadtest.address import KEY_VARIABLE
from loadtest.boundary import RunError
from loadtest.figures import Figures, read_figures

SCENARIOS = Path(__file__).with_name("scenarios.py")
GRACE_SECONDS = 60


@dataclass(frozen=True)
class Plan:
    """What to run against what."""

    host: str
    targets: Path
    report: Path
    seconds: int
    users: int
    rate: float
    page_share: float
    page_titles: int
    scenario: str
    key: str | None
    seed: int


def run(plan: Plan, *, live: bool) -> Figures:
    """Drive the service as planned; ``live`` shows locust's own table on standard error as it grows.

    Raises:
        RunError: locust ended without figures.
    """
    plan.report.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="loadtest-") as folder:
        figures = Path(folder) / "figures.json"
        _run_locust(_command(plan, figures), folder, plan.seconds + GRACE_SECONDS, plan.key, live=live)
        return read_figures(figures)


def check_ready(host: str) -> None:
    """Refuse to load what could not answer anyway.

    Raises:
        RunError: the service does not answer, or is not ready.
    """
    directly = build_opener(ProxyHandler({}))  # as locust asks: a proxy of the environment is not in the way
    try:
        directly.open(f"{host}/readyz", timeout=10).close()
    except HTTPError as error:
        raise RunError(
            f"{host}/readyz answers {error.code}; publish a generation and wait until it answers 200"
        ) from error
    except (OSError, HTTPException) as error:
        raise RunError(
            f"nothing answers at {host} ({error}); start the service, or give its address as --host"
        ) from error


def _command(plan: Plan, figures: Path) -> list[str]:
    options = {
        "--host": plan.host,
        "--users": plan.users,
        "--spawn-rate": plan.users,
        "--run-time": f"{plan.seconds}s",
        "--stop-timeout": 10,
        "--html": plan.report.absolute(),
        # Failed requests are the verdict's to judge; any other exit code means that locust itself failed.
        "--exit-code-on-error": 0,
        "--loglevel": "WARNING",
        "--targets": plan.targets.absolute(),
        "--figures": figures,
        "--rate": plan.rate,
        "--page-share": plan.page_share,
        "--page-titles": plan.page_titles,
        "--scenario": plan.scenario,
        "--seed": plan.seed,
    }
    flags = [str(word) for pair in options.items() for word in pair]
    return [sys.executable, "-P", "-m", "locust", "-f", str(SCENARIOS), "--headless", *flags]


def _run_locust(command: list[str], folder: str, timeout_seconds: int, key: str | None, *, live: bool) -> None:
    output = sys.stderr if live else subprocess.PIPE
    nothing = subprocess.DEVNULL
    environment = dict(os.environ) | ({KEY_VARIABLE: key} if key else {})  # a command line is there for all to see
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter, no shell
            command,
            cwd=folder,  # locust runs what lies in the current folder, and reads its own options from there
            stdin=nothing,
            stdout=output,
            stderr=output,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=timeout_seconds,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise RunError(f"locust did not end within {timeout_seconds} s; is the service stuck?") from error
    if done.returncode:
        raise RunError(f"locust ended with code {done.returncode}: {_reason(done.stderr or '')}")


def _reason(said: str) -> str:
    """The line that says why, among tables of figures: the last one about an error."""
    lines = [line for line in said.splitlines() if line.strip()] or ["it gave no reason"]
    return next((line for line in reversed(lines) if "rror" in line), lines[-1])
