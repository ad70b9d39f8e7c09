"""The workspace that the demo plays in: made anew, or brought by the user."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from artwork.demo.newcomers import bring_back
from bandit.errors import InputError, SurroundingsError
from batch.datasets import movielens
from batch.datasets.dataset import write
from batch.datasets.ratings import Ratings
from batch.datasets.refreshing import refresh_contexts
from batch.datasets.wheels import default_cache
from batch.store.embedded import stop_store
from batch.workspace.files import write_json
from batch.workspace.workspace import Workspace

MARKER = "demo.json"
DEFAULT_TITLES = 200
ALL_TITLES = 0
_MADE_BY_RUNS = (
    "impressions",
    "evidence",
    "generations",
    "events",
    "overlays",
    "experiments",
    "service",
    "store",
    "loadtest.json",
    "heartbeat",
    "job.lock",
)


@dataclass(frozen=True)
class DemoWorkspace:
    """The workspace to play in, and whether its users, titles and ratings are those of MovieLens."""

    workspace: Workspace
    is_movielens: bool


def prepare_workspace(root: Path, users: int | None, titles: int | None, seed: int) -> DemoWorkspace:
    """A workspace with tables and a simulated world, and without any impressions or generations.

    A folder that is new or was made by an earlier demo gets MovieLens-100K. A folder that the user filled by ``artwork data``
    keeps its tables; what earlier demos added to it goes.

    Args:
        root: the folder.
        users: how many of the users who rated most; None takes all.
        titles: how many of the titles rated most; None takes ``DEFAULT_TITLES``, ``ALL_TITLES`` all.
        seed: of artworks and sign-up signals.

    Raises:
        InputError: the folder holds other things, or sizes are asked of tables that are there already.
        SurroundingsError: MovieLens cannot be fetched; the message says how to do without.
    """
    workspace = Workspace(root)
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is a file, expected a folder; name another --workspace")
    bring_back(workspace)  # where a demo was killed while artworks were held back
    owner = _owner(root)
    if owner == "user" or (owner is None and workspace.truth.exists() and not workspace.generations.exists()):
        if users is not None or titles is not None:
            raise InputError(
                f"{root} holds tables already, so --users and --titles do not apply; name another --workspace"
            )
        _clear(root)
        refresh_contexts(workspace)  # without a play, what they were at first
        write_json(root / MARKER, {"tables": "user"})
        return DemoWorkspace(workspace, is_movielens=False)
    if owner is None and root.exists() and any(root.iterdir()):
        raise InputError(
            f"{root} holds something that no demo made, which the demo would mix with simulated days;"
            " name another --workspace, or a folder fresh from `artwork data`"
        )
    wanted = DEFAULT_TITLES if titles is None else titles
    dataset = movielens.build(_ratings(root), seed, users, None if wanted == ALL_TITLES else wanted)
    _clear(root)
    write_json(root / MARKER, {"tables": "demo"})
    write(workspace, dataset, overwrite=True)
    return DemoWorkspace(workspace, is_movielens=True)


def _ratings(root: Path) -> Ratings:
    try:
        return movielens.fetch(default_cache())
    except SurroundingsError as error:
        where = quote(str(root))
        raise SurroundingsError(
            f"{error}\nor play the demo on drawn users: `artwork data synthetic --users 1000 --titles 200 --workspace {where}`"
            f" and then `artwork demo --workspace {where}`"
        ) from error


def _owner(root: Path) -> str | None:
    marker = root / MARKER
    if not marker.is_file():
        return None
    try:
        owner: str = json.loads(marker.read_text(encoding="utf-8"))["tables"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{marker} is not what a demo writes ({error}); remove the folder or name another") from error
    return owner


def _clear(root: Path) -> None:
    stop_store(root)
    for name in _MADE_BY_RUNS:
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
