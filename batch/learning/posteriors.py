"""The posteriors that a generation can choose with, by name: how each is fitted, and how it is read back."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from bandit.policies import parse_policy
from bandit.posterior import BetaPosterior, BetaScores, LinearPosterior
from bandit.posterior.empirical import linear_of, shared_of
from bandit.posterior.laplace import Laplace
from bandit.posterior.shared_weights import SharedWeights
from bandit.snapshot import JOINT, hash_base
from batch.config import Config
from batch.learning.fit_logistic import fit_logistic
from batch.learning.fitting import Fit, Fitted, Fitting, Model
from batch.workspace.generations import Manifest

BETA = "beta"


class Rates:
    """Popularity as a model: scores (1, k), the same for every user."""

    def __init__(self, beta: BetaPosterior) -> None:
        self._beta = beta
        # All artworks at once: each look at some of them would sum over all titles again.
        self._scores = beta.scores(None, np.arange(len(beta.titles)))

    def scorer(self, arms: npt.ArrayLike) -> "_RatesScorer":
        """The scores of some artworks (k,)."""
        return _RatesScorer(BetaScores(self._scores.successes[:, arms], self._scores.failures[:, arms]))  # type: ignore[index]

    def save(self, path: Path) -> None:
        """Write the posterior behind it."""
        self._beta.save(path)


@dataclass(frozen=True)
class _RatesScorer:
    everybody: BetaScores

    def scores(self, contexts: npt.ArrayLike) -> BetaScores:  # noqa: ARG002 - popularity is that of all users
        return self.everybody


def _fit_beta(fitting: Fitting) -> Fitted:
    return Fitted(Rates(fitting.beta))


def _fit_linear(fitting: Fitting) -> Fitted:
    """One weight vector an artwork; the title's take rate is the prior mean of its level, precisions come from the data."""
    evidence = fitting.learned.linear
    assert evidence is not None  # noqa: S101 - `learn` gathers it for this posterior
    posterior = linear_of(evidence, fitting.levels, fitting.constant_feature)
    return Fitted(posterior, tuple(posterior.prior_precision.tolist()), posterior.noise_precision)


def _fit_shared(fitting: Fitting) -> Fitted:
    """Weights on context ⊗ artwork features, and a level an artwork whose prior mean is its title's take rate."""
    evidence = fitting.learned.linear
    assert evidence is not None  # noqa: S101 - `learn` gathers it for this posterior
    posterior = shared_of(evidence, fitting.artwork_features, fitting.levels)
    weights = float(posterior.prior_precision.flat[0])
    return Fitted(posterior.fitted, (weights, posterior.intercept_precision), posterior.noise_precision)


_FITS: dict[str, Fit] = {BETA: _fit_beta, "linear": _fit_linear, "logistic": fit_logistic, "shared": _fit_shared}
_LOADS: dict[str, Callable[[Path, int], Model]] = {
    BETA: lambda path, _: Rates(BetaPosterior.load(path)),
    "linear": lambda path, _: LinearPosterior.load(path),
    "logistic": lambda path, _: Laplace.load(path),
    "shared": lambda path, joint: replace(SharedWeights.load(path), seed=joint),
}


def model_name(config: Config) -> str:
    """The posterior that a generation learns: policies that know no context look at popularity alone."""
    return config.posterior if config.is_contextual else BETA


def model_of(config: Config, word: str) -> str:
    """The posterior that one of a generation's policies, by its word, looks at."""
    return config.posterior if parse_policy(word).contextual else BETA


def fit_model(config: Config, fitting: Fitting) -> Fitted:
    """The posterior that the configuration names, from all evidence so far."""
    with threadpool_limits(limits=1, user_api="blas"):
        return _FITS[model_name(config)](fitting)


def model_path(folder: Path, name: str) -> Path:
    """Where a generation's posterior of a name lies."""
    return folder / "posterior" / f"{name}.npz"


def load_model(folder: Path, manifest: Manifest, name: str) -> Model:
    """A posterior of a generation; joint draws are pinned by the seed and number of the generation."""
    joint = hash_base(JOINT, manifest.config.seed, manifest.generation)
    return _LOADS[name](model_path(folder, name), joint)
