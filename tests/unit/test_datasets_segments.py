"""Segments: every rule that enough users fit, those of the most users, and the context that stands for each."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
import pytest

from bandit.snapshot import SegmentFinder, Signals, hour_band, is_id
from batch.datasets.segments import LEAST_USERS, MOST_WEIGHTS, form_segments, shrunk_means


def drawn(random: np.random.Generator, values: Sequence[str | None], shares: Sequence[float], count: int) -> list[Any]:
    return [values[place] for place in random.choice(len(values), count, p=shares)]


def users(count: int, seed: int = 1, **columns: Any) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    signals = {
        "country": drawn(random, ("US", "BR", "DE", None), (0.5, 0.2, 0.2, 0.1), count),
        "device": drawn(random, ("tv", "web"), (0.5, 0.5), count),
        "campaign": drawn(random, (None, "spring"), (0.8, 0.2), count),
    }
    contexts = np.column_stack([np.ones(count), random.standard_normal((count, 2))])
    return pl.DataFrame(
        signals | columns | {"context": contexts.tolist()},
        schema_overrides={
            "context": pl.List(pl.Float32),
            "country": pl.String,
            "device": pl.String,
            "campaign": pl.String,
        },
    )


def rules_by_hand(frame: pl.DataFrame) -> Counter[Signals]:
    """How many users every combination of signals has."""
    counted: Counter[Signals] = Counter()
    for row in frame.iter_rows(named=True):
        hour = row.get("hour")
        own = dict(row, hours=None if hour is None else hour_band(hour))
        known = {name: own[name] for name in Signals._fields if own[name] is not None and is_id(own[name])}
        for size in range(1, len(known) + 1):
            for names in combinations(known, size):
                counted[Signals(**{name: known[name] for name in names})] += 1
    return counted


def test_segments_are_the_rules_that_fit_the_most_users() -> None:
    frame = users(900, hour=[number % 24 if number % 3 else None for number in range(900)])
    formed = form_segments(frame.lazy(), 100)
    assert formed is not None
    counted = rules_by_hand(frame)
    for segment, count in zip(formed.segments, formed.users.tolist(), strict=True):
        assert counted[segment.rule] == count >= LEAST_USERS
    assert len(formed.segments) == min(64, sum(count >= LEAST_USERS for count in counted.values()))
    left_out = [count for rule, count in counted.items() if rule not in {segment.rule for segment in formed.segments}]
    assert max(left_out) <= min(formed.users)


def test_a_user_is_answered_by_a_segment_of_the_most_signals() -> None:
    formed = form_segments(users(2000).lazy(), 100)
    assert formed is not None
    finder = SegmentFinder(formed.segments)
    place = finder.find(Signals("US", "tv", "spring"))
    assert place is not None
    assert formed.segments[place].name == "US-tv-spring"
    known = [segment.rule.known for segment in formed.segments]
    assert known == sorted(known, reverse=True)


@pytest.mark.parametrize(("count", "are_there"), [(LEAST_USERS - 1, False), (LEAST_USERS, True)])
def test_few_users_are_no_segment(count: int, are_there: bool) -> None:
    frame = users(count, country=["US"] * count, device=[None] * count, campaign=[None] * count)
    assert (form_segments(frame.lazy(), 10) is not None) == are_there


@pytest.mark.parametrize("value", ["", "N L", "\u00e9", "a/b", "x" * 65, "a\n"])
def test_a_value_that_no_look_up_can_send_plainly_is_in_no_segment(value: str) -> None:
    formed = form_segments(users(200, country=[value] * 200).lazy(), 10)
    assert formed is not None
    assert all(segment.rule.country is None for segment in formed.segments)


def test_names_are_ids_of_their_own() -> None:
    values = ["a-b", "a", "tv", "x" * 64]
    count = 400
    frame = users(
        count,
        country=[values[number % 4] for number in range(count)],
        device=[["tv", "b-tv", "x" * 64][number % 3] for number in range(count)],
    )
    formed = form_segments(frame.lazy(), 10)
    assert formed is not None
    names = [segment.name for segment in formed.segments]
    assert len(set(names)) == len(names)
    assert all(map(is_id, names))


def test_a_catalogue_of_many_artworks_has_fewer_segments() -> None:
    frame = users(900).lazy()
    formed = form_segments(frame, MOST_WEIGHTS // 3)
    assert formed is not None
    assert len(formed.segments) == 3
    assert form_segments(frame, MOST_WEIGHTS + 1) is None
    formed = form_segments(frame, 100, room=2)
    assert formed is not None
    assert len(formed.segments) == 2
    assert form_segments(frame, 100, room=0) is None


def test_the_same_users_form_the_same_segments_in_any_type_of_list() -> None:
    frame = users(500)
    one = form_segments(frame.lazy(), 10)
    other = form_segments(frame.with_columns(pl.col("context").cast(pl.List(pl.Float64))).lazy(), 10)
    assert one is not None
    assert other is not None
    assert one.frame().equals(other.frame())


def test_users_without_signals_form_no_segments() -> None:
    frame = users(500).with_columns(pl.lit(None).alias(name) for name in ("country", "device", "campaign"))
    assert form_segments(frame.lazy(), 10) is None


def test_what_is_left_of_a_mean_is_the_share_of_the_spread_that_is_no_chance() -> None:
    groups, size = 40, 50
    random = np.random.default_rng(4)
    truth = np.column_stack([2.0 * random.standard_normal(groups), np.zeros(groups), np.ones(groups)])
    values = truth[:, None, :] + random.standard_normal((groups, size, 3)) * [1.0, 1.0, 0.0]
    sums, squares = values.sum(axis=1), (values**2).sum(axis=1)
    means = shrunk_means(np.full(groups, float(size)), sums, squares, values.mean(axis=(0, 1)))
    plain = values.mean(axis=1)
    kept = (means - plain.mean(axis=0))[:, 0] / (plain - plain.mean(axis=0))[:, 0]
    assert kept == pytest.approx(4.0 / (4.0 + 1 / size), abs=0.01)
    assert np.abs(means[:, 1] - plain[:, 1].mean()).max() < 0.6 * np.abs(plain[:, 1] - plain[:, 1].mean()).max()
    assert (means[:, 2] == 1.0).all()


def test_a_segment_of_signals_that_say_something_has_the_context_of_its_users() -> None:
    frame = users(3000)
    is_us = (frame["country"] == "US").fill_null(value=False).to_numpy()
    contexts = np.array(frame["context"].to_list())
    contexts[:, 1] += 3.0 * is_us
    formed = form_segments(
        frame.with_columns(context=pl.Series(contexts.tolist(), dtype=pl.List(pl.Float32))).lazy(), 10
    )
    assert formed is not None
    [place] = [place for place, segment in enumerate(formed.segments) if segment.name == "US"]
    assert formed.contexts[place, 1] == pytest.approx(contexts[is_us, 1].mean(), abs=0.05)
    assert abs(formed.contexts[place, 2]) < 0.1
    assert formed.contexts[place, 0] == 1.0
