"""Bayesian linear regression on context ⊗ artwork features for all titles, plus an intercept per arm."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from numpy.lib.npyio import NpzFile

from bandit.checks import checked_precision, checked_precisions, spread
from bandit.errors import InputError
from bandit.objects import count_of
from bandit.posterior.arrow import ArrowSystem, Prior
from bandit.posterior.base import Estimated, Posterior, RefittedPosterior
from bandit.posterior.files import read
from bandit.posterior.linear import LinearEvidence
from bandit.posterior.shared_weights import SharedWeights, checked_draws, checked_features, design_of
from bandit.scores import Moments


class SharedPosterior(RefittedPosterior[LinearEvidence, SharedWeights]):
    """Gaussian posterior of weights that all arms share: r = xᵀ W [1, z_a] + b_a + noise, z_a the artwork's features.

    W ~ N(0, α⁻¹) says how users with x receive artworks with z, b_a ~ N(μ_a, τ⁻¹) what is the artwork's own. A new artwork
    starts from what its features say, and the width of its intercept keeps it explored. Evidence is that of
    ``LinearPosterior``; intercepts are eliminated by the arrow structure of the precision, so memory grows with arms, not
    their square. Arms that share weights are correlated: scores are joint draws.

    Args:
        features: z, of each artwork, (A, f); f may be 0.
        n_features: d, of a context.
        prior_precision: α, of the shared weights; a number, or what spreads to (d, f + 1).
        intercept_precision: τ, of each arm's intercept.
        noise_precision: β, of rewards.
        intercept_mean: μ; a number, or (A,), such as the take rate of the artwork's title.
        n_draws: m, of the joint posterior; a win frequency p has the standard error √(p (1 - p) / m).
        seed: of the draws, from 0 to 2⁶⁴ - 1.

    Raises:
        InputError: a size, precision, shape or seed is out of range, or a feature is not finite.

    >>> posterior = SharedPosterior([[1.0], [1.0], [-1.0]], n_features=1, intercept_precision=100.0)
    >>> posterior.observe([[1.0]] * 4, [0, 0, 2, 2], [1.0, 1.0, 0.0, 0.0])
    >>> posterior.moments([[1.0]], [0, 1, 2]).means.round(2)  # arm 1 was never shown, and looks like arm 0
    array([[0.8, 0.8, 0. ]])
    """

    name = "shared"

    def __init__(
        self,
        features: npt.ArrayLike,
        n_features: int,
        prior_precision: npt.ArrayLike = 1.0,
        intercept_precision: float = 1.0,
        noise_precision: float = 1.0,
        intercept_mean: npt.ArrayLike = 0.0,
        n_draws: int = 256,
        seed: int = 0,
    ) -> None:
        self.features = checked_features(features)
        n_arms, width = self.features.shape
        if n_arms < 1 or n_features < 1:
            raise InputError(f"a posterior of {n_arms} arms and {n_features} features; expected at least one of each")
        self.prior_precision = checked_precisions("prior precision", prior_precision, (n_features, width + 1))
        self.intercept_mean = spread("intercept_mean", intercept_mean, (n_arms,))
        self.intercept_precision = checked_precision("intercept precision", intercept_precision)
        self.noise_precision = checked_precision("noise precision", noise_precision)
        self.n_draws, self.seed = checked_draws(n_draws, seed)
        self.evidence = LinearEvidence.empty(n_arms, n_features)

    @classmethod
    def of(
        cls,
        evidence: LinearEvidence,
        features: npt.ArrayLike,
        prior_precision: npt.ArrayLike = 1.0,
        intercept_precision: float = 1.0,
        noise_precision: float = 1.0,
        intercept_mean: npt.ArrayLike = 0.0,
        n_draws: int = 256,
        seed: int = 0,
    ) -> Self:
        """The posterior over merged evidence, which is taken as it is, not copied.

        Raises:
            InputError: as the class, or the evidence is of another number of arms than the features.
        """
        n_arms, n_features = evidence.shape
        settings = prior_precision, intercept_precision, noise_precision, intercept_mean, n_draws, seed
        posterior = cls(features, n_features, *settings)
        if len(posterior.features) != n_arms:
            raise InputError(
                f"features of {len(posterior.features)} artworks and evidence of {n_arms} arms, expected one row per arm"
            )
        posterior.evidence = evidence
        return posterior

    def merge(self, other: Posterior[LinearEvidence] | LinearEvidence) -> None:
        """Add another evidence; see ``Posterior.merge``.

        Raises:
            InputError: it is of another kind or shape, or of a posterior whose artworks have other features.
        """
        same = isinstance(other, SharedPosterior) and other.evidence.shape == self.evidence.shape
        if isinstance(other, SharedPosterior) and same and not np.array_equal(other.features, self.features):
            raise InputError(
                f"artworks of features {other.features.shape} cannot be merged into artworks of other features"
                f" {self.features.shape}; bring both into one catalogue order first, or merge its evidence alone"
            )
        super().merge(other)

    def __repr__(self) -> str:
        looks = count_of(self.features.shape[1], "artwork feature")
        return f"{type(self).__name__}({self.evidence.described()}, {looks})"

    def _fit(self) -> SharedWeights:
        prior = Prior(self.prior_precision, self.intercept_precision, self.noise_precision, self.intercept_mean)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what is not finite is refused by name
            arrow = ArrowSystem(self.evidence, design_of(self.features)).solve(prior)
        return SharedWeights.of(arrow, self.features, self.n_draws, self.seed)

    def moments(self, contexts: npt.ArrayLike, arms: npt.ArrayLike) -> Moments:
        """Exact mean and standard deviation of each arm's expected reward, each arm by itself; what ``explain`` shows."""
        return self.fitted.moments(contexts, arms)

    @property
    def estimated(self) -> Estimated:
        """The precision of the first shared weight and of the intercepts, and that of the noise."""
        return Estimated((float(self.prior_precision.flat[0]), self.intercept_precision), self.noise_precision)

    def _arrays(self) -> dict[str, Any]:
        settings = {
            "features": self.features,
            "prior_precision": self.prior_precision,
            "others": np.array([self.intercept_precision, self.noise_precision]),
            "intercept_mean": self.intercept_mean,
            "n_draws": np.int64(self.n_draws),
            "seed": np.uint64(self.seed),
        }
        return vars(self.evidence) | settings

    @classmethod
    def _read(cls, file: NpzFile) -> Self:
        intercepts, noise = read(file, "others", 2).tolist()
        return cls.of(
            LinearEvidence.read(file),
            file["features"],
            file["prior_precision"],
            intercepts,
            noise,
            file["intercept_mean"],
            int(file["n_draws"]),
            int(file["seed"]),
        )
