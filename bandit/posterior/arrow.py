"""The joint Gaussian of shared weights and an intercept per arm, solved by its arrow structure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bandit.arrays import F64
from bandit.objects import count_of
from bandit.posterior.linear import LinearEvidence
from bandit.posterior.whitening import whitenings

_BLOCK = 1024
"""Arms a matrix product (2 to 4 MB a factor at 23 and 29 features), always as many, so that bytes are pinned."""

_LEAST_COUNT = float(np.finfo(np.float64).tiny)
"""Fewer impressions are taken for none: they are what is left after thousands of nights, and one over them overflows."""


class Prior(NamedTuple):
    """Precisions of each shared weight α (d, q) and each intercept τ, means of the intercepts μ (A,), noise precision β."""

    weights: F64
    intercepts: float
    noise: float
    means: F64

    def __repr__(self) -> str:
        return f"{type(self).__name__}({count_of(len(self.means), 'arm')}, {count_of(len(self.weights), 'feature')})"


class Arrow(NamedTuple):
    """The posterior of W (d, q) and of the intercepts b (A,) given W.

    W has the mean ``mean`` and, flattened to p = d·q, the covariance ``root`` rootᵀ (p, p). Given W, the intercepts are
    independent: b_a ~ N(levels_a - pulls_aᵀ W z_a, variances_a), with ``pulls`` (A, d), ``levels`` and ``variances`` (A,).
    """

    mean: F64
    root: F64
    pulls: F64
    levels: F64
    variances: F64

    def __repr__(self) -> str:
        return f"{type(self).__name__}({count_of(len(self.levels), 'arm')}, {count_of(len(self.mean), 'feature')})"


class ArrowSystem:
    """The sums over arms that hold for any prior, and the solution for one.

    An arm's impressions have the features x ⊗ z_a, so Σ over them is G_a ⊗ z_a z_aᵀ, and the sum over arms is one product of
    a matrix with a row per arm: 276 x 435 pairs at 23 context and 29 artwork features. Intercepts are eliminated: the Schur
    complement of their diagonal block is of the same form, with G_a minus (β/D_a) s_a s_aᵀ. Nothing is arms x arms.

    That difference is taken as (G_a - s_a s_aᵀ/n_a) + (τ/(n_a D_a)) s_a s_aᵀ, with n_a the impressions, and likewise for the
    target: where β n_a is 10⁹ times τ, the plain one leaves 7 digits of what a constant feature shares with the intercepts. Of a
    constant feature, the first term is exactly 0.

    Args:
        evidence: of A arms.
        design: z_a of each arm with its leading 1, (A, q).
    """

    def __init__(self, evidence: LinearEvidence, design: F64) -> None:
        self.evidence, self.design = evidence, design
        self._left, self._right = np.tril_indices(evidence.shape[1]), np.tril_indices(design.shape[1])
        i, j = self._left
        counts = evidence.counts
        self._counted = counts >= _LEAST_COUNT
        self._shares = np.divide(1.0, counts, out=np.zeros_like(counts), where=self._counted)  # 1/n (A,), 0 without
        self._apart = self._over_arms(lambda arms: evidence.precision[arms][:, i, j] - self._products(arms))

    @property
    def shape(self) -> tuple[int, int]:
        """(d, q): of the shared weights."""
        return self.evidence.shape[1], self.design.shape[1]

    def solve(self, prior: Prior) -> Arrow:
        """Mean, covariance and what gives the intercepts."""
        evidence = self.evidence
        precisions = prior.intercepts + prior.noise * evidence.counts  # D (A,)
        levels = (prior.intercepts * prior.means + prior.noise * evidence.takes) / precisions
        slack = prior.intercepts / precisions  # τ/D (A,)
        schur = self._dense(prior.noise * (self._apart + self.outer(slack * self._shares)))
        schur[np.diag_indices_from(schur)] += prior.weights.ravel()
        root = whitenings(schur[None])[0].T  # (p, p)
        rates = evidence.takes * self._shares  # T/n (A,)
        pull = slack * (rates - prior.means)
        target = prior.noise * _summed(
            len(levels),
            lambda arms: (
                (evidence.information[arms] - self._expected(rates, arms)) + pull[arms, None] * evidence.sums[arms],
                self.design[arms],
            ),
        )
        mean = (root @ (root.T @ target.ravel())).reshape(target.shape)  # (d, q)
        pulled = np.divide(prior.noise, precisions, out=np.zeros_like(precisions), where=self._counted)
        return Arrow(mean, root, pulled[:, None] * evidence.sums, levels, 1 / precisions)

    def outer(self, scales: F64) -> F64:
        """Σ scales_a (s_a s_aᵀ) ⊗ (z_a z_aᵀ) in pairs, with s_a the sum of an arm's contexts."""
        i, j = self._left
        sums = self.evidence.sums
        return self._over_arms(lambda arms: scales[arms, None] * sums[arms][:, i] * sums[arms][:, j])

    def _products(self, arms: slice) -> F64:
        """Pairs of s_a s_aᵀ/n_a; exactly the other's sum where one feature is constant."""
        i, j = self._left
        sums = self.evidence.sums[arms]
        means = self._means(arms)
        return np.asarray(np.where(means[:, i] == 1, sums[:, j], sums[:, i] * means[:, j]))

    def _expected(self, rates: F64, arms: slice) -> F64:
        """(T_a/n_a) s_a; exactly the takes where a feature is constant."""
        evidence = self.evidence
        return np.asarray(
            np.where(self._means(arms) == 1, evidence.takes[arms, None], rates[arms, None] * evidence.sums[arms])
        )

    def _means(self, arms: slice) -> F64:
        sums = self.evidence.sums[arms]
        return np.divide(
            sums, self.evidence.counts[arms, None], out=np.zeros_like(sums), where=self._counted[arms, None]
        )

    def trace(self, root: F64, pairs: F64) -> float:
        """Trace of root rootᵀ with a sum in pairs."""
        return float(np.einsum("ij,ij->", root, self._dense(pairs) @ root))

    def _over_arms(self, blocks: Callable[[slice], F64]) -> F64:
        a, b = self._right
        z = self.design
        return _summed(len(z), lambda arms: (blocks(arms), z[arms][:, a] * z[arms][:, b]))

    def _dense(self, pairs: F64) -> F64:
        """A sum in pairs of lower triangles, as the symmetric (p, p) matrix over (feature, artwork feature)."""
        d, q = self.shape
        left, right = _places(d), _places(q)
        return pairs[left[:, None, :, None], right[None, :, None, :]].reshape(d * q, d * q)


def _summed(n_arms: int, rows: Callable[[slice], tuple[F64, F64]]) -> F64:
    """Σ over arms of left_a right_aᵀ, a block of arms at a time; the last one is padded, so arms without data change nothing."""
    total: F64 | None = None
    with np.errstate(over="ignore", invalid="ignore"):  # ``whitenings`` refuses what is not finite
        for start in range(0, n_arms, _BLOCK):
            left, right = rows(slice(start, start + _BLOCK))
            missing = ((0, _BLOCK - len(left)), (0, 0))
            product = np.pad(left, missing).T @ np.pad(right, missing)
            total = product if total is None else total + product
    assert total is not None  # noqa: S101  # a posterior has at least one arm
    return total


def _places(size: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Where the pair (i, j) stands among the pairs of a lower triangle, (size, size)."""
    row, column = np.indices((size, size))
    high, low = np.maximum(row, column), np.minimum(row, column)
    return np.asarray(high * (high + 1) // 2 + low)
