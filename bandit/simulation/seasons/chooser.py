"""What a contender would show: the posterior of each refresh, and weights of a title's artworks made from it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from bandit.arrays import F64, I64, U16, U64, Bool
from bandit.deploying import Deployed, total_of
from bandit.evaluation.learning import Learned, learn
from bandit.hashing import hash_title, hash_users
from bandit.impressions import ImpressionLog
from bandit.policies import Uniform
from bandit.policies.base import share_of_eligible
from bandit.posterior.registry import WITHOUT_CONTEXT
from bandit.simulation.scene import Scene
from bandit.simulation.seasons.arrivals import there_at
from bandit.simulation.seasons.contender import Contender
from bandit.simulation.seasons.season import Season
from bandit.snapshot import JOINT, hash_base

PURPOSE: Final = "season-draw"
"""Of the keyed hash that picks are drawn by; its generation is the number of the refresh."""

_USERS_AT_A_TIME = 2048  # joint draws of 256 for 20 arms take 84 MB


@dataclass(frozen=True, eq=False)
class Known:
    """What is known at a refresh.

    ``learned`` is None where nothing will ask for it, ``deployed`` the contender's policy and ``exploring`` the uniform one,
    ``there`` (A,) the arms that can be shown, ``states`` (n,) the keyed hash of each user's draws.
    """

    learned: Learned | None
    deployed: Deployed
    exploring: Deployed
    there: Bool
    states: U64


class Chooser:
    """A contender at work: knows posteriors as they were at the refreshes that still matter.

    Args:
        scene: where it chooses.
        season: the dials.
        contender: policy and posterior.
        seed: of draws.
        late: arms that arrive late.

    ``total`` is what the weights of a decision add up to, as the job would have it for the titles of the scene.
    """

    def __init__(self, scene: Scene, season: Season, contender: Contender, seed: int, late: I64) -> None:
        self._scene, self._season, self._contender, self._seed, self._late = scene, season, contender, seed, late
        self._words = np.arange(scene.n_users, dtype=np.uint64)
        self._known: dict[int, Known] = {}
        self.total = total_of(scene.starts)

    def refresh(self, refresh: int, log: ImpressionLog) -> None:
        """Learn from all impressions so far; what no later pick is made of is given up."""
        season = self._season
        shown = np.bincount(log.arms, minlength=log.n_arms).astype(np.float64)
        starts = self._scene.starts.tolist()
        policies = (self._contender.policy, Uniform())
        deployed, exploring = (
            Deployed(policy, shown, starts, season.floors(policy), self.total, season.stickiness) for policy in policies
        )
        self._known[refresh] = Known(
            learned=self._learned(refresh, log) if refresh + season.oldest >= season.first_live else None,
            deployed=deployed,
            exploring=exploring,
            there=there_at(self._scene, season, self._late, refresh),
            states=hash_users(PURPOSE, self._seed, refresh, self._words),
        )
        self._known.pop(refresh - season.reach - 1, None)

    def weights(self, title: int, users: I64, refresh: int, *, explores: bool, previous: I64 | None = None) -> U16:
        """The weights of a title's artworks for some users (n,) as of a refresh, (n, k), adding up to ``total``.

        Args:
            title: row of the world.
            users: rows of the world.
            refresh: the posterior, the arms that can be shown and those that are new are as they were then.
            explores: under uniform instead of the contender's policy.
            previous: the arm of each user's pick before, (n,), -1 for none; None keeps nothing.
        """
        known = self._known[refresh]
        there = known.there[slice(*self._scene.starts[title : title + 2].tolist())]
        if explores or isinstance(self._contender.policy, Uniform):
            p = share_of_eligible(np.broadcast_to(there, (len(users), len(there))))
            return known.exploring.quantised(title, p, there)
        return known.deployed.quantised(title, self._probabilities(known, title, users, there, previous), there)

    def hashes(self, title: int, users: I64, refresh: int) -> U64:
        """The keyed hash that each user's pick for a title is drawn by at a refresh, (n,)."""
        return hash_title(self._known[refresh].states[users], np.uint64(title))

    def _learned(self, refresh: int, log: ImpressionLog) -> Learned:
        # Before anything was shown no fit has anything to stand on: popularity's prior, the same for all, is what is known.
        kind = self._contender.kind if len(log) else WITHOUT_CONTEXT
        seed = hash_base(JOINT, self._seed, refresh)
        return learn(log, kind, self._scene.features, seed, self._season.pessimism)

    def _probabilities(self, known: Known, title: int, users: I64, there: Bool, previous: I64 | None) -> F64:
        assert known.learned is not None  # noqa: S101 - every refresh that is asked for was learned at
        start, stop = self._scene.starts[title : title + 2].tolist()
        # A scorer takes 0.1 ms, and is not kept: those of all refreshes that still matter would take more than all else.
        contexts, scorer = self._scene.contexts[users], known.learned.scorer(np.arange(start, stop))
        cuts = [slice(first, first + _USERS_AT_A_TIME) for first in range(0, len(users), _USERS_AT_A_TIME)]
        before = [None if previous is None else previous[cut] for cut in cuts]
        parts = [
            known.deployed.probabilities(title, scorer.scores(contexts[cut]), there, own)
            for cut, own in zip(cuts, before, strict=True)
        ]
        return np.concatenate(parts)
