"""From a trained generation to weights: what precomputing draws with, and what explaining shows."""

from typing import NamedTuple

import numpy as np

from bandit.arrays import F64, U8, U16, U32
from bandit.deploying import Deployed
from bandit.errors import InputError
from bandit.hashing import hash_ids, hash_title, hash_users
from bandit.policies import draw_arms, parse_policy
from bandit.scores import Scores
from bandit.snapshot import DRAW
from batch.choosing.variants import LiveVariant, Scoring, places_of
from batch.config import Config
from batch.learning.posteriors import load_model
from batch.workspace.catalogue import Catalogue
from batch.workspace.files import read_parquet
from batch.workspace.generations import folder_of, read_manifest
from batch.workspace.tables import context_matrix
from batch.workspace.workspace import Workspace

USERS_A_BLOCK = 256
"""Users scored by one matrix product; blocks are fixed by the users' order, so that shards do not change a sum."""


class Picks(NamedTuple):
    """Arms and weights of n users for all t titles, (n, t); ``places`` (n,) as of ``places_of``."""

    arms: U8
    weights: U16
    places: U32


class Chooser:
    """Everything that a generation chooses with, loaded once per process; ``variants`` are those of ``config.names``.

    Raises:
        InputError: a file is missing or wrong, or a title has more artworks than the row format takes.
    """

    def __init__(self, workspace: Workspace, generation: int) -> None:
        self.manifest = read_manifest(workspace, generation)
        folder = folder_of(workspace, generation)
        self.catalogue = Catalogue.read(folder / "catalogue.parquet")
        form, largest = self.manifest.row_format, int(np.diff(self.catalogue.starts).max(initial=0))
        if largest > form.most_arms:
            raise InputError(
                f"generation {generation} has a title of {largest} artworks, and weights that add up to {form.total}, whose row"
                f" format takes {form.most_arms}; its manifest or its catalogue was changed: run `artwork train` for a new one"
            )
        self.users = read_parquet(folder / "contexts" / "part-000000.parquet")
        self.titles_hashed = hash_ids(self.catalogue.title_ids)
        self.impressions = self.catalogue.frame["impressions"].to_numpy()  # (a,)
        starts = self.catalogue.starts.tolist()
        live = [(variant.policy, variant.model) for variant in self.config.variants]
        live += [(name, self.config.models[0]) for name in self.config.names[len(live) :]]  # that of explore data
        scorings = {
            key: Scoring(key.posterior, load_model(folder, self.manifest, key), self.catalogue)
            for key in dict.fromkeys(key for _, key in live)
        }
        self.variants = [
            LiveVariant(
                Deployed(parse_policy(policy), self.impressions, starts, floors, self.config.total), scorings[key]
            )
            for (policy, key), floors in zip(live, self.config.floors, strict=True)
        ]

    @property
    def config(self) -> Config:
        """How the generation is made."""
        return self.manifest.config

    def probabilities(self, title: int, contexts: F64, places: U32) -> F64:
        """The probability of each artwork before floors, (n, k), under the variant of each user's place (n,)."""
        out = np.empty((len(contexts), len(self.catalogue.arms(title))))  # (n, k)
        known: dict[Scoring, Scores] = {}
        for place, variant in enumerate(self.variants):
            own = places == place
            if not own.any():
                continue
            scoring = variant.scoring
            if scoring.knows_contexts and scoring not in known:  # scored once for all variants that look at it
                known[scoring] = scoring.scores(title, contexts)
            out[own] = np.broadcast_to(variant.probabilities(title, known.get(scoring)), out.shape)[own]
        return out

    def weights(self, title: int, probabilities: F64, places: U32) -> U16:
        """Probabilities with the floors of each user's place (n,), quantised, (n, k)."""
        out = np.empty(probabilities.shape, dtype=np.uint16)
        for place, variant in enumerate(self.variants):
            if (own := places == place).any():
                out[own] = variant.deployed.quantised(title, probabilities[own])
        return out

    def choose(self, first: int, count: int) -> Picks:
        """The picks of ``count`` users from user ``first`` on, which starts a block.

        Titles are the outer loop, so that memory holds the scorer of one title and the scores of one block.
        """
        contexts, places = self.padded_contexts(first, count), self.padded_places(first, count)
        users = hash_ids(self.users["user_id"][first : first + count])
        states = hash_users(DRAW, self.config.seed, self.manifest.generation, users)
        shape = count, len(self.titles_hashed)
        picks = Picks(np.empty(shape, dtype=np.uint8), np.empty(shape, dtype=np.uint16), places[:count])
        for title, hashed in enumerate(self.titles_hashed):
            drawn = hash_title(states, hashed)
            for cut in range(0, count, USERS_A_BLOCK):
                block, own = slice(cut, cut + USERS_A_BLOCK), slice(cut, min(cut + USERS_A_BLOCK, count))
                weights = self.weights(title, self.probabilities(title, contexts[block], places[block]), places[block])
                picks.arms[own, title], picks.weights[own, title] = draw_arms(
                    weights[: own.stop - cut], drawn[own], self.config.total
                )
        return picks

    def padded_contexts(self, first: int, count: int) -> F64:
        """The contexts of ``count`` users from ``first`` on as whole blocks; a last one that is short is padded by zeros.

        A block always has ``USERS_A_BLOCK`` rows, because the sums inside a matrix product depend on its shape.
        """
        known = context_matrix(self.users[first : first + count]).astype(np.float64)
        return np.pad(known, ((0, -count % USERS_A_BLOCK), (0, 0)))

    def padded_places(self, first: int, count: int) -> U32:
        """The place of what each of the same users' picks are drawn under; of padding it is 0."""
        users = hash_ids(self.users["user_id"][first : first + count])
        return np.pad(places_of(self.config, self.manifest.generation, users), (0, -count % USERS_A_BLOCK))
