"""Picks that users keep: drawn when they are first needed, and again when their turn comes."""

import numpy as np
import numpy.typing as npt

from bandit.arrays import I64, U8, U16
from bandit.policies import draw_arms
from bandit.simulation.scene import Scene
from bandit.simulation.seasons.chooser import Chooser
from bandit.simulation.seasons.season import Season

_NEVER = -1


class Picks:
    """The pick of each (user, title) that was visited: ``arms``, ``weights`` and the refresh it was ``drawn`` at, (n, t) each."""

    def __init__(self, scene: Scene, season: Season, chooser: Chooser, seed: int) -> None:
        shape = scene.n_users, scene.n_titles
        self._season, self._chooser = season, chooser
        self._turns = season.turns(scene.n_users, seed)  # (n,)
        self.arms: U8 = np.zeros(shape, dtype=np.uint8)
        self.weights: U16 = np.zeros(shape, dtype=np.uint16)
        self.drawn: npt.NDArray[np.int32] = np.full(shape, _NEVER, dtype=np.int32)

    def renew(self, title: int, users: I64, refresh: int) -> None:
        """Draw the picks for a title that some users, each named once, no longer keep in a period.

        A pick is drawn as of the refresh at which its user's turn was, whenever it is first looked at.
        """
        due = self._season.drawn_at(refresh, self._turns[users])
        stale = self.drawn[users, title] != due
        for drawn in np.unique(due[stale]).tolist():
            own = users[stale & (due == drawn)]
            explores = drawn < self._season.first_live
            weights = self._chooser.weights(title, own, drawn, explores=explores)
            made = draw_arms(weights, self._chooser.hashes(title, own, drawn))
            self.arms[own, title], self.weights[own, title] = made
            self.drawn[own, title] = drawn
