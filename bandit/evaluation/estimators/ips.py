"""Inverse propensity scoring: every reward counts as often as the target would have shown what was shown."""

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np

from bandit.evaluation.estimators.base import Estimator, Terms, check_positive
from bandit.evaluation.sample import Sample


@dataclass(frozen=True)
class IPS(Estimator):
    """(1/m) Σ min(w, c) r (Horvitz and Thompson 1952; truncated: Ionides 2008; Strehl et al. 2010).

    Unbiased without a clip; its variance grows with the square of the weights. A clip only loses reward: the estimate is biased
    down by at most E[(w - c)⁺].

    Args:
        clip: c, the largest weight that counts; None lets SLOPE choose.

    Raises:
        InputError: the clip is not above 0.

    >>> sample = Sample(np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.zeros(2), np.array([0.1, 0.5]))
    >>> IPS().terms(sample).value, IPS(clip=2.0).terms(sample).value
    (2.5, 1.0)
    """

    name: ClassVar[str] = "ips"
    is_unbiased: ClassVar[bool] = True
    tuned: ClassVar[str | None] = "clip"
    clip: float | None = inf

    def __post_init__(self) -> None:
        check_positive("clip", self.clip)

    def terms(self, sample: Sample) -> Terms:
        """A mean."""
        if self.chosen == inf:
            return Terms(numerator=sample.weighted_rewards)
        return Terms(numerator=np.minimum(sample.weights, self.chosen) * sample.rewards)
