"""Segments of users: which sign-up signals they are made of, and the context that stands for each.

Every combination of values of signals that enough users share is a rule, and the rules of the most users are the segments. A
segment's context is the mean of its users', shrunk to everyone's mean: number by number, by how much of the spread between
segments is more than the chance of who happens to be in them.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import F64, I64, Bool
from bandit.snapshot import HOUR_BANDS, ID_PATTERN, MAX_SEGMENTS, Segment, Signals
from batch.linear_algebra import in_one_thread
from batch.workspace.tables import context_matrix

LEAST_USERS: Final = 30
"""Of a segment: the context of fewer is nearly everyone's once it is shrunk."""

MOST_WEIGHTS: Final = 16 * 1024 * 1024
"""Of all titles and segments, 32 MB in each worker of the service; a catalogue of many artworks has fewer segments."""

_ROWS: Final = 65_536
_NAME_CHARS: Final = 60  # and up to four that tell names apart


class FormedSegments(NamedTuple):
    """Segments in the order in which they are tried: those of the most signals first, then those of the most users.

    ``users`` (s,) counts their users; ``contexts`` (s, d) are their shrunk means.
    """

    segments: tuple[Segment, ...]
    users: I64
    contexts: F64

    def frame(self) -> pl.DataFrame:
        """A row per segment: name, the signals of its rule, users, and context."""
        rules = [segment.rule for segment in self.segments]
        return pl.DataFrame(
            {
                "name": [segment.name for segment in self.segments],
                **{
                    name: pl.Series([getattr(rule, name) for rule in rules], dtype=pl.String)
                    for name in Signals._fields
                },
                "users": pl.Series(self.users, dtype=pl.UInt32),
                "context": pl.Series(self.contexts.astype(np.float32).tolist(), dtype=pl.List(pl.Float32)),
            }
        )


def signals_frame(users: pl.LazyFrame) -> pl.LazyFrame:
    """The signals of users in the order of ``Signals``, null where they are not known, or could not be told in a look-up."""
    columns = users.collect_schema().names()
    texts = [
        pl.when(pl.col(name).cast(pl.String).str.contains(f"^(?:{ID_PATTERN})$"))
        .then(pl.col(name).cast(pl.String))
        .alias(name)
        for name in Signals._fields[:-1]
    ]
    band = pl.lit(None, pl.String)
    if "hour" in columns:
        size = 24 // len(HOUR_BANDS)
        band = (pl.col("hour") // size).replace_strict(
            dict(enumerate(HOUR_BANDS)), default=None, return_dtype=pl.String
        )
    return users.select(*texts, band.alias(Signals._fields[-1]))


