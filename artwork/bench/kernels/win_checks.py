"""Win probabilities against adaptive quadrature and plain counting."""

from collections.abc import Callable

import numpy as np
from scipy.integrate import quad_vec
from scipy.special import betainc, betaln, ndtr, xlog1py, xlogy

from artwork.bench.checks import WrongAnswerError
from bandit.arrays import F64
from bandit.scores import BetaScores, Draws, Moments

WIN_TOLERANCE = 1e-6
_REACH = 9.0  # deviations around each mean that are integrated: the mass of a Gaussian left out is 1e-19
_EDGES = (-_REACH, -3.0, 0.0, 3.0, _REACH)


def check_wins(scores: Moments | BetaScores, probabilities: F64, rows: int) -> float:
    """The largest error of the first rows of win probabilities (n, k) against adaptive Gauss-Kronrod integration.

    Raises:
        WrongAnswerError: it is above 1e-6.
    """
    if isinstance(scores, Moments):
        exact = [_gaussian(*row) for row in zip(scores.means[:rows], scores.deviations[:rows], strict=True)]
    else:
        exact = [_beta(*row) for row in zip(scores.successes[:rows], scores.failures[:rows], strict=True)]
    error = float(np.abs(probabilities[:rows] - np.stack(exact)).max())
    if not error <= WIN_TOLERANCE:
        raise WrongAnswerError(f"win probabilities err by {error:.1e}, expected at most {WIN_TOLERANCE:.0e}")
    return error


def check_frequencies(draws: Draws, frequencies: F64) -> None:
    """Win frequencies (n, k) against counting the best arm of each draw.

    Raises:
        WrongAnswerError: a share differs by more than rounding.
    """
    best = draws.values.argmax(axis=2)  # (m, n)
    exact = (best[:, :, None] == np.arange(draws.shape[1])).mean(axis=0)
    error = float(np.abs(frequencies - exact).max())
    if not error <= 1e-12:
        raise WrongAnswerError(f"win frequencies of {len(draws.values)} draws err by {error:.1e}")


def _gaussian(means: F64, deviations: F64) -> F64:
    def pdf(x: float) -> F64:
        return np.asarray(np.exp(-0.5 * ((x - means) / deviations) ** 2) / (deviations * np.sqrt(2 * np.pi)))

    def cdf(x: float) -> F64:
        return np.asarray(ndtr((x - means) / deviations), dtype=np.float64)

    return _integrate(pdf, cdf, _edges(means, deviations), -np.inf, np.inf)


def _beta(successes: F64, failures: F64) -> F64:
    total = successes + failures
    means, scale = successes / total, betaln(successes, failures)

    def pdf(x: float) -> F64:
        return np.asarray(np.exp(xlogy(successes - 1, x) + xlog1py(failures - 1, -x) - scale), dtype=np.float64)

    def cdf(x: float) -> F64:
        return np.asarray(betainc(successes, failures, x), dtype=np.float64)

    return _integrate(pdf, cdf, _edges(means, np.sqrt(means * (1 - means) / (total + 1))), 0.0, 1.0)


def _edges(means: F64, deviations: F64) -> F64:
    """Where each arm's mass begins, lies and ends, (5, k)."""
    return np.asarray(means + np.multiply.outer(_EDGES, deviations))


def _integrate(pdf: Callable[[float], F64], cdf: Callable[[float], F64], edges: F64, least: float, most: float) -> F64:
    """∫ pdf_a ∏_{b≠a} cdf_b, (k,), from where every arm has some mass below to where none has any above."""
    own = np.eye(edges.shape[1], dtype=bool)
    low, high = max(edges[0].max(), least), min(edges[-1].max(), most)
    inside = np.unique(edges[(edges > low) & (edges < high)])

    def density(x: float) -> F64:
        return np.asarray(np.where(own, pdf(x)[:, None], cdf(x)[None, :]).prod(axis=1))

    return np.asarray(quad_vec(density, low, high, epsabs=1e-10, epsrel=1e-10, points=inside, limit=10_000)[0])
