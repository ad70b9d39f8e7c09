"""A folder of images, one for each artwork of a workspace, made into the artworks' features."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from bandit.arrays import F64
from bandit.errors import InputError
from batch.datasets.image_model import ImageModel, main_directions
from batch.datasets.image_numbers import MEANINGS, Pixels, image_numbers, read_pixels
from batch.executors import Progress
from batch.executors.processes import cores
from batch.workspace.files import reading, replace_files
from batch.workspace.overlays import changing
from batch.workspace.table_checks import ROW, check_frame, read_frame
from batch.workspace.table_schemas import ARTWORKS, FLOATS
from batch.workspace.workspace import Workspace

ENDINGS: Final = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff")
KEPT: Final = "image-features.json"
"""In the workspace: what each feature is, and the directions of a network's embeddings."""
_NAMED: Final = 3
"""So many artworks are named where some have no image."""


@dataclass(frozen=True)
class Number:
    """One of an artwork's features: its name, what it says, and how it is spread over the artworks."""

    name: str
    says: str
    lowest: float
    median: float
    highest: float


@dataclass(frozen=True)
class ImageFeatures:
    """What was made of a folder: ``ignored`` files are of artworks that the workspace does not have."""

    workspace: Path
    artworks: int
    ignored: int
    model: str | None
    numbers: tuple[Number, ...]
    has_kept_directions: bool
    """Whether the directions of an earlier run were used, so that images that stayed keep their numbers."""
    written: tuple[Path, ...]


def write_image_features(
    workspace: Workspace, folder: Path, model: Path | None, dimensions: int | None, progress: Progress
) -> ImageFeatures:
    """Make the features of a workspace's artworks of their images, ``FOLDER/TITLE_ID/ARTWORK_ID.png`` or another format.

    The first feature is the constant 1. With a network, the embedding follows, or its ``dimensions`` main directions; these are
    kept in ``image-features.json``, and taken again by later runs of the same network, so that images that stayed keep their
    numbers.

    Raises:
        InputError: an artwork has no image or two, an image or the network cannot be read; nothing is written.
        SurroundingsError: the disk does not take it; or another process changes the workspace.
    """
    if dimensions is not None and model is None:
        raise InputError("--dimensions is for the embeddings of a network; name one: --model FILE.onnx")
    if not workspace.artworks.exists():
        raise InputError(f"{workspace.artworks} does not exist; the images are of the artworks that it names")
    with changing(workspace):
        artworks = read_frame(workspace.artworks)
        artworks = artworks.with_columns(check_frame(artworks, ARTWORKS, str(workspace.artworks)).drop(ROW))
        images = _images(folder)
        paths = _paths_of(list(artworks.select("title_id", "artwork_id").iter_rows()), images, folder)
        network = None if model is None else ImageModel(model)
        made = _measured(paths, image_numbers if network is None else network.embed, progress)
        document: dict[str, Any] = {"model": None if model is None else blake2b(model.read_bytes()).hexdigest()}
        was_projected = False
        if dimensions is not None:
            kept = _kept_directions(workspace, document["model"], made.shape[1], dimensions)
            was_projected = kept is not None
            mean, directions = kept or _directions(made, dimensions)
            made = (made - mean) @ directions.T
            document |= {"mean": mean.tolist(), "directions": directions.tolist()}
        words = _words(made.shape[1], dimensions) if network else [(each.name, each.says) for each in MEANINGS]
        document["names"] = ["constant", *(name for name, _ in words)]
        features = np.column_stack([np.ones(len(made)), made]).astype(np.float32)
        frame = artworks.with_columns(pl.Series("features", features.tolist(), dtype=FLOATS))
        text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n"
        place = workspace.root / KEPT
        replace_files(
            {place: lambda path: path.write_text(text, encoding="utf-8"), workspace.artworks: frame.write_parquet}
        )
    spread = np.quantile(made, (0, 0.5, 1), axis=0).T.tolist()
    return ImageFeatures(
        workspace.root,
        len(paths),
        len(images) - len(paths),
        None if model is None else str(model),
        tuple(Number(name, says, *ends) for (name, says), ends in zip(words, spread, strict=True)),
        was_projected,
        (workspace.artworks, place),
    )


