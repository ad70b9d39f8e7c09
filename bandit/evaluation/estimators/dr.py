"""Doubly robust: the model's answer, corrected by what it got wrong where the log can tell."""

from dataclasses import dataclass
from typing import ClassVar

from bandit.evaluation.estimators.base import ClippedEstimator, Terms
from bandit.evaluation.sample import Sample


@dataclass(frozen=True)
class DR(ClippedEstimator):
    """(1/m) Σ [Σ_a π(a|x) q̂(x, a) + min(w, c) (r - q̂(x, a))] (Dudík, Langford and Li 2011, equation 1).

    Unbiased with right propensities whatever the model, and with a right model whatever the propensities; what the model
    explains does not add to its variance. The model has to come from other impressions (cross-fitting: Chernozhukov et al.
    2018, definition 3.2).

    Args:
        clip: c, the largest weight that counts; None lets SLOPE choose.

    Raises:
        InputError: the clip is not above 0.

    >>> import numpy as np
    >>> model = {"logged_estimates": np.array([0.5, 0.25]), "target_estimates": np.array([0.5, 0.5])}
    >>> sample = Sample(np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.zeros(2), np.array([0.25, 0.5]), **model)
    >>> DR().terms(sample).value
    0.875
    """

    name: ClassVar[str] = "dr"
    needs_model: ClassVar[bool] = True
    is_unbiased: ClassVar[bool] = True

    def terms(self, sample: Sample) -> Terms:
        """A mean."""
        return Terms(base=sample.target_estimates, numerator=self.weighted_residuals(sample))
