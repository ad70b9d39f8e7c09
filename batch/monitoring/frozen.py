"""A model that is left as it was, so that rewards are held against what was expected before any of them was known."""

from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import F64, I64, Bool
from bandit.posterior.registry import WITHOUT_CONTEXT
from bandit.scores import expected_rewards
from batch.learning.posteriors import load_model
from batch.linear_algebra import in_one_thread
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import CATALOGUE, Manifest, finished, folder_of, read_manifest
from batch.workspace.kept_users import KeptUsers
from batch.workspace.workspace import Workspace


class Predicted(NamedTuple):
    """Of the rows that the model knows: their places (n,), expected rewards (n,), and whether the artwork is its best (n,)."""

    rows: I64
    rewards: F64
    is_best: Bool


def frozen_generation(workspace: Workspace, before: date) -> Manifest | None:
    """The newest generation that learned of days before ``before`` alone; without one, the first that learned of any day.

    The first is one whose policy looks at contexts, where there is one: that of explore days expects the same of every user, and
    tastes that shift would not be seen by it.
    """
    numbers = finished(workspace, "trained")
    learned = [manifest for number in numbers if (manifest := read_manifest(workspace, number)).rows]
    early = [manifest for manifest in learned if last_day(manifest) < before]
    if early:
        return early[-1]
    contextual = [manifest for manifest in learned if manifest.config.variants[0].model.posterior != WITHOUT_CONTEXT]
    return min(contextual or learned, key=lambda manifest: (last_day(manifest), manifest.generation), default=None)


def last_day(manifest: Manifest) -> date:
    """The last day that a generation learned from; there is one."""
    return date.fromisoformat(max(manifest.rows))


class FrozenModel:
    """The model of a generation's first variant."""

    def __init__(self, workspace: Workspace, manifest: Manifest) -> None:
        folder = folder_of(workspace, manifest.generation)
        self.generation = manifest.generation
        self.reward = manifest.config.rewards[0]
        self._catalogue = Catalogue.read(folder / CATALOGUE)
        self._n_features = int(KeptUsers(workspace, manifest).slice(0, 1)["context"].list.len()[0])
        self._model = load_model(folder, manifest, manifest.config.variants[0].model)

    def predict(self, rows: pl.DataFrame) -> Predicted:
        """What was to be expected of impressions, by title_id, artwork_id and context; of artworks and features that it knows."""
        known = (
            rows.select("title_id", "artwork_id", row=pl.int_range(pl.len(), dtype=pl.Int64))
            .filter(rows["context"].list.len() == self._n_features)
            .join(self._catalogue.keys(), on=["title_id", "artwork_id"], how="inner")
        )
        known = known.sort("artwork_index", "row")
        places, artworks = known["row"].to_numpy(), known["artwork_index"].to_numpy()
        titles = self._catalogue.titles[artworks]
        contexts = context_rows(rows["context"].gather(places))
        rewards, is_best = np.empty(len(places)), np.empty(len(places), dtype=np.bool_)
        cuts = np.flatnonzero(np.diff(titles, prepend=-1, append=-1))
        with in_one_thread():
            for start, stop in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
                arms = self._catalogue.arms(int(titles[start]))
                expected = expected_rewards(self._model.scorer(arms).scores(contexts[start:stop]))
                expected = np.broadcast_to(expected, (stop - start, len(arms)))
                own = artworks[start:stop] - arms[0]
                rewards[start:stop] = expected[np.arange(stop - start), own]
                is_best[start:stop] = expected.argmax(axis=1) == own
        return Predicted(places, np.clip(rewards, 0.0, 1.0), is_best)


def context_rows(contexts: pl.Series) -> F64:
    """Contexts of one length as a matrix, (n, d)."""
    if not len(contexts):
        return np.empty((0, 0))
    return contexts.explode().to_numpy().reshape(len(contexts), -1).astype(np.float64)
