"""Rated titles: the one form that every reader of MovieLens gives, and its arrays."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

GENRES = (
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
"""MovieLens' genres but "unknown", which says nothing about a title."""

LIKED = 4
"""A rating (of 5) from which a title counts as liked."""


@dataclass(frozen=True)
class Ratings:
    """Users, titles and who rated what when.

    ``users``: user_id, age, gender ("M", "F" or null); ``titles``: title_id, name, year (nullable), genres;
    ``ratings``: user_id, title_id, rating (1 to 5), rated_at (seconds since 1970). Users and titles are sorted by id.
    """

    users: pl.DataFrame
    titles: pl.DataFrame
    ratings: pl.DataFrame

    @cached_property
    def user_rows(self) -> npt.NDArray[np.int64]:
        """The user of each rating as a row of ``users``, (r,)."""
        return _places(self.users["user_id"], self.ratings["user_id"])

    @cached_property
    def title_rows(self) -> npt.NDArray[np.int64]:
        """The title of each rating as a row of ``titles``, (r,)."""
        return _places(self.titles["title_id"], self.ratings["title_id"])

    @cached_property
    def times(self) -> npt.NDArray[np.int64]:
        """When each rating was given, (r,), seconds since 1970."""
        return self.ratings["rated_at"].to_numpy()

    @cached_property
    def scores(self) -> npt.NDArray[np.float64]:
        """Each rating, (r,)."""
        return self.ratings["rating"].cast(pl.Float64).to_numpy()

    @cached_property
    def genres(self) -> npt.NDArray[np.bool_]:
        """Which title has which of ``GENRES``, (t, g)."""
        return genre_flags(self.titles)

    def before(self, cut: float) -> "Ratings":
        """The same users and titles, with the ratings that were given before a time."""
        return Ratings(self.users, self.titles, self.ratings.filter(pl.col("rated_at") < cut))


def genre_flags(titles: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Which title has which of ``GENRES``, (t, g)."""
    return titles.select(pl.col("genres").list.contains(genre).alias(genre) for genre in GENRES).to_numpy()


def _places(ids: pl.Series, wanted: pl.Series) -> npt.NDArray[np.int64]:
    return ids.search_sorted(wanted).to_numpy().astype(np.int64)
