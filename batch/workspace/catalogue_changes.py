"""Artwork that comes and goes between two runs: in the tables, and in the next revision of the overlay."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from bandit.errors import InputError, SurroundingsError
from bandit.snapshot import MAX_REVISION, Overlay, is_id, shown
from batch.workspace.files import Writer, read_parquet, replace_files
from batch.workspace.generations import CATALOGUE, claimed, folder_of
from batch.workspace.overlays import changing, newest_overlay, overlay_writer, write_overlay
from batch.workspace.table_checks import ROW, check_frame, read_frame
from batch.workspace.table_schemas import ARTWORKS, LAST_YEAR, TITLES, Schema
from batch.workspace.tables import Tables, check_tables, with_defaults
from batch.workspace.workspace import Workspace

_LARGEST: Final = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class NewTitle:
    """What the tables say of a title."""

    name: str
    year: int | None = None
    genres: tuple[str, ...] = ()


@dataclass(frozen=True)
class NewArtwork:
    """What the tables say of an artwork; ``features`` has as many numbers as those of all artworks."""

    artwork_id: str
    features: tuple[float, ...]
    theme: str = ""
    look: str = ""
    image_url: str | None = None


@dataclass(frozen=True)
class Change:
    """What a change did: the overlay now, whether that is a new revision, and the files that were written."""

    overlay: Overlay
    is_revised: bool
    written: tuple[Path, ...]


def retire(workspace: Workspace, title_id: str, artwork_id: str) -> Change:
    """Retire an artwork for ever, in the next revision of the overlay; the tables keep its row.

    Raises:
        InputError: the title or the artwork is not known, or is the last one that its title has.
        SurroundingsError: the disk does not take it.
    """
    _check_workspace(workspace)
    with changing(workspace):
        overlay, artworks = newest_overlay(workspace), _artworks(workspace)
        own = _of_title(artworks, title_id)
        published = [_of_title(catalogue, title_id) for catalogue in _catalogues(workspace)]
        known = sorted({*own, *(published_id for arms in published for published_id in arms)})
        if not known:
            raise InputError(
                _unknown("title", title_id, artworks["title_id"].unique().sort().to_list(), workspace.artworks)
            )
        if artwork_id not in known:
            raise InputError(_unknown("artwork", artwork_id, known, f"title {title_id}"))
        retired = {*overlay.retired.get(title_id, ()), artwork_id}
        if len(retired) == len(overlay.retired.get(title_id, ())):
            return Change(overlay, is_revised=False, written=())
        if not set(own or known) - retired:
            raise InputError(
                f"artwork {artwork_id} is the last one that title {title_id} has left; add another first:"
                f" `artwork catalogue add {title_id} ARTWORK_ID`"
            )
        changed = replace(
            overlay, revision=_next(overlay), retired={**overlay.retired, title_id: tuple(sorted(retired))}
        )
        changed = with_added(changed, artworks, title_id, lacking=any(not set(arms) - retired for arms in published))
        return Change(changed, is_revised=True, written=(write_overlay(workspace, changed),))


def add(workspace: Workspace, title_id: str, title: NewTitle | None, artworks: Sequence[NewArtwork]) -> Change:
    """Add artworks to a title that is there, or with a ``title`` a new one, to the tables of a workspace.

    The next run learns of them. Until then a title that some generation lacks shows its default: the first of its artworks.

    Raises:
        InputError: an id is there already, was retired or is none, or the tables would not be as they should be;
            nothing is written.
        SurroundingsError: the disk does not take it.
    """
    _check_workspace(workspace)
    with changing(workspace):
        overlay = newest_overlay(workspace)
        frames = {"titles": read_frame(workspace.titles), "artworks": read_frame(workspace.artworks)}
        titles, known = (
            _whole(frames["titles"], TITLES, workspace.titles),
            _whole(frames["artworks"], ARTWORKS, workspace.artworks),
        )
        _check_ids(overlay, titles, known, title_id, is_new=title is not None, artworks=artworks, workspace=workspace)
        _check_features(known, artworks)
        rows = [
            _artwork_row(title_id, artwork, is_default=bool(title) and not place)
            for place, artwork in enumerate(artworks)
        ]
        grown = {workspace.artworks: _appended(known, rows, ARTWORKS)}
        if title is not None:
            if title.year is not None and not 0 <= title.year <= LAST_YEAR:
                raise InputError(
                    f"the year is {title.year}, expected an integer from 0 to {LAST_YEAR}; correct the value"
                )
            row = {"title_id": title_id, "name": title.name, "year": title.year, "genres": list(title.genres)}
            grown[workspace.titles] = _appended(titles, [row], TITLES)
        candidates = read_frame(workspace.candidates) if workspace.candidates.exists() else None
        users = read_frame(workspace.users)
        check_tables(Tables(users, grown.get(workspace.titles, titles), grown[workspace.artworks], candidates))
        catalogues = [_of_title(catalogue, title_id) for catalogue in _catalogues(workspace)]
        retired = set(overlay.retired.get(title_id, ()))
        lacking = title is not None or any(not set(arms) - retired for arms in catalogues)
        changed = with_added(overlay, grown[workspace.artworks], title_id, lacking=lacking)
        writers: dict[Path, Writer] = {path: frame.write_parquet for path, frame in grown.items()}
        if is_revised := changed != overlay:
            changed = replace(changed, revision=_next(overlay))
            writers |= overlay_writer(workspace, changed)
        replace_files(writers)
        return Change(changed, is_revised=is_revised, written=tuple(writers))


def with_added(overlay: Overlay, artworks: pl.DataFrame, title_id: str, *, lacking: bool) -> Overlay:
    """The overlay with the artwork that answers for a title wherever nothing else does.

    Args:
        overlay: that may have retired some of its artworks.
        artworks: of the tables.
        title_id: of the title.
        lacking: whether a generation has no artwork of it left.
    """
    if not lacking and title_id not in overlay.added:
        return overlay
    own = artworks.filter(
        pl.col("title_id") == title_id, ~pl.col("artwork_id").is_in(overlay.retired.get(title_id, ()))
    )
    defaults = with_defaults(own.sort("artwork_id")).filter("is_default")["artwork_id"].to_list()
    added = {name: artwork_id for name, artwork_id in overlay.added.items() if name != title_id}
    return replace(overlay, added=added | ({title_id: defaults[0]} if defaults else {}))


def _check_workspace(workspace: Workspace) -> None:
    if not workspace.root.is_dir():
        raise InputError(f"{workspace.root} is not a folder; expected a workspace; name it with --workspace")


def _artworks(workspace: Workspace) -> pl.DataFrame:
    return check_frame(read_frame(workspace.artworks), ARTWORKS, str(workspace.artworks)).drop(ROW)


def _catalogues(workspace: Workspace) -> list[pl.DataFrame]:
    """Titles and artworks of every generation on disk that has a catalogue: any of them may be served, or be served again."""
    found = []
    for number in claimed(workspace):
        path = folder_of(workspace, number) / CATALOGUE
        if path.is_file():
            found.append(read_parquet(path, columns=["title_id", "artwork_id"]))
    return found


def _of_title(artworks: pl.DataFrame, title_id: str) -> list[str]:
    return artworks.filter(pl.col("title_id") == title_id)["artwork_id"].to_list()


def _unknown(what: str, wanted: str, known: Sequence[str], where: object) -> str:
    near = get_close_matches(wanted, known, n=3) or list(known[:3])
    return f"there is no {what} {shown(wanted)} in {where}, which has {len(known):,}, such as {', '.join(near)}"


def _next(overlay: Overlay) -> int:
    if overlay.revision == MAX_REVISION:
        raise SurroundingsError(f"the catalogue has had {MAX_REVISION:,} revisions, and no more are counted")
    return overlay.revision + 1


def _check_ids(
    overlay: Overlay,
    titles: pl.DataFrame,
    known: pl.DataFrame,
    title_id: str,
    *,
    is_new: bool,
    artworks: Sequence[NewArtwork],
    workspace: Workspace,
) -> None:
    ids = [artwork.artwork_id for artwork in artworks]
    for own in (title_id, *ids):
        if not is_id(own):
            raise InputError(
                f"{own!r} is no id; expected up to 64 letters, digits, dots, dashes, underscores and tildes"
            )
    there = title_id in titles["title_id"]
    if not there and not is_new:
        message = _unknown("title", title_id, titles["title_id"].sort().to_list(), workspace.titles)
        raise InputError(f"{message}; to add it as a new title, give its --name")
    if there and is_new:
        raise InputError(
            f"title {title_id} is in {workspace.titles} already; leave out --name, --year and --genres to add an artwork to it"
        )
    if not ids or len(set(ids)) < len(ids):
        raise InputError(f"the artworks to add are {', '.join(ids) or 'none'}, expected at least one, none twice")
    for own in ids:
        if own in overlay.retired.get(title_id, ()):
            raise InputError(
                f"artwork {own} of title {title_id} was retired, and a retired artwork stays retired; give it another id"
            )
    if again := sorted(set(ids) & set(_of_title(known, title_id))):
        raise InputError(
            f"artwork {again[0]} of title {title_id} is in {workspace.artworks} already; give it another id"
        )


def _check_features(known: pl.DataFrame, artworks: Sequence[NewArtwork]) -> None:
    expected = len(known["features"][0])
    for artwork in artworks:
        if not all(abs(number) <= _LARGEST for number in artwork.features):
            raise InputError(
                f"the features of artwork {artwork.artwork_id} are not all finite numbers that fit float32; correct them"
            )
        if len(artwork.features) != expected:
            raise InputError(
                f"the features of artwork {artwork.artwork_id} are {len(artwork.features)} numbers, those of the other artworks"
                f" {expected}; give as many: --features {','.join(['0.1'] * min(expected, 3))}{',...' if expected > 3 else ''}"
            )


def _artwork_row(title_id: str, artwork: NewArtwork, *, is_default: bool) -> dict[str, Any]:
    return {
        "title_id": title_id,
        "artwork_id": artwork.artwork_id,
        "features": list(artwork.features),
        "theme": artwork.theme,
        "look": artwork.look,
        "image_url": artwork.image_url,
        "is_default": is_default,
        "added_at": datetime.now(UTC),
    }


def _whole(frame: pl.DataFrame, schema: Schema, path: Path) -> pl.DataFrame:
    """A table with its columns checked and in their types, and whatever columns it has besides."""
    checked = check_frame(frame, schema, str(path)).drop(ROW)
    return frame.with_columns(checked)


def _appended(table: pl.DataFrame, rows: Collection[dict[str, Any]], schema: Schema) -> pl.DataFrame:
    types = {column.name: column.kind.target for column in schema.columns}
    return pl.concat([table, pl.DataFrame(list(rows), schema=types, orient="row")], how="diagonal")
