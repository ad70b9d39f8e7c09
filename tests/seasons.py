"""Small scenes and seasons for tests of the simulation."""

from dataclasses import replace
from functools import cache
from typing import Any

from artwork.compare.world import scene_of
from bandit.policies import parse_policy
from bandit.simulation.scene import Scene
from bandit.simulation.seasons.contender import Contender
from bandit.simulation.seasons.season import Season
from bandit.simulation.seasons.simulate import Played, simulate
from batch.datasets import synthetic

USERS, TITLES = 40, 10


@cache
def scene(users: int = USERS, titles: int = TITLES, seed: int = 3) -> Scene:
    """Drawn users and titles."""
    return scene_of(synthetic.build(users, titles, seed))


def contender(word: str, posterior: str = "linear") -> Contender:
    """A policy by its word."""
    policy = parse_policy(word)
    return Contender(policy, word, posterior if policy.contextual else None)


def season(**dials: Any) -> Season:
    """A short season: three live days after two under uniform, no ages and no new artworks unless asked for."""
    short = Season(days=5, explore_days=2, age_hours=(), arrival_day=3, arrival_share=0.0)
    return replace(short, **dials)


@cache
def played(word: str, posterior: str = "linear", *, seed: int = 1, on: Scene | None = None, **dials: Any) -> Played:
    """A season of a policy, played once however often it is asked for."""
    return simulate(on or scene(), season(**dials), contender(word, posterior), seed)
