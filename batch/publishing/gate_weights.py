"""The weights of sampled users and titles, recomputed: how far they are from the parent's, and whether the picks follow them."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import F64, I64, Bool
from bandit.errors import InputError
from bandit.hashing import hash_ids
from bandit.snapshot import hash_base
from batch.choosing.chooser import USERS_A_PRODUCT, Chooser
from batch.choosing.variants import Places, places_of
from batch.linear_algebra import in_one_thread
from batch.workspace.generations import Manifest
from batch.workspace.picks import RecordedPicks
from batch.workspace.previous_picks import PreviousArms
from batch.workspace.workspace import Workspace

PAIRS: Final = 10_000
"""Users and titles that are sampled, by neighbours: their scores cost what precomputing them costs."""

_BLOCKS: Final = 10
_PURPOSE: Final = "gate"


@dataclass(frozen=True)
class Figure:
    """A mean over ``count`` decisions beside what it is expected to be, and the standard error that it then has."""

    observed: float = 1.0
    expected: float = 1.0
    error: float = 0.0

    @property
    def ratio(self) -> float:
        """Observed over expected."""
        return self.observed / self.expected if self.expected else 1.0

    @property
    def z(self) -> float:
        """The difference in standard errors."""
        return (self.observed - self.expected) / self.error if self.error > 0 else 0.0

    def is_off(self, most: float, z: float) -> bool:
        """Whether it misses what is expected by more than a share of it, and by more than chance."""
        return abs(self.ratio - 1) > most and abs(self.z) > z


@dataclass(frozen=True)
class WeightSample:
    """What sampled weights say.

    ``drift`` is the mean total variation from the parent's over ``compared`` users and titles; entropies are means, as shares of
    those of uniform weights. ``weight_drawn`` and ``arm_drawn`` are of ``picks`` of the sample; ``misstated`` is how far the
    weights that these state are from those recomputed, on average, as a share. Drift and entropies are of the weights without
    stickiness, which would differ by what was drawn before.
    """

    compared: int
    drift: float
    entropy: float
    parent_entropy: float
    picks: int
    weight_drawn: Figure
    arm_drawn: Figure
    misstated: float


class _Shares(NamedTuple):
    """The probabilities of a title's arms (n, k) for the users in rows ``rows`` (n,) of the generation's users.

    ``shares`` are those without stickiness, ``drawn_by`` those that were drawn by, None where the picks that were kept are gone.
    """

    title: int
    rows: I64
    shares: F64
    drawn_by: F64 | None


class _Compared(NamedTuple):
    """Of n users and one title: total variation from the parent, and both entropies, (n,) each."""

    drift: F64
    entropy: F64
    parent_entropy: F64


class _Drawn(NamedTuple):
    """Of n picks: ``seen`` is the share and the place of the drawn arm, beside mean and variance of both by the weights, (n, 2).

    ``stated`` (n,) is how far the stated weight is from the recomputed one, as a share.
    """

    seen: F64
    means: F64
    variances: F64
    stated: F64


def sample_weights(
    workspace: Workspace, manifest: Manifest, parent: Manifest | None, pairs: int = PAIRS
) -> WeightSample:
    """Recompute the weights of some users and titles as they were when the picks were drawn, and compare.

    Args:
        workspace: of both generations.
        manifest: of the new one, which has its picks.
        parent: the one to compare with.
        pairs: how many users and titles, about; another number is another sample.

    Raises:
        InputError: a file of the new generation cannot be read.
    """
    with in_one_thread():
        chooser = Chooser(workspace, manifest.generation)
        sampled = _sample(chooser, pairs)
        before = None if parent is None else _Parent(Chooser(workspace, parent.generation), chooser)
        compared = [pair for own in sampled if before is not None and (pair := before.compare(own)) is not None]
    figures = [np.concatenate([pair[place] for pair in compared] or [np.empty(0)]) for place in range(3)]
    drift, entropy, parent_entropy = (float(values.mean()) if len(values) else 0.0 for values in figures)
    picks, weight, arm, misstated = _drawn(workspace, manifest, sampled)
    return WeightSample(len(figures[0]), drift, entropy, parent_entropy, picks, weight, arm, misstated)


def _sample(chooser: Chooser, pairs: int) -> list[_Shares]:
    random = np.random.default_rng([hash_base(_PURPOSE, chooser.config.seed, chooser.manifest.generation), pairs])
    blocks = -(-chooser.users.count // USERS_A_PRODUCT)
    titles = np.flatnonzero(np.diff(chooser.catalogue.starts) > 1)
    some = np.sort(random.choice(blocks, min(blocks, _BLOCKS), replace=False))
    total = len(some) * len(titles)
    chosen = random.choice(total, min(total, -(-pairs // USERS_A_PRODUCT)), replace=False) if total else np.empty(0)
    by_title: dict[int, list[int]] = defaultdict(list)
    for pair in np.sort(chosen):
        by_title[int(titles[pair // len(some)])].append(int(some[pair % len(some)]))
    before = lru_cache(maxsize=_BLOCKS)(chooser.previous_of_slice)
    return [_shares(chooser, before, title, block) for title, own in by_title.items() for block in own]


def _shares(chooser: Chooser, before: Callable[[int, int], PreviousArms], title: int, block: int) -> _Shares:
    first = block * USERS_A_PRODUCT
    count = min(USERS_A_PRODUCT, chooser.users.count - first)
    contexts, places = chooser.padded_contexts(first, count), chooser.padded_places(first, count)
    weights = chooser.weights(title, chooser.probabilities(title, contexts, places, None), places)[:count]
    shares = weights / chooser.config.total
    rows = np.arange(first, first + count)
    try:
        previous = before(first, count).of(title, len(contexts))
    except InputError:  # an old generation is published again, and the one before it was removed meanwhile
        return _Shares(title, rows, shares, None)
    if previous is None:
        return _Shares(title, rows, shares, shares)
    kept = chooser.weights(title, chooser.probabilities(title, contexts, places, previous), places)[:count]
    return _Shares(title, rows, shares, kept / chooser.config.total)


class _Parent:
    """The generation before, asked for the weights of the users and titles of the new one."""

    def __init__(self, parent: Chooser, chooser: Chooser) -> None:
        self.parent, self.chooser = parent, chooser
        self._rows = lru_cache(maxsize=_BLOCKS)(self._rows_of)
        self.titles = {title_id: title for title, title_id in enumerate(parent.catalogue.title_ids)}

    def compare(self, own: _Shares) -> _Compared | None:
        """Of the users whose policy, posterior and reward are those of before; None where nothing is to be compared."""
        title = self.titles.get(self.chooser.catalogue.title_ids[own.title])
        rows = self._rows(int(own.rows[0]), len(own.rows))
        known = rows.is_not_null().to_numpy()
        if title is None or not known.any():
            return None
        ours, theirs = self._common(own.title, title)
        if len(ours) < 2:
            return None
        ids = self.chooser.users.ids(int(own.rows[0]), len(own.rows)).filter(pl.Series(known))
        places = _places(self.parent, ids)
        alike = _kinds(self.chooser, _places(self.chooser, ids), own.title) == _kinds(self.parent, places, title)
        if not alike.any():
            return None
        contexts = self.parent.users.contexts_at(rows.drop_nulls().to_numpy())
        weights = self.parent.weights(title, self.parent.probabilities(title, contexts, places, None), places)
        new, old = _among(own.shares[known][alike], ours), _among(weights[alike] / self.parent.config.total, theirs)
        return _Compared(np.abs(new - old).sum(axis=1) / 2, _entropy(new), _entropy(old))

    def _rows_of(self, first: int, count: int) -> pl.Series:
        """The places among the parent's users of some users from a place on, null for those that it does not know."""
        return self.parent.users.places(self.chooser.users.ids(first, count))

    def _common(self, ours: int, theirs: int) -> tuple[I64, I64]:
        """The arms of a title's artworks that both generations have, matched by their ids."""
        new, old = _artworks(self.chooser, ours), _artworks(self.parent, theirs)
        _, first, second = np.intersect1d(new, old, return_indices=True)
        return first, second


