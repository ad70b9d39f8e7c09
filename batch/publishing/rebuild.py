"""The store of a workspace made anew: its append-only file put aside, and published again what was served."""

from dataclasses import dataclass
from pathlib import Path

from bandit.errors import InputError, RowError, SurroundingsError
from bandit.snapshot import Current
from batch.executors import Progress
from batch.publishing.flips import read_current
from batch.publishing.overlays import publish_overlay
from batch.publishing.publish import Published, publish
from batch.store.append_only import last_current, put_aside
from batch.store.client import connect, store_errors
from batch.store.cluster import has_cluster
from batch.store.embedded import running_store, start_store, stop_store
from batch.store.server import store_folder
from batch.workspace.generations import finished, read_manifest, verify_files
from batch.workspace.workspace import Workspace


@dataclass(frozen=True)
class Rebuilt:
    """What was done.

    ``served`` is the generation that was served before, as far as it can be told; ``stopped`` the process that was stopped;
    ``put_aside`` where the append-only file is now. ``published`` is None where the workspace has nothing to publish.
    """

    url: str
    pid: int
    stopped: int | None
    put_aside: Path | None
    served: int | None
    published: Published | None


def rebuild_store(workspace: Workspace, report: Progress) -> Rebuilt:
    """Put the append-only file of the embedded store aside, start it empty, and publish what was served.

    Where that cannot be told, or its files are no longer whole, the newest generation that is whole is published.

    Args:
        workspace: whose store it is.
        report: told of the rows.

    Raises:
        InputError: there is no such workspace, or its store is a cluster.
        SurroundingsError: the store does not stop or start, or is not this user's.
    """
    if not workspace.root.is_dir():
        raise InputError(f"{workspace.root} is not a folder; expected a workspace, from which its store is rebuilt")
    if has_cluster(workspace.root):
        raise InputError(
            f"the store of {workspace.root} is a cluster, whose replicas hold what a node loses; `artwork store start` starts"
            " the nodes that do not run, and `artwork publish` writes the rows again"
        )
    folder = store_folder(workspace.root)
    current = _served(workspace.root, folder)
    generation = _publishable(workspace, current)
    stopped = stop_store(workspace.root, force=True)
    aside: list[Path | None] = []
    store = start_store(workspace.root, prepare=lambda folder: aside.append(put_aside(folder)))
    if not store.started:
        raise SurroundingsError(
            f"another command started the store of {workspace.root} meanwhile, and nothing was put aside; end it and run"
            " `artwork store rebuild` again"
        )
    published = None
    try:
        with connect(store.url) as client:
            if generation is None:
                with store_errors(store.url):
                    publish_overlay(workspace, client)
            else:
                published = publish(workspace, generation, client, store.url, report, forward_only=False)
    except (InputError, SurroundingsError) as error:
        raise SurroundingsError(
            f"{aside[0] or 'nothing'} was put aside and the store started empty, but"
            f" {'the catalogue' if generation is None else f'generation {generation}'} could not be published: {error}"
        ) from error
    served = None if current is None else current.generation
    return Rebuilt(store.url, store.pid, stopped, aside[0], served, published)


def _served(root: Path, folder: Path) -> Current | None:
    """What a store serves, from the server if it runs and knows, else from its append-only file."""
    store = running_store(root)
    if store is not None:
        try:
            with connect(store.url) as client:
                current = read_current(client)
        except (RowError, SurroundingsError):  # it may still read its file, or hold what no publisher wrote
            current = None
        if current is not None:
            return current
    return last_current(folder)


def _publishable(workspace: Workspace, current: Current | None) -> int | None:
    """The generation that was served, else the newest, of those whose files are whole."""
    newest_first = finished(workspace, "precomputed")[::-1]
    served = [number for number in newest_first if current is not None and number == current.generation]
    for number in [*served, *newest_first]:
        try:
            verify_files(workspace, read_manifest(workspace, number))
        except InputError:
            continue
        return number
    return None
