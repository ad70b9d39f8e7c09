"""The one typed record of logged data, checked once at the door."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandit.errors import InputError
from bandit.posterior.checks import F64, I64, checked_arms, checked_contexts, checked_rewards


@dataclass(frozen=True)
class ImpressionLog:
    """What was shown to whom, with what probability, and what came of it; m impressions.

    ``contexts`` (m, d); ``artworks`` (m,) catalogue rows; ``rewards`` (m,) in [0, 1]; ``propensities`` (m,) in (0, 1].

    Raises:
        InputError: shapes differ, a feature is not finite, or a reward, an artwork or a propensity is out of range.
    """

    contexts: npt.NDArray[np.floating]
    artworks: I64
    rewards: F64
    propensities: F64
    n_artworks: int

    def __post_init__(self) -> None:
        checked_contexts(self.contexts, self.contexts.shape[-1])
        count = len(checked_arms(self.artworks, self.n_artworks))
        checked_rewards(self.rewards, count)
        if len(self.contexts) != count or self.propensities.shape != (count,):
            raise InputError(
                f"{len(self.contexts)} contexts and {self.propensities.shape} propensities for {count} impressions,"
                " expected one of each an impression"
            )
        wrong = ~((self.propensities > 0) & (self.propensities <= 1))
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(f"row {row} has the propensity {self.propensities[row]}, expected above 0 and at most 1")
