"""``artwork loadtest``: bring up what the load test needs, run it, and hand its exit code on."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import orjson
import typer

from artwork.bench.testbed.service_process import running_service
from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import errors
from artwork.running_service import find_running
from bandit.errors import InputError
from loadtest.address import WrongAddressError, read_host, read_key

app = typer.Typer(rich_markup_mode="rich")


@app.command("loadtest", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def loadtest_command(
    context: typer.Context,
    *,
    host: Annotated[
        str | None,
        typer.Option(
            help="A service, as http://127.0.0.1:8000. Else that of the workspace, or one started for the run."
        ),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    duration: Annotated[str, typer.Option(help="How long: 30s, 5m, 1h.")] = "30s",
    users: Annotated[
        int | None, typer.Option(min=1, help="Users, each with a connection: 16, and 64 in an open loop.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Requests per second of all users together.")] = 500.0,
    scenario: Annotated[
        str,
        typer.Option(help="Who asks: mixed (by activity), cold (each request another user), fallback (unknown users)."),
    ] = "mixed",
    open_loop: Annotated[
        bool,
        typer.Option("--open-loop", help="Hold --rate whatever the service does; times count from when it was due."),
    ] = False,
    find_max: Annotated[
        bool, typer.Option("--find-max", help="Look for the highest rate, from 10 on, and hold it for --duration.")
    ] = False,
    slo_p99_ms: Annotated[float, typer.Option(help="Limit of --find-max on the 99th percentile.")] = 5.0,
    compare: Annotated[
        Path | None, typer.Option(help="An earlier run's JSON: fail where a p99 or the rate became worse by a fifth.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="ARTWORK_LOADTEST_KEY", show_envvar=True, help="Bearer key of the service.")
    ] = None,
    report: Annotated[Path, typer.Option(help="HTML report; its JSON goes beside it.")] = Path("reports/loadtest.html"),
    as_json: JsonOption = False,
) -> None:
    """Load the look-up service and judge it against budgets: exit 0 within them, 1 if one is missed, 3 without a verdict.

    Without --host, the service of the workspace is loaded where one runs on this machine. Else one is started for the
    run, and a workspace that has published nothing is filled and published first. Further options, such as
    --page-p99-ms 8, are handed on; `python -m loadtest --help` has all of them.

    Example: artwork loadtest --duration 30s --rate 500 --open-loop
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
    values: dict[str, object] = {"--duration": duration, "--rate": rate, "--scenario": scenario}
    values |= {"--users": users} if users else {}
    values |= {"--slo-p99-ms": slo_p99_ms} if find_max else {}
    switches = ["--find-max"] * find_max + ["--open-loop"] * open_loop
    settings = [str(word) for pair in values.items() for word in pair] + switches + context.args
    files = ["--report", str(report), *(["--compare", str(compare)] if compare else [])]
    asking = ["--host", address] if address else []
    again = shlex.join(["artwork", "loadtest", "--workspace", str(workspace), *asking, *files, *settings])
    with _asked(address, workspace) as asked:
        before = _stamp(report.with_suffix(".json"))
        words = ["--host", asked, "--targets", str(targets), *files, *settings, *(["--json"] * as_json)]
        words += ["--shown-command", again]
        code = _loadtest(words, key)
    if not find_max and _stamp(report.with_suffix(".json")) not in {None, before}:
        _write_page(report, has_locusts=not open_loop)
    raise typer.Exit(code)


@contextmanager
def _asked(address: str | None, workspace: Path) -> Iterator[str]:
    """The address that is loaded: the one given, the one of the workspace, or of a service for the run; which one, is said."""
    if address is not None:
        yield address
    elif running := find_running(workspace):
        errors.print(f"the service of {workspace} that runs here is loaded: {running}", markup=False)
        yield running
    else:
        with running_service(workspace) as started:
            errors.print(
                f"no service of {workspace} runs here, so one was started for this run: {started}", markup=False
            )
            yield started


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file is written; None where there is none."""
    if not path.is_file():
        return None
    facts = path.stat()
    return facts.st_ino, facts.st_mtime_ns


def _write_page(report: Path, *, has_locusts: bool) -> None:
    """Write our page, which opens with the verdict; where locust has put its own, that goes beside it."""
    from artwork.reports.loadtest_page import rendered  # noqa: PLC0415 - --help does without
    from artwork.reports.pages import write_page  # noqa: PLC0415

    beside = report.with_name(f"{report.stem}-locust{report.suffix}") if has_locusts else None
    if beside:
        report.replace(beside)
    made = orjson.loads(report.with_suffix(".json").read_bytes())
    write_page(report, rendered(made, beside.name if beside else None))


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
