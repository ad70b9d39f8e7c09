"""Bayesian linear regression, one weight vector per arm."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from numpy.lib.npyio import NpzFile

from bandit.arrays import F64, writable
from bandit.checks import (
    checked_choice,
    checked_contexts,
    checked_impressions,
    checked_precision,
    checked_precisions,
    own_sums,
    spread,
)
from bandit.errors import InputError
from bandit.kernels.lengths import lengths
from bandit.kernels.linear import BLOCK, FEW, accumulate, accumulate_mixed, accumulate_sorted, sort_by_arm
from bandit.kernels.moments import TILE, linear_means, single_deviations
from bandit.objects import count_of
from bandit.posterior.base import Estimated, Evidence, Posterior
from bandit.posterior.files import read
from bandit.posterior.whitening import whitenings
from bandit.scores import Moments

_ROWS = 256  # contexts whitened at a time in double precision: they stay in the cache
_MOST_INFLATION = 16.0  # of a feature's variance by the others, beside which single precision keeps its digits
_SMALLEST_FACTOR, _LARGEST_FACTOR = 1e-30, 1e10  # of whitening in single precision
_MIXED_BYTES = 16 * 2**20  # of all arms' blocks, up to which rows are not sorted; 1.2 times as fast even at that size


@dataclass(repr=False)
class LinearEvidence(Evidence):
    """Sums over impressions at unit noise precision; the prior is not in them.

    ``precision`` (k, d, d) is Σ x xᵀ, ``information`` (k, d) Σ r x, ``counts`` (k,) the impressions; ``squares`` (k,), which is
    Σ r², serves the estimate of the noise, ``sums`` (k, d), which is Σ x, and ``takes`` (k,), which is Σ r, serve models with an
    intercept per arm. The evidence of a day is a pure function of that day's impressions in their order.
    """

    kind: ClassVar[str] = "linear"
    precision: F64
    information: F64
    counts: F64
    squares: F64
    sums: F64
    takes: F64

    def __post_init__(self) -> None:
        own_sums(self, information="kd", precision="kdd", counts="k", squares="k", sums="kd", takes="k")

    @classmethod
    def empty(cls, n_arms: int, n_features: int) -> Self:
        """Evidence of no impressions."""
        return cls(
            np.zeros((n_arms, n_features, n_features)),
            np.zeros((n_arms, n_features)),
            np.zeros(n_arms),
            np.zeros(n_arms),
            np.zeros((n_arms, n_features)),
            np.zeros(n_arms),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(k, d): arms and features."""
        return self.information.shape[0], self.information.shape[1]

    def observe(self, contexts: npt.ArrayLike, arms: npt.ArrayLike, rewards: npt.ArrayLike) -> None:
        """Add impressions: contexts (m, d), arms (m,), rewards (m,) in any unit; what an arm gains depends on its own rows alone.

        Raises:
            InputError: before anything changes, when shapes, arms, rewards or features are wrong.
        """
        x, rows, r = checked_impressions(contexts, arms, rewards, self.shape)
        rows, r = writable(rows), writable(r)
        n_arms, n_features = self.shape
        sums = self.precision, self.information, self.counts, self.squares, self.sums, self.takes
        gram = np.empty((n_features + 2, n_features + 2))
        if len(x) < FEW:
            accumulate(x, rows, r, *sums)
        elif n_arms * BLOCK * (n_features + 2) * 8 <= _MIXED_BYTES:
            blocks = np.empty((n_arms, BLOCK, n_features + 2))
            accumulate_mixed(x, rows, r, np.zeros(n_arms, dtype=np.int64), blocks, gram, *sums)
        else:
            starts, order = np.zeros(n_arms + 1, dtype=np.int64), np.empty(len(x), dtype=np.int64)
            sort_by_arm(rows, starts, order)
            accumulate_sorted(x, r, starts, order, np.empty((BLOCK, n_features + 2)), gram, *sums)
        self._changed()

    def described(self) -> str:
        """What it knows, in a few words."""
        arms, features = self.shape
        sizes = count_of(arms, "arm"), count_of(features, "feature"), count_of(float(self.counts.sum()), "impression")
        return ", ".join(sizes)

    @classmethod
    def read(cls, file: NpzFile) -> Self:
        """The sums that a posterior's file holds.

        Raises:
            InputError: shapes do not belong together, or a sum is not finite.
        """
        information = read(file, "information", None, None)
        k, d = information.shape
        sizes: dict[str, tuple[int, ...]] = {"precision": (k, d, d), "information": (k, d), "sums": (k, d)}
        return cls(**{field.name: read(file, field.name, *sizes.get(field.name, (k,))) for field in fields(cls)})


