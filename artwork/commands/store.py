"""``artwork store start | stop | status | rebuild``: the embedded Valkey of a workspace."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import emit, errors, progress_bars
from bandit.errors import InputError, SurroundingsError
from bandit.urls import show_url
from batch.store.client import URL_VARIABLE, connect, primaries, store_errors
from batch.store.cluster import (
    ClusterNode,
    EmbeddedCluster,
    has_cluster,
    parse_shape,
    running_cluster,
    start_cluster,
    stop_cluster,
)
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
class StoppedNodes:
    """The processes of a cluster that were stopped."""

    pids: tuple[int, ...]


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
    nodes: tuple[ClusterNode, ...] = ()
    """Those of a cluster that run."""


ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="SHARDSxNODES",
        help="Make the workspace's store a cluster on ports of this machine: 3x2 is three shards with a replica each.",
    ),
]


@app.command("start")
def start_command(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE, cluster: ClusterOption = None, as_json: JsonOption = False
) -> None:
    """Start the embedded Valkey; it stays up after this command, and keeps its data in the workspace.

    A workspace whose store is a cluster keeps it: later commands start and find it without being told.

    Example: artwork store start --workspace workspace
    """
    _note_other_store()
    if cluster is None and not has_cluster(workspace):
        emit(start_store(workspace), _render_started, as_json=as_json)
        return
    shape = None if cluster is None else parse_shape(cluster)
    if shape is not None and not has_cluster(workspace) and (single := running_store(workspace)) is not None:
        raise InputError(
            f"the store of {workspace} is no cluster and runs as process {single.pid}; `artwork store stop` stops it, and"
            " `artwork run` fills the cluster"
        )
    emit(_shown(start_cluster(workspace, shape)), _render_cluster, as_json=as_json)


@app.command("stop")
def stop_command(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """Stop the embedded Valkey of a workspace; its data stays.

    Example: artwork store stop --workspace workspace
    """
    if has_cluster(workspace):
        emit(StoppedNodes(stop_cluster(workspace)), _render_stopped_nodes, as_json=as_json)
    else:
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
    store = running_cluster(root) if has_cluster(root) else running_store(root)
    if store is None:
        return Status(store_folder(root), running=False)
    pid, nodes = (None, store.nodes) if isinstance(store, EmbeddedCluster) else (store.pid, ())
    running = Status(store.folder, running=True, pid=pid, url=show_url(store.url), nodes=nodes)
    try:
        with store_errors(store.url), connect(store.url) as client, primaries(client) as asked:
            current = read_current(client)
            memory = sum(int(cast("Any", node.info("memory"))["used_memory"]) for node in asked)
    except SurroundingsError as error:  # it still reads its file, say
        return replace(running, trouble=str(error))
    generation = None if current is None else current.generation
    return replace(running, generation=generation, memory_bytes=memory)


def _note_other_store() -> None:
    if os.environ.get(URL_VARIABLE):
        errors.print(f"note: {URL_VARIABLE} is set, so other commands use that store and not this one", markup=False)


def _render_started(store: EmbeddedStore) -> str:
    how = "started" if store.started else "runs already"
    line = f"the store {how}: {store.url} (process {store.pid}, data in {store.folder})"
    return f"{line}\n{store.note}" if store.note else line


def _shown(cluster: EmbeddedCluster) -> EmbeddedCluster:
    """It without its password, which only files of this user hold."""
    return replace(cluster, url=show_url(cluster.url))


def _render_cluster(cluster: EmbeddedCluster) -> str:
    how = "started" if cluster.started else "runs already"
    replicas = len(cluster.nodes) - cluster.shards
    return (
        f"the cluster {how}: {cluster.shards} primaries and {replicas} replicas (processes {_pids(cluster.nodes)})\n"
        f"{cluster.url}; its password is in {cluster.folder / 'cluster.json'}, and commands with --workspace find it there"
    )


def _render_stopped_nodes(stopped: StoppedNodes) -> str:
    if not stopped.pids:
        return "no node of this workspace's cluster runs"
    return f"stopped processes {', '.join(map(str, stopped.pids))}"


def _pids(nodes: Sequence[ClusterNode]) -> str:
    return ", ".join(str(node.pid) for node in nodes)


def _render_stopped(stopped: Stopped) -> str:
    return "no embedded store runs for this workspace" if stopped.pid is None else f"stopped process {stopped.pid}"


def _render_status(status: Status) -> str:
    if not status.running:
        return f"the store does not run (data in {status.folder}); `artwork store start` starts it"
    what = f"processes {_pids(status.nodes)}" if status.nodes else f"process {status.pid}"
    where = f"the store runs: {status.url} ({what}, data in {status.folder})"
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
