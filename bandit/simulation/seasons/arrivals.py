"""New best artworks: which are not there at first, and how long a policy takes to find them."""

from typing import Final, NamedTuple

import numpy as np

from bandit.arrays import I64, Bool
from bandit.hashing import hash_users
from bandit.simulation.scene import Scene
from bandit.simulation.seasons.season import HOURS_A_DAY, Season

PURPOSE: Final = "season-arrival"
"""Of the keyed hash that says which titles get a new artwork."""

LEAST_ARTWORKS: Final = 3
FOUND_SHARE: Final = 0.5
"""Of the visits of users for whom it is best: shown that often, a new artwork is found."""


class Impressions(NamedTuple):
    """How often a title was shown, and how often the artwork."""

    of_title: int
    own: int


def late_arms(scene: Scene, season: Season, seed: int) -> I64:
    """The arms that arrive late, ascending: of some titles the one with the largest mean probability of a take over users."""
    bound = int(season.arrival_share * 2.0**64)
    hashed = hash_users(PURPOSE, seed, 0, np.arange(scene.n_titles, dtype=np.uint64)).tolist()
    sizes = np.diff(scene.starts)
    chosen = [title for title, h in enumerate(hashed) if h < bound and sizes[title] >= LEAST_ARTWORKS]
    best = [scene.starts[title] + scene.takes[title].mean(axis=0).argmax() for title in chosen]
    return np.array(best, dtype=np.int64)


def there_at(scene: Scene, season: Season, late: I64, refresh: int) -> Bool:
    """Which arms can be shown by picks of a refresh, (A,)."""
    there = np.ones(scene.n_arms, dtype=np.bool_)
    there[late] = refresh >= season.arrival
    return there


def hours_to_find(scene: Scene, season: Season, late: I64, users: I64, arms: I64, periods: I64) -> list[float | None]:
    """Of each late arm, the hours from its arrival to the first refresh after which it is shown to those it is best for.

    That is where users for whom it is truly best are shown it on at least half of their visits until a day later, or until the
    next refresh where that is later: the few visits of an hour would find by chance. None if there is no such refresh.

    Args:
        scene: where it was played.
        season: its dials.
        late: the arms, (l,).
        users: of each visit, (m,).
        arms: that were shown, (m,).
        periods: of each visit, (m,).
    """
    found = refreshes_to_find(scene, season, late, users, arms, periods)
    return [None if refresh is None else float(season.edges[refresh] - HOURS_A_DAY * season.arrival_day)
            for refresh in found]  # fmt: skip


def impressions_to_find(
    scene: Scene, season: Season, late: I64, users: I64, arms: I64, periods: I64
) -> list[Impressions | None]:
    """Of each late arm, what was shown from its arrival to the refresh at which it is found; None if it is not.

    Arguments are those of ``hours_to_find``.
    """
    titles = scene.world.artwork_title[arms]
    found = refreshes_to_find(scene, season, late, users, arms, periods)
    counts: list[Impressions | None] = []
    for arm, refresh in zip(late.tolist(), found, strict=True):
        if refresh is None:
            counts.append(None)
            continue
        until = (titles == scene.world.artwork_title[arm]) & (periods >= season.arrival) & (periods < refresh)
        counts.append(Impressions(int(until.sum()), int((until & (arms == arm)).sum())))
    return counts


def refreshes_to_find(scene: Scene, season: Season, late: I64, users: I64, arms: I64, periods: I64) -> list[int | None]:
    """The refresh at which each late arm is found, None if it is not; arguments are those of ``hours_to_find``."""
    titles = scene.world.artwork_title[arms]
    came = periods >= season.arrival
    return [_found_at(scene, season, arm, *(column[came & (titles == title)] for column in (users, arms, periods)))
            for arm, title in zip(late.tolist(), scene.world.artwork_title[late].tolist(), strict=True)]  # fmt: skip


def _found_at(scene: Scene, season: Season, arm: int, users: I64, arms: I64, periods: I64) -> int | None:
    title = int(scene.world.artwork_title[arm])
    concerned = (scene.takes[title].argmax(axis=1) == arm - scene.starts[title])[users]
    visits = _over_a_day(periods[concerned], season)
    shown = _over_a_day(periods[concerned & (arms == arm)], season)
    finds = np.flatnonzero((visits > 0) & (shown >= FOUND_SHARE * visits))
    return season.arrival + int(finds[0]) if len(finds) else None


def _over_a_day(periods: I64, season: Season) -> I64:
    """How many of some visits come in the day after each refresh from the arrival on, up to the last with a whole day to come."""
    day = -(-HOURS_A_DAY // season.cadence_hours)
    so_far = np.append(0, np.bincount(periods, minlength=season.refreshes)[season.arrival :].cumsum())
    return np.asarray(so_far[day:] - so_far[:-day])