class LinearPosterior(Posterior[LinearEvidence]):
    """Gaussian posterior of one weight vector per arm: r = wᵀx + noise (Bishop 2006, equations 3.50 and 3.51).

    Args:
        n_arms: k.
        n_features: d.
        prior_precision: of the weights; a number, or (d,) for one per feature.
        noise_precision: of rewards around wᵀx.
        prior_mean: of the weights; a number, (d,) or (k, d).

    Raises:
        InputError: a size, precision or shape is out of range.
    """

    name: ClassVar[str] = "linear"

    def __init__(
        self,
        n_arms: int,
        n_features: int,
        prior_precision: npt.ArrayLike = 1.0,
        noise_precision: float = 1.0,
        prior_mean: npt.ArrayLike = 0.0,
    ) -> None:
        if n_arms < 1 or n_features < 1:
            raise InputError(f"a posterior of {n_arms} arms and {n_features} features; expected at least one of each")
        self.prior_precision = checked_precisions("prior precision", prior_precision, (n_features,))
        self.prior_mean = spread("prior_mean", prior_mean, (n_arms, n_features))
        self.noise_precision = checked_precision("noise precision", noise_precision)
        self.evidence = LinearEvidence.empty(n_arms, n_features)

    @property
    def precision(self) -> F64:
        """Posterior precision of the weights with the prior in it, (k, d, d): diag(α) + β Σ x xᵀ."""
        return np.diag(self.prior_precision) + self.noise_precision * self.evidence.precision

    @property
    def mean(self) -> F64:
        """Posterior mean of the weights, (k, d)."""
        return np.ascontiguousarray(self.scorer(np.arange(len(self.prior_mean))).means.T)

    def moments(self, contexts: npt.ArrayLike, arms: npt.ArrayLike) -> Moments:
        """Mean and standard deviation of the expected reward of each arm in ``arms`` (k,) for each context (n, d)."""
        return self.scorer(arms).moments(contexts)

    def scores(self, contexts: npt.ArrayLike, arms: npt.ArrayLike) -> Moments:
        """``moments``; a scorer's scores may be whitened in single precision."""
        return self.moments(contexts, arms)

    def scorer(self, arms: npt.ArrayLike) -> LinearScorer:
        """What scoring many blocks of users for the same arms needs, factored once."""
        rows = checked_choice(arms, self.evidence.shape[0])
        alpha, beta = self.prior_precision, self.noise_precision
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused by name below
            precision = np.diag(alpha) + beta * self.evidence.precision[rows]  # (k, d, d)
            target = alpha * self.prior_mean[rows] + beta * self.evidence.information[rows]  # (k, d)
            whitening = whitenings(precision)  # (k, d, d), lower triangular L⁻¹
            means = (whitening.swapaxes(1, 2) @ (whitening @ target[..., None]))[..., 0]
            return LinearScorer.of(means, whitening, precision)

    @property
    def estimated(self) -> Estimated:
        """One precision per feature, and that of the noise."""
        return Estimated(tuple(self.prior_precision.tolist()), self.noise_precision)

    def _arrays(self) -> dict[str, Any]:
        prior = {
            "prior_precision": self.prior_precision,
            "prior_mean": self.prior_mean,
            "noise_precision": np.float64(self.noise_precision),
        }
        return vars(self.evidence) | prior

    @classmethod
    def _read(cls, file: NpzFile) -> Self:
        evidence = LinearEvidence.read(file)
        posterior = cls(
            *evidence.shape, file["prior_precision"], float(read(file, "noise_precision")), file["prior_mean"]
        )
        posterior.evidence = evidence
        return posterior


