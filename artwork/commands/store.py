"""``artwork store start | stop``: the embedded Valkey of a workspace."""

import os
from dataclasses import dataclass

import typer

from artwork.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.output import emit, errors
from batch.embedded import EmbeddedStore, start_store, stop_store
from batch.store import URL_VARIABLE


@dataclass(frozen=True)
class Stopped:
    """The process that was stopped, or None if none ran."""

    pid: int | None


def register(app: typer.Typer) -> None:
    """Put ``store`` on the application."""
    group = typer.Typer(no_args_is_help=True, help="Start or stop the embedded Valkey of a workspace.")
    group.command("start")(start_command)
    group.command("stop")(stop_command)
    app.add_typer(group, name="store")


def start_command(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """Start the embedded Valkey; it stays up after this command, and keeps its data in the workspace.

    Example: artwork store start --workspace workspace
    """
    if os.environ.get(URL_VARIABLE):
        errors.print(f"note: {URL_VARIABLE} is set, so other commands use that store and not this one", markup=False)
    emit(start_store(workspace), _render_started, as_json=as_json)


def stop_command(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """Stop the embedded Valkey of a workspace; its data stays.

    Example: artwork store stop --workspace workspace
    """
    emit(Stopped(stop_store(workspace)), _render_stopped, as_json=as_json)


def _render_started(store: EmbeddedStore) -> str:
    how = "started" if store.started else "runs already"
    return f"the store {how}: {store.url} (process {store.pid}, data in {store.folder})"


def _render_stopped(stopped: Stopped) -> str:
    return "no embedded store runs for this workspace" if stopped.pid is None else f"stopped process {stopped.pid}"