def form_segments(users: pl.LazyFrame, n_artworks: int, room: int = MAX_SEGMENTS) -> FormedSegments | None:
    """The segments of users, given in the order of their ids; None where too few users have signals in common.

    Args:
        users: country, device, campaign and context, and where it is known, the hour.
        n_artworks: of all titles, which bounds how many segments there can be.
        room: how many the catalogue has room for.
    """
    most = min(room, MAX_SEGMENTS, MOST_WEIGHTS // max(n_artworks, 1))
    rules = _rules(signals_frame(users), most)
    if not rules:
        return None
    order = sorted(rules, key=lambda rule: (-rule[0].known, -rule[1], str(rule[0])))
    names = _names([rule for rule, _ in order])
    segments = tuple(Segment(name, rule) for name, (rule, _) in zip(names, order, strict=True))
    return FormedSegments(
        segments, np.array([count for _, count in order]), _contexts(users, [rule for rule, _ in order])
    )


def _rules(signals: pl.LazyFrame, most: int) -> list[tuple[Signals, int]]:
    """The rules of the most users, and how many these are."""
    # A value that is not among the commonest of its signal is in no rule: each of those has a rule of its own with more users.
    common = {name: _commonest(signals, name, most) for name in Signals._fields}
    kept = [pl.when(pl.col(name).is_in(values)).then(pl.col(name)).alias(name) for name, values in common.items()]
    cells = signals.select(kept).group_by(pl.all()).agg(users=pl.len()).collect(engine="streaming")
    rules: list[tuple[Signals, int]] = []
    for named in (names for size in range(1, 5) for names in combinations(Signals._fields, size)):
        rows = (
            cells.drop_nulls(named)
            .group_by(named)
            .agg(pl.col("users").sum())
            .filter(pl.col("users") >= LEAST_USERS)
            .sort(["users", *named], descending=[True, *[False] * len(named)])
            .head(most)
        )
        rules += [
            (Signals(**dict(zip(named, row[:-1], strict=True))), row[-1]) for row in rows.select(*named, "users").rows()
        ]
    return sorted(rules, key=lambda rule: (-rule[1], rule[0].known, str(rule[0])))[:most]


def _commonest(signals: pl.LazyFrame, name: str, most: int) -> list[str]:
    counted = (
        signals.select(name).drop_nulls().group_by(name).agg(users=pl.len()).filter(pl.col("users") >= LEAST_USERS)
    )
    return (
        counted.sort(["users", name], descending=[True, False]).head(most).collect(engine="streaming")[name].to_list()
    )


def _names(rules: Sequence[Signals]) -> list[str]:
    """A name for each rule: the values that it names, with a number behind where another has that name."""
    names: list[str] = []
    for rule in rules:
        plain = "-".join(value for value in rule if value is not None)[:_NAME_CHARS]
        tries = (plain, *(f"{plain}~{number}" for number in range(2, MAX_SEGMENTS + 2)))
        names.append(next(name for name in tries if name not in names))
    return names


def _contexts(users: pl.LazyFrame, rules: Sequence[Signals]) -> F64:
    """The shrunk mean contexts of the users of each rule, (s, d)."""
    counts, sums, squares = np.zeros(len(rules)), np.zeros((len(rules), 0)), np.zeros((len(rules), 0))
    everyone, n_users = np.zeros(0), 0
    with in_one_thread():  # so that sums are the same bytes on any number of cores
        for contexts, signals in _slices(users):
            if not n_users:
                shape = len(rules), contexts.shape[1]
                sums, squares, everyone = np.zeros(shape), np.zeros(shape), np.zeros(shape[1])
            member = np.stack([_are_of(rule, signals) for rule in rules]).astype(np.float64)  # (s, n)
            counts += member.sum(axis=1)
            sums += member @ contexts
            squares += member @ contexts**2
            everyone += contexts.sum(axis=0)
            n_users += len(contexts)
    return shrunk_means(counts, sums, squares, everyone / max(n_users, 1))


def _slices(users: pl.LazyFrame) -> Iterator[tuple[F64, pl.DataFrame]]:
    """Contexts (n, d) and signals of users, some at a time."""
    count = int(users.select(pl.len()).collect().item())
    for first in range(0, count, _ROWS):
        frame = users.slice(first, _ROWS).collect()
        yield context_matrix(frame).astype(np.float64), signals_frame(frame.lazy()).collect()


def _are_of(rule: Signals, signals: pl.DataFrame) -> Bool:
    named = [pl.col(name).eq_missing(value) for name, value in rule._asdict().items() if value is not None]
    return signals.select(pl.all_horizontal(named)).to_series().to_numpy()


def shrunk_means(counts: F64, sums: F64, squares: F64, everyone: F64) -> F64:
    """The means of s groups, each number of them shrunk to everyone's (d,): an empirical Bayes estimate, (s, d).

    The variance within a group is pooled over groups, v. That between groups, t, is what the spread of their means around
    everyone's has beyond v / n (the method of moments; Efron and Morris 1973). Of a mean's distance to everyone's,
    t / (t + v / n) is kept.

    Args:
        counts: n of each group, (s,).
        sums: of the numbers of each group, (s, d).
        squares: of their squares, (s, d).
        everyone: the mean of all, (d,).
    """
    means = sums / counts[:, None]
    freedom = max(float(counts.sum()) - len(counts), 1.0)
    within = np.maximum((squares - counts[:, None] * means**2).sum(axis=0), 0.0) / freedom  # (d,)
    noise = within / counts[:, None]  # (s, d)
    between = np.maximum(np.average((means - everyone) ** 2 - noise, axis=0, weights=counts), 0.0)  # (d,)
    spread = between + noise
    kept = np.divide(between, spread, out=np.zeros_like(spread), where=spread > 0)
    return np.asarray(everyone + kept * (means - everyone))
