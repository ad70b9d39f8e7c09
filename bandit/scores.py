"""What posteriors say of arms, by type: independent Gaussians, independent Betas, or joint draws."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bandit.errors import InputError

F64: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Independent Gaussian scores: ``means`` and ``deviations``, both (n, k), of n users for one title's k arms.

    ``link`` names the scale they are on: "identity" for rewards, "logit" for a logistic model's linear scale.

    Raises:
        InputError: shapes differ, a value is not finite, or a deviation is negative.
    """

    means: F64
    deviations: F64
    link: str = "identity"

    def __post_init__(self) -> None:
        if self.means.ndim != 2 or self.means.shape != self.deviations.shape:
            raise InputError(
                f"means {self.means.shape} and deviations {self.deviations.shape} must both be (n, k); pass one row a user"
            )
        if not (np.isfinite(self.means).all() and np.isfinite(self.deviations).all()):
            raise InputError("means and deviations must be finite; look for NaN or overflow in contexts or evidence")
        if (self.deviations < 0).any():
            raise InputError(
                f"a deviation is {self.deviations.min()}, expected at least 0; pass deviations, not log-deviations"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(n, k): users and arms."""
        return self.means.shape[0], self.means.shape[1]

    @property
    def expected(self) -> F64:
        """The posterior mean of each arm, (n, k), on the link's scale."""
        return self.means


@dataclass(frozen=True)
class BetaScores:
    """Independent Beta scores: ``successes`` and ``failures``, the two parameters, both (n, k) and above 0.

    Raises:
        InputError: shapes differ, or a parameter is not finite and above 0.
    """

    successes: F64
    failures: F64

    def __post_init__(self) -> None:
        if self.successes.ndim != 2 or self.successes.shape != self.failures.shape:
            raise InputError(
                f"successes {self.successes.shape} and failures {self.failures.shape} must both be (n, k); pass one row a user"
            )
        for name, values in (("successes", self.successes), ("failures", self.failures)):
            if not (np.isfinite(values) & (values > 0)).all():
                raise InputError(
                    f"{name} must be finite and above 0, the smallest is {values.min()}; add the prior's counts"
                )

    @property
    def shape(self) -> tuple[int, int]:
        """(n, k): users and arms."""
        return self.successes.shape[0], self.successes.shape[1]

    @property
    def expected(self) -> F64:
        """The posterior mean of each arm, (n, k)."""
        return self.successes / (self.successes + self.failures)

    @property
    def deviations(self) -> F64:
        """The posterior deviation of each arm, (n, k)."""
        total = self.successes + self.failures
        return np.sqrt(self.successes * self.failures / (total + 1)) / total


@dataclass(frozen=True)
class Draws:
    """Joint draws of the expected reward of arms that share weights: ``values`` (m, n, k); ``means`` (n, k) is their exact mean.

    Correlated arms have no win probability in closed form, and are never taken for independent ones.

    Raises:
        InputError: shapes differ, there is no draw, or a value is not finite.
    """

    values: F64
    means: F64

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or not len(self.values) or self.values.shape[1:] != self.means.shape:
            raise InputError(
                f"draws have the shape {self.values.shape} and means {self.means.shape}, expected (m, n, k) with m at least 1"
                " and (n, k)"
            )
        if not (np.isfinite(self.values).all() and np.isfinite(self.means).all()):
            raise InputError("draws and means must be finite; look for NaN or overflow in contexts or evidence")

    @property
    def shape(self) -> tuple[int, int]:
        """(n, k): users and arms."""
        return self.means.shape[0], self.means.shape[1]

    @property
    def expected(self) -> F64:
        """The posterior mean of each arm, (n, k)."""
        return self.means

    @property
    def deviations(self) -> F64:
        """The deviation of each arm over the draws, (n, k)."""
        return np.asarray(self.values.std(axis=0))


Scores: TypeAlias = Moments | BetaScores | Draws
