"""A join makes again the days alone that new segments can change: to the byte what a join of everything makes."""

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import naive_join
import numpy as np
import polars as pl
import pytest
from event_logs import START, Event, joined_files, joined_rows, write_segments
from make_impressions import silent

from batch.events.arrivals import JoinSettings, Record, SegmentDays
from batch.events.cutting import Cuts
from batch.events.join import join
from batch.events.scope import scope_of
from batch.executors import Progress, SerialExecutor
from batch.workspace.workspace import Workspace

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PARTITIONS = 3
Entries = list[tuple[int, list[Event]]]


class KilledError(Exception):
    """Ends a join between two of its steps."""


def history(workspace: Workspace, seed: int, count: int = 90) -> Entries:
    """Events of two users and titles, so close together that plays change hands: late, repeated, on clocks that jump."""
    random = np.random.default_rng(seed)
    users = pl.read_parquet(workspace.users)["user_id"].sort().to_list()[1:3]
    titles = pl.read_parquet(workspace.titles)["title_id"].sort().to_list()[1:3]
    answers = [
        naive_join.answer(workspace.root, generation, 0, user, title)
        for generation in (1, 2)
        for user in users
        for title in titles
    ]
    own: dict[int, list[list[Event]]] = {number: [] for number in range(PARTITIONS)}
    now, ids = START, 0
    for number in range(count):
        now += timedelta(minutes=float(random.exponential(90)))
        stored = int((now + 300 * DAY).timestamp() * 1000)  # a store whose clock is ahead of what events say
        happened = now - DAY * float(random.exponential(1.5)) * (random.random() < 0.3)
        happened += DAY * int(random.integers(1, 4)) * (random.random() < 0.02)
        ids += random.random() < 0.85
        answer = answers[random.integers(len(answers))]
        assert answer is not None
        event = answer | {
            "event_id": f"e{ids if random.random() < 0.9 else random.integers(ids + 1)}",
            "type": "play" if random.random() < 0.5 else "impression",
            "segment": None,
            "watch_fraction": None,
            "at": happened.replace(minute=15 * (happened.minute // 15), second=0, microsecond=0),
            "received_at": now + 300 * DAY,
            "stream_id": f"{stored}-{number}",
            "place": 0,
        }
        if event["type"] == "play":
            event["watch_fraction"] = round(float(random.random()), 1)
        if random.random() < 0.05:
            event |= {"generation": 77} if random.random() < 0.5 else {"revision": 9}
        own[int(random.integers(PARTITIONS))].append([event])
    return [(number, entry) for number, entries in own.items() for entry in entries]


def started_again(workspace: Workspace) -> None:
    for folder in (workspace.events, workspace.impressions):
        shutil.rmtree(folder, ignore_errors=True)


def join_until(workspace: Workspace, settings: JoinSettings, cuts: Cuts | None, steps: int) -> None:
    """Join, and be killed after so many steps."""
    left = [steps]

    def report(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KilledError

    join(workspace, SerialExecutor(), report, settings=settings, cuts=cuts)


@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.simulations) for seed in range(3, 12))]
)
def test_joining_what_is_new_again_and_again_equals_joining_everything_once(served: Workspace, seed: int) -> None:
    random = np.random.default_rng([seed, 1])
    horizon = int(random.integers(1, 4))
    window = int(random.choice([900, 6 * 3600, 20 * 3600, horizon * 86_400]))
    grace = int(min(random.choice([0, 3600, 86_400]), horizon * 86_400 - window))
    settings = JoinSettings(window, grace, horizon, str(random.choice(["learn", "wait"])))
    cuts = Cuts(17, 13, 23) if seed % 2 else None
    entries = history(served, seed)
    write_segments(served, entries)
    join(served, SerialExecutor(), silent, settings=settings)
    at_once = joined_files(served)
    started_again(served)
    own = {number: [entry for entry in entries if entry[0] == number] for number in range(PARTITIONS)}
    while any(own.values()):
        for number, waiting in own.items():  # one partition may be read far ahead of another
            size = int(random.integers(len(waiting) + 1)) // 3 if len(waiting) > 5 else len(waiting)
            write_segments(served, waiting[:size], most=int(random.integers(1, 9)))
            own[number] = waiting[size:]
        if random.random() < 0.4:
            try:
                join_until(served, settings, cuts, steps=int(random.integers(12)))
            except KilledError:
                continue  # more segments come before the next one
        join(served, SerialExecutor(), silent, settings=settings, cuts=cuts)
    join(served, SerialExecutor(), silent, settings=settings, cuts=cuts)
    assert joined_files(served) == at_once


