"""``artwork store start | stop | status | rebuild``: the embedded Valkey of a workspace."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import emit, errors, progress_bars
from bandit.errors import InputError, SurroundingsError
from batch.store.client import URL_VARIABLE, connect, store_errors
from batch.store.embedded import EmbeddedStore, running_store, start_store, stop_store
from batch.store.server import store_folder

if TYPE_CHECKING:  # which loads polars
    from batch.publishing.rebuild import Rebuilt

app = typer.Typer(
    name="store",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Start, stop, look at or rebuild the embedded Valkey of a workspace.",
)


@dataclass(frozen=True)
class Stopped:
    """The process that was stopped, or None if none ran."""

    pid: int | None


@dataclass(frozen=True)
class Status:
    """The embedded store of a workspace: whether it runs, and what it serves if it does; ``trouble`` is why it does not say."""

    folder: Path
    running: bool
    pid: int | None = None
    url: str | None = None
    generation: int | None = None
    memory_bytes: int | None = None
    trouble: str | None = None


@app.command("start")
def start_command(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """Start the embedded Valkey; it stays up after this command, and keeps its data in the workspace.

    Example: artwork store start --workspace workspace
    """
    _note_other_store()
    emit(start_store(workspace), _render_started, as_json=as_json)


@app.command("stop")
def stop_command(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """Stop the embedded Valkey of a workspace; its data stays.

    Example: artwork store stop --workspace workspace
    """
    emit(Stopped(stop_store(workspace)), _render_stopped, as_json=as_json)


@app.command("status")
def status_command(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """Tell whether the embedded Valkey of a workspace runs, where, and what it serves; starts nothing.

    Example: artwork store status --json
    """
    _note_other_store()
    emit(read_status(workspace), _render_status, as_json=as_json)


@app.command("rebuild")
def rebuild_command(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """Put a damaged append-only file aside, start an empty store, and publish again what was served.

    Nothing is deleted: what was put aside stays in the workspace's store/ under a name with the time.

    Example: artwork store rebuild --workspace workspace
    """
    from batch.publishing.rebuild import rebuild_store  # noqa: PLC0415 - the other commands do without polars and numba
    from batch.workspace.workspace import Workspace  # noqa: PLC0415

    _note_other_store()
    with progress_bars() as progress:
        rebuilt = rebuild_store(Workspace(workspace), progress)
    emit(rebuilt, _render_rebuilt, as_json=as_json)


def read_status(root: Path) -> Status:
    """Ask the embedded Valkey of a workspace, if it runs."""
    from batch.publishing.flips import read_current  # noqa: PLC0415

    if not os.path.isdir(root):  # noqa: PTH112 - Path.is_dir raises for a folder that this user may not look into
        raise InputError(f"{root} is not a folder; expected a workspace")
    store = running_store(root)
    if store is None:
        return Status(store_folder(root), running=False)
    running = Status(store.folder, running=True, pid=store.pid, url=store.url)
    try:
        with store_errors(store.url), connect(store.url) as client:
            current, memory = read_current(client), client.info("memory")
    except SurroundingsError as error:  # it still reads its file, say
        return replace(running, trouble=str(error))
    generation = None if current is None else current.generation
    return replace(running, generation=generation, memory_bytes=int(memory["used_memory"]))


def _note_other_store() -> None:
    if os.environ.get(URL_VARIABLE):
        errors.print(f"note: {URL_VARIABLE} is set, so other commands use that store and not this one", markup=False)


def _render_started(store: EmbeddedStore) -> str:
    how = "started" if store.started else "runs already"
    line = f"the store {how}: {store.url} (process {store.pid}, data in {store.folder})"
    return f"{line}\n{store.note}" if store.note else line


def _render_stopped(stopped: Stopped) -> str:
    return "no embedded store runs for this workspace" if stopped.pid is None else f"stopped process {stopped.pid}"


def _render_status(status: Status) -> str:
    if not status.running:
        return f"the store does not run (data in {status.folder}); `artwork store start` starts it"
    where = f"the store runs: {status.url} (process {status.pid}, data in {status.folder})"
    if status.trouble is not None:
        return f"{where}\n{status.trouble}"
    serves = "nothing yet" if status.generation is None else f"generation {status.generation}"
    return f"{where}\nit serves {serves} and uses {(status.memory_bytes or 0) / 1e6:.1f} MB of memory"


def _render_rebuilt(rebuilt: "Rebuilt") -> str:
    stopped = [] if rebuilt.stopped is None else [f"stopped process {rebuilt.stopped}"]
    aside = "there was no append-only file" if rebuilt.put_aside is None else f"put aside as {rebuilt.put_aside}"
    lines = [*stopped, aside, f"the store started empty: {rebuilt.url} (process {rebuilt.pid})"]
    published = rebuilt.published
    if published is None:
        return "\n".join([*lines, "the workspace has no generation to publish; `artwork run` makes and publishes one"])
    if rebuilt.served is None:
        why = "the newest one that is whole; what was served could not be told"
    elif rebuilt.served == published.generation:
        why = "the one that was served"
    else:
        why = f"the newest one that is whole; {rebuilt.served} was served, and the workspace does not have it whole"
    return "\n".join([*lines, f"generation {published.generation} is current ({why}): {published.rows:,} rows"])
