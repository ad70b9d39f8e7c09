"""Simulated artworks for titles that come without: one a genre, and general ones."""

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from bandit.arrays import F64, I64
from bandit.simulation.world import GENERAL, World
from batch.datasets.contexts import as_lists
from batch.datasets.ratings import GENRES, genre_flags
from batch.workspace.table_schemas import INSTANT

LOOKS = ("ensemble", "lead", "scenery", "title_card", "close_up", "duo", "action", "symbol")
FEATURES = (*(f"theme {genre}" for genre in GENRES), *(f"look {look}" for look in LOOKS), "brightness", "faces")
"""What stands at each place of an artwork's features."""

MIN_GENERAL, MAX_GENERAL = 3, 8
CLICKBAIT_SHARE = 0.12
ADDED_AT = datetime(2020, 1, 1, tzinfo=UTC)


def make_artworks(
    titles: pl.DataFrame, seed: int, *, tastes: F64, user_bias: F64, title_appeal: F64
) -> tuple[pl.DataFrame, World]:
    """Artworks of titles (sorted by title_id): for each, one a genre and 3 to 8 general ones, the first of those its default.

    The frame is in catalogue order, as is the world of these artworks and of users and titles as given. Qualities, clickbait,
    looks and image statistics are drawn by seed, in catalogue order, so that a title's artworks depend on the titles before it:
    make them before selecting titles.
    """
    random = np.random.Generator(np.random.Philox(seed))
    title, theme, place = _layout(titles, random)
    world = World(
        tastes=tastes,
        user_bias=user_bias,
        title_appeal=title_appeal,
        title_genres=genre_flags(titles),
        artwork_title=title,
        artwork_theme=theme,
        artwork_quality=random.standard_normal(len(title)),
        artwork_clickbait=random.random(len(title)) < CLICKBAIT_SHARE,
    )
    look = random.integers(len(LOOKS), size=len(title))
    statistics = random.random((len(title), 2))
    is_general = theme == GENERAL
    first_general = is_general & (np.roll(~is_general, 1) | (place == 0))
    frame = pl.DataFrame(
        {
            "title_id": titles["title_id"].gather(title),
            "artwork_id": [f"a{number:02d}" for number in place + 1],
            "features": as_lists(_features(theme, look, statistics)),
            "theme": pl.Series([*GENRES, "general"]).gather(np.where(is_general, len(GENRES), theme)),
            "look": pl.Series(LOOKS).gather(look),
            "image_url": pl.Series([None] * len(place), dtype=pl.String),
            "is_default": first_general,
            "added_at": pl.Series([ADDED_AT] * len(place), dtype=INSTANT),
        }
    )
    return frame, world


def _layout(titles: pl.DataFrame, random: np.random.Generator) -> tuple[I64, ...]:
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


def _features(theme: I64, look: I64, statistics: F64) -> npt.NDArray[np.float32]:
    """Features in the order of ``FEATURES``, (a, f); a general artwork has no theme set."""
    themes = theme[:, None] == np.arange(len(GENRES))
    looks = look[:, None] == np.arange(len(LOOKS))
    return np.column_stack([themes, looks, statistics]).astype(np.float32)
