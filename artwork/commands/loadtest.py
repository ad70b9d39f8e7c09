"""``artwork loadtest``: bring up what the load test needs, run it, and hand its exit code on."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import orjson
import typer

from artwork.bench.testbed.service_process import running_service
from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from bandit.errors import InputError
from loadtest.address import WrongAddressError, read_host, read_key

app = typer.Typer(rich_markup_mode="rich")


@app.command("loadtest", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def loadtest_command(
    context: typer.Context,
    *,
    host: Annotated[
        str | None, typer.Option(help="A running service, as http://127.0.0.1:8000. Else one is started.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    duration: Annotated[str, typer.Option(help="How long: 30s, 5m, 1h.")] = "30s",
    users: Annotated[int, typer.Option(min=1, help="Users, each with a connection of its own.")] = 16,
    rate: Annotated[float, typer.Option(help="Requests per second of all users together.")] = 500.0,
    scenario: Annotated[
        str,
        typer.Option(help="Who asks: mixed (by activity), cold (each request another user), fallback (unknown users)."),
    ] = "mixed",
    find_max: Annotated[
        bool, typer.Option("--find-max", help="Look for the highest rate, and hold it for --duration.")
    ] = False,
    slo_p99_ms: Annotated[float, typer.Option(help="Limit of --find-max on the 99th percentile.")] = 5.0,
    compare: Annotated[
        Path | None, typer.Option(help="An earlier run's JSON: fail where a p99 or the rate became worse by a fifth.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="ARTWORK_LOADTEST_KEY", show_envvar=True, help="Bearer key of the service.")
    ] = None,
    report: Annotated[Path, typer.Option(help="HTML report; its JSON and locust's own page go beside it.")] = Path(
        "reports/loadtest.html"
    ),
    as_json: JsonOption = False,
) -> None:
    """Load the look-up service and judge it against budgets: exit 0 within them, 1 if one is missed.

    Without --host, a workspace that has published nothing is filled and published first, and a service is started for
    the run. Further options, such as --page-p99-ms 8, are handed on; `python -m loadtest --help` has all of them.

    Example: artwork loadtest --duration 30s --rate 500
    """
    address = None if host is None else _door("--host", read_host, host)
    key = _door("--key", read_key, key) if key else None
    targets = workspace / "loadtest.json"
    if not targets.exists():
        if address is not None:
            raise InputError(
                f"{targets} is not there; give the workspace that the service's generation was published from"
            )
        from artwork.commands.jobs import prepare  # noqa: PLC0415 - takes a second to import

        prepare(workspace)
    values: dict[str, object] = {
        "--targets": targets,
        "--duration": duration,
        "--users": users,
        "--rate": rate,
        "--report": report,
    }
    values |= {"--scenario": scenario, "--slo-p99-ms": slo_p99_ms} | ({"--compare": compare} if compare else {})
    switches = ["--find-max"] * find_max + ["--json"] * as_json
    flags = [str(word) for pair in values.items() for word in pair] + switches + context.args
    with running_service(workspace) if address is None else nullcontext(address) as asked:
        before = _stamp(report)
        code = _loadtest(["--host", asked, *flags], key)
    if _stamp(report) not in {None, before}:
        _write_page(report, shlex.join(["artwork", "loadtest", *flags]))
    raise typer.Exit(code)


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file is written; None where there is none."""
    if not path.is_file():
        return None
    facts = path.stat()
    return facts.st_ino, facts.st_mtime_ns


def _write_page(report: Path, again: str) -> None:
    """Put our page, which opens with the verdict, where locust's was; locust's goes beside it."""
    from artwork.reports.loadtest_page import rendered  # noqa: PLC0415 - --help does without
    from artwork.reports.pages import write_page  # noqa: PLC0415

    locusts = report.with_name(f"{report.stem}-locust{report.suffix}")
    report.replace(locusts)
    write_page(report, rendered(orjson.loads(report.with_suffix(".json").read_bytes()), again, locusts.name))


def _door(option: str, read: Callable[[str], str], text: str) -> str:
    # Here already: what is handed on stands on a command line, where others can read it.
    try:
        return read(text)
    except WrongAddressError as error:
        raise InputError(f"{option}: {error}") from None


def _loadtest(flags: list[str], key: str | None) -> int:
    environment = dict(os.environ) | ({"ARTWORK_LOADTEST_KEY": key} if key else {})
    process = subprocess.Popen([sys.executable, "-P", "-m", "loadtest", *flags], env=environment)  # noqa: S603 - our own command, no shell
    try:
        return process.wait()
    finally:
        if process.poll() is None:  # this command is being ended: so is the load, and locust with it
            process.terminate()
            process.wait()
