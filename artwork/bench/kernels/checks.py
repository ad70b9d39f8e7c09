"""Our answers against independent ones, before anything is timed: a fast wrong answer is worth nothing."""

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import scipy
from scipy.special import betainc, betaln, expit, ndtr, xlog1py, xlogy

from artwork.bench.kernels.data import Log
from artwork.bench.targets import WrongAnswerError
from bandit.arrays import F64, I64
from bandit.policies import Decisions, quantise
from bandit.policies.deciding import FLOOR
from bandit.posterior import Laplace, LinearEvidence, SharedPosterior
from bandit.scores import BetaScores, Draws, Moments
from bandit.snapshot import TOTAL_WEIGHT

_FALSE_ALARM = 6.0  # standard errors; by chance once in 500 million


def check_moments(scores: Moments, log: Log, contexts: F64) -> None:
    """Means and deviations against the normal equations of each arm's impressions, prior and noise precision 1.

    Raises:
        WrongAnswerError: they differ by more than 1e-6 of the larger.
    """
    for arm in range(log.n_arms):
        own = log.arms == arm
        x = log.contexts[own]
        precision = np.eye(contexts.shape[1]) + x.T @ x
        mean = contexts @ np.linalg.solve(precision, x.T @ log.rewards[own])
        deviation = np.sqrt(np.einsum("nd,dn->n", contexts, np.linalg.solve(precision, contexts.T)))
        near(f"means of arm {arm}", scores.means[:, arm], mean)
        near(f"deviations of arm {arm}", scores.deviations[:, arm], deviation)


def check_sums(evidence: LinearEvidence, log: Log) -> None:
    """All sums of the evidence against one matrix product or plain sum per arm.

    Raises:
        WrongAnswerError: they differ by more than 1e-6 of the larger.
    """
    for arm in range(log.n_arms):
        own = log.arms == arm
        x, r = log.contexts[own].astype(np.float64), log.rewards[own]
        exact = {
            "precision": x.T @ x,
            "information": x.T @ r,
            "counts": np.asarray(own.sum()),
            "squares": np.asarray(r @ r),
            "sums": x.sum(axis=0),
            "takes": np.asarray(r.sum()),
        }
        for name in (field.name for field in fields(evidence)):
            near(f"{name} of arm {arm}", getattr(evidence, name)[arm], exact[name])


def check_decisions(probabilities: F64, made: Decisions) -> None:
    """Weights against the floored probabilities, and drawn arms against their weights.

    Raises:
        WrongAnswerError: a weight is off by more than rounding, or an arm is drawn more or less often than its weight says.
    """
    k = probabilities.shape[1]
    weights = quantise(probabilities)
    floored = (1 - FLOOR) * probabilities + FLOOR / k
    off = float(np.abs(weights / TOTAL_WEIGHT - floored).max())
    if not off <= max(2, k) / TOTAL_WEIGHT:
        raise WrongAnswerError(f"a weight is off by {off:.1e}, rounding allows {max(2, k) / TOTAL_WEIGHT:.1e}")
    if not (made.weights == np.take_along_axis(weights, made.arms[:, None].astype(np.int64), axis=1)[:, 0]).all():
        raise WrongAnswerError("a decision does not carry the weight of the arm that it drew")
    shares = weights / TOTAL_WEIGHT
    drawn = np.bincount(made.arms, minlength=k) - shares.sum(axis=0)
    surprise = np.abs(drawn) / np.sqrt((shares * (1 - shares)).sum(axis=0))
    if not surprise.max() <= _FALSE_ALARM:
        raise WrongAnswerError(
            f"arm {int(surprise.argmax())} is drawn {surprise.max():.0f} standard errors off its weights"
        )


def near(what: str, ours: F64, exact: F64) -> None:
    """Pass values that are within 1e-6 of the largest.

    Raises:
        WrongAnswerError: they are not.
    """
    error, largest = float(np.abs(ours - exact).max()), float(np.abs(exact).max())
    if not error <= 1e-6 * largest:
        raise WrongAnswerError(
            f"{what} err by {error:.1e}, expected at most 1e-6 of the largest, which is {largest:.1e}"
        )


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

    return np.asarray(
        scipy.integrate.quad_vec(density, low, high, epsabs=1e-10, epsrel=1e-10, points=inside, limit=10_000)[0]
    )


def check_mode(fit: Laplace, log: Log) -> None:
    """A logistic fit with prior precision 1 around 0: the gradient is 0 at the mode alone, the precision the curvature there.

    Raises:
        WrongAnswerError: a gradient is not 0, or a precision not the curvature, to 1e-6 of their sizes.
    """
    for arm in range(log.n_arms):
        x = log.contexts[log.arms == arm]
        rate = expit(x @ fit.means[arm])
        pull = np.abs(x).sum(axis=0)
        gradient = x.T @ (log.rewards[log.arms == arm] - rate) - fit.means[arm]
        near(f"gradient of arm {arm}", gradient + pull, pull)
        curvature = np.eye(x.shape[1]) + (x * (rate * (1 - rate))[:, None]).T @ x
        near(f"precision of arm {arm}", fit.precisions[arm], curvature)


def check_joint(posterior: SharedPosterior, log: Log) -> None:
    """Moments of a shared posterior, all precisions 1, against dense normal equations over all weights and intercepts.

    Raises:
        WrongAnswerError: they differ by more than 1e-6 of the larger.
    """
    z = np.column_stack([np.ones(log.n_arms), posterior.features])
    design = _joint_design(log.contexts, log.arms, z)
    precision = np.eye(design.shape[1]) + design.T @ design
    mean = np.linalg.solve(precision, design.T @ log.rewards)
    few, everyone = log.contexts[:8], np.arange(log.n_arms)
    scores = posterior.moments(few, everyone)
    for arm in everyone:
        rows = _joint_design(few, np.full(len(few), arm), z)
        near(f"shared means of arm {arm}", scores.means[:, arm], rows @ mean)
        variances = np.einsum("np,pn->n", rows, np.linalg.solve(precision, rows.T))
        near(f"shared deviations of arm {arm}", scores.deviations[:, arm], np.sqrt(variances))


def _joint_design(contexts: F64, arms: I64, z: F64) -> F64:
    """X ⊗ z_a and one column per arm for its intercept."""
    crossed = (contexts[:, :, None] * z[arms][:, None, :]).reshape(len(arms), -1)
    return np.concatenate([crossed, np.eye(len(z))[arms]], axis=1)
