"""Logistic regression per arm by Laplace's approximation: a Gaussian at the mode, found by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from numpy.lib.npyio import NpzFile

from bandit.arrays import F64, I64, real_array
from bandit.checks import checked_choice, checked_impressions, checked_precisions, spread
from bandit.errors import InputError
from bandit.kernels.logistic import log_posteriors, newton_steps
from bandit.objects import count_of
from bandit.posterior.files import Saved, read
from bandit.posterior.linear import LinearScorer
from bandit.posterior.whitening import whitenings

# Squared lengths of a Newton step in posterior standard deviations. Convergence is quadratic: the mode is nearer by far than
# 1e-10, and in 900 fits with collinear features and scales 6 orders of magnitude apart none was kept from it by rounding.
_CONVERGED = 1e-20
_FAR = 1e-6  # a thousandth of a standard deviation: what still moves so far has no answer
_NOISE = 1e-12  # a fall of the objective by this share is rounding
_MAX_ROUNDS = 500
# The share of a step is kept from round to round. Where it began anew at 1 each round, 15 of 900 fits with features and
# precisions of 6 and 16 orders of magnitude had not ended after 200 rounds; with these factors all end, after 108 at most, half
# of them after 9. Factors of 2 and 1/2 take up to 151, of 10 and 1/10 more than 200.
_LONGER, _SHORTER = 4.0, 0.25


@dataclass(frozen=True, repr=False)
class Laplace(Saved):
    """Gaussians at the modes: ``means`` (k, d) and ``precisions`` (k, d, d), prior included; all that scoring needs."""

    means: F64
    precisions: F64

    def __repr__(self) -> str:
        arms, features = self.means.shape
        return f"{type(self).__name__}({count_of(arms, 'arm')}, {count_of(features, 'feature')})"

    def scorer(self, arms: npt.ArrayLike) -> LinearScorer:
        """What scoring many blocks of users for the arms (k,) needs, factored once; scores are on the link "logit"."""
        rows = checked_choice(arms, len(self.means))
        return LinearScorer.of(self.means[rows], whitenings(self.precisions[rows]), link="logit")

    def _arrays(self) -> dict[str, Any]:
        return {"means": self.means, "precisions": self.precisions}

    @classmethod
    def _read(cls, file: NpzFile) -> Self:
        means = read(file, "means", None, None)
        return cls(means, read(file, "precisions", *means.shape, means.shape[1]))


def checked_weights(weights: npt.ArrayLike, count: int) -> F64:
    """Weights of rows as (m,) float64.

    Raises:
        InputError: there is not one per row, or one is below 0 or not finite.
    """
    array = real_array("weights", weights)
    if array.shape != (count,):
        raise InputError(f"weights have the shape {array.shape}, expected ({count},): one per impression")
    wrong = ~((array >= 0) & (array < np.inf))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"row {row} has the weight {array[row]}, expected a finite number of at least 0; clip it first"
        )
    return array


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
        around = _Found(np.empty(j), np.empty((j, d, d)), np.empty((j, d)), np.empty(j))
        gradient = np.empty((j, d))
        log_posteriors(
            *self, arms, prior_precision, prior_mean[arms], points, around.objective, gradient, around.precision
        )
        newton_steps(around.precision, gradient, around.step, around.decrement)
        return around


def fit_laplace(
    contexts: npt.ArrayLike,
    arms: npt.ArrayLike,
    rewards: npt.ArrayLike,
    weights: npt.ArrayLike,
    n_arms: int,
    prior_precision: npt.ArrayLike,
    prior_mean: npt.ArrayLike,
    start: npt.ArrayLike | None = None,
) -> Laplace:
    """Laplace's approximation of every arm's Bayesian logistic regression (Bishop 2006, section 4.5).

    Newton's method (iteratively reweighted least squares) from the prior mean: each round is one pass over the rows of the arms
    that have not converged. A step that lowers an arm's log posterior is shortened, so it never falls. The log posterior is
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

    Raises:
        InputError: a shape or value is wrong, or an arm's mode was not found in 500 rounds.
    """
    given = real_array("prior_precision", prior_precision)
    n_features = given.shape[-1] if given.ndim else 1
    alpha = checked_precisions("prior precision", given, (n_features,))
    mean = spread("prior_mean", prior_mean, (n_arms, n_features))
    impressions = checked_impressions(contexts, arms, rewards, (n_arms, n_features), "logistic")
    rows = _sorted(*impressions, checked_weights(weights, len(impressions.arms)), n_arms)
    fitted, decrements = _climb(rows, alpha, mean, mean if start is None else spread("start", start, mean.shape))
    far = ~(decrements <= _FAR)
    if far.any():
        arm = int(far.argmax())
        raise InputError(
            f"arm {arm} has no mode after {_MAX_ROUNDS} rounds: the next step has {decrements[arm] ** 0.5:.1g} posterior"
            " standard deviations; bring features to one scale, or raise the prior precision"
        )
    return fitted


def _climb(rows: _Rows, prior_precision: F64, prior_mean: F64, start: F64) -> tuple[Laplace, F64]:
    """The fits, and the squared length of the step (k,) that each would take next."""
    means = start.copy()
    best = rows.around(np.arange(len(means)), means, prior_precision, prior_mean)
    share = np.ones(len(means))
    moving = ~(best.decrement <= _CONVERGED)
    for _ in range(_MAX_ROUNDS):
        active = np.flatnonzero(moving)
        if not len(active):
            break
        points = means[active] + share[active, None] * best.step[active]
        tried = rows.around(active, points, prior_precision, prior_mean)
        risen = tried.objective >= best.objective[active] * (1 + _NOISE)
        higher = active[risen]
        means[higher] = points[risen]
        for kept, new in zip(best, tried, strict=True):
            kept[higher] = new[risen]
        share[active] = np.where(risen, np.minimum(_LONGER * share[active], 1.0), _SHORTER * share[active])
        moving[active] = ~(best.decrement[active] <= _CONVERGED)
    return Laplace(means, best.precision), best.decrement


def _sorted(contexts: npt.NDArray[np.floating], arms: I64, rewards: F64, weights: F64, n_arms: int) -> _Rows:
    starts = np.concatenate([[0], np.cumsum(np.bincount(arms, minlength=n_arms))])
    order = slice(None) if (arms[1:] >= arms[:-1]).all() else np.argsort(arms, kind="stable")
    # Contiguous and writable, as the kernel is compiled for: columns of a data frame are neither for certain.
    x, r, w = (np.require(column[order], requirements=["C", "W"]) for column in (contexts, rewards, weights))
    return _Rows(x, r, w, starts)