class Story:
    """Events of one user and title, joined step by step, and then all at once in another workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        user = pl.read_parquet(workspace.users)["user_id"].sort()[1]
        title = pl.read_parquet(workspace.titles)["title_id"].sort()[1]
        self.answer = naive_join.answer(workspace.root, 1, 0, user, title)
        self.entries: Entries = []

    def add(
        self,
        event_id: str,
        at: datetime,
        stored: datetime,
        watched: float | None = None,
        report: Progress = silent,
        **more: Any,
    ) -> None:
        """An impression, or a play; and join what there is."""
        assert self.answer is not None
        event = {"event_id": event_id, "type": "impression" if watched is None else "play", "at": at}
        stream = {"received_at": stored, "stream_id": f"{int(stored.timestamp() * 1000)}-0", "place": 0}
        entry = (0, [self.answer | event | stream | {"segment": None, "watch_fraction": watched} | more])
        self.entries.append(entry)
        write_segments(self.workspace, [entry])
        join(self.workspace, SerialExecutor(), report, settings=JoinSettings(horizon_days=2))

    def files_at_once(self) -> dict[str, bytes]:
        other = Workspace(Path(shutil.copytree(self.workspace.root, self.workspace.root.with_name("at-once"))))
        started_again(other)
        write_segments(other, self.entries)
        join(other, SerialExecutor(), silent, settings=JoinSettings(horizon_days=2))
        return joined_files(other)


@pytest.fixture
def story(served: Workspace) -> Story:
    return Story(served)


MIDNIGHT = START.replace(hour=0) + 3 * DAY


def test_an_impression_that_comes_on_the_last_day_of_the_horizon_takes_a_play_from_the_day_before(story: Story) -> None:
    story.add("i", MIDNIGHT - HOUR, MIDNIGHT - HOUR)
    story.add("p", MIDNIGHT + HOUR, MIDNIGHT + HOUR, 0.9)
    story.add("later", MIDNIGHT + 2 * DAY, MIDNIGHT + 2 * DAY)
    story.add("j", MIDNIGHT + HOUR / 2, MIDNIGHT + 2 * DAY + HOUR)
    rows = {event: row["clicked"] for (event, _), row in joined_rows(story.workspace).items()}
    assert rows == {"i": False, "j": True, "later": False}
    assert joined_files(story.workspace) == story.files_at_once()


def test_a_play_after_midnight_corrects_the_day_before(story: Story) -> None:
    story.add("i", MIDNIGHT - HOUR, MIDNIGHT - HOUR)
    story.add("p", MIDNIGHT + HOUR, MIDNIGHT + 2 * DAY, 0.9)
    assert next(iter(joined_rows(story.workspace).values()))["clicked"]
    assert joined_files(story.workspace) == story.files_at_once()


def test_an_id_that_was_used_on_a_day_that_is_not_joined_again_is_used(story: Story) -> None:
    story.add("i", MIDNIGHT, MIDNIGHT)
    story.add("other", MIDNIGHT + 2 * DAY, MIDNIGHT + 2 * DAY)
    story.add("i", MIDNIGHT + 2 * DAY + HOUR, MIDNIGHT + 2 * DAY + HOUR)
    assert joined_rows(story.workspace).keys() == {("i", MIDNIGHT), ("other", MIDNIGHT + 2 * DAY)}
    assert joined_files(story.workspace) == story.files_at_once()


@pytest.mark.parametrize("what", ["generations/000001", "overlays/000001.json"])
def test_what_named_a_file_that_comes_later_is_learned_from_then(served: Workspace, what: str) -> None:
    path = served.root / what
    story = Story(served)
    hidden = path.rename(served.root / "hidden")
    story.add("i", MIDNIGHT - HOUR, MIDNIGHT - HOUR, revision=1)
    story.add("p", MIDNIGHT + HOUR, MIDNIGHT + HOUR, 0.9)
    story.add("j", MIDNIGHT + DAY, MIDNIGHT + DAY, revision=1)
    assert "i" not in {event for event, _ in joined_rows(served)}
    hidden.rename(path)
    story.add("other", MIDNIGHT + 2 * DAY - HOUR, MIDNIGHT + 2 * DAY - HOUR)
    assert {event: row["clicked"] for (event, _), row in joined_rows(served).items()} == {
        "i": True,
        "j": False,
        "other": False,
    }
    assert joined_files(served) == story.files_at_once()


def test_what_was_lacking_and_comes_before_the_next_join_but_one_is_not_forgotten(served: Workspace) -> None:
    story = Story(served)
    hidden = (served.generations / "000001").rename(served.root / "hidden")
    story.add("i", MIDNIGHT, MIDNIGHT)
    story.add("later", MIDNIGHT + 2 * DAY, MIDNIGHT + 2 * DAY, generation=2)  # joins other days alone
    hidden.rename(served.generations / "000001")
    story.add("last", MIDNIGHT + 2 * DAY + HOUR, MIDNIGHT + 2 * DAY + HOUR, generation=2)
    assert ("i", MIDNIGHT) in joined_rows(served)
    assert joined_files(served) == story.files_at_once()


def test_a_client_that_names_what_never_was_does_not_make_days_be_joined_again(served: Workspace) -> None:
    story = Story(served)
    story.add("i", MIDNIGHT, MIDNIGHT)
    story.add("lie", MIDNIGHT, MIDNIGHT + HOUR, generation=77)
    story.add("other lie", MIDNIGHT, MIDNIGHT + 2 * HOUR, revision=9)
    story.add("j", MIDNIGHT + 1.5 * DAY, MIDNIGHT + 1.5 * DAY)
    written: set[int] = set()
    story.add(
        "k",
        MIDNIGHT + 2.5 * DAY,
        MIDNIGHT + 2.5 * DAY,
        report=lambda what, _done, total: written.add(total) if what == "writing days" else None,
    )
    assert written == {2}  # its day and the one before, of three
    assert joined_files(served) == story.files_at_once()


SETTINGS = JoinSettings()  # a horizon of 7 days, a window of 6 hours


def segment(*days: int, stored: int, until_hour: int = 12) -> SegmentDays:
    """Of a day's events in one entry, stored at a moment; the last happened at an hour of the last day."""
    latest = (max(days) * 24 + until_hour) * 3600 * 1_000_000
    return SegmentDays(10, stored, stored, latest, dict.fromkeys(days, stored))


