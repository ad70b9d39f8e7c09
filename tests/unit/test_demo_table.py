"""The demo's table."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from artwork.demo.days import DayResult
from artwork.demo.table import back_line, line, summary
from artwork.demo.tastes import judge_shift
from bandit.evaluation.live import Lead

LIVE = DayResult(
    day=4,
    generation=5,
    impressions=1000,
    take_rate=0.0955,
    click_through_rate=0.1292,
    uniform=0.0605,
    best=0.1251,
    clickbait=0.1,
    clickbait_uniform=0.1,
    sources=Counter(personalized=1000),
    p50_ms=1.1,
    p99_ms=1.69,
    lead=np.zeros(2),
    shown=np.ones(2),
    rates={},
)
SOURCES = {
    "one source": (Counter(personalized=1000), "personalized 100.0%  "),
    "two": (Counter(personalized=972, popularity=28), "personalized 97.2%, rest 2.8%  "),
    "three": (Counter(popularity=600, personalized=390, default=10), "popularity 60.0%, rest 40.0%  "),
}


@pytest.mark.parametrize(("sources", "shown"), SOURCES.values(), ids=SOURCES)
def test_sources_of_a_day_are_the_largest_and_the_rest_and_are_never_cut(sources: Counter[str], shown: str) -> None:
    assert shown in line(replace(LIVE, sources=sources))


@pytest.mark.parametrize("result", [replace(LIVE, sources=SOURCES["two"][0]), replace(LIVE, p50_ms=0.0, p99_ms=0.0)])
def test_lines_of_all_days_are_as_long_as_each_other(result: DayResult) -> None:
    assert len(line(result)) == len(line(LIVE))


def test_the_lead_over_uniform_is_in_points_with_the_relative_one_beside_it() -> None:
    days = [LIVE, replace(LIVE, uniform=0.0395, impressions=3000)]  # 4.475 % are expected of uniform picks
    told = summary(days, Lead(0.0179, 0.0164, 0.0194, 4000, 50), "thompson")
    assert "thompson is above uniform: +1.79 points of the take rate (+40%), 95 % interval [+1.64, +1.94]," in told
    assert "%" not in told.partition("(+40%)")[0]


@pytest.mark.parametrize(
    ("closed", "place", "before", "nights"),
    [
        ([0.5, 0.7, 0.8, 0.75, 0.1, 0.5, 0.7], 4, 0.75, 2),  # three days before count, not the first
        ([0.8, 0.1, 0.73], 1, 0.8, 1),
        ([0.8, 0.1, 0.71], 1, 0.8, None),
        ([0.8, 0.8, 0.75], 2, 0.8, 0),
    ],
)
def test_the_policy_is_back_at_nine_tenths_of_the_three_days_before(
    closed: list[float], place: int, before: float, nights: int | None
) -> None:
    found = judge_shift(closed, place, 9)
    assert (found.day, found.nights_until_back) == (9, nights)
    assert found.before == pytest.approx(before)
    words = {None: "not by the last day", 0: "after 0 nights", 1: "after 1 night", 2: "after 2 nights"}[nights]
    assert back_line(found).startswith("tastes moved on 2026-01-10: back at 90% of what the days before had closed (")
    assert back_line(found).endswith(words)


@pytest.mark.parametrize("closed", [[-0.1, 0.0, -0.05], [0.0, 0.3, 0.4], [-0.2, -0.05, -0.1]])
def test_where_the_days_before_closed_nothing_there_is_nothing_to_be_back_at(closed: list[float]) -> None:
    found = judge_shift(closed, 1, 4)
    assert found.nights_until_back is None
    assert "whether the policy is back cannot be told" in back_line(found)
