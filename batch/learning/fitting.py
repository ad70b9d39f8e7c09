"""What every posterior is fitted from."""

from dataclasses import dataclass

import numpy as np

from bandit.arrays import F64, I64, Bool
from bandit.posterior import BetaPosterior
from batch.executors import Executor, Progress
from batch.learning.evidence_sums import Learned
from batch.workspace.catalogue import Catalogue
from batch.workspace.tables import Tables


@dataclass(frozen=True)
class Fitting:
    """The evidence so far, popularity, the tables, and where shards run; all that posteriors know of the artworks.

    ``constant`` (d,) says which numbers of a context are 1 for every user.
    """

    learned: Learned
    beta: BetaPosterior
    tables: Tables
    catalogue: Catalogue
    executor: Executor
    report: Progress
    shard_size: int
    constant: Bool
    seed: int = 0
    """Of joint draws; a generation's are pinned when its posterior is read back."""

    @property
    def shape(self) -> tuple[int, int]:
        """(a, d): artworks and features."""
        return self.catalogue.n_artworks, self.tables.n_features

    @property
    def titles(self) -> I64:
        """The title of each artwork, (a,)."""
        return self.catalogue.titles

    @property
    def levels(self) -> F64:
        """The take rate of each artwork's title, (a,), which its level starts from."""
        return np.asarray(self.beta.title_rates[self.titles])

    @property
    def features(self) -> F64:
        """What the images show, (a, f)."""
        features = self.tables.artworks["features"]
        return features.explode().to_numpy().reshape(self.catalogue.n_artworks, -1).astype(np.float64)

    @property
    def constant_feature(self) -> int | None:
        """The feature that is 1 for every user, whose weight is the level of an arm; None if there is none."""
        return int(self.constant.argmax()) if self.constant.any() else None
