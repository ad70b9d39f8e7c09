"""Simulated artworks for titles that come without: one a genre, and general ones."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from bandit.simulation.world import GENERAL
from batch.datasets.contexts import as_lists
from batch.datasets.ratings import GENRES, genre_flags
from batch.workspace.table_schemas import INSTANT

LOOKS = ("ensemble", "lead", "scenery", "title_card", "close_up", "duo", "action", "symbol")
FEATURES = (*(f"theme {genre}" for genre in GENRES), *(f"look {look}" for look in LOOKS), "brightness", "faces")
"""What stands at each place of an artwork's features."""

MIN_GENERAL, MAX_GENERAL = 3, 8
CLICKBAIT_SHARE = 0.12
ADDED_AT = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ArtworkTruth:
    """What the world knows of artworks and the catalogue does not: (a,) each, in the order of the frame beside it."""

    title: npt.NDArray[np.int64]
    theme: npt.NDArray[np.int64]
    quality: npt.NDArray[np.float64]
    clickbait: npt.NDArray[np.bool_]


def make_artworks(titles: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, ArtworkTruth]:
    """Artworks of titles (sorted by title_id): for each, one a genre and 3 to 8 general ones, the first of those its default.

    The frame and the truth are in catalogue order. Qualities, clickbait, looks and image statistics are drawn by seed, in
    catalogue order, so that a title's artworks depend on the titles before it: make them before selecting titles.
    """
    random = np.random.Generator(np.random.Philox(seed))
    title, theme, place = _layout(titles, random)
    truth = ArtworkTruth(
        title=title,
        theme=theme,
        quality=random.standard_normal(len(title)),
        clickbait=random.random(len(title)) < CLICKBAIT_SHARE,
    )
    look = random.integers(len(LOOKS), size=len(title))
    statistics = random.random((len(title), 2))
    return _frame(titles, truth, place, look, statistics), truth


def _layout(titles: pl.DataFrame, random: np.random.Generator) -> tuple[npt.NDArray[np.int64], ...]:
    """The title, the theme, and the place in its title of every artwork, (a,) each: genres first, then general ones."""
    flags = genre_flags(titles)  # (t, g)
    general = random.integers(MIN_GENERAL, MAX_GENERAL, size=titles.height, endpoint=True)
    of_genre, genre = np.nonzero(flags)
    title = np.concatenate([of_genre, np.repeat(np.arange(titles.height), general)])
    theme = np.concatenate([genre, np.full(general.sum(), GENERAL)])
    order = np.argsort(title, kind="stable")
    title, theme = title[order], theme[order]
    place = np.arange(len(title)) - np.searchsorted(title, title)
    return title, theme, place


def _frame(
    titles: pl.DataFrame,
    truth: ArtworkTruth,
    place: npt.NDArray[np.int64],
    look: npt.NDArray[np.int64],
    statistics: npt.NDArray[np.float64],
) -> pl.DataFrame:
    is_general = truth.theme == GENERAL
    first_general = is_general & (np.roll(~is_general, 1) | (place == 0))
    return pl.DataFrame(
        {
            "title_id": titles["title_id"].gather(truth.title),
            "artwork_id": [f"a{number:02d}" for number in place + 1],
            "features": as_lists(_features(truth.theme, look, statistics)),
            "theme": pl.Series([*GENRES, "general"]).gather(np.where(is_general, len(GENRES), truth.theme)),
            "look": pl.Series(LOOKS).gather(look),
            "image_url": pl.Series([None] * len(place), dtype=pl.String),
            "is_default": first_general,
            "added_at": pl.Series([ADDED_AT] * len(place), dtype=INSTANT),
        }
    )


def _features(
    theme: npt.NDArray[np.int64], look: npt.NDArray[np.int64], statistics: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Features in the order of ``FEATURES``, (a, f); a general artwork has no theme set."""
    themes = theme[:, None] == np.arange(len(GENRES))
    looks = look[:, None] == np.arange(len(LOOKS))
    return np.column_stack([themes, looks, statistics]).astype(np.float32)
