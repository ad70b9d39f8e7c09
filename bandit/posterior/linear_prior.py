"""The prior of linear models: its mean from popularity, its precision and that of the noise from the evidence itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, real_array
from bandit.checks import checked_precision, checked_precisions, spread
from bandit.errors import InputError
from bandit.objects import count_of
from bandit.posterior.base import Arms
from bandit.posterior.linear import LinearEvidence, LinearPosterior
from bandit.posterior.precisions import (
    BOUNDS,
    LEAST_EFFECT,
    NOISE_IMPRESSIONS,
    Pseudo,
    Round,
    at_least_bound,
    best_precisions,
    seen_arms,
)
from bandit.posterior.whitening import whitenings

_PRIOR_PRECISION, _NOISE_PRECISION = 1.0, 20.0  # where the estimate starts, and what holds without any impressions
_MAX_ARMS = 4096  # arms looked at: enough to pin d + 1 numbers, and memory stays flat in large catalogues


class Hyperparameters(NamedTuple):
    """Prior precision of each feature's weight, (d,), and the noise precision of rewards."""

    prior_precision: F64
    noise_precision: float

    def __repr__(self) -> str:
        alpha = np.atleast_1d(self.prior_precision)
        between = f"{alpha.min():.3g} to {alpha.max():.3g}"
        sizes = count_of(len(alpha), "feature")
        return f"{type(self).__name__}({sizes}, prior precision {between}, noise precision {self.noise_precision:.3g})"


def estimate_hyperparameters(
    evidence: LinearEvidence, prior_mean: npt.ArrayLike, start: Hyperparameters
) -> Hyperparameters:
    """Type II maximum likelihood of one prior precision per feature and one noise precision, shared by all arms.

    MacKay (1992), as in Bishop (2006, equations 7.87 and 7.88), summed over arms, with one weight and 20 impressions seen
    beforehand: with posterior mean m and covariance S of each arm, γ_j = Σ_a (1 - α_j S_jj), at the end

        α_j = (γ_j + 1) / (Σ_a (m_j - μ_j)² + δ²/q_j)      β = (N - Σγ + 20) / (Σ_a residual sum of squares + 20/β₀)

    with β₀ the noise precision of ``start``, δ = 0.01, and q_j the mean of x_j²: the one weight moves rewards by a percentage
    point. A feature that was 0 in every impression gets the upper bound: its weight stays at the prior mean.

    Args:
        evidence: at unit noise precision; arms without impressions are left out.
        prior_mean: μ; what spreads to (k, d).
        start: the answer when there is no evidence. Its noise precision is what the 20 impressions say; its prior precisions are
            where the climb starts, and say nothing.

    Raises:
        InputError: a shape is wrong, a precision is not above 0, or a value is not finite.
    """
    k, d = evidence.shape
    alpha = checked_precisions("prior precision", start.prior_precision, (d,))
    beta = checked_precision("noise precision", start.noise_precision)
    mean = spread("prior_mean", prior_mean, (k, d))
    seen = seen_arms(evidence.counts, _MAX_ARMS)
    if not len(seen):
        return start
    sums = _Sums(
        evidence.precision[seen],
        evidence.information[seen],
        mean[seen],
        float(evidence.squares[seen].sum()),
        float(evidence.counts[seen].sum()),
    )
    lengths = np.einsum("kii->i", sums.gram)  # (d,) 0 of a feature that was 0 in every impression
    with np.errstate(over="ignore"):  # of features that are all but 0
        least = LEAST_EFFECT**2 * sums.total / np.where(lengths > 0, lengths, sums.total)
    pseudo = Pseudo(
        np.append(np.ones(d), NOISE_IMPRESSIONS),
        np.append(np.where(lengths > 0, at_least_bound(least, len(seen)), 1 / BOUNDS[1]), NOISE_IMPRESSIONS / beta),
    )
    first = np.append(np.where(lengths > 0, alpha, BOUNDS[1]), beta)
    *alphas, noise = best_precisions(sums.round, first, np.append(np.full(d, len(seen)), sums.total), pseudo).tolist()
    return Hyperparameters(np.where(lengths > 0, alphas, BOUNDS[1]), noise)


