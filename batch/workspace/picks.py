"""Single picks of a generation, as its files hold them."""

from contextlib import suppress
from dataclasses import dataclass

import polars as pl

from bandit.errors import InputError
from batch.workspace.catalogue import Catalogue
from batch.workspace.files import reading
from batch.workspace.generations import finished, folder_of, picks_files, read_manifest
from batch.workspace.workspace import Workspace


@dataclass(frozen=True)
class RecordedPick:
    """What was drawn for a user and a title in a generation, under which policy, with what weight."""

    generation: int
    policy: str
    artwork_id: str
    arm: int
    weight: int
    propensity: float


def recorded_pick(workspace: Workspace, generation: int, user_id: str, title_id: str) -> RecordedPick | None:
    """The pick in a generation's files; None where the user or the title was not in it.

    Raises:
        InputError: there is no such generation, or its files have changed.
    """
    manifest = read_manifest(workspace, generation)
    files = picks_files(workspace, manifest)
    wanted = (pl.col("user_id") == user_id) & (pl.col("title_id").cast(pl.String) == title_id)
    with reading(folder_of(workspace, generation) / "picks"):
        rows = pl.scan_parquet(files).filter(wanted).collect()
    if rows.is_empty():
        return None
    arm, weight, policy = rows.row(0, named=True)["arm"], rows["weight"][0], str(rows["policy"][0])
    frame = Catalogue.read(folder_of(workspace, generation) / "catalogue.parquet").frame
    artworks = frame.filter(pl.col("title_id") == title_id)["artwork_id"]
    return RecordedPick(generation, policy, artworks[arm], arm, weight, weight / manifest.row_format.total)


def recorded_picks(workspace: Workspace, user_id: str, title_id: str, most: int) -> list[RecordedPick]:
    """The picks of the last ``most`` generations that have any and are as they were made, the newest first."""
    picks = []
    for number in reversed(finished(workspace, "precomputed")[-most:]):
        with suppress(InputError):  # it is told to whoever asks for that generation
            picks.append(recorded_pick(workspace, number, user_id, title_id))
    return [pick for pick in picks if pick is not None]
