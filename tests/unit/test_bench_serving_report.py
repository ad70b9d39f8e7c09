"""What a run of ``artwork bench serving`` shows, and what it is judged by."""

import re
from dataclasses import replace

import pytest

from artwork.bench.machine import Machine
from artwork.bench.serving.contenders import BEFORE_PAGES, BEFORE_SINGLE, MODEL, NAIVELY, PAGES, RAW, SINGLE
from artwork.bench.serving.highest import Highest
from artwork.bench.serving.html import rendered, repeat
from artwork.bench.serving.judging import judge, ratios_of
from artwork.bench.serving.plan import Plan
from artwork.bench.serving.results import Broken, Case, Closed, Overload, Report, Setup, Start, Steady
from artwork.bench.serving.table import render
from artwork.bench.targets import MISSED, SATURATED, UNCONFIRMED
from artwork.bench.timing import Spread


def of(value: float) -> Spread:
    return Spread(value, value, value)


def case(name: str, rate: float, *, picks: int = 1, p99_ms: float = 1.5) -> Case:
    times = (of(0.5), of(1.0), of(p99_ms), of(2.5), of(3.5))
    steady = Steady(0.6 * rate, *times, from_rows=1.0, curve=[(0.0, 0.1), (99.0, p99_ms), (99.99, 3.0)])
    closed = Closed(of(rate), *times, from_rows=1.0, rates=[rate], cpu_us=of(28.5))
    return Case(name, 100, picks, closed, Highest(rate, 30.0, confirmed=True), steady)


CASES = [
    case(SINGLE, 45_000),
    case(NAIVELY, 5_000),
    case(MODEL, 8_000),
    case(RAW, 60_000),
    case(PAGES, 17_000, picks=40),
]
BROKEN = [Broken("the store is killed", Spread(0.4, 0.3, 0.6), of(0.2), [])]
OVERLOAD = Overload(60_000, 27_000, 33_000, 0, 10, 1.0, 2.0, 3.0, 1.5, 0.4, 0.9)
START = Start(15_000, of(0.9), of(95.0))
MACHINE = Machine("Some Processor", 2, "Linux", "3.11.7", "", {"fastapi": "0.165.0"})
SETUP = Setup(1, 0, "Valkey 9.1", "wrk 4.1", 90_000.0, [], Plan())


def report(cases: list[Case]) -> Report:
    judged, passed = (
        judge(cases, OVERLOAD, START, BROKEN),
        all(each.is_reached for each in judge(cases, OVERLOAD, START, BROKEN)),
    )
    return Report(MACHINE, SETUP, cases, OVERLOAD, START, BROKEN, ratios_of(cases), 600.0, judged, passed)


def found(cases: list[Case]) -> dict[str, tuple[float, str]]:
    return {each.what: (each.found, each.verdict) for each in judge(cases, OVERLOAD, START, BROKEN)}


def test_ratios_are_those_of_rounds_so_that_a_slow_round_slows_both() -> None:
    ours, theirs = CASES[0].closed, CASES[1].closed
    ratio = replace(ours, rates=[30.0, 10.0, 28.0]).times(replace(theirs, rates=[6.0, 2.0, 7.0]))
    assert ratio == Spread(5.0, 4.0, 5.0)


def test_rates_are_judged_as_ratios_to_each_yardstick_and_pages_in_picks() -> None:
    judged = found(CASES)
    assert judged[f"single look-ups/s, beside {NAIVELY}"] == (9.0, "aim reached")
    assert judged[f"single look-ups/s, beside {MODEL}"] == (5.625, "aim reached")
    assert judged[f"single look-ups/s, beside {RAW}"] == (0.75, "aim reached")
    assert judged[f"picks/s of pages, beside {NAIVELY}"] == (136.0, "aim reached")


@pytest.mark.parametrize(
    ("what", "name", "rate"),
    [
        (f"single look-ups/s, beside {NAIVELY}", NAIVELY, 5_010),
        (f"single look-ups/s, beside {MODEL}", MODEL, 9_010),
        (f"single look-ups/s, beside {RAW}", RAW, 64_300),
        (f"picks/s of pages, beside {NAIVELY}", PAGES, 16_200),
    ],
)
def test_a_ratio_just_below_what_is_required_is_missed(what: str, name: str, rate: float) -> None:
    slower = [replace(each, closed=case(name, rate).closed) if each.name == name else each for each in CASES]
    assert found(slower)[what][1] == MISSED


