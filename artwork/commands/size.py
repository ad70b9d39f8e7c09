"""``artwork size``: what a number of users costs."""

from pathlib import Path
from typing import Annotated

import typer

from artwork.console.options import JsonOption
from artwork.console.output import emit
from artwork.size.measured import figures
from artwork.size.plan import plan
from artwork.size.table import render
from artwork.size.wanted import FORMATS, Wanted, check, form_of
from bandit.errors import InputError

app = typer.Typer(rich_markup_mode="rich")


@app.command("size")
def size_command(
    users: Annotated[int, typer.Option(help="Who get picks.")] = 1_000_000,
    titles: Annotated[int, typer.Option(help="Of the catalogue.")] = 100,
    artworks: Annotated[float, typer.Option(help="Of a title, on average.")] = 10,
    most_artworks: Annotated[
        int | None, typer.Option(help="Of the title that has most; by default as many as on average.")
    ] = None,
    picks_per_user: Annotated[
        int | None, typer.Option(help="Titles that a user has a pick for; by default all of them.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Artworks that are asked for per second at the peak.")] = 10_000,
    page: Annotated[int, typer.Option(help="Artworks that one request asks for.")] = 1,
    impressions: Annotated[
        int | None, typer.Option(help="Logged per day and learned from; by default one per user.")
    ] = None,
    generations: Annotated[
        int, typer.Option(help="That the store has while none is published: the current one and the one before.")
    ] = 2,
    replicas: Annotated[int, typer.Option(help="Of each node of the store.")] = 1,
    node_gb: Annotated[float, typer.Option(help="Memory of a node of the store, in gigabytes of 10⁹ bytes.")] = 64,
    night_hours: Annotated[float, typer.Option(help="That the job may take.")] = 4,
    row_format: Annotated[
        str | None, typer.Option("--format", help="Row format, 2 or 3; by default the smallest that fits.")
    ] = None,
    id_length: Annotated[int, typer.Option(help="Letters of a user's id.")] = 10,
    slopes: Annotated[
        list[Path] | None,
        typer.Option(
            help="What `artwork bench job --json`, `bench serving --json` or `bench cluster --json` printed on your machine;"
            " may be repeated. Without, figures of this project's machine."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Plan store, job, look-ups and network for a number of users, from what was measured on a machine.

    Every figure has an interval, and says whether it was measured or by how much it was extrapolated. A table shows other ways to
    keep the same picks, and what each gives up. Nothing is started or changed.

    Example: artwork size --users 260000000 --titles 15000 --picks-per-user 100 --rate 20000000 --page 40
    """
    if row_format is not None and row_format not in FORMATS:
        raise InputError(f"--format is {row_format!r}, expected {' or '.join(FORMATS)}")
    most = max(1, round(artworks + 0.4999)) if most_artworks is None else most_artworks
    wanted = Wanted(
        users=users,
        titles=titles,
        artworks=artworks,
        most_artworks=most,
        picks_per_user=titles if picks_per_user is None else picks_per_user,
        rate=rate,
        page=page,
        impressions=users if impressions is None else impressions,
        generations=generations,
        replicas=replicas,
        node_gb=node_gb,
        night_hours=night_hours,
        id_length=id_length,
        form=form_of(row_format, most),
    )
    check(wanted, row_format)
    emit(plan(wanted, figures(slopes or [])), render, as_json=as_json)
