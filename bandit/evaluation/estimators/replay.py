"""Replay: the impressions at which the target policy would have chosen as the log did."""

from dataclasses import dataclass
from typing import ClassVar

from bandit.evaluation.estimators.base import Estimator, Terms
from bandit.evaluation.sample import Sample


@dataclass(frozen=True)
class Replay(Estimator):
    """Σ w r / Σ w over a uniform log (Li, Chu, Langford and Wang 2011, algorithm 2, theorem 1), in expectation over the target.

    The paper draws the target's choice and keeps the impressions at which it is the log's; each counts here with the probability
    π(a|x) that it is kept, which takes the noise of the draw away. Where titles have different numbers of arms, a kept
    impression stands for as many as there were arms, so that titles of few arms do not count more; on uniform logs that is
    w = k π(a|x), and the estimate is that of ``snips``. Other logs are refused: there the kept impressions are not a random
    sample.

    >>> import numpy as np
    >>> sample = Sample(np.array([1.0, 0.0, 1.0]), np.array([1.0, 1.0, 0.0]), np.zeros(3), np.full(3, 0.5))
    >>> Replay().terms(sample).value
    0.5
    """

    name: ClassVar[str] = "replay"

    def terms(self, sample: Sample) -> Terms:
        """A ratio of sums."""
        return Terms(numerator=sample.weighted_rewards, denominator=sample.weights)
