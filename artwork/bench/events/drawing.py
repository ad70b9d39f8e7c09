"""A log of events as the service and ``artwork ingest`` would leave it: true answers of a generation, over a week.

Every impression is what its user was given: the pick, or, once the overlay retires it, what the fallback draws in its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Final

import numpy as np
import polars as pl

from artwork.bench.events.results import JoinSize
from bandit.arrays import I64
from bandit.hashing import hash_ids, hash_pairs, hash_users
from bandit.snapshot import FALLBACK, Overlay, remaining_weights
from batch.choosing.precompute import precompute
from batch.config import Config
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.events.segments import SEGMENT_SCHEMA, StreamId, new_segment
from batch.executors import Progress, open_executor
from batch.learning.train import train
from batch.workspace.catalogue import Catalogue
from batch.workspace.files import write_parquet
from batch.workspace.generations import CATALOGUE, folder_of, read_manifest
from batch.workspace.kept_users import KeptUsers
from batch.workspace.overlays import write_overlay
from batch.workspace.picks import RecordedPicks
from batch.workspace.workspace import Workspace

_DAYS: Final = 7
_PLAYED: Final = 0.1
_SENT_TWICE: Final = 0.05
_TITLES_A_RETIREMENT: Final = 10
"""Of so many titles, one has an artwork retired halfway through the week."""
_PARTITIONS: Final = 8
_EVENTS_AN_ENTRY: Final = 100
_ROWS_A_SEGMENT: Final = 50_000
_START: Final = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp()) * 1_000_000
"""Microseconds since 1970."""
_DAY: Final = 86_400_000_000
_MINUTE: Final = 60_000_000
_SHARD_BLOCKS: Final = 16
_SEED: Final = 11


@dataclass(frozen=True)
class _Answers:
    """What each user is shown of each title, as places among all artworks: before the retirement (n, t), and after it."""

    generation: int
    users: pl.Series
    titles: pl.Series
    artworks: pl.Series
    before: I64
    after: I64


def draw_log(workspace: Workspace, users: int, titles: int, impressions: int, progress: Progress) -> JoinSize:
    """Make a workspace with a generation, an overlay, and segments of drawn events.

    Raises:
        SurroundingsError: the disk does not take it.
    """
    answers = _answers(workspace, users, titles, progress)
    random = np.random.default_rng(_SEED)
    sizes = np.diff(np.linspace(0, impressions, _DAYS + 1).astype(np.int64)).tolist()
    number = plays = duplicates = fallbacks = entries = 0
    waiting: list[pl.DataFrame] = []
    for day, count in enumerate(sizes):
        progress("days of events drawn", day, _DAYS)
        shown, replaced = _impressions(answers, day, count, number, random)
        number += count
        fallbacks += replaced
        played = _plays(shown.filter(pl.Series(random.random(count) < _PLAYED)), random)
        again = _again(shown.filter(pl.Series(random.random(count) < _SENT_TWICE)), random)
        plays += played.height
        duplicates += again.height
        events = pl.concat([*waiting, shown, played, again]).sort("sent")
        end = events.height if day == _DAYS - 1 else int(events["sent"].search_sorted((day + 1) * _DAY))
        waiting = [events.slice(end)]
        entries = _write(workspace, events.head(end), entries)
    progress("days of events drawn", _DAYS, _DAYS)
    return JoinSize(users, titles, impressions, plays, duplicates, fallbacks)


def _answers(workspace: Workspace, n_users: int, n_titles: int, progress: Progress) -> _Answers:
    write(workspace, synthetic.build(n_users, n_titles, _SEED))
    with open_executor("processes") as shards:
        made = train(workspace, Config.of("thompson"), shards, progress, shard_size=_SHARD_BLOCKS)
        precompute(workspace, made.generation, shards, progress, shard_size=_SHARD_BLOCKS)
    manifest = read_manifest(workspace, made.generation)
    catalogue = Catalogue.read(folder_of(workspace, made.generation) / CATALOGUE)
    tables = RecordedPicks(workspace, manifest).tables()
    arms = np.concatenate([table.arms for table in tables]).reshape(n_users, n_titles)
    users = KeptUsers(workspace, manifest).ids()
    titles = pl.Series(catalogue.title_ids, dtype=pl.String)
    before = catalogue.starts[:-1] + arms.astype(np.int64)
    after = before.copy()
    artworks = catalogue.frame["artwork_id"].cast(pl.String)
    weights = catalogue.frame["popularity_weight"].to_numpy()
    retired: dict[str, tuple[str, ...]] = {}
    states = hash_users(FALLBACK, manifest.config.seed, made.generation, hash_ids(users.to_list()))
    for title in range(0, n_titles, _TITLES_A_RETIREMENT):
        first, last = catalogue.starts[title : title + 2].tolist()
        arm = int(np.bincount(arms[:, title]).argmax())  # the one that most are shown
        retired[titles[title]] = (artworks[first + arm],)
        rest, total = remaining_weights(weights[first:last].tolist(), {arm})
        places = np.flatnonzero(arms[:, title] == arm)
        hashes = hash_pairs(states[places], np.repeat(hash_ids([titles[title]]), len(places)))
        after[places, title] = [first + _drawn(rest, total, hashed) for hashed in hashes.tolist()]
    write_overlay(workspace, Overlay(1, retired, {}))
    return _Answers(made.generation, users, titles, artworks, before, after)


def _drawn(weights: Sequence[int], total: int, hashed: int) -> int:
    """The smallest arm whose cumulated weight is above ⌊hash · total / 2⁶⁴⌋."""
    point = (hashed * total) >> 64
    return next(arm for arm, cumulated in enumerate(accumulate(weights)) if cumulated > point)


def _impressions(
    answers: _Answers, day: int, count: int, first: int, random: np.random.Generator
) -> tuple[pl.DataFrame, int]:
    """What users were shown on a day, in the order of time; and how many of it in the place of a retired pick."""
    times = np.sort(random.integers(_DAY, size=count)) + day * _DAY
    users, titles = (random.integers(series.len(), size=count) for series in (answers.users, answers.titles))
    is_after = times >= _DAYS * _DAY // 2
    before, after = answers.before[users, titles], answers.after[users, titles]
    is_replaced = is_after & (before != after)
    frame = pl.DataFrame(
        {
            "event_id": pl.select(pl.format("i{}", pl.int_range(first, first + count))).to_series(),
            "type": pl.repeat("impression", count, eager=True),
            "user_id": answers.users.gather(users),
            "title_id": answers.titles.gather(titles),
            "artwork_id": answers.artworks.gather(np.where(is_after, after, before)),
            "generation": pl.repeat(answers.generation, count, dtype=pl.UInt32, eager=True),
            "revision": pl.Series(is_after.astype(np.uint32)),
            "source": pl.select(
                pl.when(pl.lit(pl.Series(is_replaced))).then(pl.lit("popularity")).otherwise(pl.lit("personalized"))
            ).to_series(),
            "watch_fraction": pl.repeat(None, count, dtype=pl.Float64, eager=True),
            "at": times,
            "sent": times + random.integers(1_000_000, size=count),
        }
    )
    return frame, int(np.count_nonzero(is_replaced))


def _plays(shown: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """A play of each, within the hour."""
    times = shown["at"].to_numpy() + random.integers(60 * _MINUTE, size=shown.height)
    return shown.with_columns(
        event_id="p" + pl.col("event_id"),
        type=pl.lit("play"),
        watch_fraction=pl.Series(np.round(random.random(shown.height), 3)),
        at=pl.Series(times),
        sent=pl.Series(times + random.integers(1_000_000, size=shown.height)),
    )


def _again(shown: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """The same events, sent once more within the quarter of an hour."""
    return shown.with_columns(sent=pl.col("sent") + 1 + pl.Series(random.integers(15 * _MINUTE, size=shown.height)))


def _write(workspace: Workspace, events: pl.DataFrame, entries: int) -> int:
    """Write events, in the order in which they were sent, as segments of all partitions; the number of entries so far."""
    rows = np.arange(events.height)
    entry = rows // _EVENTS_AN_ENTRY
    # Received when the last of an entry was sent.
    last = np.minimum((entry + 1) * _EVENTS_AN_ENTRY, events.height) - 1
    received = events["sent"].to_numpy()[last] + _START
    frame = events.with_columns(
        received_at=pl.Series(received),
        stream_id=pl.format("{}-{}", pl.Series(received // 1000), pl.Series(entries + entry)),
        place=pl.Series((rows % _EVENTS_AN_ENTRY).astype(np.uint16)),
        at=pl.col("at") + _START,
        segment=pl.lit(None, pl.String),
    ).select(list(SEGMENT_SCHEMA))
    for partition in range(_PARTITIONS):
        own = frame.filter(pl.Series((entries + entry) % _PARTITIONS == partition))
        for first in range(0, own.height, _ROWS_A_SEGMENT):
            part = own.slice(first, _ROWS_A_SEGMENT).cast(SEGMENT_SCHEMA)
            ends = (StreamId.of(part["stream_id"][place]) for place in (0, -1))
            write_parquet(new_segment(workspace, partition, *ends).path, part)
    return entries + int(entry[-1]) + 1 if events.height else entries
