"""What happens to the catalogue between two nights of the demo: a title is launched, an artwork is retired."""

import polars as pl

from artwork.demo.newcomers import whole_table
from bandit.errors import InputError
from batch.publishing.overlays import publish_overlay
from batch.store.client import connect, store_errors
from batch.workspace.catalogue import Catalogue
from batch.workspace.catalogue_changes import NewArtwork, NewTitle, add, retire
from batch.workspace.generations import CATALOGUE, folder_of
from batch.workspace.workspace import Workspace

_FEWEST_ARTWORKS = 3


def launch(workspace: Workspace, url: str, title_id: str) -> str:
    """Add a title that was held back, as ``artwork catalogue add`` does; a line that says so."""
    title = whole_table(workspace, workspace.titles).row(by_predicate=pl.col("title_id") == title_id, named=True)
    own = whole_table(workspace, workspace.artworks).filter(pl.col("title_id") == title_id)
    artworks = [
        NewArtwork(row["artwork_id"], tuple(row["features"]), row["theme"], row["look"], row["image_url"])
        for row in own.sort("is_default", "artwork_id", descending=[True, False]).iter_rows(named=True)
    ]
    made = add(workspace, title_id, NewTitle(title["name"], title["year"], tuple(title["genres"])), artworks)
    _tell(workspace, url)
    return (
        f"            {title_id}, {title['name']}, is launched with {len(artworks)} artworks: everybody sees"
        f" {made.overlay.added[title_id]} until the next night"
    )


def retire_best_known(workspace: Workspace, url: str, generation: int) -> str:
    """Retire the artwork with the most impressions, as ``artwork catalogue retire`` does; a line that says so.

    Raises:
        InputError: no title of the generation has as many artworks as that takes.
    """
    catalogue = Catalogue.read(folder_of(workspace, generation) / CATALOGUE).frame
    candidates = catalogue.filter(pl.len().over("title_id") >= _FEWEST_ARTWORKS).sort("impressions", descending=True)
    if candidates.is_empty():
        raise InputError(f"no title has {_FEWEST_ARTWORKS} artworks; --retire-on takes one away from a title that has")
    title_id, artwork_id = candidates.row(0, named=True)["title_id"], candidates["artwork_id"][0]
    retire(workspace, title_id, artwork_id)
    _tell(workspace, url)
    return f"            {artwork_id} of {title_id} is retired: from here on an answer that shows it would end the demo"


def _tell(workspace: Workspace, url: str) -> None:
    with connect(url) as client, store_errors(url):
        publish_overlay(workspace, client)
