"""Which segment answers for which signals."""

import random
from itertools import product

import pytest

from bandit.snapshot import (
    HOUR_BANDS,
    NO_SIGNALS,
    Segment,
    SegmentFinder,
    Signals,
    hour_band,
    pack_weights,
    segment_weights,
)

SEGMENTS = (
    Segment("US-tv", Signals("US", "tv")),
    Segment("US-spring", Signals("US", campaign="spring")),
    Segment("US", Signals("US")),
    Segment("tv", Signals(device="tv")),
    Segment("night", Signals(hours="night")),
)


@pytest.mark.parametrize(
    ("signals", "name"),
    [
        (Signals("US", "tv"), "US-tv"),
        (Signals("US", "tv", "spring", "night"), "US-tv"),
        (Signals("US", "web", "spring"), "US-spring"),
        (Signals("US", "web"), "US"),
        (Signals("NL", "tv"), "tv"),
        (Signals("tv"), None),
        (Signals(device="US"), None),
        (Signals("us"), None),
        (Signals.of(hour=5), "night"),
        (Signals.of(hour=6), None),
        (Signals("NL", "web", "x", "evening"), None),
        (NO_SIGNALS, None),
        (Signals("U\u00e9", "\0"), None),
    ],
)
def test_the_first_segment_of_which_all_signals_are_there_answers(signals: Signals, name: str | None) -> None:
    place = SegmentFinder(SEGMENTS).find(signals)
    assert (None if place is None else SEGMENTS[place].name) == name


def test_a_finder_agrees_with_trying_one_segment_after_the_other() -> None:
    chance = random.Random(1)
    values = [None, "a", "b"]
    every = [Signals(*row) for row in product(values, values, values, (None, "night"))]
    for _ in range(30):
        rules = chance.sample(every[1:], 12)
        finder = SegmentFinder(tuple(Segment(f"s{number}", rule) for number, rule in enumerate(rules)))
        for signals in every:
            fits = (all(own in (None, given) for own, given in zip(rule, signals, strict=True)) for rule in rules)
            assert finder.find(signals) == next((place for place, fit in enumerate(fits) if fit), None)


def test_a_finder_without_segments_finds_none() -> None:
    assert SegmentFinder().find(Signals("US")) is None


def test_the_hours_of_a_day_are_four_bands_of_six() -> None:
    assert [hour_band(hour) for hour in range(24)] == [band for band in HOUR_BANDS for _ in range(6)]


def test_packed_weights_are_read_by_segment() -> None:
    vectors = [(0, 65535, 0), (1, 2, 65532), (65535, 0, 0)]
    packed = pack_weights(vectors)
    assert len(packed) == 18
    assert [segment_weights(packed, place, 3) for place in range(3)] == vectors
