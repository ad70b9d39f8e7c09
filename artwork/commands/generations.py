"""``artwork generations list | activate | rollback``: which generation is served."""

from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import emit
from artwork.console.tables import Sheet, printed
from bandit.errors import InputError
from batch.publishing.flips import Flipped, activate, published_current, rollback
from batch.publishing.sweep import generations_in_store
from batch.store.client import connect, store_errors
from batch.store.embedded import store_url
from batch.workspace.generations import Manifest, claimed, find_manifest
from batch.workspace.workspace import Workspace

app = typer.Typer(
    name="generations",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="List generations, and choose which one is served.",
)


@dataclass(frozen=True)
class Listed:
    """One generation: on disk, in the store, or both."""

    generation: int
    stage: str
    created_at: str
    policy: str
    impressions: int
    picks: int
    in_store: bool
    current: bool
    previous: bool


@app.command("list")
def list_command(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """Show every generation: how it was made, and whether the store holds and serves it.

    Example: artwork generations list --json
    """
    emit(list_generations(workspace), _render_list, as_json=as_json)


@app.command("activate")
def activate_command(
    generation: Annotated[int, typer.Argument(min=1, help="A generation that the store holds.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Serve a generation that the store holds; services follow at their next poll.

    Example: artwork generations activate 16
    """
    url = store_url(workspace)
    with store_errors(url):
        flipped = activate(connect(url), generation, Workspace(workspace))
    emit(flipped, _render_flipped, as_json=as_json)


@app.command("rollback")
def rollback_command(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """Serve the generation that was served before; services follow at their next poll.

    Example: artwork generations rollback
    """
    url = store_url(workspace)
    with store_errors(url):
        flipped = rollback(connect(url), Workspace(workspace))
    emit(flipped, _render_flipped, as_json=as_json)


def list_generations(root: Path) -> list[Listed]:
    """Every generation on disk or in the store, in order.

    Raises:
        InputError: the workspace is not there.
        SurroundingsError: the store cannot be reached.
    """
    if not root.is_dir():
        raise InputError(
            f"{root} is not a folder; make a workspace with `artwork data movielens --workspace {quote(str(root))}`"
        )
    url = store_url(root)
    client = connect(url)
    with store_errors(url):
        stored, now = generations_in_store(client), published_current(client)
    workspace = Workspace(root)
    served = (now.generation, now.previous) if now is not None and now.identity else (None, None)
    listed = []
    for number in sorted({*claimed(workspace), *stored}):
        manifest = find_manifest(workspace, number)  # None: published from elsewhere, or of a job that died before it
        is_own = manifest is None or stored.get(number) == manifest.identity  # a number may be used by two workspaces
        listed.append(_listed(number, manifest, is_own and number in stored, served if is_own else (None, None)))
        if not is_own and number in stored:
            listed.append(_listed(number, None, True, served))
    return listed


def _listed(number: int, manifest: Manifest | None, in_store: bool, served: tuple[int | None, int | None]) -> Listed:
    return Listed(
        generation=number,
        stage="(not here)" if manifest is None else manifest.stage,
        created_at="" if manifest is None else manifest.created_at,
        policy="" if manifest is None else " and ".join(variant.label for variant in manifest.config.variants),
        impressions=0 if manifest is None else sum(manifest.rows.values()),
        picks=0 if manifest is None else manifest.counts.get("picks", 0),
        in_store=in_store,
        current=number == served[0],
        previous=number == served[1],
    )


def _render_list(listed: list[Listed]) -> str:
    if not listed:
        return "no generations yet; `artwork run` makes and publishes one"
    columns = ("generation", "served", "in store", "stage", "policy", "impressions", "picks", "created at")
    return printed(Sheet(columns, [_row(item) for item in listed]))


def _row(item: Listed) -> tuple[str, ...]:
    served = "current" if item.current else "previous" if item.previous else ""
    stored, counts = "yes" if item.in_store else "", (f"{item.impressions:,}", f"{item.picks:,}")
    return (str(item.generation), served, stored, item.stage, item.policy, *counts, item.created_at)


def _render_flipped(flipped: Flipped) -> str:
    before = (
        ""
        if flipped.previous is None
        else f" (before: {flipped.previous}; `artwork generations rollback` returns to it)"
    )
    return f"generation {flipped.generation} is current{before}"
