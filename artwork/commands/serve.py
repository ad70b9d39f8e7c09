"""``artwork serve``: the look-up service in the foreground."""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import emit
from artwork.running_service import recorded
from bandit.errors import SurroundingsError
from bandit.urls import show_url

app = typer.Typer(rich_markup_mode="rich")


@dataclass(frozen=True)
class ServiceUp:
    """Where the service answers, from which store, and a look-up to try."""

    url: str
    store: str
    user_id: str
    title_id: str


@app.command("serve")
def serve_command(
    host: Annotated[str | None, typer.Option(help="Address to listen on (ARTWORK_HOST, else 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port, 0 for any free one (ARTWORK_PORT, else 8000).")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that answer, one per core (ARTWORK_WORKERS, else 1).")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Answer look-ups over HTTP until stopped.

    The store is the one of ARTWORK_REDIS_URL, else the embedded one of the workspace, which is started when it is not
    running. The last good catalogue is kept in the workspace.

    Example: artwork serve --port 8080 --workers 2
    """
    # Imported here: the other commands do without a web server.
    from service.listening import address_of, bind, reserve  # noqa: PLC0415
    from service.settings import load_settings  # noqa: PLC0415

    settings = load_settings(host=host, port=port, workers=workers)
    take = bind if settings.workers == 1 else reserve
    with take(settings.host, settings.port) as taken, recorded(workspace, address_of(taken)):
        settings = settings.model_copy(update=_workspace_defaults(settings.model_fields_set, workspace))
        announce = partial(_announce, address_of(taken), settings.redis_url, as_json=as_json)
        if settings.workers == 1:
            from service.server import serve  # noqa: PLC0415

            serve(settings, taken, announce)
        else:
            from service.workers import serve_workers  # noqa: PLC0415 - this process carries no web server

            serve_workers(settings, taken, announce)


def _announce(url: str, store: str, *, as_json: bool) -> None:
    from service.lookup.example import find_example  # noqa: PLC0415

    example = find_example(store)
    with suppress(SurroundingsError, SystemExit):  # nobody reads where it answers, which is no reason not to
        emit(ServiceUp(url, show_url(store), example.user_id, example.title_id), render, as_json=as_json)


def _workspace_defaults(given: set[str], workspace: Path) -> dict[str, Any]:
    """What the workspace provides where neither a flag nor a variable does."""
    defaults: dict[str, Any] = {}
    if "kept_catalogue" not in given:
        defaults["kept_catalogue"] = workspace / "service" / "catalogue.bin"
    if "redis_url" not in given:
        from batch.store.embedded import store_url  # noqa: PLC0415

        defaults["redis_url"] = store_url(workspace)
    return defaults


def render(up: ServiceUp) -> str:
    """The address, and two look-ups to try."""
    user = f"{up.url}/v1/users/{up.user_id}"
    return (
        f"answering on {up.url} from {up.store} (documentation: {up.url}/docs; stop with Ctrl-C)\n"
        f"  curl '{user}/titles/{up.title_id}/artwork'\n"
        f"  curl '{user}/artwork?title_id={up.title_id}'"
    )