@dataclass(frozen=True, repr=False)
class LinearScorer:
    """Posterior means and whitening factors of some arms, laid out for blocks of users.

    ``means`` is (d, k), and ``weights`` (K, D) its transpose, with zeros up to whole tiles of a kernel. ``factors`` is
    (d, k·d): column block a is L_a⁻ᵀ with L_a L_aᵀ the precision of arm a, so that the variance xᵀ P_a⁻¹ x is the squared length
    of block a of x · factors. ``single`` (k, D, D) holds L_a⁻¹ in single precision, if that is safe, with zeros up to whole
    tiles. ``link`` is that of the scores.
    """

    means: F64
    weights: F64
    factors: F64
    single: npt.NDArray[np.float32] | None = None
    link: str = "identity"

    def __repr__(self) -> str:
        features, arms = self.means.shape
        return f"{type(self).__name__}({count_of(arms, 'arm')}, {count_of(features, 'feature')})"

    @classmethod
    def of(cls, means: F64, whitening: F64, precisions: F64 | None = None, link: str = "identity") -> Self:
        """Lay out Gaussian weights of mean ``means`` (k, d), whose precisions have the ``whitenings`` (k, d, d).

        Who gives the ``precisions`` (k, d, d) too has contexts whitened in single precision, if that is safe.
        """
        d = means.shape[1]
        factors = np.ascontiguousarray(whitening.reshape(-1, d).T)
        safe = precisions is not None and _is_safe(whitening, precisions)
        single = _tiled(np.tril(whitening)).astype(np.float32) if safe else None
        return cls(np.ascontiguousarray(means.T), _tiled(means), factors, single, link)

    def scores(self, contexts: npt.ArrayLike) -> Moments:
        """Mean and standard deviation of each arm's expected reward for each context, both (n, k): what choosing needs.

        Where that is safe, contexts are whitened in single precision, in half the time: standard deviations then err by a
        few parts in ten million. Means are in double precision. A row does not depend on the rows beside it.

        Raises:
            InputError: a context has another length, or a feature is not finite.
        """
        return self._scored(contexts, self.single)

    def moments(self, contexts: npt.ArrayLike) -> Moments:
        """The same in double precision throughout.

        Raises:
            InputError: as for ``scores``.
        """
        return self._scored(contexts, None)

    def _scored(self, contexts: npt.ArrayLike, single: npt.NDArray[np.float32] | None) -> Moments:
        d, k = self.means.shape
        x = checked_contexts(contexts, d).astype(np.float64, copy=False)
        means, deviations = np.empty((len(x), k)), np.empty((len(x), k))
        with np.errstate(over="ignore", invalid="ignore"):  # moments refuse what is not finite
            linear_means(x, self.weights, means)
            if single is None:
                self._whiten(x, deviations)
            elif single_deviations(x, single, deviations):
                odd = np.flatnonzero((deviations < 0).any(axis=1))  # numbers too large or small for single precision
                exact = np.empty((len(odd), k))
                self._whiten(x[odd], exact)
                deviations[odd] = exact
        return Moments(means, deviations, self.link)

    def _whiten(self, x: F64, out: F64) -> None:
        """Standard deviations in double precision."""
        d, k = self.means.shape
        for start in range(0, len(x), _ROWS):
            rows = slice(start, start + _ROWS)
            lengths((x[rows] @ self.factors).reshape(-1, k, d), out[rows])


def _tiled(matrices: F64) -> F64:
    """Matrices (..., a, b) with zeros up to whole tiles of a kernel."""
    *more, rows, columns = matrices.shape
    tiled = np.zeros((*more, rows + -rows % TILE, columns + -columns % TILE))  # ``np.pad`` takes six times as long
    tiled[..., :rows, :columns] = matrices
    return tiled


def _is_safe(whitening: F64, precisions: F64) -> bool:
    """Whether whitening in single precision errs by a few parts in ten million, and neither over- nor underflows.

    Terms that cancel raise the error. How much they do, squared, is on average over the contexts of the evidence the mean
    of the features' variance inflation factors (Marquardt 1970): P_pp (P⁻¹)_pp, 1 where features are uncorrelated.
    """
    inflation = np.einsum("kii->ki", precisions) * np.einsum("kqp,kqp->kp", whitening, whitening)
    sizes = np.abs(whitening[whitening != 0])
    return bool(
        inflation.max() <= _MOST_INFLATION and sizes.min() >= _SMALLEST_FACTOR and sizes.max() <= _LARGEST_FACTOR
    )
