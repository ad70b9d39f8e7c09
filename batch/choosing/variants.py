"""The variants that a generation's picks are drawn under, and which user's picks under which."""

from functools import lru_cache

import numpy as np

from bandit.arrays import F64, I64, U32, U64, Bool
from bandit.deploying import Deployed
from bandit.hashing import hash_title, hash_users
from bandit.policies import Uniform
from bandit.posterior.base import Model
from bandit.posterior.registry import WITHOUT_CONTEXT
from bandit.scores import Scores
from bandit.snapshot import EXPLORE, MASK64, VARIANT, id64
from batch.config import Config
from batch.workspace.catalogue import Catalogue

_NO_CONTEXTS: F64 = np.empty((0, 0))
_SCORERS_KEPT = 256  # of a title: 34 KB each for 8 artworks of 23 features, 380 KB with joint draws


class Scoring:
    """A model with what scoring needs of the titles that were asked for last."""

    def __init__(self, name: str, model: Model, catalogue: Catalogue) -> None:
        self.name, self.model = name, model
        self._scorer = lru_cache(maxsize=_SCORERS_KEPT)(lambda title: model.scorer(catalogue.arms(title)))

    @property
    def knows_contexts(self) -> bool:
        """Whether users differ in their scores."""
        return self.name != WITHOUT_CONTEXT

    def scores(self, title: int, contexts: F64) -> Scores:
        """What the model says of a title's artworks to users (n, d): (n, k), or (1, k) where it knows no context."""
        return self._scorer(title).scores(contexts)


class LiveVariant:
    """A variant as it is deployed, and the model that it looks at."""

    def __init__(self, deployed: Deployed, scoring: Scoring) -> None:
        self.deployed, self.scoring = deployed, scoring
        self._for_everybody = lru_cache(maxsize=None)(
            lambda title: deployed.chances(title, scoring.scores(title, _NO_CONTEXTS))
        )

    def probabilities(self, title: int, scores: Scores | None, previous: I64 | None = None) -> F64:
        """The probability of each artwork before floors, (n, k); of users alike (1, k), and then without scores.

        ``previous`` (n,) are the arms that users were shown before, -1 for none; with it users differ.
        """
        chances = self._for_everybody(title) if scores is None else self.deployed.chances(title, scores)
        return self.deployed.kept(chances, previous)


def places_of(config: Config, generation: int, users: U64) -> U32:
    """The place among ``config.names`` of what each user's picks are drawn under, (n,).

    Args:
        config: of the generation.
        generation: its number.
        users: by ``hash_ids``.
    """
    places = variants_of(config, users)
    if config.explore_share > 0:
        places[explore(config, generation, users)] = config.names.index(Uniform.name)
    return places


def explore(config: Config, generation: int, users: U64) -> Bool:
    """Whether each user, given by ``hash_ids``, is one of the share whose picks are drawn under uniform, (n,).

    The share is drawn anew for every generation: explore data come from everybody, and nobody is left with it.
    """
    return _hashed(EXPLORE, config.seed, generation, users, "") < _threshold(config.explore_share)


def variants_of(config: Config, users: U64) -> U32:
    """The place among ``config.variants`` of the one that each user, given by ``hash_ids``, is assigned to, (n,).

    Users are assigned once for all generations of a seed and a salt: what a user sees, day after day, is the work of
    one variant. A variant has the users whose hash lies between the sums of the shares after it, without and with its
    own; the first has the rest. So shares that change move only the users between an old sum and the new one, which
    is as few as possible where neighbours change.
    """
    shares = [variant.share or 0.0 for variant in reversed(config.variants[1:])]
    bounds = np.array([_threshold(share) for share in np.cumsum(shares).tolist()], dtype=np.uint64)
    after = np.searchsorted(bounds, _hashed(VARIANT, config.seed, 0, users, config.salt), side="right")
    return (len(shares) - after).astype(np.uint32)


def _hashed(purpose: str, seed: int, generation: int, users: U64, salt: str) -> U64:
    return hash_title(hash_users(purpose, seed, generation, users), np.uint64(id64(salt)))


def _threshold(share: float) -> np.uint64:
    return np.uint64(min(int(share * 2.0**64), MASK64))
