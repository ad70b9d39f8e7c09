"""Switch: doubly robust where weights are small, the model alone where they are large."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bandit.evaluation.estimators.base import Estimator, Terms
from bandit.evaluation.sample import Sample


@dataclass(frozen=True)
class SwitchDR(Estimator):
    """(1/m) Σ [Σ_a π(a|x) q̂(x, a) + w 1[w ≤ τ] (r - q̂(x, a))] (Wang, Agarwal and Dudík 2017, SWITCH-DR).

    Args:
        threshold: τ, the largest weight that is used; None, as by default, lets SLOPE choose. Infinity is ``dr``, 0 nearly
            ``dm``.

    Raises:
        InputError: the threshold is not above 0.

    >>> model = {"logged_estimates": np.array([0.5, 0.25]), "target_estimates": np.array([0.5, 0.5])}
    >>> sample = Sample(np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.zeros(2), np.array([0.25, 0.5]), **model)
    >>> SwitchDR(threshold=1.0).terms(sample).value
    0.375
    """

    name: ClassVar[str] = "switch_dr"
    needs_model: ClassVar[bool] = True
    tuned: ClassVar[str | None] = "threshold"
    threshold: float | None = None

    def terms(self, sample: Sample) -> Terms:
        """A mean."""
        used = np.where(sample.weights <= self.chosen, sample.weighted_residuals, 0.0)
        return Terms(base=sample.target_estimates, numerator=used)