def popularity_mean(rates: npt.ArrayLike, n_features: int, constant: int = 0) -> F64:
    """Prior means that make every context expect each arm's rate: the rate at the constant feature, 0 elsewhere, (k, d).

    Contexts without a constant feature have no place for a level: whatever weights held it would favour some users over others.
    Their prior mean stays 0, the default of ``LinearPosterior``.

    Args:
        rates: expected reward of each arm, (k,), such as the take rate of its title.
        n_features: d.
        constant: the feature that is 1 in every context.

    Raises:
        InputError: a rate is not finite, or there is no such feature.

    >>> popularity_mean([0.25, 0.1], n_features=2)
    array([[0.25, 0.  ],
           [0.1 , 0.  ]])
    """
    array = real_array("rates", rates)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise InputError(
            f"rates {array.shape} run from {array.min(initial=np.inf)} to {array.max(initial=-np.inf)}, expected (k,) finite"
            " numbers; divide takes by impressions where there are some"
        )
    if not 0 <= constant < n_features:
        raise InputError(
            f"the constant feature is {constant}, expected 0 to {n_features - 1}; without one leave the prior mean at 0"
        )
    mean = np.zeros((len(array), n_features))
    mean[:, constant] = array
    return mean


def constant_feature(contexts: npt.NDArray[np.floating]) -> int | None:
    """The feature that is 1 in every context (n, d), whose weight is the level of an arm; None if there is none."""
    constant = np.flatnonzero((contexts == 1).all(axis=0))
    return int(constant[0]) if len(constant) else None


def fit_linear(evidence: LinearEvidence, arms: Arms) -> LinearPosterior:
    """One weight vector per arm under an estimated prior, over evidence that is taken as it is, not copied."""
    shape, constant = evidence.shape, arms.constant_feature
    mean = np.zeros(shape) if constant is None else popularity_mean(arms.levels, shape[1], constant)
    start = Hyperparameters(np.full(shape[1], _PRIOR_PRECISION), _NOISE_PRECISION)
    best = estimate_hyperparameters(evidence, mean, start)
    posterior = LinearPosterior(*shape, best.prior_precision, best.noise_precision, mean)
    posterior.evidence = evidence  # not merged: a second copy would be as large as all else together
    return posterior


class _Sums(NamedTuple):
    """What a round needs of the arms: sums (k, d, d) and (k, d), prior means (k, d), Σ r² and impressions of all."""

    gram: F64
    information: F64
    mu: F64
    squares: float
    total: float

    def round(self, precisions: F64) -> Round:
        """What the evidence says at α and β, (d + 1,)."""
        alpha, beta = precisions[:-1], float(precisions[-1])
        roots = whitenings(np.diag(alpha) + beta * self.gram)  # (k, d, d) lower triangular, S = rootᵀ root
        target = alpha * self.mu + beta * self.information
        mean = np.einsum("kji,kj->ki", roots, np.einsum("kij,kj->ki", roots, target))
        gamma = (1 - alpha * np.einsum("kji,kji->ki", roots, roots)).sum(axis=0)  # (d,)
        fitted = np.einsum("ki,kij,kj->", mean, self.gram, mean)
        residual = max(self.squares - 2 * float(np.sum(mean * self.information)) + float(fitted), 0.0)
        away = ((mean - self.mu) ** 2).sum(axis=0)
        determinants = len(roots) * np.log(alpha).sum() / 2 + np.log(np.einsum("kii->ki", roots)).sum()
        fit = self.total * np.log(beta) - beta * residual - alpha @ away
        return Round(
            float(determinants + fit / 2), np.append(gamma, self.total - gamma.sum()), np.append(away, residual)
        )
