"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

WorkspaceOption = Annotated[
    Path,
    typer.Option(
        "--workspace", "-w", envvar="ARTWORK_WORKSPACE", help="Folder that holds tables, impressions and generations."
    ),
]
DEFAULT_WORKSPACE = Path("workspace")
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of every random number of this command.")]
