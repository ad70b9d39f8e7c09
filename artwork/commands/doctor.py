"""``artwork doctor``: whether this machine is fit."""

import typer

from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import emit, progress_bars
from artwork.doctor import EXIT_UNFIT, examine, render

app = typer.Typer(rich_markup_mode="rich")


@app.command("doctor")
def doctor_command(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """Tell in ten lines whether this machine is fit: what is wrong, and what to do; exit 0 if nothing is, else 1.

    Python, libraries, packages of the same names, numba's cache, workspace, disk, store and port. Nothing is changed or
    started. If artwork itself does not start, python -P -m artwork.doctor does the same.

    Example: artwork doctor --workspace workspace
    """
    with progress_bars() as progress:
        examined = examine(workspace, progress)
    emit(examined, render, as_json=as_json)
    if not examined.fit:
        raise typer.Exit(EXIT_UNFIT)
