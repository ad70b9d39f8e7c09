"""Ingesting from a real Valkey: every entry is in a segment once, whatever happened before, and is trimmed only then."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import redis
from streamed_events import RECEIVED, add, event_ids, fields, stored

from bandit.errors import InputError, SurroundingsError
from bandit.snapshot import DEAD_EVENTS_KEY, event_stream_key
from batch.events import ingest as module
from batch.events import partitions
from batch.events.dead_letters import dead_letters, requeue
from batch.events.ingest import AlreadyIngestingError, Ingested, ingest
from batch.events.partitions import GROUP
from batch.events.segments import SEGMENT_SCHEMA, scan_segments, segment_files, segments_folder
from batch.workspace.workspace import Workspace

STREAM = event_stream_key(0)


@pytest.fixture
def room(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def take(room: Workspace, store: str) -> Ingested:
    return ingest(room, store, lambda *_: None)


def pending(client: redis.Redis, key: str = STREAM) -> int:
    summary: Any = client.xpending(key, GROUP)
    return int(summary["pending"])


def stale(client: redis.Redis, seconds: int = 3600) -> None:
    """Let what is pending look as if it had been given out long ago."""
    summary: Any = client.xpending_range(STREAM, GROUP, "-", "+", 1000)
    for item in summary:
        client.xclaim(STREAM, GROUP, item["consumer"], 0, [item["message_id"]], idle=seconds * 1000)


def test_events_become_rows_of_a_segment_named_by_its_entries(room: Workspace, store: str, client: redis.Redis) -> None:
    play = stored("e2", type="play", watch_fraction=1, segment="s1", revision=3, at=RECEIVED - 1)
    client.xadd(event_stream_key(7), fields(stored("e1"), play), id="1795858200001-0")
    client.xadd(event_stream_key(7), fields(stored("e3")), id="1795858200001-5")
    assert take(room, store) == Ingested(entries=2, events=3, segments=1)
    [path] = segment_files(room)
    assert path.name == "p007-1795858200001_0-1795858200001_5.parquet"
    rows = scan_segments(room).collect()
    assert rows.schema == SEGMENT_SCHEMA
    assert rows.row(1, named=True) == {
        "stream_id": "1795858200001-0",
        "place": 1,
        "received_at": datetime(2026, 11, 28, 9, 30, tzinfo=UTC),
        "event_id": "e2",
        "type": "play",
        "user_id": "ann",
        "title_id": "t0",
        "artwork_id": "t0-b",
        "generation": 5,
        "revision": 3,
        "source": "personalized",
        "segment": "s1",
        "at": datetime(2026, 11, 28, 9, 29, 59, 999_999, tzinfo=UTC),
        "watch_fraction": 1.0,
    }
    assert rows["watch_fraction"].to_list() == [None, 1.0, None]


def test_every_partition_is_read_and_every_stream_is_trimmed_to_nothing(
    room: Workspace, store: str, client: redis.Redis
) -> None:
    for partition in (0, 3, 255):
        for n in range(5):
            add(client, f"p{partition}-{n}", partition=partition)
    assert take(room, store).entries == 15
    assert len(event_ids(room)) == 15
    assert [client.xlen(event_stream_key(partition)) for partition in (0, 3, 255)] == [0, 0, 0]


def test_a_second_time_there_is_nothing_to_do(room: Workspace, store: str, client: redis.Redis) -> None:
    add(client, "e1")
    take(room, store)
    assert take(room, store) == Ingested()
    assert event_ids(room) == ["e1"]


def test_without_streams_there_is_nothing_to_do(room: Workspace, store: str) -> None:
    assert take(room, store) == Ingested()


def test_new_events_make_new_segments_and_leave_earlier_ones_as_they_are(
    room: Workspace, store: str, client: redis.Redis
) -> None:
    add(client, "e1")
    take(room, store)
    [first] = segment_files(room)
    before = first.read_bytes()
    add(client, "e2")
    take(room, store)
    assert len(segment_files(room)) == 2
    assert first.read_bytes() == before


def test_the_last_day_of_all_and_the_first_are_kept(room: Workspace, store: str, client: redis.Redis) -> None:
    last = 253_402_300_799_999_999
    client.xadd(STREAM, fields(stored("e1", at=0), stored("e2", at=last), received=last))
    take(room, store)
    rows = scan_segments(room).collect()
    assert rows["at"].dt.epoch("us").to_list() == [0, last]


def test_what_is_on_disk_and_not_acknowledged_is_not_written_again(
    room: Workspace, store: str, client: redis.Redis
) -> None:
    """As after a crash between the rename and the acknowledgement."""
    for n in range(150):
        add(client, f"e{n}")
    kept: Any = client.dump(STREAM)
    take(room, store)
    client.restore(STREAM, 0, kept, replace=True)  # without the group, as nothing was acknowledged
    client.xgroup_create(STREAM, GROUP, "0")
    client.xreadgroup(GROUP, "dead", {STREAM: ">"}, count=100)
    assert take(room, store) == Ingested(again=150)
    assert len(event_ids(room)) == 150
    assert (client.xlen(STREAM), pending(client)) == (0, 0)


def test_of_entries_of_which_some_are_on_disk_the_others_are_written(
    room: Workspace, store: str, client: redis.Redis
) -> None:
    kept = [add(client, f"e{n}", stream_id=f"{100 * n + 1}-0") for n in range(3)]
    take(room, store)
    client.delete(STREAM)
    for n in range(3):
        add(client, f"e{n}", stream_id=kept[n])
        add(client, f"between{n}", stream_id=f"{100 * n + 2}-0")
    assert take(room, store) == Ingested(entries=3, events=3, segments=1, again=3)
    assert event_ids(room) == ["between0", "between1", "between2", "e0", "e1", "e2"]


def test_a_store_that_was_emptied_and_gives_the_same_ids_again_loses_nothing(
    room: Workspace, store: str, client: redis.Redis
) -> None:
    add(client, "old", stream_id="1000-0")
    take(room, store)
    client.flushall()
    add(client, "new", stream_id="1000-0")
    assert take(room, store) == Ingested(entries=1, events=1, segments=1)
    assert event_ids(room) == ["new", "old"]
    assert take(room, store) == Ingested()


def test_ids_that_go_back_are_taken(room: Workspace, store: str, client: redis.Redis) -> None:
    add(client, "late", stream_id="9000-0")
    take(room, store)
    client.flushall()
    add(client, "early", stream_id="10-0")
    take(room, store)
    assert event_ids(room) == ["early", "late"]


@pytest.mark.parametrize("start", ["$", "0"])
def test_a_group_that_somebody_made_or_moved_loses_nothing(
    room: Workspace, store: str, client: redis.Redis, start: str
) -> None:
    for n in range(150):
        add(client, f"e{n}")
    client.xgroup_create(STREAM, GROUP, start)
    if start == "0":
        client.xgroup_setid(STREAM, GROUP, "$")
    add(client, "after")
    assert take(room, store).entries == 151
    assert len(event_ids(room)) == 151
    assert client.xlen(STREAM) == 0


def test_entries_of_a_consumer_that_died_are_taken_over_at_the_start(
    room: Workspace, store: str, client: redis.Redis
) -> None:
    add(client, "e1")
    client.xgroup_create(STREAM, GROUP, "0")
    client.xreadgroup(GROUP, "dead", {STREAM: ">"})
    add(client, "e2")
    assert take(room, store).entries == 2
    assert (event_ids(room), pending(client), client.xlen(STREAM)) == (["e1", "e2"], 0, 0)


def test_entries_of_a_consumer_that_died_long_ago_are_taken_once(
    room: Workspace, store: str, client: redis.Redis
) -> None:
    for n in range(70):
        add(client, f"e{n}")
    client.xgroup_create(STREAM, GROUP, "0")
    client.xreadgroup(GROUP, "dead", {STREAM: ">"})
    stale(client)
    assert take(room, store) == Ingested(entries=70, events=70, segments=1)
    assert len(event_ids(room)) == 70


def test_a_store_without_memory_for_a_group_is_read_and_trimmed_all_the_same(
    room: Workspace, store: str, client: redis.Redis
) -> None:
    for n in range(150):
        add(client, f"e{n}")
    client.config_set("maxmemory", "1")
    assert take(room, store).entries == 150
    assert client.xlen(STREAM) == 0
    client.config_set("maxmemory", "0")
    add(client, "after")
    assert take(room, store).entries == 1
    assert len(event_ids(room)) == 151


def test_what_was_read_and_then_removed_from_the_stream_is_counted_and_holds_nothing_up(
    room: Workspace, store: str, client: redis.Redis
) -> None:
    gone = add(client, "e1")
    client.xgroup_create(STREAM, GROUP, "0")
    client.xreadgroup(GROUP, "dead", {STREAM: ">"})
    stale(client)
    client.xdel(STREAM, gone)
    add(client, "e2")
    assert take(room, store) == Ingested(entries=1, events=1, segments=1, gone=1)
    assert (pending(client), client.xlen(STREAM)) == (0, 0)


def test_what_another_consumer_works_on_is_not_trimmed(room: Workspace, store: str, client: redis.Redis) -> None:
    add(client, "e1")
    take(room, store)  # the look below the group's place is over by the next line
    mine = module._Ingesting(room, store, lambda *_: None)
    mine.everything()
    add(client, "theirs")
    client.xreadgroup(GROUP, "other", {STREAM: ">"})
    add(client, "e2")
    mine.everything()
    assert event_ids(room) == ["e1", "e2"]
    left: Any = client.xrange(STREAM)
    assert b"theirs" in left[0][1][b"events"]


def test_entries_of_a_consumer_that_dies_meanwhile_are_taken_over_once_it_has_been_silent(
    room: Workspace, store: str, client: redis.Redis
) -> None:
    add(client, "e1")
    mine = module._Ingesting(room, store, lambda *_: None)
    mine.everything()
    add(client, "theirs")
    client.xreadgroup(GROUP, "other", {STREAM: ">"})
    mine.everything()
    assert event_ids(room) == ["e1"]
    stale(client)
    mine.everything()
    assert (event_ids(room), client.xlen(STREAM)) == (["e1", "theirs"], 0)


def test_a_store_that_is_emptied_under_a_running_ingest_is_read_anew(
    room: Workspace, store: str, client: redis.Redis
) -> None:
    add(client, "e1")
    mine = module._Ingesting(room, store, lambda *_: None)
    mine.everything()
    client.flushall()
    add(client, "e2")
    mine.everything()
    mine.everything()
    assert event_ids(room) == ["e1", "e2"]


def test_segments_are_bounded_in_rows(
    room: Workspace, store: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "ROWS_PER_SEGMENT", 100)
    for n in range(200):
        add(client, f"a{n}", f"b{n}")
    done = take(room, store)
    assert (done.events, done.segments) == (400, 4)
    assert len(event_ids(room)) == 400


def test_two_at_once_the_second_one_says_who_works(room: Workspace, store: str) -> None:
    with module._alone(room), pytest.raises(AlreadyIngestingError, match=r"process \d+ ingests into .* already"):
        take(room, store)
    assert take(room, store) == Ingested()


def test_what_a_killed_ingest_left_half_written_is_removed(room: Workspace, store: str) -> None:
    folder = segments_folder(room)
    folder.mkdir(parents=True)
    half = folder / ".p000-1_0-2_0.parquet.0011223344556677.tmp"
    half.write_bytes(b"PAR1")
    take(room, store)
    assert list(folder.iterdir()) == []


def test_a_segment_that_cannot_be_written_leaves_everything_in_the_store(
    room: Workspace, store: str, client: redis.Redis
) -> None:
    add(client, "e1")
    segments_folder(room).parent.mkdir(parents=True, exist_ok=True)
    segments_folder(room).write_text("in the way")
    with pytest.raises(SurroundingsError, match="cannot write"):
        take(room, store)
    assert (client.xlen(STREAM), pending(client)) == (1, 1)
    segments_folder(room).unlink()
    assert take(room, store).entries == 1
    assert event_ids(room) == ["e1"]


def test_a_key_that_is_no_stream_is_named_and_the_others_are_read(
    room: Workspace, store: str, client: redis.Redis
) -> None:
    client.set(event_stream_key(1), "text")
    add(client, "e1")
    add(client, "e2", partition=2)
    with pytest.raises(SurroundingsError, match="art:events:1 of another kind than a stream"):
        take(room, store)
    assert event_ids(room) == ["e1", "e2"]


def test_there_has_to_be_a_workspace(tmp_path: Path, store: str) -> None:
    with pytest.raises(InputError, match="expected a workspace"):
        take(Workspace(tmp_path / "none"), store)
    assert not (tmp_path / "none").exists()


RIGHT = json.dumps([stored()])
POISON = [
    ({"v": "2", "received": "1", "events": RIGHT}, "version"),
    ({"v": "", "received": "1", "events": RIGHT}, "version"),
    ({"v": "2", "body": "of a later version"}, "version"),
    ({"received": "1", "events": RIGHT}, "fields"),
    ({"v": "1", "events": RIGHT}, "fields"),
    ({"v": "1", "received": "1"}, "fields"),
    ({"v": "1", "received": "1", "events": RIGHT, "more": "x"}, "fields"),
    ({b"\xff\x00": b"\xfe"}, "fields"),
    ({"v": "1", "received": "now", "events": RIGHT}, "received"),
    ({"v": "1", "received": "-1", "events": RIGHT}, "received"),
    ({"v": "1", "received": "", "events": RIGHT}, "received"),
    ({"v": "1", "received": "9" * 30, "events": RIGHT}, "received"),
    ({"v": "1", "received": "²", "events": RIGHT}, "received"),
    ({"v": "1", "received": "1", "events": ""}, "events: not JSON"),
    ({"v": "1", "received": "1", "events": "[NaN]"}, "events: not JSON"),
    ({"v": "1", "received": "1", "events": b"\xff"}, "events: not JSON"),
    ({"v": "1", "received": "1", "events": "[" * 100_000}, "events: not JSON"),
    ({"v": "1", "received": "1", "events": "{}"}, "events: expected an array"),
    ({"v": "1", "received": "1", "events": "[]"}, "events: expected an array"),
    ({"v": "1", "received": "1", "events": json.dumps([stored()] * 1001)}, "events: expected an array"),
    ({"v": "1", "received": "1", "events": "[1]"}, "events[0]"),
    (fields(stored(), stored() | {"more": 1}), "events[1].more: it is unknown"),
    (fields({k: v for k, v in stored().items() if k != "at"}), "events[0].at: it is missing"),
    (fields(stored(user_id="a b")), "events[0].user_id"),
    (fields(stored(user_id="x" * 65)), "events[0].user_id"),
    (fields(stored(user_id=["ann"])), "events[0].user_id"),
    (fields(stored(type="click")), "events[0].type"),
    (fields(stored(type=["play"])), "events[0].type"),
    (fields(stored(type="play")), "events[0].watch_fraction: it is missing"),
    (fields(stored(watch_fraction=0.5)), "events[0].watch_fraction: it is unknown"),
    (fields(stored(type="play", watch_fraction=True)), "events[0].watch_fraction"),
    (fields(stored(type="play", watch_fraction=1.5)), "events[0].watch_fraction"),
    (fields(stored(type="play", watch_fraction=None)), "events[0].watch_fraction"),
    (fields(stored(generation=0)), "events[0].generation"),
    (fields(stored(generation=2**32)), "events[0].generation"),
    (fields(stored(generation=2**80)), "events[0].generation"),
    (fields(stored(generation=5.0)), "events[0].generation"),
    (fields(stored(generation=True)), "events[0].generation"),
    (fields(stored(revision=-1)), "events[0].revision"),
    (fields(stored(source="guess")), "events[0].source"),
    (fields(stored(segment="")), "events[0].segment"),
    (fields(stored(at=-1)), "events[0].at"),
    (fields(stored(at=253_402_300_800_000_000)), "events[0].at"),
    (fields(stored(at="2026-11-28T09:30:00Z")), "events[0].at"),
]


@pytest.mark.parametrize(("entry", "reason"), POISON, ids=range(len(POISON)))
def test_an_entry_that_no_service_wrote_is_put_aside_whole_with_its_reason_and_its_neighbours_are_taken(
    room: Workspace, store: str, client: redis.Redis, entry: Any, reason: str
) -> None:
    add(client, "before")
    poison: Any = client.xadd(STREAM, entry)
    add(client, "after")
    done = take(room, store)
    assert (done.entries, done.dead) == (2, 1)
    assert event_ids(room) == ["after", "before"]
    [dead] = dead_letters(store)
    assert dead.reason.startswith(reason)
    assert (dead.stream, dead.stream_id) == (STREAM, poison.decode())
    assert (pending(client), client.xlen(STREAM)) == (0, 0)


def test_poison_is_put_aside_once(room: Workspace, store: str, client: redis.Redis) -> None:
    client.xadd(STREAM, {"what": "ever"})
    take(room, store)
    assert take(room, store) == Ingested()
    assert client.xlen(DEAD_EVENTS_KEY) == 1


def test_fields_of_poison_cannot_pass_for_its_reason(room: Workspace, store: str, client: redis.Redis) -> None:
    client.xadd(STREAM, {"reason": "none", "stream": "art:current", "id": "7"})
    take(room, store)
    [dead] = dead_letters(store)
    assert dead.stream == STREAM
    assert dead.fields == {"reason": "none", "stream": "art:current", "id": "7"}


def test_a_dead_letter_that_is_sent_back_is_read_once_more_and_is_no_letter_any_more(
    room: Workspace, store: str, client: redis.Redis
) -> None:
    client.xadd(DEAD_EVENTS_KEY, {"reason": "version", "stream": STREAM, "id": "1-0"} | _own(fields(stored("e1"))))
    client.xadd(DEAD_EVENTS_KEY, {"reason": "version", "stream": STREAM, "id": "2-0"} | _own({"v": "9"}))
    first, second = dead_letters(store)
    done = requeue(store, first.id)
    assert (done.requeued, done.left) == (1, 1)
    take(room, store)
    assert event_ids(room) == ["e1"]
    assert requeue(store).requeued == 1
    assert take(room, store).dead == 1
    [again] = dead_letters(store)
    assert again.fields == second.fields == {"v": "9"}


def test_all_dead_letters_go_back_in_pages(room: Workspace, store: str, client: redis.Redis) -> None:
    for n in range(250):
        letter: Any = {"reason": "x", "stream": event_stream_key(n % 3), "id": "1-0"} | _own(fields(stored(f"e{n}")))
        client.xadd(DEAD_EVENTS_KEY, letter)
    assert requeue(store).requeued == 250
    assert client.xlen(DEAD_EVENTS_KEY) == 0
    take(room, store)
    assert len(event_ids(room)) == 250


@pytest.mark.parametrize("given", ["7-0", "nonsense", "*", "-", "+", "1", "", "9" * 30 + "-0"])
def test_a_dead_letter_that_is_not_there_cannot_be_sent_back(store: str, given: str) -> None:
    with pytest.raises(InputError, match="dead letter"):
        requeue(store, given)


@pytest.mark.parametrize("stream", ["art:current", "art:events:dead", "art:events:256", "art:events:x", ""])
def test_a_dead_letter_goes_back_to_no_key_but_a_stream_of_events(store: str, client: redis.Redis, stream: str) -> None:
    raw: Any = client.xadd(DEAD_EVENTS_KEY, {"reason": "x", "stream": stream, "id": "1-0"} | _own({"v": "1"}))
    with pytest.raises(InputError, match="which stream it came from"):
        requeue(store, raw.decode())
    assert requeue(store).left == 1


def test_where_the_store_has_no_memory_for_dead_letters_events_are_taken_all_the_same(
    room: Workspace, store: str, client: redis.Redis
) -> None:
    client.xadd(STREAM, {"what": "ever"})
    add(client, "e1")
    add(client, "e2", partition=1)
    client.config_set("maxmemory", "1")
    with pytest.raises(SurroundingsError, match="maxmemory"):
        take(room, store)
    assert event_ids(room) == ["e1", "e2"]
    client.config_set("maxmemory", "0")
    done = take(room, store)
    assert (done.dead, event_ids(room)) == (1, ["e1", "e2"])
    assert [client.xlen(event_stream_key(partition)) for partition in (0, 1)] == [0, 0]


def test_rows_of_many_segments_are_read_as_one(room: Workspace, store: str, client: redis.Redis) -> None:
    for n in range(3):
        add(client, f"e{n}", partition=n)
        take(room, store)
    assert scan_segments(room).select(pl.len()).collect().item() == 3


def _own(entry: dict[str, Any]) -> dict[str, Any]:
    return {f"entry:{name}": value for name, value in entry.items()}
