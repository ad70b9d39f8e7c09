"""The posteriors that a generation can choose with, by name: how each is fitted, and how it is read back."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from bandit.policies import parse_policy
from bandit.posterior import BetaPosterior, BetaScores, LinearPosterior
from bandit.posterior.laplace import Laplace
from bandit.posterior.shared_weights import SharedWeights
from bandit.snapshot import JOINT, hash_base
from batch.config import Config
from batch.fit_linear import fit_linear
from batch.fit_logistic import fit_logistic
from batch.fit_shared import fit_shared
from batch.fitting import Fit, Fitted, Fitting, Model
from batch.generations import Manifest

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


_FITS: dict[str, Fit] = {BETA: _fit_beta, "linear": fit_linear, "logistic": fit_logistic, "shared": fit_shared}
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