def _artworks(chooser: Chooser, title: int) -> np.ndarray:
    return chooser.catalogue.frame["artwork_id"].gather(chooser.catalogue.arms(title)).to_numpy()


def _places(chooser: Chooser, user_ids: pl.Series) -> Places:
    return places_of(chooser.config, chooser.manifest.generation, hash_ids(user_ids))


def _kinds(chooser: Chooser, places: Places, title: int) -> np.ndarray:
    """What each user's pick of a title is drawn by, (n,) text; that of explore data is no policy of anybody's."""
    live = [repr((variant.policy, variant.model)) for variant in chooser.config.variants]
    names = live + [f"explore data of {chooser.manifest.generation}"] * (len(chooser.config.names) - len(live))
    return np.array(names)[places.of_title(chooser.titles_hashed[title])]


def _among(shares: F64, arms: I64) -> F64:
    """Shares of some arms alone, adding up to 1 again."""
    some = shares[:, arms]
    total = some.sum(axis=1, keepdims=True)
    return np.where(total > 0, some / np.where(total > 0, total, 1.0), 1 / len(arms))


def _entropy(shares: F64) -> F64:
    return np.asarray(-(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1) / np.log(shares.shape[1]))


def _drawn(workspace: Workspace, manifest: Manifest, sampled: list[_Shares]) -> tuple[int, Figure, Figure, float]:
    """The picks of the sample, and what their weights let expect."""
    picks = _picks(workspace, manifest, sampled)
    parts = [part for own in sampled if (part := _draws(picks, own, manifest.row_format.total)) is not None]
    if not parts:
        return 0, Figure(), Figure(), 0.0
    seen, means, variances, stated = (np.concatenate([part[place] for part in parts]) for place in range(4))
    observed, expected = seen.mean(axis=0), means.mean(axis=0)
    errors = np.sqrt(np.maximum(variances.sum(axis=0), 0.0)) / len(seen)  # of weights alike, a sum of rounding errors
    weight, arm = (Figure(*map(float, figure)) for figure in zip(observed, expected, errors, strict=True))
    return len(seen), weight, arm, float(stated.mean())


