"""What picks of some age would bring: the cost of serving what was made hours ago."""

from dataclasses import dataclass

import numpy as np

from bandit.arrays import F64, I64
from bandit.simulation.scene import Scene
from bandit.simulation.seasons.chooser import Chooser
from bandit.simulation.seasons.season import Season
from bandit.snapshot import TOTAL_WEIGHT


@dataclass(eq=False)
class AgedTakes:
    """Expected takes under the contender's probabilities as of some hours ago, summed over ``impressions``; ``takes`` an age."""

    takes: F64
    impressions: int = 0

    def add(
        self, scene: Scene, season: Season, chooser: Chooser, title: int, users: I64, visits: I64, refresh: int
    ) -> None:
        """Count the visits of a period to a title, for every age.

        Probabilities of an age are those of the refresh so long before, floors included: its posterior, and the arms that could
        be shown then, so that an artwork which has arrived since is missed. Nobody keeps a pick here: ages stand for themselves.

        Args:
            scene: where it is played.
            season: the dials.
            chooser: what the contender knew.
            title: row of the world.
            users: who visited it, each named once, (n,).
            visits: how often, (n,).
            refresh: of the period.
        """
        expected = scene.takes[title][users] * visits[:, None]  # (n, k)
        for place, age in enumerate(season.ages):
            weights = chooser.weights(title, users, refresh - age, explores=False)
            self.takes[place] += float(np.einsum("nk,nk->", expected, weights.astype(np.float64))) / TOTAL_WEIGHT
        self.impressions += int(visits.sum())

    @property
    def rates(self) -> list[float]:
        """Expected takes per impression at each age; NaN where no impression was measured."""
        return (self.takes / self.impressions).tolist() if self.impressions else [float("nan")] * len(self.takes)
