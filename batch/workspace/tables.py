"""The tables of a workspace: who is shown what, checked once at the door, in catalogue order."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from statistics import median

import numpy as np
import numpy.typing as npt
import polars as pl

from bandit.errors import InputError
from batch.workspace.files import Writer, replace_files
from batch.workspace.impressions import count_impressions, days
from batch.workspace.table_checks import ROW, check_frame, check_links, read_frame
from batch.workspace.table_schemas import ARTWORKS, CANDIDATES, TITLES, USERS, Schema
from batch.workspace.workspace import Workspace

_SCHEMAS: dict[str, Schema] = {schema.name: schema for schema in (USERS, TITLES, ARTWORKS, CANDIDATES)}


@dataclass(frozen=True)
class Tables:
    """Checked tables, sorted: users by user_id, titles by title_id, artworks by (title_id, artwork_id), as bytes.

    The order of artworks is the catalogue's: an arm is the place of an artwork among those of its title. Every title
    has exactly one default. ``candidates`` is None where every user may be shown every title.
    """

    users: pl.DataFrame
    titles: pl.DataFrame
    artworks: pl.DataFrame
    candidates: pl.DataFrame | None = None

    @property
    def n_features(self) -> int:
        """Length d of a context."""
        return len(self.users["context"][0])

    @property
    def n_artwork_features(self) -> int:
        """Length of an artwork's feature vector."""
        return len(self.artworks["features"][0])


@dataclass(frozen=True)
class Report:
    """What a workspace holds."""

    workspace: Path
    users: int
    users_with_history: int
    titles: int
    artworks: int
    artworks_a_title_min: int
    artworks_a_title_median: float
    artworks_a_title_max: int
    context_length: int
    artwork_features: int
    candidates: int | None
    impressions: int
    days: int


def read_tables(workspace: Workspace, users: pl.DataFrame | None = None) -> Tables:
    """The tables of a workspace, checked and sorted.

    Args:
        workspace: to read.
        users: to take for those of the workspace, whose file was checked by slices; some of them are enough.

    Raises:
        InputError: a folder, file, column, type, value, key or link is not as it should be; the message names it.
        SurroundingsError: a file cannot be read.
    """
    if not workspace.root.is_dir():
        raise InputError(
            f"{workspace.root} is not a folder; expected a workspace; "
            f"`artwork data movielens --workspace {quote(str(workspace.root))}` makes one"
        )
    for folder in (workspace.impressions, workspace.evidence):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file, expected a folder; move it away")
    paths = _paths(workspace)
    if not (workspace.candidates.exists() or workspace.candidates.is_symlink()):
        _refuse_other_candidates(workspace)
        del paths["candidates"]
    where = {name: str(path) for name, path in paths.items()}
    if users is not None:
        del paths["users"]
    frames = {name: read_frame(path) for name, path in paths.items()}
    return _checked(frames if users is None else {"users": users} | frames, where)


def check_tables(tables: Tables) -> Tables:
    """Tables that were built in memory, checked and sorted as if they had been read.

    Raises:
        InputError: as ``read_tables``.
    """
    frames = {"users": tables.users, "titles": tables.titles, "artworks": tables.artworks}
    if tables.candidates is not None:
        frames["candidates"] = tables.candidates
    return _checked(frames, {name: f"{name}.parquet" for name in frames})


def write_tables(
    workspace: Workspace, tables: Tables, *, overwrite: bool = False, beside: Mapping[Path, Writer] | None = None
) -> tuple[Path, ...]:
    """Check tables and write them, with further files ``beside`` them; none takes its name before all are written.

    Returns:
        The paths written.

    Raises:
        InputError: the tables are wrong, or a file exists and ``overwrite`` is false; nothing is written.
        SurroundingsError: the disk does not take them.
    """
    checked = check_tables(tables)
    writers: dict[Path, Writer] = {
        path: frame.write_parquet
        for name, path in _paths(workspace).items()
        if (frame := getattr(checked, name)) is not None
    }
    writers.update(beside or {})
    if not overwrite and (existing := [path for path in (*writers, *_paths(workspace).values()) if path.exists()]):
        raise InputError(
            f"{existing[0]} exists already; expected a new workspace; choose another folder or pass --overwrite"
        )
    replace_files(writers)
    if checked.candidates is None:
        # Candidates of the tables that were replaced would name users and titles that are gone.
        workspace.candidates.unlink(missing_ok=True)
    return tuple(writers)


def check(workspace: Workspace) -> Report:
    """Read and check a workspace's tables and impressions, and count what they hold.

    Raises:
        InputError, SurroundingsError: as ``read_tables``.
    """
    tables = read_tables(workspace)
    counts = tables.artworks.group_by("title_id").len()["len"].to_list()
    return Report(
        workspace=workspace.root,
        users=tables.users.height,
        users_with_history=tables.users.filter(pl.col("sessions") > 0).height,
        titles=tables.titles.height,
        artworks=tables.artworks.height,
        artworks_a_title_min=min(counts),
        artworks_a_title_median=float(median(counts)),
        artworks_a_title_max=max(counts),
        context_length=tables.n_features,
        artwork_features=tables.n_artwork_features,
        candidates=None if tables.candidates is None else tables.candidates.height,
        impressions=count_impressions(workspace, tables.n_features),
        days=len(days(workspace)),
    )


def _refuse_other_candidates(workspace: Workspace) -> None:
    """Refuse shortlists under another name: without a word everybody would be shown everything."""
    for entry in sorted(workspace.root.iterdir()):
        if entry.name.partition(".")[0].strip().lower() == workspace.candidates.stem:
            raise InputError(
                f"{entry} would not be read: shortlists are the file {workspace.candidates}; write it as that, or move it out of"
                " the workspace"
            )


def _paths(workspace: Workspace) -> dict[str, Path]:
    return {name: getattr(workspace, name) for name in _SCHEMAS}


def _checked(frames: dict[str, pl.DataFrame], where: dict[str, str]) -> Tables:
    rows = {name: check_frame(frame, _SCHEMAS[name], where[name]) for name, frame in frames.items()}
    check_links(rows["users"], rows["titles"], rows["artworks"], rows.get("candidates"), where)
    done = {name: frame.sort(_SCHEMAS[name].key).drop(ROW) for name, frame in rows.items()}
    return Tables(done["users"], done["titles"], with_defaults(done["artworks"]), done.get("candidates"))


def with_defaults(artworks: pl.DataFrame) -> pl.DataFrame:
    """Sorted artworks; the first of a title that has no default becomes it."""
    first = pl.int_range(pl.len()).over("title_id") == 0
    lacking = ~pl.col("is_default").any().over("title_id")
    return artworks.with_columns(is_default=pl.col("is_default") | (first & lacking))


def context_matrix(users: pl.DataFrame) -> npt.NDArray[np.float32]:
    """The contexts of a users table, (n, d)."""
    return users["context"].explode().to_numpy().reshape(users.height, -1)