OLD = {f"s{day}": segment(day, stored=day * 10) for day in range(100, 120)}


@pytest.mark.parametrize(
    ("new", "days"),
    [
        ({"a": segment(119, stored=1195)}, (118, 119)),
        ({"a": segment(120, stored=1200)}, (119, 120)),
        ({"a": segment(119, 120, stored=1200)}, (118, 119, 120)),
        ({"a": segment(115, stored=1195)}, (114, 115, 116, 119)),
        ({"a": segment(112, stored=1195)}, (111, 112, 113, 119)),  # the last that counts: one more is too late
        ({"a": segment(111, stored=1195)}, (119,)),
        ({"a": segment(119, stored=1195), "b": segment(110, stored=1195)}, (118, 119)),
        ({"a": segment(150, stored=1195)}, (119, 150)),  # the clock leaps: rows of the newest day close
        ({"a": segment(117, stored=1175)}, (116, 117, 118, 119)),  # stored among what was joined
    ],
    ids=str,
)
def test_days_that_new_segments_cannot_change_are_not_joined_again(
    new: dict[str, SegmentDays], days: Sequence[int]
) -> None:
    scope = scope_of(Record(2, SETTINGS, OLD), OLD | new, SETTINGS)
    assert scope is not None
    assert scope.days == tuple(days)
    assert not scope.is_whole


def test_what_was_stored_after_the_first_new_event_may_change_with_it() -> None:
    old = OLD | {"long": SegmentDays(10, 1000, 1180, 0, {112: 1000})}
    scope = scope_of(Record(2, SETTINGS, old), old | {"a": segment(117, stored=1175)}, SETTINGS)
    assert scope is not None
    assert scope.days == (111, 112, 113, 116, 117, 118, 119)


@pytest.mark.parametrize(
    "record",
    [None, Record(2, JoinSettings(horizon_days=8), OLD), Record(2, SETTINGS, OLD | {"gone": segment(90, stored=5)})],
    ids=["no record", "other settings", "a segment is gone"],
)
def test_without_a_record_of_these_segments_and_settings_all_days_are_joined(record: Record | None) -> None:
    scope = scope_of(record, OLD, SETTINGS)
    assert scope is not None
    assert (scope.days, scope.is_whole) == (tuple(range(100, 120)), True)
    assert scope_of(Record(2, SETTINGS, OLD), OLD, SETTINGS) is None
