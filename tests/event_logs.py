"""Logs of events as ``artwork ingest`` leaves them, true and untrue, for tests of the join."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import naive_join
import numpy as np
import polars as pl
from make_impressions import log_days, make_generation, shorten

from bandit.snapshot import Overlay
from batch.config import Config
from batch.events.segments import SEGMENT_SCHEMA, StreamId, segments_folder
from batch.workspace.overlays import write_overlay
from batch.workspace.workspace import Workspace

Event = dict[str, Any]

PARTITIONS = 3
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIES: Sequence[Event] = (
    {"generation": 3},
    {"generation": 77},
    {"revision": 9},
    {"user_id": "nobody"},
    {"title_id": "nothing"},
    {"artwork_id": "no-image"},
    {"source": "segment", "segment": "s1"},
    {"source": "rumour"},
    {"source": "default"},
    {"source": "popularity"},
    {"source": "personalized"},
    {"revision": 1},
    {"revision": 0},
    {"generation": 1},
    {"source": "segment", "segment": "tv"},
    {"segment": "US"},
)
"""What a client may claim instead of what it was answered."""


def make_world(workspace: Workspace) -> None:
    """Two generations that differ, the second keeps picks of the first, and a third without picks.

    Of two revisions, one or two artworks of some titles retire.
    """
    shorten(workspace)
    log_days(workspace, 1, 3000)
    for path in workspace.impressions.glob("day=*/*.parquet"):
        path.unlink()  # what was learned from is no matter here
    make_generation(workspace, config=Config.of("softmax:temperature=0.05", seed=5, explore_share=0.2))
    give_shortlists(workspace)
    sticky = {"stickiness": 0.6, "stickiness_margin": 0.5}
    config = Config.of("epsilon_greedy:epsilon=0.4", "softmax:temperature=0.2", seed=6, **sticky)
    make_generation(workspace, config=config)
    workspace.candidates.unlink()
    (workspace.generations / "000003").mkdir()
    artworks = pl.read_parquet(workspace.artworks).group_by("title_id").agg("artwork_id").sort("title_id")
    titles, images = artworks["title_id"].to_list(), [sorted(row) for row in artworks["artwork_id"].to_list()]
    first = {titles[title]: (images[title][0],) for title in (0, 3, 5)}
    second = first | {titles[0]: tuple(images[0][:2]), titles[7]: tuple(images[7][1:]), titles[9]: tuple(images[9])}
    write_overlay(workspace, Overlay(1, first, {}))
    write_overlay(workspace, Overlay(2, second, {"new-title": "new-image", titles[9]: "other-image"}))


def give_shortlists(workspace: Workspace) -> None:
    """Half of the titles for every third user, all for the others."""
    users = pl.read_parquet(workspace.users)["user_id"].to_list()
    titles = pl.read_parquet(workspace.titles)["title_id"].sort().to_list()
    lists = [titles[place % 2 :: 2] if place % 3 == 0 else titles for place in range(len(users))]
    pl.DataFrame({"user_id": users, "title_ids": lists}).write_parquet(workspace.candidates)


def draw_events(workspace: Workspace, count: int, seed: int, days: int = 8) -> list[Event]:
    """What clients report of ``count`` answers: plays, repeats, lies, clocks that differ, and what comes late, out of order."""
    random = np.random.default_rng(seed)
    users = pl.read_parquet(workspace.users)["user_id"].sort().to_list()[:40]
    titles = [*pl.read_parquet(workspace.titles)["title_id"].sort().to_list(), "new-title"]
    events: list[Event] = []
    for number in range(count):
        generation, revision = int(random.integers(1, 3)), int(random.integers(3))
        user, title = users[random.integers(len(users))], titles[random.integers(len(titles))]
        known = sorted(naive_join.generation_of(workspace.root, generation).segments)
        segment = known[random.integers(len(known))] if random.random() < 0.3 else None
        if segment is not None and random.random() < 0.5:
            user = f"new-{random.integers(9)}"
        answered = naive_join.answer(
            workspace.root, generation, revision, user, title, failed=bool(random.random() < 0.15), segment=segment
        )
        if answered is None:
            continue
        at = START + days * timedelta(days=1) * float(random.random())
        shown = {"segment": None} | answered | {"event_id": f"i{number}", "type": "impression", "watch_fraction": None}
        if random.random() < 0.2:
            shown |= LIES[int(random.integers(len(LIES)))]
        events.append(_sent(shown, at, random))
        for play in range(int(random.integers(3))):
            watched = round(float(random.random()), 3)
            delay = timedelta(hours=float(random.exponential(3.0)) if random.random() < 0.9 else 0.0)
            played = shown | {"event_id": f"p{number}-{play}", "type": "play", "watch_fraction": watched}
            events.append(_sent(played, at + delay, random))
    for event in list(events):
        if random.random() < 0.1:
            later = timedelta(days=float(random.exponential(1.5)))
            events.append(event | {"received_at": event["received_at"] + later})
        if random.random() < 0.02:
            events.append(events[random.integers(len(events))] | {"event_id": event["event_id"]})
    return events


def _sent(event: Event, at: datetime, random: np.random.Generator) -> Event:
    """An event with when it happened and was received: mostly soon, sometimes days later; some clocks are wrong."""
    kind = random.random()
    delay = timedelta(days=float(random.exponential(2.0))) if kind < 0.15 else timedelta(seconds=float(random.random()))
    received = at + delay
    skew = timedelta(days=float(random.random())) if 0.15 < kind < 0.25 else timedelta()
    happened = min(received, at - skew if random.random() < 0.5 else at + skew)
    return event | {"at": _rounded(happened), "received_at": _rounded(received)}


def _rounded(time: datetime) -> datetime:
    return time.replace(microsecond=0)


def in_streams(events: Iterable[Event], seed: int, batch: int = 4) -> list[tuple[int, list[Event]]]:
    """Events as entries of streams: (partition, events of an entry with their ids), each partition in its order."""
    random = np.random.default_rng(seed)
    by_partition: dict[int, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda item: (item["received_at"], item["event_id"])):
        by_partition[int(random.integers(PARTITIONS))].append(event)
    entries = []
    for partition, events_of_partition in sorted(by_partition.items()):
        own = events_of_partition
        numbers: dict[int, int] = defaultdict(int)
        while own:
            size = int(random.integers(1, batch + 1))
            taken, own = own[:size], own[size:]
            received = max(event["received_at"] for event in taken)
            stored = int(received.timestamp() * 1000)
            identity = StreamId(stored, numbers[stored])
            numbers[stored] += 1
            rows = [
                event | {"received_at": received, "stream_id": str(identity), "place": place}
                for place, event in enumerate(taken)
            ]
            entries.append((partition, rows))
    return entries


def write_segments(workspace: Workspace, entries: Sequence[tuple[int, list[Event]]], most: int = 60) -> list[Path]:
    """Write entries as segments of at most so many events."""
    folder = segments_folder(workspace)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for partition in sorted({partition for partition, _ in entries}):
        waiting: list[Event] = []
        own = [rows for number, rows in entries if number == partition]
        for place, rows in enumerate(own):
            waiting += rows
            if len(waiting) >= most or place == len(own) - 1:
                first, last = (StreamId.of(waiting[end]["stream_id"]) for end in (0, -1))
                path = folder / f"p{partition:03d}-{first.in_name}-{last.in_name}.parquet"
                frame = pl.DataFrame(waiting, schema_overrides=SEGMENT_SCHEMA, infer_schema_length=None)
                frame.select(list(SEGMENT_SCHEMA)).write_parquet(path)
                paths.append(path)
                waiting = []
    return paths


def rows_of(entries: Iterable[tuple[int, list[Event]]]) -> list[Event]:
    """All events of entries, as copies."""
    return [dict(event) for _, rows in entries for event in rows]


def joined_files(workspace: Workspace) -> dict[str, bytes]:
    """What the join wrote, but for its own record of segments."""
    paths = [*workspace.impressions.glob("day=*/events.parquet"), workspace.events / "join.json"]
    return {str(path.relative_to(workspace.root)): path.read_bytes() for path in paths}


def joined_rows(workspace: Workspace) -> dict[tuple[str, datetime], Event]:
    """Every joined row by event and time."""
    paths = sorted(workspace.impressions.glob("day=*/events.parquet"))
    rows = [row for path in paths for row in pl.read_parquet(path).iter_rows(named=True)]
    by_event = {(row["event_id"], row["shown_at"]): row for row in rows}
    assert len(by_event) == len(rows)
    return by_event
