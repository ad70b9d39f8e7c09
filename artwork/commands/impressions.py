"""``artwork impressions append``: a log of one's own into a workspace."""

from pathlib import Path
from typing import Annotated

import typer

from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import emit
from batch.logs.appending import Appended, append_file
from batch.workspace.lock import only_job
from batch.workspace.workspace import Workspace

app = typer.Typer(
    name="impressions",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Add impressions that were logged elsewhere.",
)


@app.callback()
def impressions() -> None:
    """Add impressions that were logged elsewhere."""


@app.command("append")
def append_command(
    file: Annotated[
        Path, typer.Argument(help="Parquet or CSV with the columns of docs/data.md; in CSV, lists are [1, 2].")
    ],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Add a file's impressions, each to the day it was shown on; a file with a row that is wrong, or there already, adds none.

    Example: artwork impressions append yesterday.csv
    """
    there = Workspace(workspace)
    with only_job(there, "impressions append"):
        made = append_file(there, file)
    emit(made, render_appended, as_json=as_json)


def render_appended(made: Appended) -> str:
    """How much was added, and where it lies."""
    lines = [f"  {day}: {rows:,}" for day, rows in made.rows.items()]
    folder = made.files[0].parent.parent
    return "\n".join(
        [f"{made.impressions:,} impressions of {made.source} added to {folder}", *lines, "learn from them: artwork run"]
    )
