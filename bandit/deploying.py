"""A policy as it is deployed: what the job draws by, what a simulated season shows, and what a log judges.

Policy and scores give probabilities, stickiness keeps what was shown before; floors and quantised weights make of them what is
drawn, and what is logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64, U16, Bool
from bandit.policies import Policy, Stickiness, ThompsonSampling, Uniform, quantise
from bandit.policies.deciding import FLOOR, NEW_ARM_IMPRESSIONS, NEW_FLOOR
from bandit.scores import Scores
from bandit.snapshot import MAX_ARMS, TOTAL_WEIGHT, row_format


@dataclass(frozen=True)
class Floors:
    """What is shown at least: ``floor`` is shared by all arms, ``new_floor`` goes to each of under ``new_arm_impressions``."""

    floor: float = FLOOR
    new_floor: float = NEW_FLOOR
    new_arm_impressions: float = NEW_ARM_IMPRESSIONS


class Chances(NamedTuple):
    """What a policy gives each arm of a title, (n, k), and how likely each is the best one; (1, k) of users alike."""

    probabilities: F64
    wins: F64


def total_of(starts: npt.ArrayLike) -> int:
    """What the weights of a decision add up to in a catalogue whose titles begin at these arms (t + 1,): the job's own rule.

    Titles that are too large to be deployed do not count.

    >>> total_of([0, 3, 13])
    4095
    """
    sizes = np.diff(starts)
    return row_format(int(sizes[sizes <= MAX_ARMS].max(initial=1))).total


class Deployed:
    """A policy in front of a catalogue, at one moment.

    Args:
        policy: any of ``bandit.policies``; one that decays does so by a title's impressions.
        shown: impressions of each arm so far, (A,).
        starts: the first arm of each title and the number of arms, (t + 1,).
        floors: that it is deployed with.
        total: what the weights of a decision add up to; ``total_of`` says it for a catalogue.
        stickiness: by which what was shown before is kept; under uniform nothing is, which has no best to be near to.

    >>> from bandit.policies import Greedy
    >>> from bandit.scores import Moments
    >>> deployed = Deployed(Greedy(), np.array([500, 20]), [0, 2])
    >>> deployed.weights(0, Moments(np.array([[0.3, 0.1]]), np.ones((1, 2))))
    array([[61602,  3933]], dtype=uint16)
    """

    def __init__(
        self,
        policy: Policy,
        shown: npt.NDArray[np.number],
        starts: Sequence[int],
        floors: Floors | None = None,
        total: int = TOTAL_WEIGHT,
        stickiness: Stickiness | None = None,
    ) -> None:
        self._policy, self._shown, self._starts = policy, shown, starts
        self.stickiness = Stickiness() if stickiness is None or isinstance(policy, Uniform) else stickiness
        self._impressions = float(shown.sum())
        self.floors, self.total = floors or Floors(), total

    def policy(self, title: int) -> Policy:
        """The policy as it stands for a title."""
        return self._policy.for_title(float(self._shown[self._arms(title)].sum()), self._impressions)

    def new(self, title: int) -> Bool:
        """Which arms of a title have few impressions yet, (k,)."""
        return np.asarray(self._shown[self._arms(title)] < self.floors.new_arm_impressions)

    def chances(self, title: int, scores: Scores, eligible: Bool | None = None) -> Chances:
        """What scores of a title's arms make of each arm; ``eligible`` is (k,) or (n, k)."""
        policy = self.policy(title)
        p = policy.probabilities(scores, eligible)
        is_known = self.stickiness.share == 0 or isinstance(
            policy, ThompsonSampling
        )  # that of the policy, or not asked for
        return Chances(p, p if is_known else ThompsonSampling().probabilities(scores, eligible))

    def kept(self, chances: Chances, previous: I64 | None) -> F64:
        """The probability of each arm given what was shown before, (n, k), before floors; the policy's where that is None.

        ``previous`` (n,) are arms, -1 for none.
        """
        if previous is None or self.stickiness.share == 0:
            return chances.probabilities
        return self.stickiness.keep(chances.probabilities, chances.wins, previous)

    def probabilities(
        self, title: int, scores: Scores, eligible: Bool | None = None, previous: I64 | None = None
    ) -> F64:
        """The probability of each arm of a title before floors, (n, k); ``previous`` as for ``kept``."""
        return self.kept(self.chances(title, scores, eligible), previous)

    def weights(self, title: int, scores: Scores, eligible: Bool | None = None, previous: I64 | None = None) -> U16:
        """The weight of each arm of a title, (n, k), rows adding up to ``total``: weight / total is the propensity."""
        return self.quantised(title, self.probabilities(title, scores, eligible, previous), eligible)

    def quantised(self, title: int, probabilities: F64, eligible: Bool | None = None) -> U16:
        """Probabilities of a title's arms (n, k) with floors, as weights."""
        floors, new = self.floors, self.new(title)
        some = new if new.any() else None  # without masks, quantising takes half as long
        return quantise(probabilities, eligible, some, floors.floor, floors.new_floor, self.total)

    def _arms(self, title: int) -> slice:
        return slice(int(self._starts[title]), int(self._starts[title + 1]))
