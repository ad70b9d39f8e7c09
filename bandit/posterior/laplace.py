"""Logistic regression an arm by Laplace's approximation: a Gaussian at the mode, found by Newton's method."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from bandit.kernels.logistic import log_posteriors, newton_steps
from bandit.posterior.checks import F64, I64, checked_arms, named_arrays
from bandit.posterior.linear import LinearScorer
from bandit.scores import Moments

# Squared length of a Newton step in posterior deviations. Convergence is quadratic: the mode is nearer by far than 1e-10.
_CONVERGED = 1e-20
_NOISE = 1e-12  # under this, a step that no longer shrinks is rounding, and so is a fall of the objective by this share
_MAX_ROUNDS = 200
_SMALLEST_SHARE = 2.0**-60  # of a Newton step


@dataclass(frozen=True)
class LogisticScorer:
    """Scores on the linear scale of logistic regressions; a ``LinearScorer`` that says so."""

    linear: LinearScorer

    def scores(self, contexts: npt.ArrayLike) -> Moments:
        """Mean and deviation of xᵀw of each arm for each context, both (n, k), with the link "logit"."""
        found = self.linear.moments(contexts)
        return Moments(found.means, found.deviations, link="logit")


@dataclass(frozen=True)
class Laplace:
    """Gaussians at the modes: ``means`` (k, d) and ``precisions`` (k, d, d), prior included; all that scoring needs."""

    means: F64
    precisions: F64

    def scorer(self, arms: npt.ArrayLike) -> LogisticScorer:
        """What scoring many blocks of users for the arms (k,) needs, factored once."""
        rows = checked_arms(arms, len(self.means))
        return LogisticScorer(LinearScorer.from_gaussians(self.means[rows], self.precisions[rows]))

    def save(self, path: Path) -> None:
        """Write means and precisions to a ``.npz``; nothing in it needs pickle."""
        with path.open("wb") as file:
            np.savez(file, means=self.means, precisions=self.precisions)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``save`` wrote.

        Raises:
            InputError: an array is missing.
        """
        with np.load(path, allow_pickle=False) as file, named_arrays(path):
            return cls(file["means"], file["precisions"])


class _Found(NamedTuple):
    """The log posterior around some points: value (j,), precision (j, d, d), Newton's step (j, d) and its decrement (j,)."""

    objective: F64
    precision: F64
    step: F64
    decrement: F64


class _Rows(NamedTuple):
    """Rows sorted by arm, and where each arm's start."""

    contexts: npt.NDArray[np.floating]
    rewards: F64
    weights: F64
    starts: I64

    def around(self, arms: I64, points: F64, prior_precision: F64, prior_mean: F64) -> _Found:
        j, d = points.shape
        found = _Found(np.empty(j), np.empty((j, d, d)), np.empty((j, d)), np.empty(j))
        gradient = np.empty((j, d))
        log_posteriors(
            *self, arms, prior_precision, prior_mean[arms], points, found.objective, gradient, found.precision
        )
        newton_steps(found.precision, gradient, found.step, found.decrement)
        return found


def fit_laplace(
    contexts: npt.NDArray[np.floating],
    arms: I64,
    rewards: F64,
    weights: F64,
    n_arms: int,
    prior_precision: F64,
    prior_mean: F64,
    start: F64 | None = None,
) -> Laplace:
    """Laplace's approximation of every arm's Bayesian logistic regression (Bishop 2006, section 4.5).

    Newton's method (iteratively reweighted least squares) from the prior mean: each round is one pass over the rows of the arms
    that have not converged. A step that lowers an arm's log posterior is halved, so it never falls. The log posterior is
    strictly concave for any positive prior precision: separable rewards, collinear features and arms without rows have
    their mode too. An arm's result is a pure function of its own rows in their order, whatever other arms are in the call.

    Args:
        contexts: (m, d), float32 or float64, finite.
        arms: the arm of each row, (m,), from 0 to n_arms - 1.
        rewards: (m,) in [0, 1]; fractions are targets of the cross-entropy.
        weights: of the rows, (m,), at least 0: retention^age.
        n_arms: k.
        prior_precision: of each feature's weight, (d,), above 0.
        prior_mean: (k, d).
        start: where to start instead of the prior mean, (k, d); a nearby fit saves rounds.
    """
    rows = _sorted(contexts, arms, rewards, weights, n_arms)
    everyone = np.arange(n_arms)
    means = np.array(prior_mean if start is None else start, dtype=np.float64)
    best = rows.around(everyone, means, prior_precision, prior_mean)
    share = np.ones(n_arms)
    moving = best.decrement > _CONVERGED
    for _ in range(_MAX_ROUNDS):
        active = np.flatnonzero(moving)
        if not len(active):
            break
        points = means[active] + share[active, None] * best.step[active]
        found = rows.around(active, points, prior_precision, prior_mean)
        risen = found.objective >= best.objective[active] * (1 + _NOISE)
        stalled = (found.decrement < _NOISE) & (found.decrement > 0.25 * best.decrement[active])
        higher = active[risen]
        means[higher] = points[risen]
        for kept, new in zip(best, found, strict=True):
            kept[higher] = new[risen]
        share[active] = np.where(risen, 1.0, 0.5 * share[active])
        moving[active] = np.where(risen, (found.decrement > _CONVERGED) & ~stalled, share[active] > _SMALLEST_SHARE)
    return Laplace(means, best.precision)


def _sorted(contexts: npt.NDArray[np.floating], arms: I64, rewards: F64, weights: F64, n_arms: int) -> _Rows:
    starts = np.concatenate([[0], np.cumsum(np.bincount(arms, minlength=n_arms))])
    order = slice(None) if (arms[1:] >= arms[:-1]).all() else np.argsort(arms, kind="stable")
    # Contiguous and writable, as the kernel is compiled for: columns of a data frame are neither for certain.
    x, r, w = (np.require(column[order], requirements=["C", "W"]) for column in (contexts, rewards, weights))
    return _Rows(x, r, w, starts)
