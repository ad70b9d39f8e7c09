"""From a trained generation to weights: what precomputing draws with, and what explaining shows."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from bandit.hashing import U64, hash_ids, hash_title, hash_users
from bandit.policies import draw_arms, parse_policy, quantise
from bandit.policies.deciding import U8, U16
from bandit.scores import Scores
from bandit.snapshot import DRAW, EXPLORE, id64
from batch.catalogue import Catalogue
from batch.config import Config
from batch.contexts import context_matrix
from batch.generations import folder_of, read_manifest
from batch.models import BETA, load_model, model_name
from batch.workspace import Workspace

F64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

USERS_A_BLOCK = 256
"""Users scored by one matrix product; blocks are fixed by the users' order, so that shards do not change a sum."""

_NO_CONTEXTS: F64 = np.empty((0, 0))
_SCORERS_KEPT = 256  # of a title: 34 KB each for 8 artworks of 23 features, 380 KB with joint draws


class Picks(NamedTuple):
    """Arms and weights of n users for all t titles, (n, t); ``explores`` (n,) marks those drawn under uniform."""

    arms: U8
    weights: U16
    explores: Bool


class Chooser:
    """Everything that a generation chooses with, loaded once a process."""

    def __init__(self, workspace: Workspace, generation: int) -> None:
        self.manifest = read_manifest(workspace, generation)
        folder = folder_of(workspace, generation)
        self.catalogue = Catalogue.read(folder / "catalogue.parquet")
        self.users = pl.read_parquet(folder / "contexts" / "part-000000.parquet")
        self.titles_hashed = hash_ids(self.catalogue.title_ids)
        self.impressions = self.catalogue.frame["impressions"].to_numpy()  # (a,)
        self.new = self.impressions < self.config.new_arm_impressions  # (a,)
        of_titles = np.bincount(self.catalogue.titles, weights=self.impressions)  # (t,)
        policy = parse_policy(self.config.policy)
        self.policies = [policy.for_title(count, of_titles.sum()) for count in of_titles.tolist()]
        self.model = load_model(folder, self.manifest)
        self._scorer = lru_cache(maxsize=_SCORERS_KEPT)(lambda title: self.model.scorer(self.catalogue.arms(title)))
        self._for_everybody = lru_cache(maxsize=None)(self._for_each)

    @property
    def config(self) -> Config:
        """How the generation is made."""
        return self.manifest.config

    def scores(self, title: int, contexts: F64) -> Scores:
        """What the posterior says of a title's artworks to users (n, d): (n, k), or (1, k) where it knows no context."""
        return self._scorer(title).scores(contexts)

    def probabilities(self, title: int, contexts: F64, explores: Bool) -> F64:
        """The probability of each artwork before floors, (n, k): under uniform where ``explores`` (n,)."""
        knows_context = model_name(self.config) != BETA
        own = self._for_each(title, contexts) if knows_context else self._for_everybody(title)
        own = np.broadcast_to(own, (len(contexts), own.shape[1]))
        return np.where(explores[:, None], 1 / own.shape[1], own) if explores.any() else own

    def _for_each(self, title: int, contexts: F64 = _NO_CONTEXTS) -> F64:
        return self.policies[title].probabilities(self.scores(title, contexts))

    def weights(self, title: int, probabilities: F64) -> U16:
        """Probabilities with floors, quantised, (n, k)."""
        new = self.new[self.catalogue.arms(title)]
        return quantise(probabilities, None, new, self.config.floor, self.config.new_floor)

    def choose(self, first: int, count: int) -> Picks:
        """The picks of ``count`` users from user ``first`` on, which starts a block.

        Titles are the outer loop, so that memory holds the scorer of one title and the scores of one block.
        """
        contexts, explores = self.padded_contexts(first, count), self.padded_explorers(first, count)
        users = hash_ids(self.users["user_id"][first : first + count])
        states = hash_users(DRAW, self.config.seed, self.manifest.generation, users)
        shape = count, len(self.titles_hashed)
        picks = Picks(np.empty(shape, dtype=np.uint8), np.empty(shape, dtype=np.uint16), explores[:count])
        for title, hashed in enumerate(self.titles_hashed):
            drawn = hash_title(states, hashed)
            for cut in range(0, count, USERS_A_BLOCK):
                block, own = slice(cut, cut + USERS_A_BLOCK), slice(cut, min(cut + USERS_A_BLOCK, count))
                weights = self.weights(title, self.probabilities(title, contexts[block], explores[block]))
                picks.arms[own, title], picks.weights[own, title] = draw_arms(weights[: own.stop - cut], drawn[own])
        return picks

    def padded_contexts(self, first: int, count: int) -> F64:
        """The contexts of ``count`` users from ``first`` on as whole blocks; a last one that is short is padded by zeros.

        A block always has ``USERS_A_BLOCK`` rows, because the sums inside a matrix product depend on its shape.
        """
        known = context_matrix(self.users[first : first + count]).astype(np.float64)
        return np.pad(known, ((0, -count % USERS_A_BLOCK), (0, 0)))

    def padded_explorers(self, first: int, count: int) -> Bool:
        """Whether each of the same users draws under uniform; padding does not."""
        users = hash_ids(self.users["user_id"][first : first + count])
        return np.pad(explorers(self.config, self.manifest.generation, users), (0, -count % USERS_A_BLOCK))


def explorers(config: Config, generation: int, users: U64) -> Bool:
    """Whether each user, given by ``hash_ids``, is one of the share whose picks are drawn under uniform, (n,).

    The share is drawn anew for every generation: explore data come from everybody, and nobody is left with it.
    """
    if len(config.policies) == 1:
        return np.zeros(len(users), dtype=np.bool_)
    hashed = hash_title(hash_users(EXPLORE, config.seed, generation, users), np.uint64(id64("")))
    return hashed < np.uint64(int(config.explore_share * 2.0**64))