def _picks(workspace: Workspace, manifest: Manifest, sampled: list[_Shares]) -> pl.DataFrame:
    rows = np.unique(np.concatenate([own.rows for own in sampled] or [np.empty(0, dtype=np.int64)]))
    titles = np.unique([own.title for own in sampled])
    frames = [pl.DataFrame(schema={"title": pl.UInt16, "row": pl.Int64, "arm": pl.UInt8, "weight": pl.UInt16})]
    for table in RecordedPicks(workspace, manifest).tables(rows):
        own = np.isin(table.titles, titles)
        columns = table.titles[own], table.users[own], table.arms[own], table.weights[own]
        frames.append(pl.DataFrame(dict(zip(("title", "row", "arm", "weight"), columns, strict=True))))
    return pl.concat(frames).sort("title", "row")


def _draws(picks: pl.DataFrame, own: _Shares, total: int) -> _Drawn | None:
    """What was drawn for a title and some users; with a weight of 0 it would be drawn never, and counts as misstated."""
    frame = picks.filter((pl.col("title") == own.title) & pl.col("row").is_between(own.rows[0], own.rows[-1]))
    if frame.is_empty() or own.drawn_by is None:
        return None
    arms, stated = frame["arm"].to_numpy().astype(np.int64), frame["weight"].to_numpy() / total
    shares = own.drawn_by[frame["row"].to_numpy() - own.rows[0]]  # (n, k)
    is_known: Bool = arms < shares.shape[1]
    arms = np.minimum(arms, shares.shape[1] - 1)
    drawn = np.where(is_known, shares[np.arange(len(arms)), arms], 0.0)
    places = np.arange(1, shares.shape[1] + 1)
    mean = np.column_stack([(shares**2).sum(axis=1), shares @ places])
    square = np.column_stack([(shares**3).sum(axis=1), shares @ places**2])
    gap = np.abs(stated - drawn)
    rounding = 1.5 / total  # on another processor a weight may differ by 1
    off = np.where(gap > rounding, gap / np.maximum(stated, 1 / total), 0.0)
    variances = np.maximum(square - mean**2, 0.0)  # of equal shares it is 0 but for rounding
    return _Drawn(np.column_stack([drawn, arms + 1.0]), mean, variances, np.minimum(off, 1.0))
