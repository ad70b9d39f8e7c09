"""A generation's files, as the join asks them: who and what is in it, what was picked, and with which weights."""

from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import F64, I64, U64, Bool
from bandit.errors import InputError
from bandit.hashing import hash_ids, hash_pairs, hash_users
from bandit.snapshot import FALLBACK, SEGMENT
from batch.choosing.chooser import USERS_A_PRODUCT, Chooser
from batch.workspace.catalogue import Catalogue
from batch.workspace.files import read_parquet
from batch.workspace.generations import CATALOGUE, CONTEXTS, folder_of, read_manifest
from batch.workspace.kept_segments import read_segment_weights, read_segments
from batch.workspace.picks import RecordedPicks
from batch.workspace.previous_picks import NONE
from batch.workspace.row_files import PickTable
from batch.workspace.workspace import Workspace

UNKNOWN: Final = -(1 << 16)
"""A weight that cannot be computed again, far from any that is."""

_BEYOND: Final = (1 << 63) - 1
_NO_BYTE, _NO_WORD = np.zeros(1, dtype=np.uint8), np.zeros(1, dtype=np.uint16)
_NO_PICK: Final = PickTable(
    np.zeros(1, dtype=np.int64), _NO_WORD, _NO_BYTE, _NO_WORD, _NO_BYTE, np.zeros(1, dtype=np.bool_)
)


class Found(NamedTuple):
    """Where m impressions stand in a generation, -1 where they do not; ``picked`` and ``weight`` are those of their pick.

    ``previous`` is the arm that the pick was drawn given, -1 where there was none.
    """

    title: I64
    arm: I64
    user: I64
    picked: I64
    weight: I64
    policy: pl.Series
    previous: I64


