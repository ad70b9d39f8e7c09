"""What a season plays on: a world, and what is known of its users and artworks to who chooses."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64
from bandit.errors import InputError
from bandit.simulation.world import World, by_title


@dataclass(frozen=True, eq=False)
class Scene:
    """A world of n users and t titles with A artworks, which are the arms, numbered through all titles.

    Args:
        world: the truth.
        contexts: what is known of the users, (n, d).
        features: of the artworks, (A, f), which the posterior ``shared`` needs; None where there are none.

    Raises:
        InputError: there is not one context per user or one row of features per artwork, or a title has no artwork.
    """

    world: World
    contexts: npt.NDArray[np.floating]
    features: npt.NDArray[np.floating] | None = None

    def __post_init__(self) -> None:
        if self.contexts.ndim != 2 or len(self.contexts) != self.n_users:
            raise InputError(
                f"contexts are {self.contexts.shape}, expected ({self.n_users}, d): one per user of the world"
            )
        if self.features is not None and (self.features.ndim != 2 or len(self.features) != self.n_arms):
            raise InputError(f"features are {self.features.shape}, expected ({self.n_arms}, f): one row per artwork")
        if (np.diff(self.starts) < 1).any():
            raise InputError(
                f"title {int((np.diff(self.starts) < 1).argmax())} of the world has no artwork; leave it out"
            )

    @property
    def n_users(self) -> int:
        """Users, n."""
        return len(self.world.tastes)

    @property
    def n_titles(self) -> int:
        """Titles, t."""
        return len(self.world.title_appeal)

    @property
    def n_arms(self) -> int:
        """Artworks of all titles, A."""
        return len(self.world.artwork_title)

    @cached_property
    def starts(self) -> I64:
        """First arm of each title, and A, (t + 1,)."""
        return np.searchsorted(self.world.artwork_title, np.arange(self.n_titles + 1))

    @cached_property
    def takes(self) -> list[F64]:
        """The probability of a take of every user and arm, by title, (n, k) each: n · A numbers, 8 MB a million."""
        users = np.arange(self.n_users)
        return [self.world.take_probabilities(users, title) for title in range(self.n_titles)]

    def taken(self, users: I64, arms: I64) -> F64:
        """The probability of a take of each of some visits, users (m,) and arms (m,), to (m,)."""
        out = np.empty(len(users))
        for title, rows in by_title(self.world.artwork_title[arms]):
            out[rows] = self.takes[title][users[rows], arms[rows] - self.starts[title]]
        return out
