"""``artwork catalogue add | retire | show``: artwork that comes and goes between two runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import emit
from artwork.console.tables import Sheet, printed
from bandit.errors import InputError, SurroundingsError
from batch.publishing.overlays import publish_overlay, stored_overlay
from batch.store.client import connect, store_errors
from batch.store.embedded import store_url
from batch.workspace.catalogue_changes import Change, NewArtwork, NewTitle, add, retire
from batch.workspace.overlays import known_revisions, newest_overlay
from batch.workspace.workspace import Workspace

T = TypeVar("T")

app = typer.Typer(
    name="catalogue",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Add and retire artwork between two runs; services obey within two polls.",
)

TitleArgument = Annotated[str, typer.Argument(metavar="TITLE_ID", show_default=False, help="A title_id.")]


@dataclass(frozen=True)
class Changed:
    """What a change of the catalogue did: the revision that services obey from now on, and the files that were written."""

    done: str
    title_id: str
    artwork_ids: list[str]
    revision: int
    written: list[Path]


@dataclass(frozen=True)
class Retired:
    """An artwork that is not shown any more."""

    title_id: str
    artwork_id: str


@dataclass(frozen=True)
class Added:
    """The artwork that a title shows wherever a generation has none of it."""

    title_id: str
    artwork_id: str


@dataclass(frozen=True)
class Shown:
    """The overlay of a workspace; ``in_store`` is the revision that its store has, None where it has none or is not reached."""

    revision: int
    revisions: int
    in_store: int | None
    retired: list[Retired]
    added: list[Added]


@app.command("add")
def add_command(
    title: TitleArgument,
    artwork: Annotated[
        list[str], typer.Argument(metavar="ARTWORK_ID...", show_default=False, help="Its new artworks.")
    ],
    features: Annotated[
        list[str] | None,
        typer.Option(help="The features of an artwork, with commas between; repeat it for each ARTWORK_ID, in order."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of a title that is new.")] = None,
    year: Annotated[int | None, typer.Option(help="Year of a title that is new.")] = None,
    genres: Annotated[
        str | None, typer.Option(help="Genres of a title that is new, with commas between: Drama,Comedy.")
    ] = None,
    theme: Annotated[str, typer.Option(help="Theme of the artworks.")] = "",
    look: Annotated[str, typer.Option(help="Look of the artworks.")] = "",
    image_url: Annotated[
        list[str] | None, typer.Option(help="Where an image is; repeat it for each ARTWORK_ID, in order.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Add artworks to a title, or with --name a new title with its artworks.

    The next `artwork run` learns of them. Until then a new title shows the first of its artworks to everybody, and a new artwork
    of a title that is there is not shown.

    Example: artwork catalogue add m0050 a99 --features 0.1,0,1 --theme people

    Example: artwork catalogue add t9 t9a t9b --name "New film" --year 2026 --genres Drama --features 0.1,0,1 --features 0,1,0
    """
    if name is None and not (year is None and genres is None):
        raise InputError("--year and --genres are those of a title that is new; give its --name as well")
    new = None if name is None else NewTitle(name, year, _words(genres))
    vectors = _one_each("--features", [_numbers(text) for text in features or ()], artwork, required=True)
    urls = _one_each("--image-url", list(image_url or ()), artwork, required=False)
    rows = [
        NewArtwork(own, vectors[place], theme, look, urls[place] if urls else None) for place, own in enumerate(artwork)
    ]
    made = add(Workspace(workspace), title, new, rows)
    revision = made.overlay.revision
    if made.is_revised:
        revision = _tell_store(workspace, made, "the next `artwork publish` or `artwork run` tells it")
        done = f"services show {made.overlay.added[title]} within two polls, until the next `artwork run`"
    else:
        done = "to be shown after the next `artwork run`"
    emit(Changed(done, title, artwork, revision, list(made.written)), _render_changed, as_json=as_json)


@app.command("retire")
def retire_command(
    title: TitleArgument,
    artwork: Annotated[
        str,
        typer.Argument(metavar="ARTWORK_ID", show_default=False, help="The artwork that is not to be shown any more."),
    ],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Never show an artwork of a title again.

    Services obey within two polls, and the next run leaves it out. It cannot be brought back under its id. Of an artwork that is
    retired already, this makes sure that the store knows it.

    Example: artwork catalogue retire m0050 a3
    """
    made = retire(Workspace(workspace), title, artwork)
    revision = _tell_store(workspace, made, "run this command again, or `artwork publish`")
    done = (
        "retired, which services obey within two polls" if made.is_revised else "retired already, which the store knows"
    )
    emit(Changed(done, title, [artwork], revision, list(made.written)), _render_changed, as_json=as_json)


@app.command("show")
def show_command(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """Show what was retired and added, and whether the store knows it.

    Example: artwork catalogue show --json
    """
    if not workspace.is_dir():
        raise InputError(f"{workspace} is not a folder; expected a workspace; name it with --workspace")
    there = Workspace(workspace)
    overlay = newest_overlay(there)
    retired = [Retired(title, artwork) for title in sorted(overlay.retired) for artwork in overlay.retired[title]]
    added = [Added(title, artwork) for title, artwork in sorted(overlay.added.items())]
    shown = Shown(overlay.revision, len(known_revisions(there)), _in_store(workspace), retired, added)
    emit(shown, _render_shown, as_json=as_json)


def _tell_store(workspace: Path, made: Change, remedy: str) -> int:
    """The revision that the store has now.

    Raises:
        SurroundingsError: the store was not told; the message says what was written.
    """
    try:
        url = store_url(workspace)
        with connect(url) as client, store_errors(url):
            return publish_overlay(Workspace(workspace), client).revision
    except SurroundingsError as error:
        written = " and ".join(map(str, made.written)) or f"revision {made.overlay.revision} of the catalogue"
        raise SurroundingsError(
            f"written: {written}; not written: the store, so that services do not know of it yet: {error}; once it answers,"
            f" {remedy}"
        ) from error


def _in_store(workspace: Path) -> int | None:
    try:
        url = store_url(workspace, start=False)
        with connect(url) as client, store_errors(url):
            stored = stored_overlay(client)
    except SurroundingsError:
        return None
    return None if stored is None else stored.revision


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise InputError(f"--features is {text!r}, expected numbers with commas between, such as 0.1,0,1") from None


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in (text or "").split(",")) if word)


def _one_each(flag: str, values: list[T], artworks: list[str], *, required: bool) -> list[T]:
    if (values or required) and len(values) != len(artworks):
        raise InputError(
            f"{flag} is given {len(values)} times for {len(artworks)} artworks; give it once for each ARTWORK_ID, in order"
        )
    return values


def _render_changed(made: Changed) -> str:
    files = "".join(f"\n  {path}" for path in made.written)
    return f"title {made.title_id}, {', '.join(made.artwork_ids)}: {made.done} (revision {made.revision}){files}"


def _render_shown(shown: Shown) -> str:
    if not shown.revision:
        return "nothing was added or retired since tables were written; `artwork catalogue retire TITLE_ID ARTWORK_ID` does"
    store = {None: "no store is reached, or it does not know it", shown.revision: "which the store has"}.get(
        shown.in_store, f"while the store has {shown.in_store}; `artwork publish` tells it"
    )
    rows = [(item.title_id, item.artwork_id, "retired") for item in shown.retired]
    rows += [(item.title_id, item.artwork_id, "shown where a generation has none") for item in shown.added]
    return f"catalogue, revision {shown.revision} ({store})\n\n" + printed(Sheet(("title", "artwork", ""), rows))
