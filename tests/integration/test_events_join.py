"""Events become rows: against the slow twin, whatever the executor, the order, the cuts, and how often it ran."""

import fcntl
import json
import shutil
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import naive_join
import numpy as np
import pytest
from event_logs import PARTITIONS, draw_events, in_streams, joined_files, joined_rows, rows_of, write_segments
from make_impressions import silent
from twice import TwiceExecutor

from bandit.errors import InputError, SurroundingsError
from batch.events.arrivals import JoinSettings
from batch.events.cutting import Cuts
from batch.events.join import Joined, join
from batch.executors import SerialExecutor, open_executor
from batch.workspace.impressions import count_impressions
from batch.workspace.workspace import Workspace

HORIZON = 2
SETTINGS = JoinSettings(horizon_days=HORIZON)


@pytest.mark.parametrize(
    "seed", [*range(1), *(pytest.param(seed, marks=pytest.mark.simulations) for seed in range(1, 4))]
)
@pytest.mark.parametrize("open_rows", ["learn", "wait"])
def test_rows_and_counts_are_those_of_the_slow_twin(served: Workspace, seed: int, open_rows: str) -> None:
    entries = in_streams(draw_events(served, 700, seed), seed)
    write_segments(served, entries)
    settings = JoinSettings(horizon_days=HORIZON, open_rows=open_rows)
    made = join(served, SerialExecutor(), silent, settings=settings)
    hours = timedelta(hours=1)
    expected = naive_join.join(
        served.root, rows_of(entries), window=6 * hours, grace=hours, horizon=HORIZON, wait=open_rows == "wait"
    )
    rows = joined_rows(served)
    assert rows.keys() == expected.rows.keys()
    for event, row in rows.items():
        twin = expected.rows[event]
        assert row.pop("propensity") == pytest.approx(twin.pop("propensity"), abs=4 / 65535), event
        assert row == twin
    assert counts_of(served) == expected.counts
    total: Counter[str] = Counter()
    for (_, outcome), count in expected.counts.items():
        total[outcome] += count
    assert made.rows == total["rows"] == len(rows)
    assert made.set_aside == {
        name.removeprefix("set aside: "): count for name, count in total.items() if name.startswith("set aside: ")
    }
    outcomes = {"duplicates", "late impressions", "late plays", "orphan plays", "joined plays"}
    assert outcomes <= total.keys()  # the log has all of it


def counts_of(workspace: Workspace) -> Counter[tuple[str, str]]:
    by_day = json.loads((workspace.events / "join.json").read_text())["by_day"]
    return Counter({(day, name): count for day, counts in by_day.items() for name, count in counts.items()})


SMALL = Cuts(rows_a_piece=37, rows_a_shard=61, ids_a_bucket=83)


def join_all(workspace: Workspace, cuts: Cuts | None = None) -> Joined:
    return join(workspace, SerialExecutor(), silent, settings=SETTINGS, cuts=cuts)


def copy_of(workspace: Workspace, name: str) -> Workspace:
    return Workspace(Path(shutil.copytree(workspace.root, workspace.root.with_name(name))))


def test_processes_and_small_cuts_give_the_same_bytes(served: Workspace) -> None:
    write_segments(served, in_streams(draw_events(served, 500, 5), 5))
    others = [copy_of(served, f"other-{number}") for number in range(2)]
    join_all(served)
    join_all(others[0], SMALL)
    with open_executor("processes", 2) as shards:
        join(others[1], shards, silent, settings=SETTINGS, cuts=SMALL)
    assert joined_files(others[0]) == joined_files(served)
    assert joined_files(others[1]) == joined_files(served)


def test_shards_that_run_twice_change_no_byte_and_no_count(served: Workspace) -> None:
    write_segments(served, in_streams(draw_events(served, 500, 5), 5))
    other = copy_of(served, "other")
    once = join_all(served, SMALL)
    twice = join(other, TwiceExecutor(), silent, settings=SETTINGS, cuts=SMALL)
    assert joined_files(other) == joined_files(served)
    assert replace(twice, report=once.report) == once
    assert once.changed


def test_the_same_entries_in_other_segments_give_the_same_bytes(served: Workspace) -> None:
    entries = in_streams(draw_events(served, 500, 6), 6)
    other = copy_of(served, "other")
    write_segments(served, entries, most=1)
    write_segments(other, entries, most=10_000)
    join_all(served)
    join_all(other)
    assert joined_files(served) == joined_files(other)


@pytest.mark.parametrize(
    "seed", [*range(1), *(pytest.param(seed, marks=pytest.mark.simulations) for seed in range(1, 3))]
)
@pytest.mark.parametrize("open_rows", ["learn", "wait"])
def test_many_joins_while_streams_arrive_unevenly_equal_one(served: Workspace, seed: int, open_rows: str) -> None:
    settings = JoinSettings(horizon_days=HORIZON, open_rows=open_rows)
    entries = in_streams(draw_events(served, 500, seed), seed)
    at_once, in_steps = copy_of(served, "at-once"), served
    write_segments(at_once, entries)
    join(at_once, SerialExecutor(), silent, settings=settings)
    random = np.random.default_rng(seed)
    own = {number: [entry for entry in entries if entry[0] == number] for number in range(PARTITIONS)}
    while any(own.values()):
        for number in range(PARTITIONS):  # one partition may be read far ahead of another
            size = int(random.integers(len(own[number]) + 1)) if len(own[number]) > 3 else len(own[number])
            write_segments(in_steps, own[number][:size])
            own[number] = own[number][size:]
        join(in_steps, SerialExecutor(), silent, settings=settings)
    assert joined_files(in_steps) == joined_files(at_once)


