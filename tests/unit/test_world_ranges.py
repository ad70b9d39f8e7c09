"""The world's recorded constants keep its figures in the recorded ranges, on users that nobody chose."""

from typing import NamedTuple

import numpy as np
import pytest

from bandit.simulation.world import Constants, World
from batch.datasets import synthetic


class Figures(NamedTuple):
    """Means over all users and titles; ``baited`` and ``honest`` are (click, take) of artworks of that sort."""

    uniform: float
    best: float
    best_single: float
    baited: tuple[float, float]
    honest: tuple[float, float]


def figures(world: World) -> Figures:
    users = np.arange(len(world.tastes))
    titles = range(len(world.title_appeal))
    takes = [world.take_probabilities(users, title) for title in titles]
    clicks = np.hstack([world.click_probabilities(users, title) for title in titles]).mean(axis=0)
    taken, bait = np.hstack(takes).mean(axis=0), world.artwork_clickbait
    return Figures(
        uniform=float(np.mean([take.mean() for take in takes])),
        best=float(np.mean([take.max(axis=1).mean() for take in takes])),
        best_single=float(np.mean([take.mean(axis=0).max() for take in takes])),
        baited=(clicks[bait].mean(), taken[bait].mean()),
        honest=(clicks[~bait].mean(), taken[~bait].mean()),
    )


@pytest.fixture(scope="module", params=[101, 102, 103])
def found(request: pytest.FixtureRequest) -> Figures:
    return figures(synthetic.build(300, 100, seed=request.param).world)


def test_uniform_takes_two_to_eight_in_a_hundred(found: Figures) -> None:
    assert 0.02 <= found.uniform <= 0.08


def test_the_true_best_takes_at_most_two_and_a_half_times_uniform(found: Figures) -> None:
    assert 1.8 <= found.best / found.uniform <= 2.5


def test_a_good_part_of_the_gap_is_personal(found: Figures) -> None:
    personal = (found.best - found.best_single) / (found.best - found.uniform)
    assert 0.35 <= personal <= 0.6


def test_clickbait_is_clicked_more_and_taken_less(found: Figures) -> None:
    assert found.baited[0] > 1.5 * found.honest[0]
    assert found.baited[1] < 0.5 * found.honest[1]


def test_the_constants_are_the_recorded_ones() -> None:
    assert Constants() == Constants(
        click_intercept=-2.65,
        click_match=1.1,
        click_appeal=0.1,
        click_quality=0.2,
        click_bait=1.0,
        watch_intercept=0.9,
        watch_affinity=0.4,
        watch_bait=2.2,
        watch_concentration=4.0,
        engaged_fraction=0.7,
    )
