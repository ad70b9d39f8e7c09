"""What the join promises, one rule each: plays, closing, horizon, lies, and kills at every step."""

import shutil
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import naive_join
import polars as pl
import pytest
from event_logs import LIES, START, Event, draw_events, in_streams, joined_files, joined_rows, write_segments
from make_impressions import silent
from shell import assert_refused, call, environment

from batch.events.arrivals import JoinSettings
from batch.events.day_files import DayParts, write_day
from batch.events.join import Joined, join
from batch.executors import SerialExecutor
from batch.workspace.workspace import Workspace

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Log:
    """Events of one user and title, stored in the order that they are given in."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        user = pl.read_parquet(workspace.users)["user_id"].sort()[1]  # has every title in both generations
        title = pl.read_parquet(workspace.titles)["title_id"].sort()[1]  # of which nothing is retired
        self.answer = naive_join.answer(workspace.root, 1, 0, user, title)
        self.entries: list[tuple[int, list[Event]]] = []

    def add(
        self,
        event_id: str,
        at: datetime,
        received: datetime | None = None,
        stored: datetime | None = None,
        **other: Any,
    ) -> None:
        """An impression, or with a watch_fraction a play; stored when it was received, if the clocks agree."""
        assert self.answer is not None
        received = received or at
        kind = "play" if "watch_fraction" in other else "impression"
        stream_id = f"{int((stored or received).timestamp() * 1000)}-{len(self.entries)}"
        event = {"event_id": event_id, "type": kind, "at": at, "received_at": received, "stream_id": stream_id}
        rest = {"place": 0, "segment": None, "watch_fraction": None}
        self.entries.append((len(self.entries) % 3, [self.answer | event | rest | other]))

    def join(self, **settings: Any) -> Joined:
        """Write what was added since, and join."""
        write_segments(self.workspace, self.entries)
        self.entries = []
        return join(self.workspace, SerialExecutor(), silent, settings=JoinSettings(**settings))

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """By event."""
        return {event_id: row for (event_id, _), row in joined_rows(self.workspace).items()}


@pytest.fixture
def log(served: Workspace) -> Log:
    return Log(served)


def test_a_play_joins_the_last_impression_at_or_before_it(log: Log) -> None:
    for number in range(3):
        log.add(f"i{number}", START + number * HOUR)
    log.add("p", START + HOUR, watch_fraction=0.9)
    made = log.join()
    assert [log.rows[f"i{number}"]["clicked"] for number in range(3)] == [False, True, False]
    assert log.rows["i1"]["reward"] == 1.0
    assert made.joined_plays == 1


def test_a_service_whose_clock_is_weeks_ahead_makes_nothing_late(log: Log) -> None:
    ahead = 30 * DAY
    log.add("i1", START)
    log.add("wrong", START + ahead, START + ahead, stored=START + HOUR)
    log.add("wrong-p", START + ahead + HOUR, START + ahead + HOUR, stored=START + 2 * HOUR, watch_fraction=0.9)
    log.add("i2", START + 3 * HOUR)
    log.add("p2", START + 5 * HOUR, watch_fraction=0.9)
    made = log.join()
    assert made.late_impressions == made.late_plays == 0
    assert made.watermark == (START + 5 * HOUR).isoformat()
    assert {name: row["shown_at"] for name, row in log.rows.items()} == {
        "i1": START,
        "wrong": START + HOUR,
        "i2": START + 3 * HOUR,
    }
    assert [log.rows[name]["clicked"] for name in ("i1", "wrong", "i2")] == [False, True, True]


def test_of_two_impressions_at_one_time_the_later_stored_gets_the_play(log: Log) -> None:
    log.add("b", START, START + timedelta(seconds=1))
    log.add("a", START, START + timedelta(seconds=2))
    log.add("p", START, START + timedelta(seconds=3), watch_fraction=0.1)
    log.join()
    assert [log.rows[name]["clicked"] for name in "ab"] == [True, False]


def test_a_play_that_is_stored_before_its_impression_joins_it(log: Log) -> None:
    log.add("p", START + HOUR, watch_fraction=0.8)
    log.add("i", START, START + 3 * HOUR)
    log.join()
    assert log.rows["i"]["reward"] == 1.0


@pytest.mark.parametrize(("seconds", "clicked"), [(0, True), (600, True), (600.000001, False), (-0.000001, False)])
def test_the_window_ends_at_its_end(log: Log, seconds: float, clicked: bool) -> None:
    log.add("i", START)
    log.add("p", START + timedelta(seconds=seconds), START + HOUR, watch_fraction=0.8)
    made = log.join(window_seconds=600)
    assert log.rows["i"]["clicked"] == clicked
    assert made.orphan_plays == (not clicked)


def test_of_several_plays_the_longest_counts(log: Log) -> None:
    log.add("i", START)
    for number, watched in enumerate((0.2, 0.95, 0.4)):
        log.add(f"p{number}", START + timedelta(minutes=number), watch_fraction=watched)
    made = log.join()
    assert (log.rows["i"]["watch_fraction"], log.rows["i"]["reward"], made.joined_plays) == (0.95, 1.0, 3)


@pytest.mark.parametrize("field", ["user_id", "title_id", "artwork_id", "generation"])
def test_a_play_of_something_else_joins_nothing(log: Log, field: str) -> None:
    log.add("i", START)
    other: Event = {field: 2 if field == "generation" else "else"}
    log.add("p", START, watch_fraction=1.0, **other)
    made = log.join()
    assert (log.rows["i"]["clicked"], made.orphan_plays) == (False, 1)


def test_a_play_joins_no_impression_that_was_set_aside(log: Log) -> None:
    log.add("i", START)
    log.add("lie", START + HOUR, source="popularity")
    log.add("p", START + HOUR, watch_fraction=1.0)
    made = log.join()
    assert made.set_aside == {"not the draw": 1}
    assert log.rows.keys() == {"i"}
    assert log.rows["i"]["clicked"]


@pytest.mark.parametrize("open_rows", ["learn", "wait"])
def test_a_row_is_open_until_window_and_grace_have_passed(log: Log, open_rows: str) -> None:
    log.add("i", START)
    log.add("j", START + timedelta(hours=6, minutes=59))
    made = log.join(open_rows=open_rows)
    assert made.open_rows == 2
    assert log.rows.keys() == ({"i", "j"} if open_rows == "learn" else set())
    log.add("k", START + 7 * HOUR)
    made = log.join(open_rows=open_rows)
    assert made.open_rows == 2
    assert log.rows.keys() == ({"i", "j", "k"} if open_rows == "learn" else {"i"})


def test_a_late_play_corrects_its_row_until_the_horizon(log: Log) -> None:
    log.add("i", START)
    log.add("j", START + 2 * DAY)
    log.join(horizon_days=2)
    assert not log.rows["i"]["clicked"]
    log.add("p", START + HOUR, START + 2 * DAY + HOUR, watch_fraction=0.9)
    made = log.join(horizon_days=2)
    assert log.rows["i"]["reward"] == 1.0
    assert made.changed == (START.date().isoformat(),)


def test_beyond_the_horizon_what_arrives_is_counted_and_the_day_stays_as_it_is(log: Log) -> None:
    log.add("i", START)
    log.add("j", START + 3 * DAY)
    log.join(horizon_days=2)
    before = (log.workspace.impressions / f"day={START.date()}" / "events.parquet").stat()
    log.add("p", START + HOUR, START + 3 * DAY + HOUR, watch_fraction=0.9)
    log.add("k", START + HOUR, START + 3 * DAY + HOUR)
    made = log.join(horizon_days=2)
    after = (log.workspace.impressions / f"day={START.date()}" / "events.parquet").stat()
    assert (made.late_plays, made.late_impressions, made.changed) == (1, 1, ())
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_an_event_counts_once_however_often_it_is_sent_and_the_first_wins(log: Log) -> None:
    log.add("i", START)
    log.add("i", START, START + HOUR)
    log.add("i", START + HOUR, START + DAY)  # the same id for another event
    log.add("p", START, watch_fraction=0.2)
    log.add("p", START, START + HOUR, watch_fraction=1.0)
    made = log.join()
    assert made.duplicates == 3
    assert log.rows["i"]["shown_at"] == START
    assert log.rows["i"]["watch_fraction"] == 0.2


REASONS = {
    "generation": "unknown generation",
    "revision": "unknown revision",
    "user_id": "unknown user",
    "title_id": "unknown title",
    "artwork_id": "unknown artwork",
}


@pytest.mark.parametrize("lie", LIES[:11], ids=str)
def test_what_a_generation_did_not_give_is_set_aside_with_its_reason(log: Log, lie: Event) -> None:
    sources = {
        "segment": "unknown segment",
        "rumour": "unknown source",
        "default": "not the draw",
        "popularity": "not the draw",
    }
    reason = sources.get(lie["source"]) if "source" in lie else REASONS[next(iter(lie))]
    log.add("i", START, **lie)
    log.add("p", START, watch_fraction=1.0, **{name: value for name, value in lie.items() if name != "watch_fraction"})
    made = log.join()
    if reason is None:  # "personalized" is true
        assert made.rows == 1
    else:
        assert made.set_aside == {reason: 1}
        assert (made.rows, made.orphan_plays) == (0, 1)


def test_another_artwork_than_the_pick_is_set_aside(log: Log) -> None:
    assert log.answer is not None
    images = naive_join.generation_of(log.workspace.root, 1).artworks[log.answer["title_id"]]
    for number, image in enumerate(images):
        log.add(f"i{number}", START, artwork_id=image)
    made = log.join()
    assert made.set_aside == {"not the pick": len(images) - 1}


KILLED = """
import os, signal, sys
from pathlib import Path
from batch.events.arrivals import JoinSettings
from batch.events.join import join
from batch.executors import SerialExecutor
from batch.workspace.workspace import Workspace

