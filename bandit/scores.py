"""What posteriors say of arms, by type: independent Gaussians, independent Betas, or joint draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import scipy

from bandit.arrays import F64, real_array
from bandit.errors import InputError
from bandit.objects import count_of

LINKS = ("identity", "logit")
"""The scales that scores may be on: that of rewards, or that of log-odds."""
LEAST_COUNT = 1e-15
MOST_COUNT = 1e15
"""Between these parameters of Betas their win probabilities hold: 5e-10 off the limit at the lower end, 3e-8 at the upper one
(measured). Below 1e-30 and above 1e18 the quadrature fails."""

_SMALL, _LARGE = 1e-140, 1e140  # between these, squares neither vanish nor overflow


@dataclass(frozen=True, repr=False)
class Moments:
    """Independent Gaussian scores: ``means`` and ``deviations``, both (n, k), of n users for one title's k arms.

    ``link`` names the scale they are on: "identity" for rewards, "logit" for a logistic model's linear scale.

    Raises:
        InputError: there is no arm, shapes differ, a value is not finite, a deviation is negative, or the link is not known.
    """

    means: F64
    deviations: F64
    link: str = "identity"

    def __post_init__(self) -> None:
        _make_real(self, "means", "deviations")
        _check_rows(means=self.means, deviations=self.deviations)
        _check_finite("means", self.means)
        _check_finite("deviations", self.deviations)
        if self.deviations.min(initial=0.0) < 0:
            raise InputError(
                f"a standard deviation is {self.deviations.min()}, expected at least 0; pass them, not their logarithms"
            )
        if self.link not in LINKS:
            raise InputError(
                f"the link is {self.link!r}, expected one of {', '.join(LINKS)}; take scores to rewards first"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(n, k): users and arms."""
        return self.means.shape[0], self.means.shape[1]

    def __repr__(self) -> str:
        scale = ", on log-odds" if self.link == "logit" else ""
        return f"{type(self).__name__}({_sizes(self.means)}{scale})"

    @property
    def expected(self) -> F64:
        """The posterior mean of each arm, (n, k), on the link's scale."""
        return self.means


@dataclass(frozen=True, repr=False)
class BetaScores:
    """Independent Beta scores: ``successes`` and ``failures``, the two parameters, both (n, k), between 1e-15 and 1e15.

    Raises:
        InputError: there is no arm, shapes differ, or a parameter is out of range.
    """

    successes: F64
    failures: F64

    def __post_init__(self) -> None:
        _make_real(self, "successes", "failures")
        _check_rows(successes=self.successes, failures=self.failures)
        for name, values in (("successes", self.successes), ("failures", self.failures)):
            wrong = ~((values >= LEAST_COUNT) & (values <= np.float64(MOST_COUNT)))
            if wrong.any():
                raise InputError(
                    f"{name} of {_first(wrong, values)}, expected {LEAST_COUNT:g} to {MOST_COUNT:g}; add the prior's counts, or"
                    " scale both down"
                )

    @property
    def shape(self) -> tuple[int, int]:
        """(n, k): users and arms."""
        return self.successes.shape[0], self.successes.shape[1]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_sizes(self.successes)})"

    @property
    def expected(self) -> F64:
        """The posterior mean of each arm, (n, k)."""
        successes, failures = self._counts
        return successes / (successes + failures)

    @property
    def deviations(self) -> F64:
        """The posterior standard deviation of each arm, (n, k)."""
        successes, failures = self._counts
        total = successes + failures
        return np.sqrt(successes * failures / (total + 1)) / total

    @property
    def _counts(self) -> tuple[F64, F64]:
        """The parameters in double precision: sums and products of small types overflow."""
        return np.asarray(self.successes, dtype=np.float64), np.asarray(self.failures, dtype=np.float64)


@dataclass(frozen=True, repr=False)
class Draws:
    """Joint draws of the expected reward of arms that share weights: ``values`` (m, n, k); ``means`` (n, k) is their exact mean.

    Correlated arms have no win probability in closed form, and are never taken for independent ones.

    Raises:
        InputError: there is no arm or no draw, shapes differ, or a value is not finite.
    """

    values: F64
    means: F64

    def __post_init__(self) -> None:
        _make_real(self, "values", "means")
        _check_rows(means=self.means)
        if self.values.ndim != 3 or not len(self.values) or self.values.shape[1:] != self.means.shape:
            raise InputError(
                f"draws have the shape {self.values.shape} and means {self.means.shape}, expected (m, n, k) with m at least 1"
                " and (n, k); stack the draws of all users first"
            )
        _check_finite("draws", self.values)
        _check_finite("means", self.means)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, k): users and arms."""
        return self.means.shape[0], self.means.shape[1]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({count_of(len(self.values), 'draw')} of {_sizes(self.means)})"

    @property
    def expected(self) -> F64:
        """The posterior mean of each arm, (n, k)."""
        return self.means

    @property
    def deviations(self) -> F64:
        """The standard deviation of each arm over the draws, (n, k)."""
        values = np.asarray(self.values, dtype=np.float64)
        most = np.maximum(values.max(axis=0), -values.min(axis=0))  # (n, k)
        if ((most == 0) | ((most > _SMALL) & (most < _LARGE))).all():
            return np.asarray(values.std(axis=0))
        # Squares of these numbers overflow or vanish, of shares of the largest they do not.
        exponents = np.frexp(most)[1]
        return np.asarray(np.ldexp(np.ldexp(values, -exponents).std(axis=0), exponents))


Scores: TypeAlias = Moments | BetaScores | Draws


def expected_rewards(scores: Scores) -> F64:
    """The expected reward of each arm, (n, k), off the link: at the mean, where scores are on one."""
    on_logit = isinstance(scores, Moments) and scores.link == "logit"
    return np.asarray(scipy.special.expit(scores.expected) if on_logit else scores.expected, dtype=np.float64)


def _make_real(scores: Moments | BetaScores | Draws, *names: str) -> None:
    """Keep the named fields as contiguous float64: counts of int32 or uint8 would overflow in the formulas."""
    for name in names:
        object.__setattr__(scores, name, real_array(name, getattr(scores, name)))


def _sizes(array: F64) -> str:
    users, arms = array.shape
    return f"{count_of(users, 'user')}, {count_of(arms, 'arm')}"


def _check_rows(**arrays: F64) -> None:
    """Refuse arrays that are not all (n, k) of the same n and k, k at least 1."""
    shapes = [array.shape for array in arrays.values()]
    if any(len(shape) != 2 or not shape[1] or shape != shapes[0] for shape in shapes):
        shapes_given = " and ".join(f"{name} {array.shape}" for name, array in arrays.items())
        both = "both be" if len(arrays) > 1 else "be"
        raise InputError(f"{shapes_given} must {both} (n, k) with at least one arm; pass one row per user")


def _check_finite(name: str, values: F64) -> None:
    if np.vdot(values, values) < np.inf:  # says it of all of them, in a quarter of the time; of NaN it is false
        return
    finite = np.isfinite(values)
    if not finite.all():
        raise InputError(
            f"{name} of {_first(~finite, values)}; they must be finite; look for NaN or overflow in contexts or evidence"
        )


def _first(wrong: npt.NDArray[np.bool_], values: F64) -> str:
    """Where the first wrong value stands, and what it is."""
    place = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return f"row {int(place[-2])}, arm {int(place[-1])} are {values[place]}"
