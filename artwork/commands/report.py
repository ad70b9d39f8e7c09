"""``artwork report``: whether a workspace is healthy, and what needs somebody."""

import http.client
import time
from datetime import date
from pathlib import Path
from typing import Annotated, Final
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import typer

from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, command_line
from artwork.console.output import EXIT_FAILED_CHECK, check_page, emit, errors, progress_bars
from artwork.reports.health_findings import Serving
from artwork.reports.health_page import render_health, rendered_health
from artwork.reports.health_words import document, health
from artwork.reports.pages import write_page
from artwork.running_service import find_running
from artwork.web.service_figures import percentile, read_metrics
from bandit.errors import InputError
from batch.monitoring.gather import gather
from batch.workspace.workspace import Workspace

_TIMEOUT_SECONDS: Final = 3.0
_MOST_BYTES: Final = 1 << 22

app = typer.Typer(rich_markup_mode="rich")


@app.command("report")
def report_command(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    watch: Annotated[
        bool, typer.Option("--watch", help="Exit with 1 if the newest night that is watched has an alarm.")
    ] = False,
    report: Annotated[Path, typer.Option("--report", help="Where the page is written.")] = Path("report.html"),
    on: Annotated[
        str | None, typer.Option("--on", help="The day on which it is looked at, for a log of the past; else today.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether a workspace is healthy: alarms, learning, exploring, artworks, people, serving and data.

    Example: artwork report --workspace workspace/demo --watch
    """
    check_page(report)
    looked_at = _day(on)
    with progress_bars() as progress:
        figures = gather(Workspace(workspace), progress, looked_at)
    made = health(figures, read_serving(workspace))
    emit(document(made) if as_json else made, render_health, as_json=as_json)
    more: tuple[str, ...] = () if workspace == DEFAULT_WORKSPACE else ("--workspace", str(workspace))
    more += () if on is None else ("--on", on)
    write_page(report, rendered_health(made, command_line(("artwork", "report"), (), *more)))
    errors.print(f"the same as a page: {report}", markup=False)
    if watch and made.alarm:
        raise typer.Exit(EXIT_FAILED_CHECK)


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise InputError(f"--on is {text!r}, expected a day such as 2026-01-31") from None


def read_serving(workspace: Path) -> Serving:
    """What the service of a workspace says of itself, if one runs on this machine."""
    url = find_running(workspace)
    if url is None:
        return Serving(None, "no service runs")
    try:
        with build_opener(ProxyHandler({})).open(f"{url}/metrics", timeout=_TIMEOUT_SECONDS) as answer:
            text = answer.read(_MOST_BYTES).decode(errors="replace")
    except (OSError, http.client.HTTPException, URLError) as error:
        return Serving(url, f"/metrics does not answer: {error}")
    sample = read_metrics(text, time.monotonic())
    p99 = percentile(sample.buckets, 0.99)
    ages, generations = gauges(text, "artwork_catalogue_age_seconds"), gauges(text, "artwork_generation")
    refused = sum(gauges(text, "artwork_client_connections_refused_total")) + sample.refused
    return Serving(
        url,
        p99_ms=p99.ms if p99 else None,
        look_ups=int(sample.look_ups),
        refused=int(refused),
        breaker_open=any(gauges(text, "artwork_store_breaker_open")),
        catalogue_age_seconds=max(ages, default=None),
        generation=int(min(generations)) if generations else None,
    )


def gauges(text: str, name: str) -> list[float]:
    """The values of a metric in Prometheus' text format, of every worker; lines that are no numbers are passed over.

    >>> gauges('a{worker="0"} 1.0', "a")
    [1.0]
    """
    values = []
    for line in text.splitlines():
        if line.startswith((f"{name}{{", f"{name} ")):
            try:
                values.append(float(line.rpartition(" ")[2]))
            except ValueError:
                continue
    return values
