"""Self-normalised inverse propensity scoring."""

from dataclasses import dataclass
from typing import ClassVar

from bandit.evaluation.estimators.base import ClippedEstimator, Terms
from bandit.evaluation.sample import Sample


@dataclass(frozen=True)
class SNIPS(ClippedEstimator):
    """Σ w r / Σ w (Hájek 1971; Swaminathan and Joachims 2015, the self-normalised estimator).

    It stays within the rewards that were seen, and does not change when a constant is added to every reward; its bias
    vanishes like 1/m.

    Args:
        clip: the largest weight that counts; None lets SLOPE choose.

    Raises:
        InputError: the clip is not above 0.

    >>> import numpy as np
    >>> sample = Sample(np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.zeros(2), np.array([0.1, 0.5]))
    >>> round(SNIPS().terms(sample).value, 4)
    0.8333
    """

    name: ClassVar[str] = "snips"

    def terms(self, sample: Sample) -> Terms:
        """A ratio of sums."""
        return Terms(numerator=self.weighted_rewards(sample), denominator=self.weights(sample))
