"""Entries of the streams are checked field by field before they become rows."""

from typing import Any

import orjson
import pytest

from batch.events.entries import Entry, PoisonError, frame_of, read_entry
from batch.events.segments import SEGMENT_SCHEMA, StreamId

RIGHT: dict[str, Any] = {
    "event_id": "e0",
    "type": "impression",
    "user_id": "ann",
    "title_id": "heat",
    "artwork_id": "a1",
    "generation": 3,
    "revision": 1,
    "source": "personalized",
    "segment": None,
    "at": 5,
}
PLAY = RIGHT | {"event_id": "p0", "type": "play", "watch_fraction": 0.5}


def read(*events: Any) -> Entry:
    return read_entry(StreamId(7, 1), {b"v": b"1", b"received": b"9", b"events": orjson.dumps(list(events))})


IDS = [None, 1, True, "", "a b", "a\n", "é", "x" * 65, ["ann"], {"a": 1}]
NUMBERS = [None, True, False, 1.0, -1, "1", 2**63, [1]]
AWKWARD: dict[str, list[Any]] = {
    "event_id": IDS,
    "user_id": IDS,
    "title_id": IDS,
    "artwork_id": IDS,
    "segment": [value for value in IDS if value is not None],
    "type": [None, 1, "", "Play", ["play"], {}],
    "source": [None, 1, "", "rumour", ["default"]],
    "generation": [*NUMBERS, 0],
    "revision": NUMBERS,
    "at": [*NUMBERS, 2**62],
}


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "among others"])
@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in AWKWARD.items() for value in values], ids=repr
)
def test_a_value_that_is_wrong_is_named_with_its_place(field: str, value: Any, alone: bool) -> None:
    wrong = RIGHT | {field: value}
    events = [wrong] if alone else [RIGHT, wrong, PLAY]
    with pytest.raises(PoisonError, match=rf"^events\[{0 if alone else 1}\]\.{field}: "):
        read(*events)


@pytest.mark.parametrize("value", [None, True, "0.5", -0.1, 1.1, 2, [], {}], ids=repr)
def test_a_watch_fraction_that_is_wrong_is_named(value: Any) -> None:
    with pytest.raises(PoisonError, match=r"^events\[1\]\.watch_fraction: "):
        read(PLAY, PLAY | {"watch_fraction": value}, RIGHT)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (RIGHT | {"watch_fraction": None}, "watch_fraction: it is unknown"),
        (RIGHT | {"watch_fraction": 0.5}, "watch_fraction: it is unknown"),
        ({name: value for name, value in PLAY.items() if name != "watch_fraction"}, "watch_fraction: it is missing"),
        ({name: value for name, value in RIGHT.items() if name != "segment"}, "segment: it is missing"),
        (RIGHT | {"more": 1}, "more: it is unknown"),
        ("e0", " it is"),
        (None, " it is"),
        ([1], " it is"),
    ],
    ids=str,
)
def test_an_event_of_another_form_is_refused(event: Any, reason: str) -> None:
    with pytest.raises(PoisonError) as refused:
        read(PLAY, RIGHT, event)
    assert str(refused.value).startswith("events[2]")
    assert reason in str(refused.value)


def test_rows_hold_what_events_say_in_their_order() -> None:
    second = RIGHT | {"event_id": "e1", "segment": "s1", "revision": 0, "at": 6}
    whole = PLAY | {"event_id": "p1", "watch_fraction": 1}
    frame = frame_of([read(RIGHT, PLAY, second), read(whole)])
    assert frame.schema == SEGMENT_SCHEMA
    assert frame["event_id"].to_list() == ["e0", "p0", "e1", "p1"]
    assert frame["place"].to_list() == [0, 1, 2, 0]
    assert frame["segment"].to_list() == [None, None, "s1", None]
    assert frame["watch_fraction"].to_list() == [None, 0.5, None, 1.0]
    assert frame["at"].dt.epoch("us").to_list() == [5, 5, 6, 5]
    assert set(frame["stream_id"]) == {"7-1"}
    assert set(frame["received_at"].dt.epoch("us")) == {9}
