"""Self-normalised doubly robust."""

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np

from bandit.evaluation.estimators.base import Estimator, Terms, check_positive
from bandit.evaluation.sample import Sample


@dataclass(frozen=True)
class SNDR(Estimator):
    """(1/m) Σ Σ_a π(a|x) q̂(x, a) + Σ w (r - q̂(x, a)) / Σ w (Thomas and Brunskill 2016, weighted doubly robust).

    The correction of ``dr``, normalised as in ``snips``: it stays within the residuals that were seen.

    Args:
        clip: the largest weight that counts; None lets SLOPE choose.

    Raises:
        InputError: the clip is not above 0.

    >>> model = {"logged_estimates": np.array([0.5, 0.25]), "target_estimates": np.array([0.5, 0.5])}
    >>> sample = Sample(np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.zeros(2), np.array([0.25, 0.5]), **model)
    >>> SNDR().terms(sample).value
    0.75
    """

    name: ClassVar[str] = "sndr"
    needs_model: ClassVar[bool] = True
    tuned: ClassVar[str | None] = "clip"
    clip: float | None = inf

    def __post_init__(self) -> None:
        check_positive("clip", self.clip)

    def terms(self, sample: Sample) -> Terms:
        """A mean and a ratio of sums."""
        base = sample.target_estimates
        if self.chosen == inf:
            return Terms(base=base, numerator=sample.weighted_residuals, denominator=sample.weights)
        clipped = np.minimum(sample.weights, self.chosen)
        return Terms(base=base, numerator=clipped * sample.residuals, denominator=clipped)
