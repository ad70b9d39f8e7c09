"""How many impressions a new best artwork takes until it wins, by posterior, floors and pessimism."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bandit.policies import ThompsonSampling
from bandit.simulation.scene import Scene
from bandit.simulation.seasons.arrivals import hours_to_find, impressions_to_find
from bandit.simulation.seasons.contender import Contender
from bandit.simulation.seasons.season import Season
from bandit.simulation.seasons.simulate import Played, simulate

POSTERIORS: Final = ("linear", "shared")

SEASON: Final = Season(
    days=8, explore_days=3, cadence_hours=24, age_hours=(), arrival_day=4, arrival_share=0.5, new_arm_impressions=100
)
"""Of which the last four days have the new artworks, in half of the titles."""


@dataclass(frozen=True)
class Dials:
    """What is turned: the floor of new artworks, and the share of its title's rate that an artwork starts with."""

    new_floor: float = SEASON.new_floor
    pessimism: float = SEASON.pessimism


DIALS: Final = (Dials(), Dials(new_floor=0.0), Dials(new_floor=0.2), Dials(pessimism=0.5))


@dataclass(frozen=True)
class NewArtworkRow:
    """One season: ``artworks`` were new and the best of their title, ``found`` of them won before it ended.

    An artwork wins at the refresh from which, over a day, users for whom it is truly the best are shown it on at least half of
    their visits. ``hours`` and impressions (of its title, and its own) are medians from the arrival until then; infinite where
    fewer than half won.
    ``closed`` is the share of the way from uniform to the best that the visits after the arrival to titles with a new artwork
    came, in expected takes.
    """

    seed: int
    posterior: str
    dials: Dials
    artworks: int
    found: int
    hours: float
    title_impressions: float
    own_impressions: float
    closed: float


def new_artwork_row(scene: Scene, posterior: str, dials: Dials, seed: int, season: Season = SEASON) -> NewArtworkRow:
    """Play a season with Thompson sampling.

    Args:
        scene: where it is played; it has features of artworks.
        posterior: what is learned with.
        dials: what is turned.
        seed: of visits, responses, arrivals and draws, the same for all posteriors and dials.
        season: its other settings.

    Raises:
        InputError: as ``simulate`` and ``Season``.
    """
    turned = replace(season, new_floor=dials.new_floor, pessimism=dials.pessimism)
    policy = ThompsonSampling()
    played = simulate(scene, turned, Contender(policy, policy.name, posterior), seed)
    seen = scene, turned, played.late, played.visits.users, played.shown.arms, played.periods
    counts = impressions_to_find(*seen)
    return NewArtworkRow(
        seed,
        posterior,
        dials,
        len(counts),
        sum(count is not None for count in counts),
        _median(hours_to_find(*seen)),
        _median([None if count is None else float(count.of_title) for count in counts]),
        _median([None if count is None else float(count.own) for count in counts]),
        _closed(played),
    )


def _median(values: Sequence[float | None]) -> float:
    """With infinity for what did not come: of an even number the upper of the two in the middle."""
    known = sorted(np.inf if value is None else value for value in values)
    return known[len(known) // 2] if known else np.nan


def _closed(played: Played) -> float:
    """The share of the way from uniform to the best, of visits to titles with a new artwork since it can be shown."""
    world, visits = played.scene.world, played.visits
    is_late = np.isin(visits.titles, world.artwork_title[played.late]) & (played.periods >= played.season.arrival)
    users = visits.users[is_late]
    uniform, best = world.uniform_and_best(users, visits.titles[is_late])
    shown = played.scene.taken(users, played.shown.arms[is_late])
    return float((shown - uniform).sum() / (best - uniform).sum())
