"""What every posterior is fitted from, and what a fit is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64
from bandit.posterior import BetaPosterior
from bandit.posterior.base import Scorer
from bandit.posterior.empirical import constant_feature
from batch.executors import Executor, Progress
from batch.learning.evidence_sums import Learned
from batch.workspace.catalogue import Catalogue
from batch.workspace.tables import Tables, context_matrix


class Model(Protocol):
    """What a generation chooses with."""

    def scorer(self, arms: npt.ArrayLike) -> Scorer:
        """What scoring many blocks of users for the same catalogue rows (k,) needs."""
        ...

    def save(self, path: Path) -> None:
        """Write it to a ``.npz``."""
        ...


@dataclass(frozen=True)
class Fitted:
    """A model, and the precisions that were estimated for it."""

    model: Model
    prior_precision: tuple[float, ...] = ()
    noise_precision: float | None = None


@dataclass(frozen=True)
class Fitting:
    """The evidence so far, popularity, the tables, and where shards run."""

    learned: Learned
    beta: BetaPosterior
    tables: Tables
    catalogue: Catalogue
    executor: Executor
    report: Progress
    shard_size: int

    @property
    def shape(self) -> tuple[int, int]:
        """(a, d): artworks and features."""
        return self.catalogue.n_artworks, self.tables.n_features

    @property
    def levels(self) -> F64:
        """The take rate of each artwork's title, (a,), which its level starts from."""
        return np.asarray(self.beta.title_rates[self.catalogue.titles])

    @property
    def artwork_features(self) -> F64:
        """What the images show, (a, f)."""
        features = self.tables.artworks["features"]
        return features.explode().to_numpy().reshape(self.catalogue.n_artworks, -1).astype(np.float64)

    @property
    def constant_feature(self) -> int | None:
        """The feature that is 1 for every user, whose weight is the level of an arm; None if there is none."""
        return constant_feature(context_matrix(self.tables.users))


Fit: TypeAlias = Callable[[Fitting], Fitted]
"""Fits one kind of posterior; called with one BLAS thread, so that sums are the same bytes on any number of cores."""
