"""``artwork web``: the page for a workspace of one's own."""

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import typer

from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import emit
from batch.workspace.workspace import Workspace

app = typer.Typer(rich_markup_mode="rich")


@dataclass(frozen=True)
class PageUp:
    """The address that opens the page, with its key; the service that it asks, and why it could not, if it could not."""

    url: str
    service: str
    trouble: str | None


@app.command("web")
def web_command(
    service: Annotated[str, typer.Option(help="Address of the look-up service.")],
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the page, 0 for any; else 8000 or the next free one.")
    ] = None,
    image_host: Annotated[
        list[str],
        typer.Option(
            envvar="ARTWORK_WEB_IMAGE_HOSTS",
            help="Host whose images are shown (image_url of artworks), instead of drawn posters; may be repeated.",
            show_default=False,
        ),
    ] = [],  # noqa: B006 - typer reads it
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Show a workspace and its service in a browser: who sees what, why, how fast, and how it learns.

    The page asks the service itself, which must allow its origin by ARTWORK_ALLOWED_ORIGINS. Ctrl-C ends it.

    Example: artwork web --workspace workspace --service http://127.0.0.1:8080
    """
    # Imported here: --help does without a web server and numba.
    from artwork.web.origins import read_image_hosts, read_origin, refusal_of  # noqa: PLC0415
    from artwork.web.served import ServedWorkspace  # noqa: PLC0415
    from artwork.web.serving import bind_page, page_server  # noqa: PLC0415

    hosts = read_image_hosts(image_host)
    stage = ServedWorkspace(Workspace(workspace), read_origin(service, "--service", "http://127.0.0.1:8080"))
    with bind_page(port) as listener, page_server(stage, listener, hosts) as address:
        trouble = refusal_of(stage.service, address)
        emit(PageUp(f"{address}/?token={stage.token}", stage.service, trouble), render, as_json=as_json)
        with suppress(KeyboardInterrupt):
            while True:
                # Not a lock: waiting for one was seen to outlast Ctrl-C.
                time.sleep(3600)


def render(up: PageUp) -> str:
    """The address to open, and what is in the way."""
    lines = [f"open {up.url}", f"it asks the service at {up.service}; stop with Ctrl-C"]
    return "\n".join([*lines, *([up.trouble] if up.trouble else [])])
