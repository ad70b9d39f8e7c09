"""Fits of all impressions against what defines them: a vanishing gradient, dense normal equations."""

import numpy as np
from scipy.special import expit

from artwork.bench.checks import near
from artwork.bench.kernels.data import Log
from bandit.arrays import F64, I64
from bandit.posterior import Laplace, SharedPosterior


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
    """X ⊗ z_a and one column an arm for its intercept."""
    crossed = (contexts[:, :, None] * z[arms][:, None, :]).reshape(len(arms), -1)
    return np.concatenate([crossed, np.eye(len(z))[arms]], axis=1)
