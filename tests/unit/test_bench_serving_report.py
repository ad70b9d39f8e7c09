"""What a run of ``artwork bench serving`` shows, and what it is judged by."""

import re
from dataclasses import replace

import pytest

from artwork.bench.machine import Machine
from artwork.bench.serving.contenders import MODEL, NAIVELY, PAGES, RAW, SINGLE
from artwork.bench.serving.highest import Highest
from artwork.bench.serving.html import rendered, repeat
from artwork.bench.serving.judging import judge
from artwork.bench.serving.plan import Plan
from artwork.bench.serving.results import Case, Closed, Overload, Report, Setup, Start, Steady
from artwork.bench.serving.table import render
from artwork.bench.targets import MISSED, SATURATED, UNCONFIRMED
from artwork.bench.timing import Spread


def of(value: float) -> Spread:
    return Spread(value, value, value)


def case(name: str, rate: float, *, picks: int = 1, p99_ms: float = 1.5) -> Case:
    times = (of(0.5), of(1.0), of(p99_ms), of(2.5), of(3.5))
    steady = Steady(0.6 * rate, *times, from_rows=1.0, curve=[(0.0, 0.1), (99.0, p99_ms), (99.99, 3.0)])
    closed = Closed(of(rate), *times, from_rows=1.0, rates=[rate])
    return Case(name, 100, picks, closed, Highest(rate, 30.0, confirmed=True), steady)


CASES = [
    case(SINGLE, 30_000),
    case(NAIVELY, 5_000),
    case(MODEL, 8_000),
    case(RAW, 60_000),
    case(PAGES, 9_000, picks=40),
]
OVERLOAD = Overload(60_000, 27_000, 33_000, 0, 1.0, 2.0, 0.9)
START = Start(15_000, of(0.9), of(95.0))
MACHINE = Machine("Some Processor", 2, "Linux", "3.11.7", "", {"fastapi": "0.165.0"})
SETUP = Setup(1, 0, "Valkey 9.1", "wrk 4.1", 90_000.0, [], Plan())


def report(cases: list[Case]) -> Report:
    judged = judge(cases, OVERLOAD, START)
    return Report(MACHINE, SETUP, cases, OVERLOAD, START, 600.0, judged, all(each.is_reached for each in judged))


def found(cases: list[Case]) -> dict[str, tuple[float, str]]:
    return {each.what: (each.found, each.verdict) for each in judge(cases, OVERLOAD, START)}


def test_ratios_are_those_of_rounds_so_that_a_slow_round_slows_both() -> None:
    ours, theirs = CASES[0].closed, CASES[1].closed
    assert replace(ours, rates=[30.0, 10.0, 28.0]).times(replace(theirs, rates=[6.0, 2.0, 7.0])) == 5.0


def test_rates_are_judged_as_ratios_to_each_yardstick_and_pages_in_picks() -> None:
    judged = found(CASES)
    assert judged[f"single look-ups/s, beside {NAIVELY}"] == (6.0, "aim reached")
    assert judged[f"single look-ups/s, beside {MODEL}"] == (3.75, "aim reached")
    assert judged[f"single look-ups/s, beside {RAW}"] == (0.5, "aim reached")
    assert judged["picks/s of pages, beside single look-ups"] == (12.0, "met")


def test_a_yardstick_that_is_not_installed_is_not_judged() -> None:
    without = [each for each in CASES if each.name != RAW]
    assert set(found(CASES)) - set(found(without)) == {f"single look-ups/s, beside {RAW}"}


def test_long_rows_are_shown_and_not_judged() -> None:
    slow = replace(case(NAIVELY, 1_000_000), row_picks=1682)
    assert found([*CASES, slow]) == found(CASES)
    assert "1,682" in render(report([*CASES, slow]))


@pytest.mark.parametrize(
    ("highest", "verdict"),
    [
        (Highest(30_000, 30, confirmed=True, saturated=True), SATURATED),
        (Highest(30_000, 30, confirmed=False), UNCONFIRMED),
    ],
)
def test_latencies_below_a_rate_that_is_in_doubt_are_not_judged_and_do_not_pass(highest: Highest, verdict: str) -> None:
    made = report([replace(CASES[0], highest=highest), *CASES[1:]])
    assert not made.passed
    assert verdict in render(made).splitlines()[-1]


def test_the_last_line_names_what_is_missed() -> None:
    late = report([case(SINGLE, 30_000, p99_ms=5.5), *CASES[1:]])
    assert render(late).splitlines()[-1] == f"failed: single, p99 at 60 % of the highest rate ({MISSED})"
    assert render(report(CASES)).splitlines()[-1].startswith("every target")


def test_figures_machine_and_cores_are_in_the_text() -> None:
    text = render(report(CASES))
    for part in ("Some Processor", "servers on core 1", "wrk 4.1", "30,000", "360,000", "600 ns", "95 MB"):
        assert part in text


def test_the_page_loads_nothing_from_anywhere() -> None:
    made = rendered(report(CASES))
    assert not re.search(r"<script|<link|@import|https?:|url\(", made)
    assert len(made.encode()) < 300_000


def test_the_page_opens_with_its_verdict_and_shows_each_times_curve_with_a_table_behind_it() -> None:
    made = rendered(report(CASES))
    assert made.index('class="verdict') < made.index("<svg")
    sizes = {each.row_picks for each in CASES}
    assert made.count("<figure") == made.count("Show as a table") == len(sizes)
    for each in CASES:
        assert f"{each.name}, {each.steady.rate:,.0f}/s" in made


def test_the_page_says_how_to_repeat_the_run() -> None:
    assert repeat(Plan()) == "artwork bench serving --rounds 3 --seconds 30"
    assert repeat(Plan.quick()) == "artwork bench serving --quick"
