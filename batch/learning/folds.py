"""Days that change no more, folded into one file a kind of evidence: a night reads it and the last days, not every day ever.

What is learned is F_d = retention^gap · F_{d-1} + evidence_d, day after day (Horner's form of Σ retention^age · evidence), so
that it does not matter where the fold ends, or whether there is one: the sums are made by the same operations in the same order.
"""

from collections.abc import Sequence
from dataclasses import fields
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from bandit.arrays import F64
from bandit.posterior import LinearEvidence
from batch.learning.day_rows import DaySource
from batch.learning.evidence import LINEAR, DayCounts, load_day
from batch.learning.evidence_files import Arrays, load_sums, source_of, write_sums

FOLDED_AFTER_DAYS: Final = 14
"""Days that are older than the newest by more than this are folded. Late plays are joined for 7 days; a day that changes all the
same makes the fold again."""

SEEN: Final = "seen_"
"""What the names of sums start with that are never discounted."""

_COUNTS: Final = "day_counts"


class Fold(NamedTuple):
    """The days of one kind of evidence so far: its sums by name, each (a, ...), and the counts of each day, (n, 4)."""

    sums: Arrays
    counts: list[DayCounts]


class Plan(NamedTuple):
    """How a kind of evidence is added up: ``held`` days are in the fold on disk, ``old`` are to be in it afterwards."""

    kind: str
    sources: Sequence[DaySource]
    retention: float
    chain: Sequence[str]
    held: int
    old: int


def plan(kind: str, sources: Sequence[DaySource], retention: float) -> Plan:
    """What the fold on disk holds of these days; nothing of it is used where one of its days is not as it was.

    Raises:
        InputError: the fold is damaged.
    """
    old = sum((sources[-1].day - source.day).days > FOLDED_AFTER_DAYS for source in sources)
    chain = _chain(kind, sources[:old], retention)
    made_of = source_of(_path(kind, sources[0])) if sources else ""
    return Plan(kind, sources, retention, chain, chain.index(made_of) + 1 if made_of in chain else 0, old)


def held_counts(planned: Plan) -> list[DayCounts]:
    """The counts of the days that the fold holds; only that of ``BETA`` keeps them.

    Raises:
        InputError, SurroundingsError: as ``add_up``.
    """
    return _load(planned, (_COUNTS,)).counts if planned.held else []


def add_up(planned: Plan, empty: Arrays, counts: Sequence[DayCounts] = ()) -> Arrays:
    """The sums of all days, discounted to the newest one; what is folded is kept for the next time.

    Args:
        planned: which days.
        empty: the sums of no days.
        counts: of every day, where the fold is to keep them.

    Raises:
        InputError: a file of the days is damaged.
        SurroundingsError: a day changed meanwhile, or the disk does not take it.
    """
    sums = _load(planned, (*empty,)).sums if planned.held else empty
    for place in range(planned.held, len(planned.sources)):
        if place == planned.old:
            _keep(planned, sums, counts)
        _step(planned, place, sums)
    return sums


def no_sums(kind: str, n_artworks: int, n_features: int) -> Arrays:
    """The sums of no days."""
    if kind == LINEAR:
        empty = LinearEvidence.empty(n_artworks, n_features)
        return {item.name: getattr(empty, item.name) for item in fields(empty)}
    return {start + name: np.zeros(n_artworks) for start in ("", SEEN) for name in ("takes", "impressions")}


def _step(planned: Plan, place: int, sums: Arrays) -> None:
    source = planned.sources[place]
    if place:
        gap = (source.day - planned.sources[place - 1].day).days
        _discount(sums, planned.retention**gap)
    day = load_day(source, planned.kind)
    for name in sums:
        sums[name][day["artworks"]] += day[name.removeprefix(SEEN)]


def _discount(sums: Arrays, left: float) -> None:
    if left == 1.0:
        return
    for name in [name for name in sums if not name.startswith(SEEN)]:
        sums[name] *= left
        sums[name] += 0.0  # of -0.0, which is what is left of a negative number, 0.0: what has faded leaves no trace


def _keep(planned: Plan, sums: Arrays, counts: Sequence[DayCounts]) -> None:
    if planned.old > planned.held:
        beside = {_COUNTS: np.array(counts[: planned.old], dtype=np.float64)} if counts else {}
        write_sums(_path(planned.kind, planned.sources[0]), sums | beside, planned.chain[-1])


def _load(planned: Plan, names: Sequence[str]) -> Fold:
    source = planned.sources[0]
    kept = load_sums(_path(planned.kind, source), planned.chain[planned.held - 1], names)
    if kept is None:
        raise source.changed()
    rows: F64 = kept.pop(_COUNTS, np.empty((0, 4)))
    return Fold(kept, [_counts(*row) for row in rows.tolist()])


def _counts(read: float, unknown: float, impressions: float, rewards: float) -> DayCounts:
    return DayCounts(int(read), int(unknown), int(impressions), rewards)


def _path(kind: str, source: DaySource) -> Path:
    own = source.path(kind, ".npz")
    return own.with_name(own.name.replace(source.day.isoformat(), "folded"))


def _chain(kind: str, sources: Sequence[DaySource], retention: float) -> list[str]:
    """For each day the digest of everything that the sums up to it are a function of."""
    chain, state = [], f"{kind}:{retention!r}"
    for source in sources:
        whole = f"{state}\n{source.day}\n{source.digest}"
        state = blake2b(whole.encode(), digest_size=16).hexdigest()
        chain.append(state)
    return chain