class RecordedGeneration:
    """A precomputed generation whose files are as they were made; titles, arms and users are places in its own order.

    ``weights`` are those of the fallback, (t, K) with K the largest title and 0 beyond a title's artworks; ``sizes`` (t,) counts
    the artworks; ``defaults`` (t,) are arms. ``total`` is what the weights of a pick's artworks add up to. ``segments`` are
    names, and ``contexts`` are those of the ``n_users`` users, and behind them of segments.
    """

    def __init__(self, workspace: Workspace, generation: int) -> None:
        self._workspace, self._number = workspace, generation
        self._folder = folder_of(workspace, generation)
        self._manifest = read_manifest(workspace, generation)
        self.total = self._manifest.row_format.total
        self._catalogue = Catalogue.read(self._folder / CATALOGUE)
        users = read_parquet(self._folder / CONTEXTS, columns=["user_id", "context"])
        self._users = users["user_id"]
        self.sizes: I64 = np.diff(self._catalogue.starts)
        self.there = np.arange(self.sizes.max()) < self.sizes[:, None]  # (t, K)
        self.weights = self._by_title("popularity_weight")
        self.defaults: I64 = self._by_title("is_default").argmax(axis=1)
        self.n_users, self.contexts, self.segments = self._users.len(), users["context"], list[str]()
        kept, self._segment_weights = (
            read_segments(workspace, self._manifest),
            read_segment_weights(workspace, self._manifest),
        )
        if kept is not None and self._segment_weights is not None:
            self.segments = kept.frame["name"].to_list()
            self.contexts = pl.concat([self.contexts, kept.frame["context"]])

    def _by_title(self, column: str) -> I64:
        values = np.zeros(self.there.shape, dtype=np.int64)
        values[self.there] = self._catalogue.frame[column].to_numpy()
        return values

    def arms(self, title: int, artwork_ids: Iterable[str]) -> tuple[int, ...]:
        """The places of artworks in a title, ascending, of those that are in it."""
        rows = self._catalogue.arms(title)
        own = self._catalogue.frame["artwork_id"][int(rows[0]) : int(rows[-1]) + 1].to_list()
        return tuple(sorted(own.index(artwork_id) for artwork_id in set(artwork_ids).intersection(own)))

    def look_up(self, rows: pl.DataFrame) -> Found:
        """Where users, titles and artworks (m,) stand, and what was picked for them."""
        titles = pl.Series("title_id", self._catalogue.title_ids, dtype=pl.String).to_frame().with_row_index("title")
        artworks = self._catalogue.keys().select("title_id", "artwork_id", "arm")
        users = self._users.to_frame().with_row_index("user")
        users = users.join(rows.select("user_id").unique(), on="user_id", how="semi", maintain_order="left")
        frame = (
            rows.select("user_id", "title_id", "artwork_id")
            .join(titles, on="title_id", how="left", maintain_order="left")
            .join(artworks, on=["title_id", "artwork_id"], how="left", maintain_order="left")
            .join(users, on="user_id", how="left", maintain_order="left")
        )
        title, arm, user = (frame[name].cast(pl.Int64).fill_null(-1).to_numpy() for name in ("title", "arm", "user"))
        keys, picks = self._picks(users["user"].to_numpy().astype(np.int64))
        wanted = user * len(self.sizes) + title
        place = np.searchsorted(keys, wanted)
        has_pick = (user >= 0) & (title >= 0) & (keys[place] == wanted)
        picked, weight = (
            np.where(has_pick, column[place].astype(np.int64), -1) for column in (picks.arms, picks.weights)
        )
        variants = pl.Series(np.where(has_pick, picks.variants[place].astype(np.int64), -1))
        names = pl.Series("policy", self._manifest.config.names, dtype=pl.String)
        policy = names.gather(variants.replace(-1, None))
        return Found(title, arm, user, picked, weight, policy, self._previous(frame["user_id"], title, has_pick))

    def _previous(self, user_ids: pl.Series, title: I64, has_pick: Bool) -> I64:
        """The arms that picks were drawn given; -1 where the picks of the generation before are gone, or are others."""
        out = np.full(len(title), NONE)
        if self._manifest.previous is None:
            return out
        with suppress(InputError):
            out[has_pick] = self._chooser.previous_at(user_ids.filter(pl.Series(has_pick)), title[has_pick])
        return out

    def _picks(self, users: I64) -> tuple[I64, PickTable]:
        """The picks of some users, ascending places: ascending keys user * t + title (m,), the last one beyond all; and they."""
        tables = [*self._recorded.tables(users), _NO_PICK]
        picks = PickTable(*map(np.concatenate, zip(*tables, strict=True)))
        keys = picks.users * len(self.sizes) + picks.titles
        keys[-1] = _BEYOND
        return keys, picks

    @cached_property
    def _recorded(self) -> RecordedPicks:
        return RecordedPicks(self._workspace, self._manifest)

    def fallback_hashes(self, users: I64, titles: I64) -> U64:
        """The pinned random number of the fallback's draw for each user and title, (m,)."""
        own, places = np.unique(users, return_inverse=True)
        words = hash_ids(self._users.gather(own).to_list())
        states = hash_users(FALLBACK, self._manifest.config.seed, self._number, words)
        return hash_pairs(states[places], self._titles_hashed[titles])

    def segment_hashes(self, user_ids: pl.Series, titles: I64) -> U64:
        """The pinned random number of a segment's draw for each user, who may be unknown, and title, (m,)."""
        states = hash_users(SEGMENT, self._manifest.config.seed, self._number, hash_ids(user_ids.to_list()))
        return hash_pairs(states, self._titles_hashed[titles])

    def segment_weights(self, segments: I64, titles: I64) -> I64:
        """The weights of titles' artworks for segments, places (m,) each: (m, K), 0 beyond a title's artworks."""
        out = np.zeros((len(titles), self.there.shape[1]), dtype=np.int64)
        if self._segment_weights is not None:
            columns = self._catalogue.starts[titles][:, None] + np.arange(out.shape[1])
            there = self.there[titles]
            out[there] = self._segment_weights[np.broadcast_to(segments[:, None], there.shape)[there], columns[there]]
        return out

    @property
    def segment_policy(self) -> str:
        """The variant whose policy made the weights of segments."""
        return self._manifest.config.names[0]

    @cached_property
    def _titles_hashed(self) -> U64:
        return hash_ids(self._catalogue.title_ids)

    @cached_property
    def _chooser(self) -> Chooser:
        return Chooser(self._workspace, self._number)

    def pick_weights(self, users: I64, titles: I64) -> I64:
        """The weights that the pick of each user and title was drawn with, (m, K), computed again.

        Users are scored by whole products, as they were when the picks were drawn: the sums in a product depend on its shape.
        Where the files of the generation before are gone or have changed, what users were shown before is not known: the weights
        of picks that may have been kept are ``UNKNOWN``. Which these are follows from the variant and not from what was drawn, so
        that those which are left are no choice of picks.
        """
        out = np.zeros((len(users), self.there.shape[1]), dtype=np.int64)
        try:
            shown, is_known = self._chooser.previous_at(self._users.gather(users), titles), True
        except InputError:
            shown, is_known = np.full(len(users), NONE), False
        blocks = users // USERS_A_PRODUCT
        for block in np.unique(blocks).tolist():
            rows = np.flatnonzero(blocks == block)
            first = block * USERS_A_PRODUCT
            count = min(USERS_A_PRODUCT, self._users.len() - first)
            contexts: F64 = self._chooser.padded_contexts(first, count)
            places = self._chooser.padded_places(first, count)
            for title in np.unique(titles[rows]).tolist():
                own = rows[titles[rows] == title]
                previous = np.full(len(contexts), NONE)  # of others than these it makes no difference
                previous[users[own] - first] = shown[own]
                p = self._chooser.probabilities(title, contexts, places, previous)
                weights = self._chooser.weights(title, p, places)
                out[own, : weights.shape[1]] = weights[users[own] - first]
                if not is_known:
                    out[own[self._chooser.keeps(title, places)[users[own] - first]]] = UNKNOWN
        return out
