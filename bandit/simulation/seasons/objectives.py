"""What some rewards look at beside what the user did, in a season; its words are those of the job's ``batch.learning.pages``."""

import numpy as np

from bandit.arrays import F64, I64
from bandit.rewards import AGES, DIVERSITY, Reward, page_diversity
from bandit.simulation.scene import Scene
from bandit.simulation.seasons.season import HOURS_A_DAY, Season
from bandit.simulation.seasons.visits import Visits


def beside_plays(reward: Reward, scene: Scene, season: Season, late: I64, visits: Visits, arms: I64) -> dict[str, F64]:
    """What a reward needs, by the argument of ``Reward.rewards``, (m,) each.

    Args:
        reward: that may need something.
        scene: where it is played.
        season: its dials.
        late: the arms that arrive late.
        visits: m of them.
        arms: that were shown, (m,).
    """
    made: dict[str, F64] = {}
    if AGES in reward.needs:
        made[AGES] = ages_of(scene, season, late, visits, arms)
    if DIVERSITY in reward.needs:
        made[DIVERSITY] = diversity_of(scene, visits, arms)
    return made


def ages_of(scene: Scene, season: Season, late: I64, visits: Visits, arms: I64) -> F64:
    """Days since each arm came, (m,): at the start of the season, or on its arrival day."""
    came = np.zeros(scene.n_arms)
    came[late] = season.arrival_day
    return np.asarray(np.maximum(visits.hours / HOURS_A_DAY - came[arms], 0.0))


def diversity_of(scene: Scene, visits: Visits, arms: I64) -> F64:
    """The share of the rest of the page that shows another theme, (m,); a page is all that a user was shown on a day."""
    return page_diversity(pages_of(scene, visits), visits.titles, arms, scene.world.artwork_theme[arms] + 1)


def pages_of(scene: Scene, visits: Visits) -> I64:
    """The number of the page of each visit, (m,): its user and day. General artworks are a theme, as in the tables."""
    return np.asarray((visits.hours // HOURS_A_DAY).astype(np.int64) * scene.n_users + visits.users)


def themes_a_page(scene: Scene, visits: Visits, arms: I64) -> float:
    """How many themes a user is shown on a day, on average over users and days."""
    n_themes = scene.world.tastes.shape[1] + 1
    codes = pages_of(scene, visits) * n_themes + scene.world.artwork_theme[arms] + 1
    distinct = np.unique(codes)
    return len(distinct) / len(np.unique(distinct // n_themes))
