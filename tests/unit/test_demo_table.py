"""The demo's table."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from artwork.demo.days import DayResult
from artwork.demo.table import line, summary
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
