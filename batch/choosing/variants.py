"""The variants that a generation's picks are drawn under, and which user's picks under which."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np

from bandit.arrays import F64, I64, U32, U64, Bool
from bandit.deploying import Deployed
from bandit.hashing import DealtTitles, hash_title, hash_users
from bandit.policies import Uniform
from bandit.posterior.base import Model
from bandit.posterior.registry import WITHOUT_CONTEXT
from bandit.scores import Scores
from bandit.snapshot import EXPLORE, VARIANT, id64, threshold64
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


class Places(NamedTuple):
    """What the picks of n users are drawn under.

    ``rows`` (n,) is what a row says: a place among ``config.names``, or where ``by_title`` (n,) holds, the place of the user's
    split; ``dealt`` then says of each title which of the first two variants chooses it.
    """

    rows: U32
    by_title: Bool
    dealt: DealtTitles | None = None

    @classmethod
    def by_row(cls, rows: U32) -> Self:
        """Users all of whose titles are drawn under one place among ``config.names``."""
        return cls(rows, np.zeros(len(rows), dtype=np.bool_))

    def of_title(self, title: np.uint64) -> U32:
        """The place among ``config.names`` of what each user's pick of a title, by ``hash_ids``, is drawn under, (n,)."""
        if self.dealt is None:
            return self.rows
        return np.where(self.by_title, self.dealt.second(title), self.rows).astype(np.uint32)

    def changed(self, change: Callable[[Any], Any]) -> Self:
        """The same with every array changed, as by taking some users."""
        dealt = None if self.dealt is None else DealtTitles(*map(change, self.dealt))
        return type(self)(change(self.rows), change(self.by_title), dealt)

    def taken(self, users: Any) -> Self:
        """Those of some users, by places, a slice or a mask."""
        return self.changed(lambda values: values[users])


def places_of(config: Config, generation: int, users: U64) -> Places:
    """What each user's picks are drawn under.

    Args:
        config: of the generation.
        generation: its number.
        users: by ``hash_ids``, (n,).
    """
    if config.splits:
        dealt = DealtTitles.of(config.seed, config.salt, config.splits, users)
        places = Places(dealt.splits.astype(np.uint32), np.ones(len(users), dtype=np.bool_), dealt)
    else:
        places = Places.by_row(variants_of(config, users))
    if config.explore_share > 0:
        explores = explore(config, generation, users)
        places.rows[explores] = config.names.index(Uniform.name)
        places.by_title[explores] = False
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
    return np.uint64(threshold64(share))
