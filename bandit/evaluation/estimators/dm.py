"""The direct method: a model of rewards, asked about the target policy."""

from dataclasses import dataclass
from typing import ClassVar

from bandit.evaluation.estimators.base import Estimator, Terms
from bandit.evaluation.sample import Sample


@dataclass(frozen=True)
class DM(Estimator):
    """(1/m) Σ_i Σ_a π(a|x_i) q̂(x_i, a) (Dudík, Langford and Li 2011, section 2, the direct method).

    It needs no propensities, and has the model's bias whatever the size of the log; its intervals know nothing of that bias.

    >>> import numpy as np
    >>> seen, nothing = np.array([0.3, 0.5]), np.zeros(2)
    >>> sample = Sample(seen, seen, nothing, None, logged_estimates=nothing, target_estimates=np.array([0.25, 0.5]))
    >>> DM().terms(sample).value
    0.375
    """

    name: ClassVar[str] = "dm"
    needs_weights: ClassVar[bool] = False
    needs_model: ClassVar[bool] = True

    def terms(self, sample: Sample) -> Terms:
        """A mean."""
        return Terms(base=sample.target_estimates)
