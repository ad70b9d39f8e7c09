"""A workspace of 20 users to copy from: small enough to be read, complete enough to be run."""

from dataclasses import replace
from pathlib import Path

import polars as pl

from batch.datasets import synthetic
from batch.datasets.contexts import FEATURES
from batch.datasets.dataset import DataSet, write
from batch.workspace.workspace import Workspace

USERS, SEED = 20, 1
NAMES = ("Harbour Lights", "The Long Ascent", "Paper Foxes", "Nine Below", "A Quiet Verdict", "Sand and Signal")

_README = """# An example workspace

Replace these files by your own, keep the columns, then run `artwork data check` on this folder.
All of it is drawn at random; nobody in it is real.

- `users.parquet`: one row per user. `context` holds the same numbers in the same places for everybody. Here they are:
  {features}.
  `sessions` counts the visits that the context rests on; 0 marks a user who is new. `country`, `device` and `campaign`
  are known at sign-up and may be null. Columns that may be added: `hour` of the sign-up, 0 to 23, and `survey`, the
  genres that the user said to like.
- `titles.parquet`: one row per title; `year` may be null.
- `artworks.parquet`: one row per artwork, 3 to 20 for each title. `features` is as `context`, for images. At most one
  artwork of a title is its default; where none is, the first by `artwork_id` is.
- `candidates.parquet` (not here, optional): `user_id` and the list `title_ids` of what that user may be shown.
- `simulation/world.npz`: how these users respond. Your own workspace has none: its users answer for themselves.
"""


def build() -> DataSet:
    """Twenty users and six titles, the same on every call."""
    dataset = synthetic.build(USERS, len(NAMES), SEED)
    titles = dataset.tables.titles.with_columns(name=pl.Series(NAMES))
    return replace(dataset, tables=replace(dataset.tables, titles=titles))


def write_example(workspace: Workspace, *, overwrite: bool = False) -> tuple[Path, ...]:
    """Write the example and a README that explains its columns.

    Returns:
        The paths written.

    Raises:
        InputError: a file exists and ``overwrite`` is false; nothing is written.
        SurroundingsError: the disk does not take them.
    """
    text = _README.format(features=", ".join(FEATURES))
    readme = {workspace.root / "README.md": lambda path: path.write_text(text, encoding="utf-8")}
    return write(workspace, build(), overwrite=overwrite, beside=readme)