def test_a_join_without_new_segments_writes_nothing(served: Workspace) -> None:
    write_segments(served, in_streams(draw_events(served, 200, 7), 7))
    first = join_all(served)
    before = {path: path.stat().st_mtime_ns for path in served.impressions.glob("day=*/*")}
    again = join_all(served)
    assert first.changed
    assert not again.changed
    assert (again.rows, again.set_aside, again.watermark) == (first.rows, first.set_aside, first.watermark)
    assert {path: path.stat().st_mtime_ns for path in served.impressions.glob("day=*/*")} == before


def test_a_file_of_a_day_that_is_gone_is_made_again(served: Workspace) -> None:
    write_segments(served, in_streams(draw_events(served, 200, 7), 7))
    join_all(served)
    before = joined_files(served)
    next(served.impressions.glob("day=*/events.parquet")).unlink()
    join_all(served)
    assert joined_files(served) == before


def test_other_settings_join_everything_again(served: Workspace) -> None:
    write_segments(served, in_streams(draw_events(served, 300, 8), 8))
    other = copy_of(served, "other")
    join_all(served)
    short = JoinSettings(window_seconds=600, grace_seconds=0, horizon_days=1)
    for workspace in (served, other):
        join(workspace, SerialExecutor(), silent, settings=short)
    assert joined_files(served) == joined_files(other)


def test_files_beside_the_joined_ones_stay(served: Workspace) -> None:
    write_segments(served, in_streams(draw_events(served, 200, 9), 9))
    join_all(served)
    day = next(served.impressions.glob("day=*"))
    beside = day / "part-000000.parquet"
    beside.write_bytes(b"of others")
    (served.events / "joined-segments.json").unlink()
    join_all(served)
    assert beside.read_bytes() == b"of others"


@pytest.mark.parametrize("name", ["join.json", "joined-segments.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"by_day": {"today": {"rows": 1}}}', b"\xff", None])
def test_a_record_that_cannot_be_used_is_made_again(served: Workspace, name: str, content: bytes | None) -> None:
    write_segments(served, in_streams(draw_events(served, 100, 9), 9))
    join_all(served)
    before = joined_files(served)
    path = served.events / name
    path.unlink() if content is None else path.write_bytes(content)
    join_all(served)
    assert joined_files(served) == before


def test_without_events_nothing_is_written(served: Workspace) -> None:
    made = join_all(served)
    assert (made.events, made.rows, made.watermark) == (0, 0, None)
    assert not served.events.exists()


def test_what_was_joined_is_learned_from(served: Workspace) -> None:
    write_segments(served, in_streams(draw_events(served, 200, 10), 10))
    made = join_all(served)
    assert count_impressions(served, 6) == made.rows > 0


def test_a_second_join_at_once_is_refused(served: Workspace) -> None:
    write_segments(served, in_streams(draw_events(served, 50, 11), 11))
    with (served.events / ".join.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SurroundingsError, match="another join is at work"):
            join_all(served)
    assert join_all(served).rows


def test_what_a_killed_join_left_is_removed(served: Workspace) -> None:
    write_segments(served, in_streams(draw_events(served, 50, 11), 11))
    (served.events / ".joining-abc").mkdir()
    (served.events / ".joining-abc" / "users-000000.parquet").write_bytes(b"half")
    join_all(served)
    assert not list(served.events.glob(".joining-*"))


def test_a_generation_that_changed_teaches_nothing(served: Workspace) -> None:
    write_segments(served, in_streams(draw_events(served, 300, 12), 12))
    path = next((served.generations / "000001" / "posterior").iterdir())
    path.write_bytes(path.read_bytes() + b"x")
    made = join_all(served)
    assert made.set_aside["generation changed"] > 50
    assert {row["generation"] for row in joined_rows(served).values()} == {2}


@pytest.mark.parametrize(
    "wrong",
    [
        {"window_seconds": 0},
        {"window_seconds": -1},
        {"grace_seconds": -1},
        {"horizon_days": 0},
        {"horizon_days": 10_000},
        {"window_seconds": 8 * 86_400},
        {"window_seconds": 86_400, "grace_seconds": 1, "horizon_days": 1},
        {"open_rows": "maybe"},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        JoinSettings(**wrong)


def test_the_log_says_what_a_pick_was_drawn_given_and_without_the_files_of_it_loses_only_what_needs_them(
    served: Workspace,
) -> None:
    write_segments(served, in_streams(draw_events(served, 500, 5), 5))
    without = copy_of(served, "without")
    join_all(served)
    shutil.rmtree(without.generations / "000001" / "picks")
    made = join_all(without)
    rows = {key: row for key, row in joined_rows(served).items() if row["generation"] == 2}
    assert {row["previous"] is None for row in rows.values()} == {True, False}
    assert all(row["previous"] is None for row in joined_rows(served).values() if row["generation"] == 1)
    left = joined_rows(without)
    assert {row["generation"] for row in left.values()} == {2}
    assert all(row | {"previous": None} == left[key] for key, row in rows.items() if key in left)
    assert {row["previous"] for row in left.values()} == {None}
    lost = [row for key, row in rows.items() if key not in left]
    sizes = {title: len(own) for title, own in naive_join.generation_of(served.root, 2).artworks.items()}
    assert all(len(row["eligible"]) < sizes[row["title_id"]] for row in lost)
    assert made.set_aside["weight not reproduced"] == len(lost) > 5
