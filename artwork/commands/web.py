"""``artwork web``: the page for a workspace of one's own."""

from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Annotated

import typer

from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import emit
from batch.workspace.workspace import Workspace

app = typer.Typer(rich_markup_mode="rich")


@dataclass(frozen=True)
class PageUp:
    """The address that opens the page, with its key, and the service that it asks."""

    url: str
    service: str


@app.command("web")
def web_command(
    service: Annotated[str, typer.Option(help="Address of the look-up service.")] = "http://127.0.0.1:8000",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the page, 0 for any; else 8000 or the next free one.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Show a workspace and its service in a browser: who sees what, why, how fast, and how it learns.

    The service must allow the page's origin by ARTWORK_ALLOWED_ORIGINS. Ctrl-C ends it.

    Example: artwork web --workspace workspace --service http://127.0.0.1:8080
    """
    # Imported here: --help does without a web server and numba.
    from artwork.web.served import ServedWorkspace  # noqa: PLC0415
    from artwork.web.serving import bind_page, page_server  # noqa: PLC0415

    stage = ServedWorkspace(Workspace(workspace), service.rstrip("/"))
    with bind_page(port) as listener, page_server(stage, listener) as address:
        emit(PageUp(f"{address}/?token={stage.token}", stage.service), render, as_json=as_json)
        with suppress(KeyboardInterrupt):
            Event().wait()


def render(up: PageUp) -> str:
    """The address to open."""
    return f"open {up.url}\n(it asks the service at {up.service}; stop with Ctrl-C)"
