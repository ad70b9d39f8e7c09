"""The posteriors by the words of the command line and of manifests: the one list of them.

A new posterior is one file beside this one and one line of ``POSTERIORS``: a class under ``bandit.posterior.base.Posterior``, a
function that fits it to evidence, and one that reads back what a generation of picks keeps of it. Jobs, simulations,
evaluation and the command line take their lists and checks from here. A posterior that learns from takes or Gaussian sums
needs nothing else; the jobs fit one that learns from rows in shards of titles, in ``batch.learning.evidence_sums``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bandit.errors import InputError
from bandit.posterior.base import Arms, Evidence, Model, Posterior
from bandit.posterior.beta import BetaEvidence, BetaPosterior, Rates, fit_beta
from bandit.posterior.laplace import Laplace
from bandit.posterior.linear import LinearEvidence, LinearPosterior
from bandit.posterior.linear_prior import fit_linear
from bandit.posterior.logistic import LogisticEvidence, LogisticPosterior
from bandit.posterior.logistic_prior import fit_logistic
from bandit.posterior.shared import SharedPosterior
from bandit.posterior.shared_prior import fit_shared
from bandit.posterior.shared_weights import SharedWeights


@dataclass(frozen=True)
class Registered:
    """A posterior, and what it takes to use it.

    Args:
        posterior: the class, whose ``name`` is its word.
        evidence: what it learns from.
        fit: the posterior over evidence of that kind, with its prior estimated.
        load: what a generation of picks keeps of it (``Posterior.model``), from its file and the seed of joint draws.
        any_reward: whether it learns from any number, and not only from rewards in [0, 1].
    """

    posterior: type[Posterior[Any]]
    evidence: type[Evidence]
    fit: Callable[[Any, Arms], Posterior[Any]]
    load: Callable[[Path, int], Model]
    any_reward: bool = False


POSTERIORS: Final[dict[str, Registered]] = {
    entry.posterior.name: entry
    for entry in (
        Registered(BetaPosterior, BetaEvidence, fit_beta, lambda path, _: Rates(BetaPosterior.load(path))),
        Registered(
            LinearPosterior, LinearEvidence, fit_linear, lambda path, _: LinearPosterior.load(path), any_reward=True
        ),
        Registered(LogisticPosterior, LogisticEvidence, fit_logistic, lambda path, _: Laplace.load(path)),
        Registered(
            SharedPosterior,
            LinearEvidence,
            fit_shared,
            lambda path, seed: replace(SharedWeights.load(path), seed=seed),
            any_reward=True,
        ),
    )
}
"""Every posterior by its name."""

WITHOUT_CONTEXT: Final = BetaPosterior.name
"""The posterior of policies that look at no user."""


def registered(name: str) -> Registered:
    """The entry of a name.

    Raises:
        InputError: there is no such posterior.
    """
    if name not in POSTERIORS:
        raise InputError(f"there is no posterior {name!r}; choose one of {', '.join(POSTERIORS)}")
    return POSTERIORS[name]
