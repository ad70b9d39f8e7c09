"""The prior of logistic regressions: its mean from popularity, its precision from the impressions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, real_array
from bandit.checks import checked_impressions, checked_precisions, spread
from bandit.errors import InputError
from bandit.posterior.base import Arms
from bandit.posterior.laplace import Laplace, checked_weights, fit_laplace
from bandit.posterior.logistic import LogisticEvidence, LogisticPosterior
from bandit.posterior.precisions import BOUNDS, Pseudo, Round, at_least_bound, best_precisions, seen_arms
from bandit.posterior.whitening import whitenings

PRIOR_ROWS = 200_000
"""Impressions of a log that the prior is estimated from: enough to pin d numbers, and a matter of seconds."""
PRIOR_PRECISION = 1.0
"""Where the estimate starts, and what holds without any impressions."""
_MAX_ARMS = 2048  # arms looked at: enough to pin d numbers; 4,096 took 30 s where most features tell nothing, this 4
_MAX_FITS = 20
_TOLERANCE = 1e-2  # of a precision: far under what impressions can tell
_TINY = 1e-200
_ROUNDING = 1e-9  # of a precision of the fit
_LEAST_EFFECT = 0.1  # of log-odds: about a percentage point of a take rate of 10 %, as for the linear models


def logit_mean(rates: npt.ArrayLike, n_features: int, constant: int = 0) -> F64:
    """Prior means that make every context expect each arm's rate: its logit at the constant feature, 0 elsewhere, (k, d).

    Args:
        rates: expected reward of each arm, (k,), strictly between 0 and 1, such as the take rate of its title.
        n_features: d.
        constant: the feature that is 1 in every context.

    Raises:
        InputError: a rate is not strictly between 0 and 1, or there is no such feature.

    >>> logit_mean([0.5, 0.1], n_features=2).round(3)
    array([[ 0.   ,  0.   ],
           [-2.197,  0.   ]])
    """
    array = real_array("rates", rates)
    if array.ndim != 1 or not ((array > 0) & (array < 1)).all():
        raise InputError(
            f"rates {array.shape} run from {array.min(initial=np.inf)} to {array.max(initial=-np.inf)}, expected (k,) strictly"
            " between 0 and 1; shrink them to a prior rate first"
        )
    if not 0 <= constant < n_features:
        raise InputError(f"the constant feature is {constant}, expected 0 to {n_features - 1}")
    mean = np.zeros((len(array), n_features))
    mean[:, constant] = np.log(array) - np.log1p(-array)
    return mean


def level_mean(arms: Arms, shape: tuple[int, int]) -> F64:
    """The prior mean that starts each arm at its title's take rate, (k, d); 0 where no feature can hold a level."""
    constant = arms.constant_feature
    return np.zeros(shape) if constant is None else logit_mean(arms.levels, shape[1], constant)


def fit_logistic(evidence: LogisticEvidence, arms: Arms) -> LogisticPosterior:
    """One weight vector per arm under a prior that is estimated from some titles; evidence is taken as it is, not copied."""
    rows, shape = evidence.rows, evidence.shape
    mean = level_mean(arms, shape)
    some = arms.titles[rows.arms] % max(1, round(len(rows.arms) / PRIOR_ROWS)) == 0
    x, shown, r, w = (column[some] for column in rows)
    precision = estimate_prior_precision(x, shown, r, w, mean, np.full(shape[1], PRIOR_PRECISION))
    posterior = LogisticPosterior(*shape, precision, mean)
    posterior.evidence = evidence
    return posterior