steps = int(sys.argv[2])

def report(what, done, total):
    global steps
    steps -= 1
    if steps < 0:
        os.kill(os.getpid(), signal.SIGKILL)

join(Workspace(Path(sys.argv[1])), SerialExecutor(), report, settings=JoinSettings(horizon_days=2))
"""


@pytest.mark.faults
def test_killed_at_every_step_and_run_again_gives_the_same_bytes(served: Workspace, tmp_path: Path) -> None:
    entries = in_streams(draw_events(served, 250, 3, days=4), 3)
    first, then = entries[: len(entries) // 2], entries[len(entries) // 2 :]
    undisturbed = Workspace(tmp_path / "undisturbed")
    shutil.copytree(served.root, undisturbed.root)
    for workspace in (served, undisturbed):
        write_segments(workspace, first)
        join(workspace, SerialExecutor(), silent, settings=JoinSettings(horizon_days=2))
        write_segments(workspace, then)
    join(undisturbed, SerialExecutor(), silent, settings=JoinSettings(horizon_days=2))
    for step in range(100):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(served.root), str(step)], env=environment(), check=False
        )
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
    assert step > 5
    assert joined_files(served) == joined_files(undisturbed)


def test_a_day_whose_rows_all_wait_has_no_file(log: Log) -> None:
    log.add("i", START)
    log.join(open_rows="learn")
    path = log.workspace.impressions / f"day={START.date()}" / "events.parquet"
    assert path.exists()
    made = log.join(open_rows="wait")
    assert not path.exists()
    assert made.changed == (START.date().isoformat(),)


def test_a_day_is_the_same_bytes_however_its_parts_were_cut(tmp_path: Path) -> None:
    count = 70_000  # more than a group of rows
    lists = pl.Series([[float(number), 0.5] for number in range(100)], dtype=pl.List(pl.Float32))
    frame = pl.DataFrame({"user_id": [f"u{number // 7:06d}" for number in range(count)]}).with_columns(
        context=lists.gather([number // 7 % 100 for number in range(count)])
    )
    written = []
    for name, cuts in {"whole": [0, count], "cut": [0, 1, 4_000, 66_001, count]}.items():
        parts = [tmp_path / f"{name}-{start}.parquet" for start in cuts[:-1]]
        for part, start, stop in zip(parts, cuts[:-1], cuts[1:], strict=True):
            frame[start:stop].write_parquet(part)
        day = DayParts(tmp_path / name, parts, tmp_path / f"{name}-scratch")
        assert write_day(day)
        assert not write_day(day._replace(scratch=tmp_path / f"{name}-again"))
        assert write_day(day)  # by whoever takes over from a process that died before it could say so
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    assert pl.read_parquet(tmp_path / "whole").equals(frame)


def test_the_command_says_what_became_of_events(log: Log) -> None:
    log.add("i", START)
    log.add("i", START, START + HOUR)
    log.add("lie", START, revision=9)
    log.add("p", START + HOUR, watch_fraction=0.9)
    write_segments(log.workspace, log.entries)
    said = call("join", "-w", str(log.workspace.root), "--horizon", "2", "--window", "1h")
    assert said.code == 0
    assert "4 events" in said.out
    assert "1 impressions of 1 days (1 still open), 1 plays joined" in said.out
    assert "1 events that came twice" in said.out
    assert "1 unknown revision" in said.out


@pytest.mark.parametrize(
    "wrong", [("--window", "0s"), ("--window", "8d"), ("--grace", "x"), ("--horizon", "0"), ("--open-rows", "never")]
)
def test_the_command_refuses_what_makes_no_sense(log: Log, wrong: tuple[str, str]) -> None:
    assert_refused(call("join", "-w", str(log.workspace.root), *wrong), 2)


def test_the_command_refuses_what_is_no_workspace(tmp_path: Path) -> None:
    assert_refused(call("join", "-w", str(tmp_path / "nothing")), 2, "is not a folder")


def test_a_segment_that_is_damaged_is_refused_and_nothing_is_written(log: Log) -> None:
    log.add("i", START)
    [path] = write_segments(log.workspace, log.entries)
    path.write_bytes(path.read_bytes()[:100])
    assert_refused(call("join", "-w", str(log.workspace.root)), 2, "segments")
    assert not list(log.workspace.impressions.glob("day=*/events.parquet"))
