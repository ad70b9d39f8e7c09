"""The overlay's revisions on disk: one file each, every one kept, none ever written over."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import polars as pl

from bandit.errors import InputError, RowError, SurroundingsError
from bandit.snapshot import (
    MAX_OVERLAY_BYTES,
    MAX_REVISION,
    NO_OVERLAY,
    OVERLAY_KEY,
    Overlay,
    decode_overlay,
    encode_overlay,
)
from batch.workspace.files import Writer, replace_files
from batch.workspace.lock import opened_lock
from batch.workspace.tables import Tables, with_defaults
from batch.workspace.workspace import Workspace

_DIGITS: Final = len(str(MAX_REVISION))


def known_revisions(workspace: Workspace) -> list[int]:
    """The revisions on disk, in order; 0, which stands for no overlay, has no file.

    Raises:
        SurroundingsError: the folder cannot be read.
    """
    try:
        names = [path.name.removesuffix(".json") for path in workspace.overlays.glob("[0-9]*.json")]
    except OSError as error:
        raise SurroundingsError(f"cannot read {workspace.overlays}: {error}; check the disk") from error
    numbers = {int(name) for name in names if name.isascii() and name.isdigit() and len(name) <= _DIGITS}
    return sorted(number for number in numbers if 1 <= number <= MAX_REVISION)


def newest_overlay(workspace: Workspace) -> Overlay:
    """The overlay as it is now; ``NO_OVERLAY`` where there never was one.

    Raises:
        InputError: its file is damaged: an older one would bring back what was retired.
        SurroundingsError: it cannot be read.
    """
    return read_overlay(workspace, max(known_revisions(workspace), default=0))


def read_overlay(workspace: Workspace, revision: int) -> Overlay:
    """One revision; 0 is ``NO_OVERLAY``.

    Raises:
        InputError: there is no such revision here, or its file is damaged.
        SurroundingsError: it cannot be read.
    """
    if revision == 0:
        return NO_OVERLAY
    path = _path(workspace, revision)
    try:
        if not path.is_file():
            raise InputError(
                f"revision {revision} of the catalogue is not in {workspace.overlays}; see `artwork catalogue show`"
            )
        with path.open("rb") as file:
            raw = file.read(MAX_OVERLAY_BYTES + 1)
    except OSError as error:
        raise SurroundingsError(f"cannot read {path}: {error}; check the disk and the file's permissions") from error
    try:
        overlay = decode_overlay(raw)
    except RowError as error:
        raise InputError(
            f"{path} is damaged ({_wrong(error)}); bring it back from a copy, or from the store's key {OVERLAY_KEY}"
        ) from error
    if overlay.revision != revision:
        raise InputError(f"{path} is of revision {overlay.revision}, its name says {revision}; give it its name back")
    return overlay


def write_overlay(workspace: Workspace, overlay: Overlay) -> Path:
    """Write a new revision. The same content may be written twice; it changes nothing.

    Raises:
        InputError: the revision is there with another content, is not above those that are there, or is too large.
        SurroundingsError: the disk does not take it.
    """
    [(path, write)] = overlay_writer(workspace, overlay).items()
    newest = newest_overlay(workspace)
    if newest == overlay:
        return path
    if overlay.revision <= newest.revision:
        raise InputError(
            f"revision {overlay.revision} of the catalogue is not above {newest.revision}, the newest in"
            f" {workspace.overlays}; revisions never change: write the next one"
        )
    replace_files({path: write})
    return path


def overlay_writer(workspace: Workspace, overlay: Overlay) -> dict[Path, Writer]:
    """What writes a revision that is not there yet, for whoever writes it together with other files.

    Raises:
        InputError: it is too large.
    """
    raw = _encoded(overlay)
    return {_path(workspace, overlay.revision): lambda path: path.write_bytes(raw)}


@contextmanager
def changing(workspace: Workspace) -> Iterator[None]:
    """Keep other processes from changing the overlay, and the tables with it, while the block runs.

    Raises:
        SurroundingsError: the folder cannot be made or written.
    """
    with opened_lock(workspace.overlays / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remaining_tables(tables: Tables, overlay: Overlay) -> Tables:
    """The tables without retired artworks; a default that is retired passes to the first artwork that remains.

    Raises:
        InputError: a title has no artwork left.
    """
    if not overlay.retired:
        return tables
    retired = [(title_id, artwork_id) for title_id, artworks in overlay.retired.items() for artwork_id in artworks]
    gone = pl.DataFrame(retired, schema={"title_id": pl.String, "artwork_id": pl.String}, orient="row")
    artworks = tables.artworks.join(gone, on=["title_id", "artwork_id"], how="anti", maintain_order="left")
    empty = tables.titles.join(artworks, on="title_id", how="anti", maintain_order="left")["title_id"]
    if not empty.is_empty():
        raise InputError(
            f"all artworks of title {empty[0]} are retired; add one with `artwork catalogue add {empty[0]} ARTWORK_ID`, or take"
            " the title out of the tables"
        )
    return replace(tables, artworks=with_defaults(artworks))


def _path(workspace: Workspace, revision: int) -> Path:
    return workspace.overlays / f"{revision:06d}.json"


def _encoded(overlay: Overlay) -> bytes:
    try:
        return encode_overlay(overlay)
    except RowError as error:
        raise InputError(
            f"revision {overlay.revision} of the catalogue cannot be written: {_wrong(error)}; it holds every artwork"
            f" that was ever retired, in at most {MAX_OVERLAY_BYTES:,} bytes: go on in a new workspace, with the artworks that"
            " remain"
        ) from error


def _wrong(error: RowError) -> str:
    """What is wrong, without what to do where it stands in a store."""
    return str(error).rpartition("; ")[0]
