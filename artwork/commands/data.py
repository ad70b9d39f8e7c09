"""``artwork data``: make a workspace, or check one."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, SeedOption, WorkspaceOption
from artwork.console.output import emit, progress_bars
from artwork.console.tables import Sheet, printed
from batch.datasets import example, movielens, synthetic
from batch.datasets.dataset import write
from batch.datasets.movielens_files import read_grouplens
from batch.datasets.wheels import default_cache
from batch.workspace.tables import Report, check
from batch.workspace.workspace import Workspace

if TYPE_CHECKING:  # it needs the extra ``images``
    from batch.datasets.image_folder import ImageFeatures

GROUPLENS_TERMS = (
    "MovieLens-100K is GroupLens' (University of Minnesota): for research; no redistribution and no commercial use without "
    "their permission; no claim of their endorsement. Cite F. M. Harper and J. A. Konstan (2015): The MovieLens Datasets: "
    "History and Context. ACM Transactions on Interactive Intelligent Systems 5(4):19."
)
MOVIELENS_TRUTH = (
    "Users, titles, ratings and the contexts made of them are real; artworks, country, device, campaign and how users "
    "respond are simulated."
)
SYNTHETIC_TRUTH = "Everything in it is drawn from the seed: nobody in it is real."

OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace the tables that the workspace holds.")]


@dataclass(frozen=True)
class Made:
    """A workspace that was written: what it holds, where, what of it is real, and under which terms."""

    report: Report
    files: tuple[Path, ...]
    truth: str
    terms: str | None = None


app = typer.Typer(name="data", help="Make a workspace, or check one.", no_args_is_help=True, rich_markup_mode="rich")


@app.command("movielens", epilog="Example: artwork data movielens --titles 200 --workspace workspace")
def movielens_command(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    users: Annotated[
        int | None, typer.Option(min=1, help="Only the users who rated most. [dim]Default: all[/]")
    ] = None,
    titles: Annotated[int | None, typer.Option(min=1, help="Only the titles rated most. [dim]Default: all[/]")] = None,
    archive: Annotated[
        Path | None, typer.Option("--from", help="GroupLens' ml-100k.zip, or its folder, instead of a download.")
    ] = None,
    seed: SeedOption = 7,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Real users, titles and ratings of MovieLens-100K; downloaded once, or read from GroupLens' archive."""
    with progress_bars() as progress:
        progress("reading MovieLens-100K", 0, 2)
        ratings = read_grouplens(archive) if archive else movielens.fetch(default_cache())
        progress("reading MovieLens-100K", 1, 2)
        dataset = movielens.build(ratings, seed, users, titles)
    place = Workspace(workspace)
    files = write(place, dataset, overwrite=overwrite)
    emit(Made(check(place), files, MOVIELENS_TRUTH, GROUPLENS_TERMS), render_made, as_json=as_json)


@app.command("synthetic", epilog="Example: artwork data synthetic --users 1000 --titles 200 --seed 7")
def synthetic_command(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    users: Annotated[int, typer.Option(min=1, max=100_000_000, help="How many users.")] = 1000,
    titles: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many titles.")] = 200,
    seed: SeedOption = 7,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Drawn users and titles of any number; needs no network."""
    place = Workspace(workspace)
    files = write(place, synthetic.build(users, titles, seed), overwrite=overwrite)
    emit(Made(check(place), files, SYNTHETIC_TRUTH), render_made, as_json=as_json)


@app.command("example", epilog="Example: artwork data example --workspace example")
def example_command(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE, overwrite: OverwriteOption = False, as_json: JsonOption = False
) -> None:
    """A workspace of 20 users to copy from, with a README about its columns."""
    place = Workspace(workspace)
    files = example.write_example(place, overwrite=overwrite)
    emit(Made(check(place), files, SYNTHETIC_TRUTH), render_made, as_json=as_json)


@app.command("features", epilog="Example: artwork data features posters --workspace workspace")
def features_command(
    folder: Annotated[Path, typer.Argument(help="Holds TITLE_ID/ARTWORK_ID.jpg, or another image format.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    model: Annotated[
        Path | None,
        typer.Option(
            help="A network in ONNX that embeds images. [dim]Default: colour, contrast, composition, edges, faces[/]"
        ),
    ] = None,
    dimensions: Annotated[
        int | None,
        typer.Option(
            min=1, help="Main directions of the network's embeddings to keep. [dim]Default: the embedding as it is[/]"
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make the artworks' features of their images; says what each number is. Needs the extra images.

    The next `artwork train --posterior shared` learns from them what people like to see, for new artworks too.
    """
    from batch.datasets.image_folder import write_image_features  # noqa: PLC0415 - it needs the extra ``images``

    with progress_bars() as progress:
        made = write_image_features(Workspace(workspace), folder, model, dimensions, progress)
    emit(made, render_features, as_json=as_json)


@app.command("check", epilog="Example: artwork data check workspace")
def check_command(
    path: Annotated[Path, typer.Argument(help="Folder that holds the tables.")] = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Check a workspace's tables and impressions; what is wrong is named by file, column and first bad row."""
    emit(check(Workspace(path)), render_report, as_json=as_json)


def render_made(made: Made) -> str:
    """What was written where, as text."""
    lines = [f"wrote {path}" for path in made.files]
    lines += [render_report(made.report), made.truth]
    return "\n".join([*lines, *([made.terms] if made.terms else [])])


def render_features(made: "ImageFeatures") -> str:
    """What was made of a folder of images, as text: every number with its spread."""
    rows = [
        [number.name, f"{number.lowest:.2f}", f"{number.median:.2f}", f"{number.highest:.2f}", number.says]
        for number in made.numbers
    ]
    table = printed(Sheet(["number", "lowest", "median", "highest", "says"], rows))
    of_others = f"; {made.ignored:,} files are of no artwork of this workspace" if made.ignored else ""
    kept = ["the directions are those of the run before, so images that stayed keep their numbers"]
    return "\n".join(
        [
            f"measured {made.artworks:,} images{of_others}",
            table,
            *(kept if made.has_kept_directions else []),
            *(f"wrote {path}" for path in made.written),
        ]
    )


def render_report(report: Report) -> str:
    """What a workspace holds, as text."""
    shortlists = (
        "every user x every title" if report.candidates is None else f"shortlists of {report.candidates:,} users"
    )
    return (
        f"{report.workspace}: {report.users:,} users ({report.users_with_history:,} with history), "
        f"{report.titles:,} titles, {report.artworks:,} artworks\n"
        f"artworks per title: {report.artworks_a_title_min} to {report.artworks_a_title_max}, "
        f"median {report.artworks_a_title_median:g}; context length {report.context_length}, "
        f"artwork features {report.artwork_features}; {shortlists}"
        + (f"\n{report.impressions:,} impressions of {report.days} days" if report.days else "")
    )
