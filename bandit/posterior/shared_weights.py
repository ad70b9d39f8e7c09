"""The fitted model of shared weights: exact moments, and joint draws that all titles and users share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from numpy.lib.npyio import NpzFile

from bandit.arrays import F64, is_count, real_array
from bandit.checks import MOST_FEATURE, checked_choice, checked_contexts
from bandit.errors import InputError
from bandit.objects import count_of
from bandit.posterior.arrow import Arrow
from bandit.posterior.files import Saved, read
from bandit.scores import Draws, Moments

_WEIGHTS, _INTERCEPTS = 0, 1  # streams of the random numbers
_SEEDS = 2**64


def design_of(features: F64) -> F64:
    """z_a with its leading 1, (A, f + 1), from artwork features (A, f)."""
    return np.column_stack([np.ones(len(features)), features])


def checked_features(features: npt.ArrayLike) -> F64:
    """Artwork features as a fresh (A, f) array.

    Raises:
        InputError: they are no numbers or have another shape, or one is not finite or beyond 1e100.
    """
    array = real_array("features", features)
    if array.ndim != 2:
        raise InputError(f"features have the shape {array.shape}, expected (A, f): one row per artwork")
    wrong = ~(np.abs(array) <= MOST_FEATURE)
    if wrong.any():
        row, place = np.argwhere(wrong)[0].tolist()
        raise InputError(
            f"row {row} of the features has a value that is not finite or too large: {array[row, place]}, expected at most"
            f" {MOST_FEATURE:g}; fill gaps and scale features first"
        )
    return array.copy()


def checked_draws(n_draws: int, seed: int) -> tuple[int, int]:
    """Number and seed of joint draws.

    Raises:
        InputError: the number is not a whole one of at least 1, or the seed not a whole one from 0 to 2⁶⁴ - 1.
    """
    if not (is_count(n_draws) and (is_count(seed) or seed == 0) and seed < _SEEDS):
        raise InputError(
            f"{n_draws!r} draws of the seed {seed!r}, expected at least 1 and a seed from 0 to 2**64 - 1, both whole numbers"
        )
    return int(n_draws), int(seed)


@dataclass(frozen=True, repr=False)
class SharedScorer:
    """Joint draws of the coefficients of some arms, laid out for one call per block of users.

    ``coefficients`` is (m, d, k) and ``offsets`` (m, k), draw after draw; ``means`` (d, k) and ``levels`` (k,) are exact.
    """

    coefficients: F64
    offsets: F64
    means: F64
    levels: F64

    def __repr__(self) -> str:
        draws, features, arms = self.coefficients.shape
        return f"{type(self).__name__}({count_of(arms, 'arm')}, {count_of(features, 'feature')}, {count_of(draws, 'draw')})"

    def scores(self, contexts: npt.ArrayLike) -> Draws:
        """Joint draws of each arm's expected reward for each context, (m, n, k), and their exact mean.

        Raises:
            InputError: a context has another length, or a feature is not finite.
        """
        x = checked_contexts(contexts, len(self.means)).astype(np.float64, copy=False)
        # A product per draw leaves the values as a kernel reads them. One product of all, (n, m k), takes 0.8 ms instead of 0.95
        # at 256 users, 8 arms and 256 draws, but turning its 4 MB around takes 4 to 12.
        values = np.matmul(x, self.coefficients)  # (m, n, k)
        values += self.offsets[:, None, :]
        return Draws(values, x @ self.means + self.levels)


@dataclass(frozen=True, repr=False)
class SharedWeights(Saved):
    """What scoring needs of a ``SharedPosterior``, without the evidence.

    ``features`` (A, f); the others as in ``Arrow``. Random numbers are those of Philox (Salmon, Moraes, Dror and Shaw 2011) under
    ``seed``: one stream for the shared weights and one for each arm's intercept, by its index, so an arm's draws are
    the same whichever arms are asked for with it, for every user.
    """

    features: F64
    mean: F64
    root: F64
    pulls: F64
    levels: F64
    variances: F64
    n_draws: int
    seed: int

    def __repr__(self) -> str:
        arms, looks = self.features.shape
        sizes = count_of(arms, "arm"), count_of(len(self.mean), "feature"), count_of(looks, "artwork feature")
        return f"{type(self).__name__}({', '.join(sizes)}, {count_of(self.n_draws, 'draw')})"

    @classmethod
    def of(cls, arrow: Arrow, features: F64, n_draws: int, seed: int) -> Self:
        """The solution together with what draws need."""
        return cls(features, *arrow, n_draws, seed)

    @cached_property
    def weight_draws(self) -> F64:
        """Draws of the shared weights, (m, d, q)."""
        noise = self._normals(_WEIGHTS, 0, self.n_draws * len(self.root)).reshape(self.n_draws, -1)  # (m, p)
        return np.asarray((noise @ self.root.T).reshape(self.n_draws, *self.mean.shape) + self.mean)

    @property
    def intercepts(self) -> F64:
        """Posterior mean of each arm's intercept, (A,)."""
        return np.asarray(self.levels - np.einsum("ad,ad->a", self.pulls, design_of(self.features) @ self.mean.T))

    def scorer(self, arms: npt.ArrayLike) -> SharedScorer:
        """What scoring many blocks of users for the arms (k,) needs, computed once."""
        rows = checked_choice(arms, len(self.features))
        z, pulls = design_of(self.features[rows]), self.pulls[rows]  # (k, q), (k, d)
        drawn = self.weight_draws @ z.T  # (m, d, k)
        own = np.stack([self._normals(_INTERCEPTS, int(arm), self.n_draws) for arm in rows], axis=1)  # (m, k)
        means = self.mean @ z.T  # (d, k)
        offsets = self.levels[rows] + np.sqrt(self.variances[rows]) * own - np.einsum("kd,mdk->mk", pulls, drawn)
        levels = self.levels[rows] - np.einsum("kd,dk->k", pulls, means)
        return SharedScorer(drawn, offsets, means, levels)

    def moments(self, contexts: npt.ArrayLike, arms: npt.ArrayLike) -> Moments:
        """Exact mean and standard deviation of each arm's expected reward for each context; without the arms' correlation."""
        rows = checked_choice(arms, len(self.features))
        x = checked_contexts(contexts, len(self.mean)).astype(np.float64, copy=False)
        means, deviations = np.empty((2, len(x), len(rows)))
        for place, context in enumerate(x):
            means[place], whitened = self._along(context, rows)
            deviations[place] = np.sqrt(np.einsum("kp,kp->k", whitened, whitened) + self.variances[rows])
        return Moments(means, deviations)

    def covariance(self, context: npt.ArrayLike, arms: npt.ArrayLike) -> F64:
        """Exact covariance of the expected rewards of arms at one context (d,), (k, k)."""
        rows = checked_choice(arms, len(self.features))
        x = checked_contexts(real_array("context", context)[None], len(self.mean)).astype(np.float64, copy=False)[0]
        whitened = self._along(x, rows)[1]
        same = rows[:, None] == rows[None, :]
        return np.asarray(whitened @ whitened.T + same * self.variances[rows])

    def _along(self, context: F64, rows: npt.NDArray[np.int64]) -> tuple[F64, F64]:
        """Mean at one context, (k,), and what shared weights add to the standard deviation, (k, p) along whitened directions.

        With the intercept written by W, the expected reward is ((x - pulls_a) ⊗ z_a)ᵀ W + levels_a + its own noise.
        """
        z = design_of(self.features[rows])
        direction = ((context - self.pulls[rows])[:, :, None] * z[:, None, :]).reshape(len(rows), -1)  # (k, p)
        return direction @ self.mean.ravel() + self.levels[rows], direction @ self.root

    def _normals(self, stream: int, arm: int, count: int) -> F64:
        generator = np.random.Philox(key=np.array([self.seed, stream], dtype=np.uint64), counter=[0, 0, 0, arm])
        return np.random.Generator(generator).standard_normal(count)

    def _arrays(self) -> dict[str, Any]:
        return asdict(self) | {"n_draws": np.int64(self.n_draws), "seed": np.uint64(self.seed)}

    @classmethod
    def _read(cls, file: NpzFile) -> Self:
        features = checked_features(file["features"])
        n_arms, width = features.shape
        mean = read(file, "mean", None, width + 1)
        d, p = len(mean), mean.size
        sizes = {"mean": mean.shape, "root": (p, p), "pulls": (n_arms, d)}
        arrow = Arrow(*(read(file, name, *sizes.get(name, (n_arms,))) for name in Arrow._fields))
        if not (arrow.variances >= 0).all():
            raise InputError(f"a variance is {arrow.variances.min()}, expected at least 0; train again")
        return cls.of(arrow, features, *checked_draws(int(file["n_draws"]), int(file["seed"])))