def test_rates_beside_another_tree_are_shown_with_their_spread_and_not_judged() -> None:
    before = replace(case(BEFORE_SINGLE, 0), closed=replace(CASES[0].closed, rates=[20_000.0, 25_000.0, 30_000.0]))
    ours = replace(CASES[0], closed=replace(CASES[0].closed, rates=[40_000.0, 50_000.0, 45_000.0]))
    both = [
        ours,
        before,
        *[replace(each, closed=replace(each.closed, rates=[each.closed.rate.median] * 3)) for each in CASES[1:]],
    ]
    made = report([*both, replace(case(BEFORE_PAGES, 10_000), closed=both[-1].closed)])
    assert f"requests/s of {SINGLE}, beside {BEFORE_SINGLE}: 2 (1.5–2) x" in render(made)
    assert f"requests/s of {PAGES}, beside {BEFORE_PAGES}: 1 x" in render(made)
    assert not any(BEFORE_SINGLE in each.what or BEFORE_PAGES in each.what for each in made.judged)


def test_what_is_found_over_rounds_is_shown_with_the_lowest_and_the_highest() -> None:
    [row] = [line for line in render(report(CASES)).splitlines() if "while the store is killed" in line]
    assert "0.4 (0.3–0.6) ms" in row


@pytest.mark.parametrize(
    ("p99_ms", "lag_ms", "verdict"), [(4.9, 2.4, "aim reached"), (5.0, 2.4, MISSED), (0.4, 2.6, SATURATED)]
)
def test_a_broken_store_is_judged_by_its_p99_unless_the_client_itself_was_late(
    p99_ms: float, lag_ms: float, verdict: str
) -> None:
    judged = judge(CASES, OVERLOAD, START, [Broken("the store is frozen", of(p99_ms), of(lag_ms), [])])
    assert [each.verdict for each in judged if "the store is frozen" in each.what] == [verdict]


def test_an_answer_that_was_lost_while_the_store_was_broken_is_told_at_the_end() -> None:
    lost = replace(report(CASES), broken=[replace(BROKEN[0], lost=["3 answers of 5xx"])])
    assert render(lost).splitlines()[-1] == "failed: while the store is killed: 3 answers of 5xx"


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
    late = report([case(SINGLE, 45_000, p99_ms=2.5), *CASES[1:]])
    assert render(late).splitlines()[-1] == f"failed: {SINGLE}, p99 at 60 % of the highest rate ({MISSED})"
    assert render(report(CASES)).splitlines()[-1].startswith("every target")


def test_figures_machine_and_cores_are_in_the_text() -> None:
    text = render(report(CASES))
    for part in ("Some Processor", "servers on core 1", "wrk 4.1", "45,000", "680,000", "28.5", "600 ns", "95 MB"):
        assert part in text


def test_the_page_loads_nothing_from_anywhere() -> None:
    made = rendered(report(CASES))
    assert not re.search(r"<script|<link|@import|https?:|url\(", made)
    assert len(made.encode()) < 300_000


def test_the_page_opens_with_its_verdict_and_shows_each_times_curve_with_a_table_behind_it() -> None:
    made = rendered(report(CASES))
    assert made.index('class="verdict') < made.index("<svg")
    assert made.count("<figure") == made.count("Show as a table") == 1
    for each in CASES:
        assert each.steady is not None
        assert f"{each.name}, {each.steady.rate:,.0f}/s" in made


def test_what_was_asked_in_a_closed_loop_alone_has_no_row_and_no_curve_at_a_rate() -> None:
    shown = report([*CASES, replace(case("alone", 7), highest=None, steady=None)])
    assert sum("alone" in line for line in render(shown).splitlines()) == 1
    assert "alone, " not in rendered(shown)


def test_the_page_says_how_to_repeat_the_run() -> None:
    assert repeat(SETUP) == "artwork bench serving --rounds 3 --seconds 12"
    assert repeat(replace(SETUP, plan=Plan.quick())) == "artwork bench serving --quick"
    other = replace(SETUP, other_tree="b320d31", servers=True)
    assert repeat(other) == "artwork bench serving --rounds 3 --seconds 12 --against b320d31 --servers"
