import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from loadtest.boundary import InputError
from loadtest.figures import Fault, Figures, ScenarioFigures
from loadtest.report import as_json, as_text
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


@pytest.mark.parametrize("busy", [{"client_cpu_share": 0.95}, {"client_lag_p99_ms": 7.0}])
def test_a_saturated_client_is_said_to_be(busy: dict[str, float]) -> None:
    verdict = judge(replace(GOOD, **busy), BUDGETS)  # type: ignore[arg-type]  # both fields are floats
    assert verdict.client_saturated
    assert "client was saturated" in as_text(verdict)


def test_times_missed_by_a_saturated_client_are_the_clients_and_no_verdict_on_the_service() -> None:
    slow = replace(GOOD, client_cpu_share=0.95, scenarios=(replace(SINGLE, p99_ms=7.0), PAGE))
    assert judge(slow, BUDGETS).client_is_to_blame
    assert as_text(judge(slow, BUDGETS)).splitlines()[-1].startswith("client saturated, no verdict")


def test_wrong_answers_fail_however_busy_the_client_was() -> None:
    wrong = replace(GOOD, client_cpu_share=0.95, scenarios=(replace(SINGLE, failures=1), PAGE))
    assert not judge(wrong, BUDGETS).client_is_to_blame


def test_a_saturated_client_that_measured_times_within_budgets_has_judged() -> None:
    assert not judge(replace(GOOD, client_cpu_share=0.95), BUDGETS).client_is_to_blame


def test_the_text_names_the_budget_that_was_missed_with_both_numbers() -> None:
    slow = replace(GOOD, scenarios=(replace(SINGLE, p99_ms=7.21), PAGE))
    text = as_text(judge(slow, BUDGETS))
    assert "MISSED  p99 of single, ms: 7.21 (budget 5)" in text
    assert text.endswith("failed")


def test_the_text_shows_faults_and_sources() -> None:
    fault = Fault("page", "status 500, expected 200", 3, "/v1/users/u1/artwork?title_id=m1")
    text = as_text(judge(replace(GOOD, faults=(fault,)), BUDGETS))
    assert "3 x page: status 500, expected 200; first /v1/users/u1/artwork?title_id=m1" in text
    assert "personalized 95.0%, popularity 5.0%" in text


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
        ("single_p99_ms = 5.0", "budget page_p99_ms: Field required"),
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
    with pytest.raises(InputError, match="budget p50_ms"):
        read_budgets(path, {}, {})
