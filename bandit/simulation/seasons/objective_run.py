"""A season as a task for a process, and what it came to in each of several objectives."""

from dataclasses import dataclass
from typing import Final

from bandit.rewards import Freshness
from bandit.simulation.seasons.objectives import ages_of, diversity_of, themes_a_page
from bandit.simulation.seasons.season_run import Run
from bandit.simulation.seasons.simulate import Played, simulate

OBJECTIVES: Final = ("click_through", "completion", "diversity")
"""What a front is of, by the fields of ``Reached``; more is better."""


@dataclass(frozen=True)
class Reached:
    """What the live days of a season came to.

    ``click_through`` are clicks per impression, ``completion`` takes per click and ``take_rate`` takes per impression, as the
    world expects them of what was shown: without the chance of the users' responses. ``diversity`` is the mean over impressions
    of the reward of that name, ``themes`` how many a user is shown on a day, ``freshness`` the mean of the reward of that name at
    its default half-life, ``clickbait`` the share of impressions.
    """

    click_through: float
    completion: float
    diversity: float
    take_rate: float
    themes: float
    freshness: float
    clickbait: float


def reached(run: Run) -> Reached:
    """Do a task; nobody is judged.

    Raises:
        InputError: as ``simulate``.
    """
    return reached_by(simulate(run.scene, run.season, run.contender, run.seed))


def reached_by(played: Played) -> Reached:
    """What a season came to."""
    scene, at = played.scene, played.live
    world, visits, arms = scene.world, played.visits.at(at), played.shown.arms[at]
    clicks = world.click_probability_of(visits.users, arms, played.shown.changed[at])
    bait = world.artwork_clickbait[arms]
    takes = clicks * world.engaged_probability_of(visits.users, visits.titles, bait)
    ages = ages_of(scene, played.season, played.late, visits, arms)
    return Reached(
        click_through=float(clicks.mean()),
        completion=float(takes.sum() / clicks.sum()),
        diversity=float(diversity_of(scene, visits, arms).mean()),
        take_rate=float(takes.mean()),
        themes=themes_a_page(scene, visits, arms),
        freshness=float((2 ** (-ages / Freshness.half_life)).mean()),
        clickbait=float(bait.mean()),
    )
