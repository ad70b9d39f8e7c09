"""What the simulated world knows of users and artworks, by their ids."""

from collections.abc import Mapping

import numpy as np

from artwork.web.catalogue import Shelf
from bandit.simulation.world import World


class Truth:
    """A world and whose rows are whose.

    The world has the users and titles of the tables in their order, and either all artworks or those that are not retired.
    """

    def __init__(self, world: World, shelf: Shelf) -> None:
        self._world, self._shelf = world, shelf
        everything, remaining = shelf.tables.artworks, shelf.remaining.artworks
        self._own = everything if len(world.artwork_title) == everything.height else remaining
        self.fits = (
            len(world.artwork_title) == self._own.height
            and len(world.tastes) == shelf.tables.users.height
            and len(world.title_appeal) == shelf.tables.titles.height
        )

    @classmethod
    def of(cls, world: World | None, shelf: Shelf) -> "Truth | None":
        """The truth; None where nobody knows it, or while tables and world change one after the other."""
        truth = None if world is None else cls(world, shelf)
        return truth if truth is not None and truth.fits else None

    @property
    def clickbait(self) -> Mapping[tuple[str, str], bool]:
        """Whether each artwork promises what the title does not hold, by title and artwork."""
        keys = self._own.select("title_id", "artwork_id").iter_rows()
        return dict(zip(keys, self._world.artwork_clickbait.tolist(), strict=True))

    def take_rates(self, user_id: str, title_id: str) -> dict[str, float] | None:
        """The expected take rate of each artwork of a title for a user; None for a user who is not of this world."""
        user = self._shelf.user_rows.get(user_id)
        if user is None:
            return None
        rows = (self._own["title_id"] == title_id).arg_true().to_numpy().astype(np.int64)
        takes = self._world.take_probability_of(np.full(len(rows), user, dtype=np.int64), rows)
        return dict(zip(self._own["artwork_id"].gather(rows), takes.tolist(), strict=True))
