"""Who opens which page when: the same for everything that is simulated at one seed."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from bandit.arrays import F64, I64
from bandit.simulation.seasons.season import HOURS_A_DAY
from bandit.snapshot import hash_base

PURPOSE: Final = "season-visits"
"""Of the keyed hash that a day's random numbers start from."""

PAGE_TITLES: Final = 40
VISITS_A_USER: Final = 4
"""A day, on average."""

_APPEAL: Final = 0.5  # log-odds of being on a page that a standard deviation of appeal adds


@dataclass(frozen=True, eq=False)
class Visits:
    """Every place of every page in the order of time, m of them.

    ``users`` and ``titles`` are rows of the world, (m,); ``hours`` since the start, (m,), ascending; ``uniforms`` (m, 2) in
    (0, 1) decide what the user does, whatever is shown.
    """

    users: I64
    titles: I64
    hours: F64
    uniforms: F64

    def __len__(self) -> int:
        """Places, m."""
        return len(self.users)

    def at(self, places: slice) -> "Visits":
        """Some of the places."""
        return Visits(self.users[places], self.titles[places], self.hours[places], self.uniforms[places])

    def cut(self, edges: I64) -> I64:
        """Where periods between some hours (p + 1,) begin and end among the places, (p + 1,)."""
        return np.searchsorted(self.hours, edges, side="left")


def draw_visits(appeal: F64, n_users: int, days: int, seed: int) -> Visits:
    """Every user comes about ``VISITS_A_USER`` times a day, at any hour; a page holds up to ``PAGE_TITLES`` titles.

    A day depends on its number and the seed alone, so that seasons of other lengths, cadences or policies have the same visits.

    Args:
        appeal: of each title, (t,), z-scores.
        n_users: n.
        days: of visits.
        seed: of the visits.
    """
    drawn = [_day(appeal, n_users, day, seed) for day in range(days)]
    return Visits(*(np.concatenate(arrays) for arrays in zip(*drawn, strict=True)))


def draw_titles(appeal: F64, pages: int, random: np.random.Generator) -> I64:
    """The titles of some pages, (pages, p), appealing ones more often.

    The p largest of half the appeal plus Gumbel noise are p draws without replacement, weighted by exp(appeal / 2) (Yellott 1977;
    Kool, van Hoof and Welling 2019).
    """
    keys = _APPEAL * appeal + random.gumbel(size=(pages, len(appeal)))
    return np.argsort(-keys, axis=1, kind="stable")[:, :PAGE_TITLES]


def _day(appeal: F64, n_users: int, day: int, seed: int) -> tuple[I64, I64, F64, F64]:
    random = np.random.Generator(np.random.Philox(hash_base(PURPOSE, seed, day)))
    count = VISITS_A_USER * n_users
    users = random.integers(n_users, size=count)
    hours = HOURS_A_DAY * (day + np.sort(random.random(count)))
    titles = draw_titles(appeal, count, random)
    size = titles.shape[1]
    uniforms = random.uniform(np.finfo(np.float64).tiny, 1.0, size=(count * size, 2))
    return np.repeat(users, size), titles.ravel(), np.repeat(hours, size), uniforms
