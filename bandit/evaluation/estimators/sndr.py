"""Self-normalised doubly robust."""

from dataclasses import dataclass
from typing import ClassVar

from bandit.evaluation.estimators.base import ClippedEstimator, Terms
from bandit.evaluation.sample import Sample


@dataclass(frozen=True)
class SNDR(ClippedEstimator):
    """(1/m) Σ Σ_a π(a|x) q̂(x, a) + Σ w (r - q̂(x, a)) / Σ w (Thomas and Brunskill 2016, weighted doubly robust).

    The correction of ``dr``, normalised as in ``snips``: it stays within the residuals that were seen.

    Args:
        clip: the largest weight that counts; None lets SLOPE choose.

    Raises:
        InputError: the clip is not above 0.

    >>> import numpy as np
    >>> model = {"logged_estimates": np.array([0.5, 0.25]), "target_estimates": np.array([0.5, 0.5])}
    >>> sample = Sample(np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.zeros(2), np.array([0.25, 0.5]), **model)
    >>> SNDR().terms(sample).value
    0.75
    """

    name: ClassVar[str] = "sndr"
    needs_model: ClassVar[bool] = True

    def terms(self, sample: Sample) -> Terms:
        """A mean and a ratio of sums."""
        residuals, weights = self.weighted_residuals(sample), self.weights(sample)
        return Terms(base=sample.target_estimates, numerator=residuals, denominator=weights)
