"""Bayesian logistic regression, one weight vector per arm, refitted from rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from numpy.lib.npyio import NpzFile

from bandit.arrays import F64, I64
from bandit.checks import checked_impressions, checked_precisions, spread
from bandit.errors import InputError
from bandit.objects import count_of
from bandit.posterior.base import Estimated, Evidence, RefittedPosterior
from bandit.posterior.files import read
from bandit.posterior.laplace import Laplace, checked_weights, fit_laplace


class Rows(NamedTuple):
    """Impressions in the order they were observed: contexts (m, d), arms, rewards and weights (m,)."""

    contexts: npt.NDArray[np.floating]
    arms: I64
    rewards: F64
    weights: F64

    def __repr__(self) -> str:
        return f"{type(self).__name__}({count_of(len(self.arms), 'impression')})"


@dataclass(repr=False)
class LogisticEvidence(Evidence):
    """Impressions themselves: a logistic likelihood has no sums that hold all of it.

    ``parts`` are the rows as they came; ``rows`` joins them.
    """

    kind: ClassVar[str] = "logistic"
    n_arms: int
    n_features: int
    parts: list[Rows]

    @classmethod
    def empty(cls, n_arms: int, n_features: int) -> Self:
        """Evidence of no impressions."""
        return cls(n_arms, n_features, [])

    @property
    def shape(self) -> tuple[int, int]:
        """(k, d): arms and features."""
        return self.n_arms, self.n_features

    @property
    def rows(self) -> Rows:
        """All impressions, in the order they were observed."""
        if not self.parts:
            self.parts = [Rows(np.empty((0, self.shape[1])), np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))]
        if len(self.parts) > 1:
            columns = zip(*self.parts, strict=True)
            self.parts = [Rows(*(np.concatenate(column) for column in columns))]
        return self.parts[0]

    def observe(self, contexts: npt.ArrayLike, arms: npt.ArrayLike, rewards: npt.ArrayLike) -> None:
        """Add impressions: contexts (m, d), arms (m,), rewards (m,) in [0, 1]; a fraction is a target of the cross-entropy.

        Raises:
            InputError: before anything changes, when shapes, arms, rewards or features are wrong.
        """
        x, shown, r = checked_impressions(contexts, arms, rewards, self.shape, "logistic")
        self._keep(Rows(x, shown, r, np.ones(len(shown))))

    def _keep(self, rows: Rows) -> None:
        # Copies: the caller may reuse their arrays, and evidence that keeps rows must not follow.
        self.parts.append(Rows(rows.contexts.copy(), rows.arms.copy(), rows.rewards.copy(), rows.weights.copy()))
        self._changed()

    def _add(self, other: Self) -> None:
        self.parts.extend(list(other.parts))

    def _discount(self, kept: float) -> None:
        self.parts = [part._replace(weights=part.weights * kept) for part in self.parts]

    def described(self) -> str:
        """What it knows, in a few words; impressions count by their weights."""
        arms, features = self.shape
        weight = float(sum(part.weights.sum() for part in self.parts))
        return ", ".join((count_of(arms, "arm"), count_of(features, "feature"), count_of(weight, "impression")))

    @classmethod
    def read(cls, file: NpzFile, n_arms: int, n_features: int) -> Self:
        """The rows that a posterior's file holds, checked as those that are observed.

        Raises:
            InputError: an array is of another shape, or an arm, reward, feature or weight out of range.
        """
        evidence = cls.empty(n_arms, n_features)
        kept = Rows(*(file[name] for name in Rows._fields))
        x, shown, r = checked_impressions(kept.contexts, kept.arms, kept.rewards, evidence.shape, "logistic")
        evidence._keep(Rows(x, shown, r, checked_weights(kept.weights, len(shown))))
        return evidence


class LogisticPosterior(RefittedPosterior[LogisticEvidence, Laplace]):
    """Posterior of one weight vector per arm: P(r = 1) = 1 / (1 + exp(-wᵀx)), w ~ N(μ, diag(α)⁻¹), by Laplace's approximation.

    Bishop (2006, section 4.5), Spiegelhalter and Lauritzen (1990). Weights have their full covariance and every fit is of all
    rows: updating a diagonal one batch after batch (Chapelle and Li 2011, algorithm 3) drops the correlations and the
    curvature at the new mode. Scores are on the linear scale (``link`` is "logit"), where the ranking is that of the rewards.

    Args:
        n_arms: k.
        n_features: d.
        prior_precision: α, of the weights; a number, or (d,) for one per feature.
        prior_mean: μ, of the weights; a number, (d,) or (k, d); see ``logit_mean`` for popularity.

    Raises:
        InputError: a size, precision or shape is out of range.

    >>> posterior = LogisticPosterior(n_arms=2, n_features=1)
    >>> posterior.observe([[1.0], [1.0], [1.0]], [0, 0, 0], [1.0, 1.0, 0.0])
    >>> posterior.mean.round(4)
    array([[0.2865],
           [0.    ]])
    """

    name = "logistic"

    def __init__(
        self,
        n_arms: int,
        n_features: int,
        prior_precision: npt.ArrayLike = 1.0,
        prior_mean: npt.ArrayLike = 0.0,
    ) -> None:
        if n_arms < 1 or n_features < 1:
            raise InputError(f"a posterior of {n_arms} arms and {n_features} features; expected at least one of each")
        self.prior_precision = checked_precisions("prior precision", prior_precision, (n_features,))
        self.prior_mean = spread("prior_mean", prior_mean, (n_arms, n_features))
        self.evidence = LogisticEvidence.empty(n_arms, n_features)

    def _fit(self) -> Laplace:
        rows = self.evidence.rows
        return fit_laplace(*rows, self.evidence.shape[0], self.prior_precision, self.prior_mean)

    @property
    def mean(self) -> F64:
        """Mode of the weights, (k, d)."""
        return self.fitted.means.copy()

    @property
    def precision(self) -> F64:
        """Precision of the weights at the mode with the prior in it, (k, d, d)."""
        return self.fitted.precisions.copy()

    @property
    def estimated(self) -> Estimated:
        """One precision per feature."""
        return Estimated(tuple(self.prior_precision.tolist()))

    def _arrays(self) -> dict[str, Any]:
        prior = {"prior_precision": self.prior_precision, "prior_mean": self.prior_mean}
        return self.evidence.rows._asdict() | prior

    @classmethod
    def _read(cls, file: NpzFile) -> Self:
        mean = read(file, "prior_mean", None, None)
        n_arms, n_features = mean.shape
        posterior = cls(n_arms, n_features, file["prior_precision"], mean)
        posterior.evidence = LogisticEvidence.read(file, n_arms, n_features)
        return posterior
