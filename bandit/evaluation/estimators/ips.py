"""Inverse propensity scoring: every reward counts as often as the target would have shown what was shown."""

from dataclasses import dataclass
from typing import ClassVar

from bandit.evaluation.estimators.base import ClippedEstimator, Terms
from bandit.evaluation.sample import Sample


@dataclass(frozen=True)
class IPS(ClippedEstimator):
    """(1/m) Σ min(w, c) r (Horvitz and Thompson 1952; truncated: Ionides 2008; Strehl et al. 2010).

    Unbiased without a clip; its variance grows with the square of the weights. A clip only loses reward: the estimate is biased
    down by at most E[(w - c)⁺].

    Args:
        clip: c, the largest weight that counts; None lets SLOPE choose.

    Raises:
        InputError: the clip is not above 0.

    >>> import numpy as np
    >>> sample = Sample(np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.zeros(2), np.array([0.1, 0.5]))
    >>> IPS().terms(sample).value, IPS(clip=2.0).terms(sample).value
    (2.5, 1.0)
    """

    name: ClassVar[str] = "ips"
    is_unbiased: ClassVar[bool] = True

    def terms(self, sample: Sample) -> Terms:
        """A mean."""
        return Terms(numerator=self.weighted_rewards(sample))
