"""From a trained generation to weights: what precomputing draws with, and what explaining shows."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from bandit.arrays import F64, I64, U8, U16, U64, Bool
from bandit.deploying import Deployed
from bandit.errors import InputError
from bandit.hashing import hash_ids, hash_title, hash_users
from bandit.policies import draw_quantised, parse_policy
from bandit.policies.deciding import Decisions
from bandit.posterior.base import Model
from bandit.posterior.shared_weights import SharedWeights
from bandit.scores import Scores
from bandit.snapshot import DRAW
from batch.choosing.variants import LiveVariant, Places, Scoring, places_of
from batch.config import Config, ModelKey
from batch.learning.posteriors import load_model
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import Manifest, folder_of, read_manifest
from batch.workspace.kept_users import KeptUsers
from batch.workspace.previous_picks import NONE, PreviousArms, PreviousPicks
from batch.workspace.workspace import Workspace

_ALL: Final = np.empty(0, dtype=np.uint16)
Number = TypeVar("Number", bound=np.generic)

USERS_A_BLOCK = 2048
"""Users scored at once; blocks are fixed by the users' order, so that shards do not change a sum. With 256, a third of the time
goes into what is done once per block and title."""

USERS_A_PRODUCT = 256
"""Users of a matrix product, of which a block is several, the last one padded: whoever scores some users again takes the whole
product that they are in. Users whose scores are joint draws, of 20 KB per user and title, are scored so many at a time."""


USERS_A_TITLE: Final = (200, 600)
"""Users who are scored together for a title of their shortlists, about: at the least, and where there are enough of them. What is
done once per title and group of users takes as long as some 400 picks. With 14 users, as a block has of 100 among 15,000 titles,
a pick took 30 times as long."""
_MOST_BLOCKS: Final = 64
_MOST_PICKS: Final = 10_000_000
"""Of a group, as its blocks, for memory: a pick takes some 50 bytes while they are made."""
_FEWEST_GROUPS: Final = 2
"""Of a generation that has users enough, so that two cores share its work."""


def blocks_a_group(users: int, titles: int, longest_shortlist: int) -> int:
    """How many blocks of users are scored together where each has a shortlist; it follows from the generation alone.

    Groups are alike in size, so that no process is left with a rest.

    >>> blocks_a_group(2_000_000, 100, 50), blocks_a_group(131_072, 15_000, 100), blocks_a_group(260_000_000, 15_000, 100)
    (1, 32, 44)
    >>> blocks_a_group(1_000_000, 60_000, 1), blocks_a_group(5000, 10, 0)
    (62, 2)
    """
    blocks, picks_a_block = max(1, -(-users // USERS_A_BLOCK)), USERS_A_BLOCK * max(1, longest_shortlist)
    fewest, most = (max(1, -(-wanted * titles // picks_a_block)) for wanted in USERS_A_TITLE)
    at_most = max(1, min(_MOST_BLOCKS, _MOST_PICKS // picks_a_block))
    wanted = max(fewest, min(most, -(-blocks // _FEWEST_GROUPS)))
    groups = max(1, -(-blocks // at_most), min(-(-blocks // wanted), blocks // fewest))
    return -(-blocks // groups)


class Picks(NamedTuple):
    """The picks of n users, by user and title, (m,): ``counts`` and ``places`` (as of ``places_of``) are of (n,).

    ``titles`` are empty where every user has a pick of every title. ``kept_and_changed`` (2,) counts the picks that are, and
    are not, of the artwork that the user was shown before; others have none before.
    """

    counts: I64
    titles: U16
    arms: U8
    weights: U16
    places: Places
    kept_and_changed: I64


class Loaded(NamedTuple):
    """What is large in a generation and the same for all of its users."""

    catalogue: Catalogue
    models: dict[ModelKey, Model]


def load(workspace: Workspace, manifest: Manifest) -> Loaded:
    """Read the catalogue and the models of a generation.

    Raises:
        InputError: a file is missing or wrong.
    """
    folder = folder_of(workspace, manifest.generation)
    models = {key: load_model(folder, manifest, key) for key in dict.fromkeys(key for _, key in _live(manifest.config))}
    return Loaded(Catalogue.read(folder / "catalogue.parquet"), models)


class Chooser:
    """Everything that a generation chooses with, loaded once per process; ``variants`` are those of ``config.names``.

    ``loaded`` is what somebody else has read already.

    Raises:
        InputError: a file is missing or wrong, or a title has more artworks than the row format takes.
    """

    def __init__(self, workspace: Workspace, generation: int, loaded: Loaded | None = None) -> None:
        self._workspace, self.manifest = workspace, read_manifest(workspace, generation)
        self.catalogue, models = loaded or load(workspace, self.manifest)
        form, largest = self.manifest.row_format, int(np.diff(self.catalogue.starts).max(initial=0))
        if largest > form.most_arms:
            raise InputError(
                f"generation {generation} has a title of {largest} artworks, and weights that add up to {form.total}, whose row"
                f" format takes {form.most_arms}; its manifest or its catalogue was changed: run `artwork train` for a new one"
            )
        self.users = KeptUsers(workspace, self.manifest)
        self.titles_hashed = hash_ids(self.catalogue.title_ids)
        self.impressions = self.catalogue.frame["impressions"].to_numpy()  # (a,)
        starts = self.catalogue.starts.tolist()
        live = _live(self.config)
        scorings = {key: Scoring(key.posterior, model, self.catalogue) for key, model in models.items()}
        self.variants = [
            LiveVariant(
                Deployed(parse_policy(policy), self.impressions, starts, floors, self.config.total, stickiness),
                scorings[key],
            )
            for (policy, key), floors, stickiness in zip(
                live, self.config.floors, self.config.stickinesses, strict=True
            )
        ]

    @property
    def config(self) -> Config:
        """How the generation is made."""
        return self.manifest.config

    @cached_property
    def _previous(self) -> PreviousPicks | None:
        before = self.manifest.previous
        return None if before is None else PreviousPicks(self._workspace, before, self.catalogue)

    def previous(self, user_ids: pl.Series) -> PreviousArms:
        """The arms that some users, each named once, were shown before: nobody any, where the generation keeps no picks.

        Raises:
            InputError: the files of the generation before are gone, or have changed.
        """
        return self._previous.of(user_ids) if self._previous else PreviousArms.none(len(self.titles_hashed))

    def previous_at(self, user_ids: pl.Series, titles: I64) -> I64:
        """The arms that users were shown of titles, places (m,) of which -1 is nowhere, before: (m,), -1 for none."""
        users = user_ids.unique(maintain_order=True)
        places = user_ids.cast(pl.Enum(users)).to_physical().to_numpy().astype(np.int64)
        return self.previous(users).at(places, titles)

    def previous_of_slice(self, first: int, count: int) -> PreviousArms:
        """The same for the users from a place on."""
        return self.previous(self.users.slice(first, count)["user_id"])

    def keeps(self, title: int, places: Places) -> Bool:
        """Whose picks of a title are drawn given what they were shown before, (n,); those of others do not depend on it."""
        keeps = np.array([variant.deployed.stickiness.share > 0 for variant in self.variants])
        return np.asarray(keeps[places.of_title(self.titles_hashed[title])])

    def probabilities(self, title: int, contexts: F64, places: Places, previous: I64 | None) -> F64:
        """The probability of each artwork before floors, (n, k), under the variant that users' places (n,) give the title.

        ``previous`` (n,) are the arms that users were shown before, -1 for none; None stands for what the policies make alone.
        """
        out = np.empty((len(contexts), len(self.catalogue.arms(title))))  # (n, k)
        step = USERS_A_PRODUCT if self._draws_jointly else max(len(contexts), 1)
        for cut in range(0, len(contexts), step):
            rows = slice(cut, cut + step)
            self._fill(
                title, contexts[rows], places.taken(rows), None if previous is None else previous[rows], out[rows]
            )
        return out

    def _fill(self, title: int, contexts: F64, places: Places, previous: I64 | None, out: F64) -> None:
        known: dict[Scoring, Scores] = {}
        for place, own in self._of_each_variant(title, places):
            variant = self.variants[place]
            scoring = variant.scoring
            if scoring.knows_contexts and scoring not in known:  # scored once for all variants that look at it
                known[scoring] = scoring.scores(title, contexts)
            made = variant.probabilities(title, known.get(scoring), previous)
            out[own] = made if isinstance(own, slice) else np.broadcast_to(made, out.shape)[own]

    def weights(self, title: int, probabilities: F64, places: Places) -> U16:
        """Probabilities with the floors of the variant that each user's places (n,) give the title, quantised, (n, k)."""
        out = np.empty(probabilities.shape, dtype=np.uint16)
        for place, own in self._of_each_variant(title, places):
            out[own] = self.variants[place].deployed.quantised(title, probabilities[own])
        return out

    def _of_each_variant(self, title: int, places: Places) -> Iterator[tuple[int, slice | Bool]]:
        """The variants that choose a title for some users (n,), and for which; all of them is a slice, which copies nothing."""
        if len(self.variants) == 1:
            yield 0, slice(None)
            return
        of_title = places.of_title(self.titles_hashed[title])
        for place in range(len(self.variants)):
            if (own := of_title == place).any():
                yield place, own

    @cached_property
    def _draws_jointly(self) -> bool:
        return any(isinstance(variant.scoring.model, SharedWeights) for variant in self.variants)

    def choose(self, first: int, count: int) -> Picks:
        """The picks of ``count`` users from user ``first`` on, which starts a block.

        Titles are the outer loop, so that memory holds the scorer of one title and the scores of one block.
        """
        contexts, places, states = self._shard(first, count)
        before = self.previous_of_slice(first, count)
        shape = count, len(self.titles_hashed)
        arms, weights = np.empty(shape, dtype=np.uint8), np.empty(shape, dtype=np.uint16)
        kept_and_changed = np.zeros(2, dtype=np.int64)
        for title in range(shape[1]):
            previous = before.of(title, len(contexts))
            for cut in range(0, count, USERS_A_BLOCK):
                block, own = slice(cut, cut + USERS_A_BLOCK), slice(cut, min(cut + USERS_A_BLOCK, count))
                shown = None if previous is None else previous[block]
                drawn = self._draw(title, contexts[block], places.taken(block), shown, states[own])
                arms[own, title], weights[own, title] = drawn
            if previous is not None:
                kept_and_changed += _kept_and_changed(previous[:count], arms[:, title])
        counts = np.full(count, shape[1], dtype=np.int64)
        return Picks(counts, _ALL, arms.ravel(), weights.ravel(), places.taken(slice(count)), kept_and_changed)

    def choose_among(self, first: int, count: int, users: I64, titles: I64) -> Picks:
        """The picks of ``count`` users from user ``first`` on, which starts a group of blocks, of some titles for each.

        In each group (``blocks_a_group``) the users who may be shown a title are scored together, in their order, and nobody else
        is: who is scored with whom is fixed by the order of all users, and shards do not change a sum. Titles are the outer loop,
        as above.

        Args:
            first: place of the first user.
            count: of users.
            users: counted from ``first``, and
            titles: the pairs that are chosen for, by user and title, (m,).
        """
        contexts, places, states = self._shard(first, count)
        before = self.previous_of_slice(first, count)
        own_titles = titles.astype(np.uint16)  # numbers of two bytes are sorted by their digits
        order = np.argsort(own_titles, kind="stable")  # within a title by user, as they come
        groups = (users // (USERS_A_BLOCK * self.blocks_a_group)).astype(np.uint16)
        cuts = _cuts(own_titles[order], groups[order])
        arms, weights = np.empty(len(users), dtype=np.uint8), np.empty(len(users), dtype=np.uint16)
        previous = before.at(users, titles)  # (m,)
        for start, stop in pairwise(cuts.tolist()):
            own = order[start:stop]
            rows = users[own]
            arms[own], weights[own] = self._draw(
                int(titles[own[0]]), contexts[rows], places.taken(rows), previous[own], states[rows]
            )
        counts = np.bincount(users, minlength=count)
        kept = _kept_and_changed(previous, arms)
        return Picks(counts, own_titles, arms, weights, places.taken(slice(count)), kept)

    @cached_property
    def blocks_a_group(self) -> int:
        """Of this generation, whose users have shortlists."""
        return blocks_a_group(self.users.count, len(self.titles_hashed), self.users.longest_shortlist())

    def _draw(self, title: int, contexts: F64, places: Places, previous: I64 | None, states: U64) -> Decisions:
        """The picks of a title for as many users as there are states; contexts may be more, of padding."""
        weights = self.weights(title, self.probabilities(title, contexts, places, previous), places)
        return draw_quantised(weights[: len(states)], hash_title(states, self.titles_hashed[title]), self.config.total)

    def _shard(self, first: int, count: int) -> tuple[F64, Places, U64]:
        """Padded contexts and places of users, and the state of the hash that their picks are drawn by."""
        users = hash_ids(self.users.slice(first, count)["user_id"])
        states = hash_users(DRAW, self.config.seed, self.manifest.generation, users)
        places = places_of(self.config, self.manifest.generation, users).changed(padded)
        return self.padded_contexts(first, count), places, states

    def padded_contexts(self, first: int, count: int) -> F64:
        """The contexts of ``count`` users from ``first`` on, of which a last block that is short is padded by zeros.

        A product always has a multiple of 256 rows, because the sums inside it depend on its shape.
        """
        return padded(self.users.contexts(first, count))

    def padded_places(self, first: int, count: int) -> Places:
        """What each of the same users' picks are drawn under; of padding it is the first variant."""
        users = hash_ids(self.users.slice(first, count)["user_id"])
        return places_of(self.config, self.manifest.generation, users).changed(padded)


def _cuts(*columns: U16) -> I64:
    """Where rows begin that differ in some column (m,) from the one before, and where the last one ends."""
    begins = np.zeros(len(columns[0]) + 1, dtype=np.bool_)
    begins[[0, -1]] = True
    for column in columns:
        begins[1:-1] |= column[1:] != column[:-1]
    return np.flatnonzero(begins)


@dataclass(frozen=True)
class ChooserOf:
    """Gives the chooser of a generation in whichever process it is called, which keeps it; the digest is its manifest's."""

    workspace: Workspace
    generation: int
    manifest_digest: str
    loaded: Loaded | None = field(default=None, compare=False)

    def __call__(self) -> Chooser:
        """The chooser."""
        return _chooser(self)

    def with_contents(self) -> "ChooserOf":
        """The same with what its files hold, as ``ReadsFiles`` says."""
        return replace(self, loaded=load(self.workspace, read_manifest(self.workspace, self.generation)))


@lru_cache(maxsize=1)
def _chooser(of: ChooserOf) -> Chooser:
    return Chooser(of.workspace, of.generation, of.loaded)


def _live(config: Config) -> list[tuple[str, ModelKey]]:
    """The policy of each name in ``config.names``, and the model that it looks at."""
    live = [(variant.policy, variant.model) for variant in config.variants]
    return live + [(name, config.models[0]) for name in config.names[len(live) :]]  # that of explore data


def _kept_and_changed(previous: I64, arms: U8) -> I64:
    kept = int((previous == arms).sum())
    return np.array([kept, int((previous != NONE).sum()) - kept])


def padded(values: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Values of n users, (n, ...), with zeros behind them up to whole products."""
    return np.pad(values, [(0, -len(values) % USERS_A_PRODUCT)] + [(0, 0)] * (values.ndim - 1))
