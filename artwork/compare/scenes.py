"""Scenes for seasons: MovieLens-100K's users and titles, or drawn ones; artworks and responses are simulated by seed."""

from typing import Final

from bandit.errors import InputError
from bandit.simulation.scene import Scene
from batch.datasets import movielens, synthetic
from batch.datasets.dataset import DataSet
from batch.datasets.wheels import default_cache
from batch.executors import Progress
from batch.workspace.tables import context_matrix

MOVIELENS: Final = "movielens"
SYNTHETIC: Final = "synthetic"
SCENES: Final = (MOVIELENS, SYNTHETIC)


def make_scenes(world: str, seeds: range, users: int, titles: int, report: Progress) -> list[Scene]:
    """A scene a seed; the users and titles of ``movielens`` are those rated most at every seed, its artworks are drawn anew.

    Raises:
        InputError: there is no such world, or it has fewer users or titles.
        SurroundingsError: MovieLens could not be fetched.
    """
    if world not in SCENES:
        raise InputError(f"there is no world {world!r} of seasons; choose one of {', '.join(SCENES)}")
    ratings = movielens.fetch(default_cache()) if world == MOVIELENS else None
    found = []
    for done, seed in enumerate(seeds):
        report("making worlds", done, len(seeds))
        made = (
            synthetic.build(users, titles, seed) if ratings is None else movielens.build(ratings, seed, users, titles)
        )
        found.append(scene_of(made))
    report("making worlds", len(seeds), len(seeds))
    return found


def scene_of(dataset: DataSet) -> Scene:
    """The scene of a data set: its world, and contexts and features as a job would read them."""
    artworks = dataset.tables.artworks
    features = artworks["features"].explode().to_numpy().reshape(artworks.height, -1)
    return Scene(dataset.world, context_matrix(dataset.tables.users), features)
