import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from loadtest.boundary import InputError
from loadtest.figures import Fault, Figures, ScenarioFigures, Slice
from loadtest.report import BLOCKS, DIGITS, as_json, as_text
from loadtest.service_times import Between, RouteTimes, ServiceTimes
from loadtest.verdict import DEFAULT_BUDGETS, Budgets, judge, read_budgets

BUDGETS = Budgets(single_p99_ms=5, page_p99_ms=5, failure_share=0, min_rate_share=0.9)
SINGLE = ScenarioFigures("single", 500, 0, 0.4, 0.8, 0.95, 2.0, 3.0)
PAGE = ScenarioFigures("page", 500, 0, 0.6, 1.0, 4.99, 6.0, 9.0)
GOOD = Figures(
    host="http://127.0.0.1:8000",
    users=16,
    asked_rate=100.0,
    scenario="mixed",
    seconds=10.0,
    client_cpu_share=0.3,
    client_lag_p99_ms=1.2,
    scenarios=(SINGLE, PAGE),
    sources={"personalized": 950, "popularity": 50},
    faults=(),
)


SERVICE = ServiceTimes((RouteTimes("single", 500, Between(0.0, 0.25), Between(1.5, 2.0)),), None)


def text_of(figures: Figures, service: ServiceTimes = SERVICE, marks: str = BLOCKS) -> str:
    return as_text(judge(figures, BUDGETS), service, marks)


def missed(figures: Figures, budgets: Budgets = BUDGETS) -> list[str]:
    return [check.name for check in judge(figures, budgets).checks if not check.kept]


def test_figures_within_every_budget_pass() -> None:
    assert judge(GOOD, BUDGETS).passed


def test_a_percentile_at_its_budget_passes() -> None:
    assert missed(replace(GOOD, scenarios=(SINGLE, replace(PAGE, p99_ms=5.0)))) == []


def test_a_percentile_a_hundredth_over_its_budget_fails() -> None:
    assert missed(replace(GOOD, scenarios=(SINGLE, replace(PAGE, p99_ms=5.01)))) == ["p99 of page, ms"]


def test_one_failed_request_fails() -> None:
    assert missed(replace(GOOD, scenarios=(replace(SINGLE, failures=1), PAGE))) == ["failed requests, share"]


def test_a_rate_that_was_not_reached_fails() -> None:
    assert missed(replace(GOOD, asked_rate=112.0)) == ["rate reached, share"]


def test_a_run_without_a_request_keeps_no_budget() -> None:
    nothing = [ScenarioFigures(name, 0, 0, None, None, None, None, None) for name in ("single", "page")]
    assert len(missed(replace(GOOD, scenarios=tuple(nothing)))) == 4


def test_a_scenario_that_was_not_asked_for_is_not_judged() -> None:
    pages_only = replace(
        GOOD, scenarios=(ScenarioFigures("single", 0, 0, None, None, None, None, None), PAGE), seconds=5.0
    )
    assert missed(pages_only) == []


