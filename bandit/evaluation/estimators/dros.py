"""Doubly robust with optimistic shrinkage: weights that fall back to the model smoothly as they grow."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import ClassVar

from bandit.evaluation.estimators.base import Estimator, Terms
from bandit.evaluation.sample import Sample


@dataclass(frozen=True)
class DRos(Estimator):
    """``dr`` with the weights λ w / (w² + λ) (Su, Dimakopoulou, Krishnamurthy and Dudík 2020, optimistic shrinkage).

    The shrinkage minimises a sharp bound on the mean squared error. λ → ∞ is ``dr``, λ → 0 is ``dm``.

    Args:
        shrinkage: λ; None, as by default, lets SLOPE choose.

    Raises:
        InputError: λ is not above 0.

    >>> import numpy as np
    >>> model = {"logged_estimates": np.array([0.5, 0.25]), "target_estimates": np.array([0.5, 0.5])}
    >>> sample = Sample(np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.zeros(2), np.array([0.25, 0.5]), **model)
    >>> DRos(shrinkage=4.0).terms(sample).value
    0.65
    """

    name: ClassVar[str] = "dros"
    needs_model: ClassVar[bool] = True
    tuned: ClassVar[str | None] = "shrinkage"
    shrinkage: float | None = None

    def candidates(self, sample: Sample) -> Sequence[float]:
        """λ at the squares of large weights: the weight √λ is halved."""
        return tuple(weight**2 for weight in super().candidates(sample))

    def terms(self, sample: Sample) -> Terms:
        """A mean."""
        if self.chosen == inf:
            return Terms(base=sample.target_estimates, numerator=sample.weighted_residuals)
        shrunk = self.chosen * sample.weights / (sample.weights**2 + self.chosen)
        return Terms(base=sample.target_estimates, numerator=shrunk * sample.residuals)