def _images(folder: Path) -> dict[tuple[str, str], list[Path]]:
    """The image files of a folder by title and artwork; hidden files and other formats are passed over."""
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder; expected {folder}/TITLE_ID/ARTWORK_ID.jpg, or another image format"
        )
    images: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.is_file():
            images.setdefault((path.parent.name, path.name[: -len(path.suffix)]), []).append(path)
    return images


def _paths_of(
    names: Sequence[tuple[str, str]], images: Mapping[tuple[str, str], Sequence[Path]], folder: Path
) -> list[Path]:
    """The image of each artwork; every artwork needs one, because all have the same features."""
    if lacking := [f"{title}/{artwork}" for title, artwork in names if (title, artwork) not in images]:
        more = f" and {len(lacking) - _NAMED:,} more" if len(lacking) > _NAMED else ""
        raise InputError(
            f"{folder} has no image of {', '.join(lacking[:_NAMED])}{more}, of {len(names):,} artworks; expected one of each, "
            f"as {folder}/{lacking[0]}.jpg or another of {', '.join(ENDINGS)}; add them"
        )
    for title, artwork in names:
        if len(paths := images[title, artwork]) > 1:
            raise InputError(
                f"artwork {artwork} of title {title} has two images, {paths[0]} and {paths[1]}; remove one"
            )
    return [images[name][0] for name in names]


def _measured(paths: Sequence[Path], embed: Callable[[Pixels], F64], progress: Progress) -> F64:
    """The numbers of each image, (a, e); several at once, because reading and measuring let other threads go on."""

    def measure(path: Path) -> F64:
        try:
            return embed(read_pixels(path))
        except ValueError as error:
            raise InputError(f"the image {path}: {error}; replace it") from error

    rows: list[F64] = []
    with ThreadPoolExecutor(cores()) as pool:
        try:
            for row in pool.map(measure, paths):
                rows.append(row)
                progress("measuring images", len(rows), len(paths))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return np.stack(rows)


def _directions(made: F64, dimensions: int) -> tuple[F64, F64]:
    most = min(len(made) - 1, made.shape[1])
    if not 1 <= dimensions <= most:
        raise InputError(
            f"--dimensions is {dimensions}; {len(made):,} images with embeddings of {made.shape[1]:,} numbers differ in at most "
            f"{most:,} directions; choose from 1 to {most:,}"
        )
    return main_directions(made, dimensions)


def _kept_directions(workspace: Workspace, model: str, length: int, dimensions: int) -> tuple[F64, F64] | None:
    """Mean and directions of an earlier run with the same network and as many dimensions."""
    path = workspace.root / KEPT
    if not path.exists():
        return None
    with reading(path):
        raw = path.read_bytes()
    try:
        document = json.loads(raw)
        if document["model"] != model or "directions" not in document:
            return None
        mean, directions = (np.array(document[name], float) for name in ("mean", "directions"))
        is_right = mean.shape == (length,) and directions.ndim == 2 and directions.shape[1] == length
        is_right = is_right and bool(np.isfinite(mean).all() and np.isfinite(directions).all())
    except (KeyError, TypeError, ValueError):
        is_right = False
    if not is_right:
        raise InputError(f"{path} does not hold what `artwork data features` writes; remove it")
    return (mean, directions) if len(directions) == dimensions else None


def _words(count: int, dimensions: int | None) -> list[tuple[str, str]]:
    """Names of a network's numbers, and what can be said of them."""
    if dimensions is None:
        return [(f"embedding_{at}", "of the network; the whole embedding has length 1") for at in range(count)]
    return [
        (f"direction_{at}", "main direction of the embeddings; the first is the one in which images differ most")
        for at in range(count)
    ]