def estimate_prior_precision(
    contexts: npt.ArrayLike,
    arms: npt.ArrayLike,
    rewards: npt.ArrayLike,
    weights: npt.ArrayLike,
    prior_mean: npt.ArrayLike,
    start: npt.ArrayLike,
) -> F64:
    """Type II maximum likelihood of one prior precision per feature, (d,), shared by all arms, under Laplace's approximation.

    Fits and ``next_prior_precision`` in turn, until no precision moves by 1 %, or 20 times, which is where a precision that
    impressions hardly tell may still be on its way. Arms of few takes tell little: in six worlds of 2,000 arms of 30 impressions
    and 2 takes, precisions planted as 4, 25 and 100 were found as 3.3 to 4.2, 10 to 58 and 24 to 85.

    Args:
        contexts: (m, d).
        arms: (m,); those without rows tell nothing, and at most 2,048 of the others are looked at.
        rewards: (m,).
        weights: of the rows, (m,).
        prior_mean: μ, (k, d).
        start: where the iteration starts, (d,), and the answer when there are no rows.

    Raises:
        InputError: a shape or value is wrong, or a fit has no answer.
    """
    mean = real_array("prior_mean", prior_mean)
    if mean.ndim != 2:
        raise InputError(f"prior_mean has the shape {mean.shape}, expected (k, d): one row per arm")
    alpha = checked_precisions("prior precision", start, mean.shape[1:])
    x, shown, r = checked_impressions(contexts, arms, rewards, (mean.shape[0], mean.shape[1]), "logistic")
    w = checked_weights(weights, len(shown))
    seen = seen_arms(np.bincount(shown, minlength=len(mean)), _MAX_ARMS)
    if not len(seen):
        return alpha
    places = np.minimum(np.searchsorted(seen, shown), len(seen) - 1)
    taken = seen[places] == shown
    rows = (x[taken], places[taken], r[taken], w[taken])
    mean, modes, scales = mean[seen], None, np.square(rows[0], dtype=np.float64).mean(axis=0)
    for _ in range(_MAX_FITS):
        fitted = fit_laplace(*rows, len(seen), alpha, mean, modes)
        following, modes = next_prior_precision(fitted, alpha, mean, scales), fitted.means
        change = np.abs(np.log(following / alpha)).max()
        alpha = following
        if change < _TOLERANCE:
            break
    return alpha


def next_prior_precision(
    fitted: Laplace,
    prior_precision: npt.ArrayLike,
    prior_mean: npt.ArrayLike,
    mean_squares: npt.ArrayLike | None = None,
) -> F64:
    """The best prior precisions (MacKay 1992; Bishop 2006, equation 7.87) around given modes, (d,).

    The likelihood of each arm is taken as the Gaussian that its fit made of it, of precision C = P - diag(α) and information
    P w - α μ. With S the posterior covariance under the new α and m its mean: γ_j = Σ_a (1 - α_j S_jj), and at the end
    α_j = (γ_j + 1) / (Σ_a (m_j - μ_j)² + δ²/q_j), δ = 0.1: one weight seen beforehand moves log-odds by a tenth. A feature that
    was 0 in every row gets the upper bound.

    Args:
        fitted: under ``prior_precision`` (d,) and ``prior_mean`` (k, d).
        prior_precision: α.
        prior_mean: μ.
        mean_squares: q, the mean of x_j² over the rows; a number, or (d,). None takes 1 for every feature whose rows bend the
            likelihood, which those of tiny weights do not.

    Raises:
        InputError: a shape is wrong, a precision is not above 0, or a value is not finite.
    """
    k, d = fitted.means.shape
    alpha, mu = checked_precisions("prior precision", prior_precision, (d,)), spread("prior_mean", prior_mean, (k, d))
    curvature = fitted.precisions - np.diag(alpha)  # (k, d, d)
    if not (np.einsum("kjj->kj", curvature) >= -_ROUNDING * alpha).all():
        raise InputError(
            f"prior_precision is {alpha[:5].tolist()} and some precision of the fit is below it; pass the one it was fitted under"
        )
    information = np.einsum("kij,kj->ki", fitted.precisions, fitted.means) - alpha * mu
    q = None if mean_squares is None else spread("mean_squares", mean_squares, (d,))
    occurs = (np.einsum("kii->i", curvature) if q is None else q) > 0  # (d,) False of a feature that was 0 in every row

    def round_of(at: F64) -> Round:
        roots = whitenings(np.diag(at) + curvature)
        mean = np.einsum("kji,kj->ki", roots, np.einsum("kij,kj->ki", roots, at * mu + information))
        away = ((mean - mu) ** 2).sum(axis=0)
        determined = (1 - at * np.einsum("kji,kji->ki", roots, roots)).sum(axis=0)
        fit = np.sum(mean * information) - np.einsum("ki,kij,kj->", mean, curvature, mean) / 2 - at @ away / 2
        determinants = k * np.log(at).sum() / 2 + np.log(np.einsum("kii->ki", roots)).sum()
        return Round(float(determinants + fit), determined, away)

    scales = np.where(occurs, 1.0 if q is None else q, 1.0)
    least = at_least_bound(_LEAST_EFFECT**2 / np.maximum(scales, _TINY), k)
    pseudo = Pseudo(np.ones(d), np.where(occurs, least, 1 / BOUNDS[1]))
    best = best_precisions(round_of, np.where(occurs, alpha, BOUNDS[1]), np.full(d, k), pseudo)
    return np.where(occurs, best, BOUNDS[1])