def fewer(requests: int, **other: object) -> Figures:
    """The good run with so many requests, half of them pages."""
    single, page = replace(SINGLE, requests=requests // 2), replace(PAGE, requests=requests - requests // 2)
    return replace(GOOD, scenarios=(single, page), seconds=requests / 100, **other)  # type: ignore[arg-type]


@pytest.mark.parametrize("driver", ["locust", "open loop"])
@pytest.mark.parametrize(
    ("figures", "why"),
    [
        (fewer(999), "999 requests are too few"),
        (fewer(0), "0 requests are too few"),
        (replace(GOOD, client_lag_p99_ms=2.51), "2.51 ms late (p99), more than half of the budget of 5 ms"),
        (replace(GOOD, client_lag_p99_ms=9.0, scenarios=(replace(SINGLE, p99_ms=12.0), PAGE)), "9.00 ms late"),
    ],
)
def test_too_few_requests_and_a_late_client_give_no_verdict_and_say_what_to_do(
    driver: str, figures: Figures, why: str
) -> None:
    verdict = judge(replace(figures, driver=driver), BUDGETS)
    assert (verdict.verdict, verdict.passed) == ("none", False)
    first = text_of(replace(figures, driver=driver)).splitlines()[0]
    assert first.startswith("no verdict: ")
    assert why in first
    assert "--rate" in first


def test_a_verdict_takes_a_thousand_requests_and_a_client_that_is_late_by_no_more_than_half_the_budget() -> None:
    assert judge(replace(fewer(1000), client_lag_p99_ms=2.5), BUDGETS).verdict == "passed"


def test_the_lag_is_held_against_the_budgets_of_what_was_asked_for_alone() -> None:
    pages = replace(GOOD, scenarios=(replace(SINGLE, requests=0, p99_ms=None), replace(PAGE, requests=1000)))
    budgets = BUDGETS.model_copy(update={"single_p99_ms": 0.1})
    assert judge(pages, budgets).verdict == "passed"


def test_too_short_a_run_is_told_how_long_one_is_enough() -> None:
    assert "--duration 13s" in (judge(fewer(500), BUDGETS).why_none or "")


def test_locust_that_used_all_of_a_core_gives_no_verdict_and_the_open_loop_which_knows_its_lateness_does() -> None:
    busy = replace(GOOD, client_cpu_share=0.95)
    assert "95% of a core" in (judge(busy, BUDGETS).why_none or "")
    assert judge(replace(busy, driver="open loop"), BUDGETS).verdict == "passed"


@pytest.mark.parametrize("late", [{"client_lag_p99_ms": 9.0}, {"client_cpu_share": 0.95}, {}])
def test_wrong_answers_fail_however_late_the_client_was_and_however_few_they_are(late: dict[str, float]) -> None:
    single = replace(SINGLE, requests=3, failures=1)
    verdict = judge(replace(GOOD, scenarios=(single, replace(PAGE, requests=0, p99_ms=None)), **late), BUDGETS)  # type: ignore[arg-type]
    assert verdict.verdict == "failed"


def test_failures_that_the_budget_might_still_allow_of_a_thousand_requests_decide_nothing() -> None:
    budgets = BUDGETS.model_copy(update={"failure_share": 0.01})
    few = replace(GOOD, scenarios=(replace(SINGLE, requests=50, failures=10), replace(PAGE, requests=0, p99_ms=None)))
    assert judge(few, budgets).verdict == "none"
    assert judge(replace(few, scenarios=(replace(few.scenarios[0], failures=11),)), budgets).verdict == "failed"


def test_the_text_opens_with_the_verdict_and_names_the_budget_that_was_missed_with_both_numbers() -> None:
    slow = replace(GOOD, scenarios=(replace(SINGLE, p99_ms=7.21), PAGE))
    text = text_of(slow)
    assert text.startswith("failed: p99 of single, ms\n")
    assert "MISSED  p99 of single, ms: 7.21 (budget 5)" in text
    assert text_of(GOOD).startswith("within budgets\n")


def test_the_text_shows_faults_sources_the_clients_lag_and_the_services_own_times() -> None:
    fault = Fault("page", "status 500, expected 200", 3, "/v1/users/u1/artwork?title_id=m1")
    text = text_of(replace(GOOD, faults=(fault,)))
    assert "3 x page: status 500, expected 200\n    first /v1/users/u1/artwork?title_id=m1" in text
    assert "personalized 95.0%, popularity 5.0%" in text
    assert "client: woke up 1.20 ms late (p99), used 30% of a core" in text
    assert "single  500 requests, p50 at most 0.25 ms, p99 1.5 to 2 ms" in text


def test_the_text_says_why_the_services_own_times_are_not_known() -> None:
    assert "own times are not known: it has none" in text_of(GOOD, ServiceTimes((), "it has none"))


@pytest.mark.parametrize(("marks", "line"), [(BLOCKS, "▁▃█-▁"), (DIGITS, "138-1")])
def test_the_99th_percentile_over_time_is_a_line_of_marks(marks: str, line: str) -> None:
    times = (1.0, 2.0, 8.0, None, 1.0)
    slices = tuple(Slice(float(i), 1.0, 9 * bool(time), time, time) for i, time in enumerate(times))
    text = text_of(replace(GOOD, scenarios=(replace(SINGLE, slices=slices), PAGE)), marks=marks)
    assert f"one mark for 1 s ({marks[0]} 1.00 ms to {marks[-1]} 8.00 ms, - no request)" in text
    assert f"    single  {line}" in text.splitlines()


def test_a_run_in_which_nothing_changed_has_a_line_too() -> None:
    slices = tuple(Slice(float(i), 1.0, 9, 2.0, 2.0) for i in range(60))
    text = text_of(replace(GOOD, scenarios=(replace(SINGLE, slices=slices), PAGE)))
    assert f"    single  {'▁' * 60}" in text.splitlines()
    assert max(map(len, text.splitlines())) <= 80


def test_the_json_holds_the_outcome_the_checks_and_the_figures() -> None:
    value = json.loads(as_json(asdict(judge(GOOD, BUDGETS))))
    assert value["passed"] is True
    assert value["checks"][1] == {"name": "p99 of page, ms", "measured": 4.99, "limit": 5.0, "kept": True}
    assert value["figures"]["scenarios"][0]["p50_ms"] == 0.4


def test_the_budgets_that_come_with_the_project_are_five_milliseconds_and_no_failure() -> None:
    budgets = read_budgets(DEFAULT_BUDGETS, {}, {})
    assert (budgets.single_p99_ms, budgets.page_p99_ms, budgets.failure_share) == (5.0, 5.0, 0.0)


def test_a_variable_goes_before_the_file_and_a_flag_before_both() -> None:
    environment = {"ARTWORK_LOADTEST_SINGLE_P99_MS": "8", "ARTWORK_LOADTEST_PAGE_P99_MS": "9"}
    budgets = read_budgets(DEFAULT_BUDGETS, {"page_p99_ms": 10.0}, environment)
    assert (budgets.single_p99_ms, budgets.page_p99_ms) == (8.0, 10.0)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("single_p99_ms = 'fast'", "budget single_p99_ms"),
        ("single_p99_ms = -1", "budget single_p99_ms"),
        ("single_p99_ms = nan", "budget single_p99_ms"),
        ("single_p99_ms = inf", "budget single_p99_ms"),
        ("single_p99_ms = true", "budget single_p99_ms is 'True', expected a number"),
        ("single_p99_ms = '5'", "budget single_p99_ms is '5', expected a number"),
        ("[single_p99_ms]\nlimit = 5", "budget single_p99_ms is"),
        ("[budgets]\nsingle_p99_ms = 5", "'budgets' is no budget; budgets are single_p99_ms, page_p99_ms"),
        ("failure_share = 1.1", "budget failure_share"),
        ("single_p99_ms =", "not a readable file of budgets"),
    ],
)
def test_a_wrong_budget_is_refused_with_its_name(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=complaint):
        read_budgets(path, {}, {})


def test_an_unknown_budget_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(DEFAULT_BUDGETS.read_text() + "\np50_ms = 1.0\n")
    with pytest.raises(InputError, match="'p50_ms' is no budget"):
        read_budgets(path, {}, {})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", (5.0, 5.0, 0.0, 0.9)),
        ("page_p99_ms = 12", (5.0, 12.0, 0.0, 0.9)),
        ("failure_share = 0.01\nsingle_p99_ms = 2.5", (2.5, 5.0, 0.01, 0.9)),
    ],
)
def test_a_file_of_budgets_may_hold_some_and_the_rest_is_as_it_comes(
    tmp_path: Path, content: str, expected: tuple[float, ...]
) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(content)
    assert tuple(read_budgets(path, {}, {}).model_dump().values()) == expected
