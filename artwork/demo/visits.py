"""Who opens which page on a simulated day."""

from dataclasses import dataclass

import numpy as np

from bandit.arrays import I64
from bandit.simulation.seasons.visits import VISITS_A_USER, draw_titles
from bandit.simulation.world import World
from bandit.snapshot import SIMULATION, hash_base


@dataclass(frozen=True)
class Visits:
    """Pages of one day: ``users`` (v,) and ``titles`` (v, p), rows of the workspace's tables."""

    users: I64
    titles: I64

    @property
    def flat_users(self) -> I64:
        """The user of each title on each page, (v·p,)."""
        return np.repeat(self.users, self.titles.shape[1])

    @property
    def flat_titles(self) -> I64:
        """The titles of all pages one after the other, (v·p,)."""
        return self.titles.ravel()

    def parts(self, count: int) -> list["Visits"]:
        """The same in ``count`` parts of about the same size, which may be empty."""
        return [
            Visits(*part)
            for part in zip(*(np.array_split(rows, count) for rows in (self.users, self.titles)), strict=True)
        ]


def day_random(seed: int, day: int) -> np.random.Generator:
    """The random numbers of one simulated day, from the keyed hash of its purpose."""
    return np.random.Generator(np.random.Philox(hash_base(SIMULATION, seed, day)))


def draw_visits(world: World, random: np.random.Generator) -> Visits:
    """Every user comes about ``VISITS_A_USER`` times, to a page of titles each."""
    n_users = len(world.tastes)
    users = random.integers(n_users, size=VISITS_A_USER * n_users)
    return Visits(users, draw_titles(world.title_appeal, len(users), random))
