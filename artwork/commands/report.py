"""``artwork report``: whether a workspace is healthy, and what needs somebody."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, command_line
from artwork.console.output import EXIT_FAILED_CHECK, check_page, emit, errors, progress_bars
from artwork.reports.health_page import render_health, rendered_health
from artwork.reports.health_words import document, health
from artwork.reports.pages import write_page
from artwork.web.figures.health import read_dead_letters, read_serving
from bandit.errors import InputError
from batch.monitoring.gather import gather
from batch.workspace.workspace import Workspace

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
    made = health(figures, read_serving(workspace), read_dead_letters(workspace))
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
