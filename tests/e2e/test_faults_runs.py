"""Runs of the whole job that die at any step: nothing is lost, nothing is counted twice, what is served is whole."""

import os
import random
import signal
from datetime import datetime

import polars as pl
import pytest
import redis
from event_logs import Event, draw_events, in_streams
from fault_rounds import differences
from killed_runs import killed_runs
from make_impressions import served as served_now
from streamed_events import fields

from bandit.snapshot import decode_row, event_stream_key, row_key
from batch.config import Config
from batch.events.arrivals import JoinSettings
from batch.events.segments import scan_segments
from batch.publishing.flips import read_current
from batch.workspace.overlays import newest_overlay
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

SETTINGS = JoinSettings(horizon_days=2)
MOMENTS = int(os.environ.get("FAULTS_STEPS", "16"))
"""Steps at which a run dies, spread over all of them; 0 is every one."""


def append(client: redis.Redis, entries: list[tuple[int, list[Event]]]) -> None:
    """Entries as the service writes them, under ids of their own."""
    for partition, events in entries:
        stored = [
            {name: value for name, value in event.items() if name not in {"stream_id", "place", "received_at", "at"}}
            | {"at": microseconds(event["at"])}
            for event in events
        ]
        for event in stored:
            if event["type"] != "play":
                del event["watch_fraction"]
        entry = fields(*stored, received=microseconds(events[0]["received_at"]))
        client.xadd(event_stream_key(partition), entry, id=events[0]["stream_id"])


def microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def assert_whole(workspace: Workspace, client: redis.Redis) -> None:
    """What is served has a row of its own for every user."""
    current = read_current(client)
    if current is None:
        return
    for user in read_tables(workspace).users["user_id"].to_list():
        raw = client.get(row_key(current.generation, user))
        assert isinstance(raw, bytes), (current, user)
        decode_row(raw, user, current.generation, current.identity)


def complete(workspace: Workspace) -> None:
    """Give the title of which everything is retired the artwork that the overlay has added to it."""
    overlay = newest_overlay(workspace)
    artworks = pl.read_parquet(workspace.artworks)
    for title, artwork in overlay.added.items():
        own = artworks.filter(pl.col("title_id") == title).head(1).with_columns(artwork_id=pl.lit(artwork))
        artworks = pl.concat([artworks, own.with_columns(is_default=pl.lit(False))])
    artworks.write_parquet(workspace.artworks)


@pytest.mark.faults
def test_a_run_that_dies_at_any_step_is_made_good_by_the_next_one(
    served: Workspace, store: str, client: redis.Redis
) -> None:
    complete(served)
    drawn = [event for event in draw_events(served, 400, 5) if event["source"] != "rumour"]  # which no service lets in
    entries = in_streams(drawn, 5)
    first, waiting = [entry for entry in entries if entry[0] == 0], [entry for entry in entries if entry[0] != 0]
    chance = random.Random(5)
    with killed_runs(served.root, store) as runs:
        for part in (first[: len(first) // 2], first[len(first) // 2 :]):  # the first run has steps of its own
            append(client, part)
            code, steps = runs.run()
            assert code == 0
        moments = range(steps) if MOMENTS == 0 else sorted(chance.sample(range(steps), MOMENTS))
        share = -(-len(waiting) // len(moments))
        codes = []
        for number, step in enumerate(moments):
            append(client, waiting[number * share : (number + 1) * share])
            codes.append(runs.run(step)[0])
            assert_whole(served, client)
        assert set(codes) <= {0, -signal.SIGKILL}
        print(steps, codes)
        assert codes.count(-signal.SIGKILL) > 0.8 * len(codes)
        assert runs.run()[0] == 0
    assert_whole(served, client)
    stored = scan_segments(served).collect()
    ids = [event["event_id"] for _, events in [*first, *waiting] for event in events]
    assert sorted(stored["event_id"]) == sorted(ids)
    assert not stored.select("stream_id", "place", "received_at", "event_id").is_duplicated().any()
    assert [client.xlen(event_stream_key(partition)) for partition in range(3)] == [0, 0, 0]
    assert differences(served, Config(), SETTINGS) == []
    now = served_now(client)
    assert now is not None
    assert pl.read_json(served.events / "join.json")["total"][0]["rows"] > 100
